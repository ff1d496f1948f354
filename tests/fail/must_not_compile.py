#!/usr/bin/env python3
"""One must-not-compile test: the error has the promised sentence, and its control compiles.

The first line of the file is `// expect: <sentence>`. Without OTT_POSITIVE_CONTROL the file must be
refused with that sentence; with it, it must compile, so that the refusal has no other cause.
"""
import argparse
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def compile_file(cxx, path, *flags):
    command = [cxx, "-std=c++20", "-fsyntax-only", f"-I{ROOT}/include", f"-I{ROOT}/tests", *flags]
    return subprocess.run([*command, str(path)], capture_output=True, text=True)


def words(text):
    """Compilers break lines and quote as they like; the words are what counts."""
    return re.sub(r"\s+", " ", text)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--cxx", default="g++")
    args = parser.parse_args()

    first = args.file.read_text().splitlines()[0]
    if not first.startswith("// expect: "):
        sys.exit(f"{args.file}: the first line must be '// expect: <sentence>', it is '{first}'")
    sentence = first.removeprefix("// expect: ").strip()

    refused = compile_file(args.cxx, args.file)
    if refused.returncode == 0:
        sys.exit(f"{args.file}: compiled, but must be refused with: {sentence}")
    if words(sentence) not in words(refused.stderr):
        sys.exit(f"{args.file}: refused, but not with: {sentence}\n{refused.stderr[:6000]}")
    control = compile_file(args.cxx, args.file, "-DOTT_POSITIVE_CONTROL")
    if control.returncode != 0:
        sys.exit(f"{args.file}: its positive control does not compile\n{control.stderr[:6000]}")
    print(f"refused as promised: {sentence}")


if __name__ == "__main__":
    main()
