#!/usr/bin/env python3
"""check_random_dumps.py OTT_EVAL BACKEND: random traces of every type and head_dim against the
reference: edge values, pools that run full, lengths around a flush."""
import os
import sys
import tempfile

from dumps import REFERENCE, agree, dump, reference, run

CASES = [
    ("ott-2", "--type F16 --head-dim 128 --tokens 500"),
    ("ott-3", "--type F16 --head-dim 80 --tokens 300 --layers 2"),
    ("ott-4", "--type F16 --head-dim 96 --tokens 300"),
    ("ott-8", "--type F16 --head-dim 112 --tokens 300"),
    ("kivi-3", "--type F16 --head-dim 256 --tokens 300"),
    ("kivi-8", "--type F16 --head-dim 64 --tokens 300"),
    ("dense", "--type F16 --head-dim 64 --tokens 300"),
    ("dense", "--type BF16 --head-dim 128 --tokens 300"),
    ("ott-2", "--type BF16 --head-dim 128 --tokens 300 --q-heads 2"),
    ("kivi-4", "--type BF16 --head-dim 64 --tokens 300"),
    ("ott-2", "--type F32 --head-dim 64 --tokens 500"),
    ("ott-4", "--type F32 --head-dim 128 --tokens 300"),
    ("ott-2", "--type F16 --head-dim 64 --tokens 400 --edges"),
    ("ott-2", "--type BF16 --head-dim 64 --tokens 400 --edges"),
    ("ott-2", "--type F32 --head-dim 64 --tokens 400 --edges"),
    ("ott-2", "--type F16 --head-dim 64 --tokens 3000 --kv-heads 1 --falling"),
    ("ott-2", "--type BF16 --head-dim 64 --tokens 3000 --kv-heads 1 --falling"),
    ("ott-2", "--type F16 --head-dim 64 --tokens 1 --queries 1"),
    ("ott-2", "--type F16 --head-dim 64 --tokens 159"),
    ("ott-2", "--type F16 --head-dim 64 --tokens 160"),
    ("ott-2", "--type F16 --head-dim 64 --tokens 161"),
]


def main():
    ott_eval, backend = sys.argv[1:]
    good = True
    with tempfile.TemporaryDirectory() as folder:
        def at(name):
            return os.path.join(folder, name)

        for seed, (policy, recipe) in enumerate(CASES):
            made = run(sys.executable, "-B", os.path.join(REFERENCE, "make_trace.py"), at("trace"),
                       "--seed", str(seed), *recipe.split())
            if made.returncode != 0:
                sys.exit(f"make_trace.py {recipe}: {made.stderr}")
            if not dump(ott_eval, at("trace"), policy, backend, "all", at("all")):
                continue
            reference(at("trace"), policy, at("reference"))
            good &= agree(f"{policy} {recipe}", at("all"), at("reference"))
            dump(ott_eval, at("trace"), policy, backend, 37, at("cut"))
            good &= agree("  appends of 37 and all", at("cut"), at("all"), "--exact")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
