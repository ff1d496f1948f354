#!/usr/bin/env python3
"""check_mistakes.py LLAMA: what a user or a damaged file can get wrong ends with exit code 2 and
one line that names it."""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import tiny

good = True


def expect_refusal(llama, says, *arguments):
    global good
    done = subprocess.run([llama, *map(str, arguments)], capture_output=True, text=True,
                          timeout=60, input="")
    if done.returncode == 2 and done.stderr.count("\n") == 1 and says in done.stderr:
        return
    print(f"{' '.join(map(str, arguments))}: exit code {done.returncode}, {done.stderr!r}, "
          f"want 2 and {says!r}")
    good = False


def check_command_lines(llama, folder):
    tokens = folder / "tokens.safetensors"
    for says, *arguments in [
            ("subcommand",), ("MODEL", "generate"),
            ("'x 3'", "generate", folder, "--prompt", "1 2 x 3"),
            ("token id, got 96", "generate", folder, "--prompt", "1 96"),
            ("token id, got -1", "generate", folder, "--prompt", "-1"),
            ("at least one line of ids", "generate", folder),
            ("does not fit, got 2 tokens and 600 new ones, want no more than 512", "generate",
             folder, "--prompt", "1 2", "--max-new", "600"),
            ("does not fit", "generate", folder, "--prompt", "1 2 3", "--max-tokens", "2",
             "--max-new", "1"),
            ("at most 512", "generate", folder, "--prompt", "1", "--max-tokens", "513"),
            ("got nope at head_dim 64", "generate", folder, "--prompt", "1", "--policy", "nope"),
            ("--backend", "generate", folder, "--prompt", "1", "--backend", "tpu"),
            ("--temperature", "generate", folder, "--prompt", "1", "--temperature", "-1"),
            ("--pool", "score", folder, tokens, "--pool", "1,x"),
            ("/no/such/file", "generate", folder, "--prompts", "/no/such/file"),
            ("/no/such/folder", "score", "/no/such/folder", tokens),
            ("/no/such/folder/x", "score", folder, tokens, "--json", "/no/such/folder/x")]:
        expect_refusal(llama, says, *arguments)


def check_configs(llama, folder):
    for says, change in [
            ("architecture, got GPT2LMHeadModel", {"architectures": ["GPT2LMHeadModel"]}),
            ("architectures, got nothing", {"architectures": None}),
            ("hidden_size, got nothing", {"hidden_size": None}),
            ("hidden_size, got -4", {"hidden_size": -4}),
            ("num_key_value_heads, got 3", {"num_key_value_heads": 3}),
            ("rope scaling, got yarn", {"rope_scaling": {"rope_type": "yarn", "factor": 2}}),
            ("low_freq_factor, got nothing", {"rope_scaling": {"rope_type": "llama3",
                                                               "factor": 8}}),
            ("attention_bias, got true", {"attention_bias": True}),
            ("quantization_config", {"quantization_config": {"bits": 4}}),
            ("hidden_act, got gelu", {"hidden_act": "gelu"}),
            ("head_dim 32", {"head_dim": 32}),
            ("tensor model.embed_tokens.weight: wrong shape, got [96, 128], want [97, 128]",
             {"vocab_size": 97}),
            ("missing tensor, got 20 other tensors, want lm_head.weight",
             {"tie_word_embeddings": False}),
            ("want model.layers.2.input_layernorm.weight", {"num_hidden_layers": 3})]:
        config = {k: v for k, v in (tiny.LLAMA | change).items() if v is not None}
        (folder / "config.json").write_text(json.dumps(config))
        expect_refusal(llama, says, "generate", folder, "--prompt", "1")
    for text in ("", "[1]", "{", "{\"architectures\": [[]]}"):
        (folder / "config.json").write_text(text)
        expect_refusal(llama, "config.json", "generate", folder, "--prompt", "1")
    (folder / "config.json").write_text(json.dumps(tiny.LLAMA))


def check_files(llama, folder):
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    for says, raw in [("model.safetensors", whole[:-1]), ("model.safetensors", whole[:5]),
                      ("model.safetensors", b""), ("model.safetensors", whole + b"\0"),
                      ("wrong type, got I32, want F16, BF16 or F32",
                       whole.replace(b'"F32"', b'"I32"', 1))]:
        weights.write_bytes(raw)
        expect_refusal(llama, says, "generate", folder, "--prompt", "1")
    weights.write_bytes(whole)
    index = folder / "model.safetensors.index.json"
    for says, text in [("weight_map", "{}"), ("beside the index", '{"weight_map": {"a": "../x"}}'),
                       ("beside the index", '{"weight_map": {"a": 1}}'),
                       ("no such file", '{"weight_map": {"a": "gone.safetensors"}}')]:
        index.write_text(text)
        expect_refusal(llama, says, "generate", folder, "--prompt", "1")
    index.unlink()
    tokens = folder / "other.safetensors"
    for says, ids, marks in [("tokens: token id, got 96", [[0, 96, 1]], [[0, 1, 1]]),
                             ("tensor tokens: wrong type or shape", [0, 1], [0, 1]),
                             ("tensor scored: wrong type or shape", [[0, 1]], [[0, 1, 1]])]:
        tiny.write_tokens(tokens, np.array(ids), np.array(marks))
        expect_refusal(llama, says, "score", folder, tokens)
    tiny.write_safetensors(tokens, {"tokens": np.zeros((1, 3))}, "I32")
    expect_refusal(llama, "want scored", "score", folder, tokens)


def main():
    llama = sys.argv[1]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        tiny.write_model(folder, tiny.LLAMA, tiny.random_tensors(tiny.LLAMA, 1))
        tiny.write_tokens(folder / "tokens.safetensors", np.ones((1, 20)), np.ones((1, 20)))
        check_command_lines(llama, folder)
        check_configs(llama, folder)
        check_files(llama, folder)
    print("ok" if good else "FAILED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
