#!/usr/bin/env python3
"""check_damaged_files.py OTT_EVAL: whatever file it is given, ott_eval answers with results or with
one line on stderr and exit code 2."""
import os
import random
import struct
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "reference"))
import safetensors  # noqa: E402


def trace(tokens=170, **changes):
    """A small valid trace, or one with some tensors replaced: {name: (type, array) or None}."""
    rng = np.random.default_rng(1)
    shape = (tokens, 1, 64)
    made = {"k": ("F16", rng.standard_normal(shape)), "v": ("F16", rng.standard_normal(shape)),
            "q": ("F16", rng.standard_normal((2, 2, 64))),
            "q_pos": ("I64", np.array([3, tokens - 1]))}
    made.update(changes)
    return {name: tensor for name, tensor in made.items() if tensor is not None}


def broken(value, index):
    k = np.ones((170, 1, 64))
    k[index] = value
    return {"k": ("F16", k)}


def raw(header, data=b""):
    return struct.pack("<Q", len(header)) + header + data


HAND_MADE = {
    "empty": b"",
    "short": b"1234567",
    "no header": struct.pack("<Q", 0),
    "a header longer than the file": struct.pack("<Q", 1 << 40) + b"{}",
    "a negative header length": struct.pack("<q", -1) + b"{}",
    "not JSON": raw(b"{'k': 1}"),
    "no tensors": raw(b"{}"),
    "bytes that are no text": raw(b'{"\xac\xff":1}'),
    "a long name": raw(b'{"' + "\u00e9".encode() * 5000 + b'":1}'),
    "text": b"a text file of no particular kind, long enough to have a header length",
    "an offset past the end": raw(b'{"k":{"dtype":"F16","shape":[64],"data_offsets":[0,128]}}'),
    "deep": raw(b"[" * 200000 + b"]" * 200000),
}

REPLACED = {
    "NaN": broken(np.nan, (5, 0, 3)),
    "infinity": broken(np.inf, (169, 0, 63)),
    "no v": {"v": None},
    "no q": {"q": None},
    "other tokens": {"v": ("F16", np.ones((169, 1, 64)))},
    "other type": {"v": ("F32", np.ones((170, 1, 64)))},
    "integers": {"k": ("I32", np.ones((170, 1, 64))), "v": ("I32", np.ones((170, 1, 64)))},
    "two dimensions": {"k": ("F16", np.ones((170, 64)))},
    "no tokens": {"k": ("F16", np.ones((0, 1, 64))), "v": ("F16", np.ones((0, 1, 64)))},
    "position past the end": {"q_pos": ("I64", np.array([3, 170]))},
    "position before the start": {"q_pos": ("I64", np.array([-1, 3]))},
    "positions of another type": {"q_pos": ("F32", np.array([1, 2]))},
    "a head_dim of no instance": {"k": ("F16", np.ones((170, 1, 72))),
                                  "v": ("F16", np.ones((170, 1, 72))),
                                  "q": ("F16", np.ones((2, 2, 72)))},
    "query heads that do not divide": {"k": ("F16", np.ones((170, 3, 64))),
                                       "v": ("F16", np.ones((170, 3, 64)))},
}


def check(ott_eval, path, name, want=(2,)):
    done = subprocess.run([ott_eval, path, "--policy", "ott-2", "--backend", "host"],
                          capture_output=True, text=True, timeout=60)
    lines = done.stderr.splitlines()
    if done.returncode not in want or (done.returncode == 2) != (len(lines) == 1):
        print(f"{name}: exit code {done.returncode}, stderr {done.stderr[:400]!r}")
        return False
    if done.returncode == 2 and not (", got " in lines[0] and ", want " in lines[0]):
        print(f"{name}: says {lines[0]!r}")
        return False
    if want == (2,):
        print(f"{name}: {lines[0].replace(path, 'FILE')[:150]}")
    return True


def damaged(whole, rng):
    data = bytearray(whole)
    for _ in range(rng.randint(1, 4)):
        # Half of the damage in the header, where it hurts.
        at = rng.randrange(400) if rng.random() < 0.5 else rng.randrange(len(data))
        data[at] ^= 1 << rng.randrange(8)
    if rng.random() < 0.2:
        del data[rng.randrange(len(data)):]
    return bytes(data)


def main():
    ott_eval, good = sys.argv[1], True
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "trace.safetensors")

        def write(data):
            with open(path, "wb") as file:
                file.write(data)

        safetensors.write(path, trace(), {})
        good &= check(ott_eval, path, "the whole file", (0,))
        with open(path, "rb") as file:
            whole = file.read()
        good &= check(ott_eval, path + ".missing", "a missing file")
        good &= check(ott_eval, folder, "a folder")
        for name, data in HAND_MADE.items():
            write(data)
            good &= check(ott_eval, path, name)
        for name, changes in REPLACED.items():
            safetensors.write(path, trace(**changes), {})
            good &= check(ott_eval, path, name)
        rng = random.Random(7)
        for round in range(600):
            write(damaged(whole, rng))
            good &= check(ott_eval, path, f"random damage {round}", (0, 2))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
