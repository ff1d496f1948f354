#!/usr/bin/env python3
"""check_smollm2.py LLAMA FOLDER: the real model. Fetches it into FOLDER unless it is there, scores
512 tokens against what transformers gives for them, 2-bit policies against recorded losses, and
generates a short text."""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import tiny

ROOT = Path(__file__).resolve().parents[2]
RECORD = Path(__file__).with_name("smollm2-512.json")
QUESTION = "What is the capital of France?"


def python(script, *arguments):
    done = subprocess.run([sys.executable, "-B", ROOT / "scripts" / script, *arguments],
                          capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{script}: {done.stderr}")
    return done.stdout


def llama(*arguments):
    done = subprocess.run([sys.argv[1], *map(str, arguments), "--backend", "host"],
                          capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"llama: {done.stderr}")
    return done.stdout


def main():
    folder = Path(sys.argv[2])
    if not (folder / "tokenizer.json").exists():
        python("fetch_smollm2.py", folder)
    recorded = json.loads(RECORD.read_text())
    good = True
    with tempfile.TemporaryDirectory() as scratch:
        tokens = Path(scratch) / "tokens.safetensors"
        ids = np.array([recorded["tokens"]])
        tiny.write_tokens(tokens, ids, np.ones_like(ids))
        # exact: an fp32 cache, as transformers has in fp32.
        wanted = {"exact": (recorded["transformers"], 2e-4),
                  "dense": (recorded["transformers"], 2e-3),
                  **{policy: (loss, 2e-2) for policy, loss in recorded["loss"].items()}}
        for policy, (loss, most) in wanted.items():
            got = json.loads(llama("score", folder, tokens, "--policy", policy, "--json", "-"))
            off = abs(got["loss"] - loss)
            print(f"{policy}: loss {got['loss']:.5f}, want {loss:.5f} to {most}"
                  f"{'' if off < most else ': WRONG'}")
            good &= off < most
    ids = python("tokens.py", "chat", folder, QUESTION)
    answer = python("tokens.py", "decode", folder,
                    llama("generate", folder, "--policy", "rotated-2", "--max-new", 16,
                          "--prompt", ids.strip()))
    print(QUESTION, answer.strip())
    return 0 if good and "Paris" in answer else 1


if __name__ == "__main__":
    sys.exit(main())
