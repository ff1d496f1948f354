#!/usr/bin/env python3
"""check_engine.py LLAMA: tiny random checkpoints of every architecture, against NumPy."""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import reference
import tiny

LENGTH = 330  # two groups of 128 are flushed on the way
MODELS = [("llama fp16", tiny.LLAMA, "F16", 1), ("llama3 bf16 in shards", tiny.LLAMA3, "BF16", 3),
          ("mistral fp32", tiny.MISTRAL, "F32", 1), ("qwen2 fp16", tiny.QWEN2, "F16", 2)]
good = True


def expect(name, condition, said):
    global good
    if not condition:
        print(f"{name}: {said}")
        good = False


def run(llama, *arguments, given=""):
    done = subprocess.run([llama, *map(str, arguments), "--backend", "host"], input=given,
                          capture_output=True, text=True, timeout=240)
    if done.returncode != 0:
        sys.exit(f"llama {' '.join(map(str, arguments))}: {done.stderr}")
    return done.stdout


def score(llama, folder, *more):
    report = json.loads(run(llama, "score", folder, folder / "tokens.safetensors", "--json", "-",
                            *more))
    return report


def check_logits(llama, name, folder, tokens, scored):
    """Loss, accuracy and every logit under a policy that rounds nothing."""
    config, tensors = reference.read_model(folder)
    out = folder.parent / f"{folder.name}-logits.safetensors"
    report = score(llama, folder, "--policy", "exact", "--logits", out)
    got = reference.read_safetensors(out)["logits"]
    rows = [reference.logits(config, tensors, row[:-1])[mark[1:] == 1]
            for row, mark in zip(tokens, scored)]
    wanted = np.concatenate(rows)
    targets = np.concatenate([row[1:][mark[1:] == 1] for row, mark in zip(tokens, scored)])
    expect(name, got.shape == wanted.shape, f"logits {got.shape}, want {wanted.shape}")
    if got.shape != wanted.shape:
        return
    off = np.abs(got - wanted)
    expect(name, off.mean() < 2e-5 and off.max() < 2e-3, f"logits off by {off.mean()}, {off.max()}")
    loss = reference.losses(wanted, targets).mean()
    right = (wanted.argmax(-1) == targets).mean()
    expect(name, abs(report["loss"] - loss) < 1e-4, f"loss {report['loss']}, want {loss}")
    expect(name, abs(report["accuracy"] - right) < 0.01, f"{report['accuracy']}, want {right}")
    dense = score(llama, folder, "--policy", "dense")
    expect(name, abs(dense["loss"] - loss) < 2e-3, f"dense loss {dense['loss']}, want {loss}")


def check_streaming(llama, folder):
    """Scoring in chunks, one token at a time and side by side sees the same groups."""
    for policy in ("rotated-2", "kivi-2"):
        whole = score(llama, folder, "--policy", policy)
        for more in (("--chunk", 1), ("--chunk", 50), ("--batch", 2)):
            other = score(llama, folder, "--policy", policy, *more)
            expect(f"{policy} {more}", abs(whole["loss"] - other["loss"]) < 2e-3,
                   f"loss {other['loss']}, want {whole['loss']}")
        exact = score(llama, folder, "--policy", "exact")
        expect(policy, abs(whole["loss"] - exact["loss"]) > 1e-4, "2 bits changed nothing")


def check_generate(llama, folder):
    """Greedy tokens are the argmax of the reference; batching and joining change nothing."""
    config, tensors = reference.read_model(folder)
    random = np.random.default_rng(5)
    prompts = [random.integers(3, tiny.VOCAB, size=n).tolist() for n in (3, 170, 40, 1, 9)]
    lines = "\n".join(" ".join(map(str, p)) for p in prompts)
    more = ("--policy", "exact", "--max-new", 12, "--ignore-stop")
    answers = [[int(i) for i in line.split()]
               for line in run(llama, "generate", folder, *more, given=lines).splitlines()]
    expect("generate", [len(a) for a in answers] == [12] * len(prompts), answers)
    for prompt, answer in zip(prompts, answers):
        rows = reference.logits(config, tensors, prompt + answer)[len(prompt) - 1:-1]
        short = rows.max(-1) - rows[np.arange(len(answer)), answer]
        expect("generate", short.max() < 1e-3, f"token below the best by {short.max()}")
        alone = run(llama, "generate", folder, *more, "--prompt", " ".join(map(str, prompt)))
        expect("alone", [int(i) for i in alone.split()] == answer, f"{alone}, want {answer}")
    joined = run(llama, "generate", folder, *more, "--batch", 2, given=lines)
    of_two = [[int(i) for i in line.split()] for line in joined.splitlines()]
    expect("batch of 2", of_two == answers, "other tokens")
    sampled = [run(llama, "generate", folder, "--prompt", "5 6 7", "--temperature", 1, "--top-p",
                   0.9, "--seed", seed, "--ignore-stop") for seed in (1, 1, 2)]
    expect("seed", sampled[0] == sampled[1] != sampled[2], sampled)


def check_bench(llama):
    """Rates and bytes that agree with each other, and a batch that is refused."""
    report = json.loads(run(llama, "bench", "tiny", "--policy", "ott-2",
                            "--context", 1024, "--batch", "7,2,1000000", "--steps", 3,
                            "--json", "-"))
    rows = report["batches"]
    expect("bench", [row["batch"] for row in rows] == [2, 7, 1000000], rows)
    expect("bench", rows[-1].get("fits") is False, rows[-1])
    for row in rows[:-1]:
        rate = 1e3 * row["batch"] / row["ms_per_step"]
        expect("bench", abs(row["tokens_per_second"] / rate - 1) < 1e-6, row)
        expect("bench", row["attention_ms"] > 0 and row["attention_bytes"] > 0, row)
    # Seven sequences of 8 groups or 7: 1,056 tokens and fewer, each at another place in its group.
    cache = report["cache"]
    expect("bench", report["cache_sequences"] == 7, report["cache_sequences"])
    expect("bench", 928 < report["mean_context"] <= 1056, report["mean_context"])
    expect("bench", cache["code_bytes"] % (2 * 2 * 4096) == 0, cache)
    groups = cache["code_bytes"] // (2 * 2 * 4096)
    expect("bench", 7 * 7 <= groups <= 7 * 8, groups)
    expect("bench", cache["group_bytes"] == cache["code_bytes"] + cache["param_bytes"]
           + groups * 4 * 128, cache)  # the rest: marks and padding to 128 bytes
    held = cache["allocated_bytes"] - cache["working_bytes"]
    expect("bench", held >= cache["group_bytes"] + cache["window_bytes"] + cache["pool_bytes"],
           cache)


def main():
    llama = sys.argv[1]
    random = np.random.default_rng(1)
    tokens = random.integers(0, tiny.VOCAB, size=(2, LENGTH + 1))
    scored = random.integers(0, 2, size=tokens.shape)
    with tempfile.TemporaryDirectory() as scratch:
        for number, (name, config, dtype, shards) in enumerate(MODELS):
            folder = Path(scratch) / str(number)
            tiny.write_model(folder, config, tiny.random_tensors(config, number), dtype, shards)
            tiny.write_tokens(folder / "tokens.safetensors", tokens, scored)
            check_logits(llama, name, folder, tokens, scored)
        check_streaming(llama, Path(scratch) / "0")
        check_generate(llama, Path(scratch) / "1")
    check_bench(llama)
    print("ok" if good else "FAILED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
