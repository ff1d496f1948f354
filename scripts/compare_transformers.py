#!/usr/bin/env python3
"""Logits of `llama` against Hugging Face transformers on the same weights; needs PyTorch.

    scripts/compare_transformers.py LLAMA FOLDER TOKENS [--backend host|cuda|cuda-bf16] [--tokens N]

TOKENS is a token file. Ends with an error where the mean difference or the argmax is off.
"""
import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

# backend: policy, type and device of transformers, largest mean difference
LANES = {
    "host": ("exact", torch.float32, "cpu", 2e-4),
    "cuda": ("dense", torch.float32, "cuda", 2e-2),
    "cuda-bf16": ("dense", torch.bfloat16, "cuda", 2e-2),
}
LEAST_EQUAL = 0.995


def ours(asked, policy, ids):
    """Logits of one sequence, by the program."""
    with tempfile.TemporaryDirectory() as scratch:
        tokens, out = Path(scratch) / "tokens.safetensors", Path(scratch) / "logits.safetensors"
        following = torch.cat([ids, ids[:1]])[None].to(torch.int32)
        save_file({"tokens": following, "scored": torch.ones_like(following, dtype=torch.uint8)},
                  tokens)
        command = [asked.llama, "score", asked.folder, tokens, "--policy", policy, "--backend",
                   asked.backend, "--logits", out]
        if subprocess.run([*map(str, command)]).returncode != 0:
            sys.exit("compare_transformers: llama failed")
        return load_file(out)["logits"]


def theirs(asked, dtype, device, ids):
    model = AutoModelForCausalLM.from_pretrained(asked.folder, dtype=dtype,
                                                 attn_implementation="eager").to(device)
    with torch.no_grad():
        return model(ids[None].to(device)).logits[0].float().cpu()


def main():
    ask = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ask.add_argument("llama")
    ask.add_argument("folder")
    ask.add_argument("tokens")
    ask.add_argument("--backend", choices=list(LANES), default="host")
    ask.add_argument("--tokens-of-text", type=int, default=2000, dest="count")
    asked = ask.parse_args()
    policy, dtype, device, most = LANES[asked.backend]
    ids = load_file(asked.tokens)["tokens"][0][:asked.count].long()
    a, b = ours(asked, policy, ids), theirs(asked, dtype, device, ids)
    mean = (a - b).abs().mean().item()
    equal = (a.argmax(-1) == b.argmax(-1)).float().mean().item()
    good = mean <= most and equal >= LEAST_EQUAL
    print(f"{asked.backend}, {len(ids)} positions against transformers in {dtype}: mean difference "
          f"{mean:.2e} (at most {most:.0e}), argmax equal {equal:.4f} (at least {LEAST_EQUAL}): "
          f"{'ok' if good else 'FAILED'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
