#!/usr/bin/env python3
"""check_rotated_dumps.py OTT_EVAL BACKEND TRACE: rotated policies judged from the trace, and the
same bytes however tokens were cut into appends."""
import os
import sys
import tempfile

from dumps import REFERENCE, agree, dump, run

RECIPES = ["--type F16 --head-dim 80 --tokens 300", "--type BF16 --head-dim 128 --tokens 300",
           "--type F32 --head-dim 96 --tokens 300"]


def judged(name, trace, path):
    done = run(sys.executable, "-B", os.path.join(REFERENCE, "check_rotated.py"), trace, path)
    print(f"{name}\n{done.stdout}{done.stderr}")
    return done.returncode == 0


def main():
    ott_eval, backend, trace = sys.argv[1:]
    good = True
    with tempfile.TemporaryDirectory() as folder:
        def at(name):
            return os.path.join(folder, name)

        cases = [("rotated-2", trace)] if backend == "cuda" else [
            ("rotated-2", trace), ("rotated-3", trace), ("rotated-4", trace)]
        for number, recipe in enumerate(RECIPES if backend == "host" else []):
            made = run(sys.executable, "-B", os.path.join(REFERENCE, "make_trace.py"),
                       at(f"trace{number}"), *recipe.split())
            if made.returncode != 0:
                sys.exit(made.stderr)
            cases.append(("rotated-2", at(f"trace{number}")))
        for policy, path in cases:
            if not dump(ott_eval, path, policy, backend, "all", at("all")):
                continue
            good &= judged(f"{policy} {os.path.basename(path)}", path, at("all"))
            dump(ott_eval, path, policy, backend, 37, at("cut"))
            good &= agree("appends of 37 and all", at("cut"), at("all"), "--exact")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
