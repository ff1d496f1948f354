#!/usr/bin/env python3
"""record_transformers.py FOLDER: what Hugging Face transformers gives for smollm2-512.json, in fp32;
writes it there. Needs PyTorch."""
import json
import re
import sys
from pathlib import Path

import torch
import transformers

RECORD = Path(__file__).with_name("smollm2-512.json")


def main():
    ids = torch.tensor([json.loads(RECORD.read_text())["tokens"]])
    model = transformers.AutoModelForCausalLM.from_pretrained(
        sys.argv[1], dtype=torch.float32, attn_implementation="eager")
    with torch.no_grad():
        logits = model(ids[:, :-1]).logits[0].double()
    loss = torch.nn.functional.cross_entropy(logits, ids[0, 1:]).item()
    text = re.sub(r'("transformers": )[^,\n]*', rf"\g<1>{loss:.6f}", RECORD.read_text())
    RECORD.write_text(text)
    print(f"transformers {transformers.__version__}, torch {torch.__version__}: loss {loss:.6f}")


if __name__ == "__main__":
    main()
