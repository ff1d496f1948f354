#!/usr/bin/env python3
"""Every header alone, and what it costs to include.

  headers.py alone  --cxx g++     each .hpp compiles as the only include of a file
  headers.py alone  --nvcc nvcc   each .cuh likewise, host and device pass
  headers.py weight --cxx g++     preprocessed lines against weight.txt; +10 % fails
  headers.py weight --update      writes weight.txt anew (commit it with the reason)
"""
import argparse
import concurrent.futures
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "include"
BUDGET = pathlib.Path(__file__).with_name("weight.txt")
STD = "#include <memory>\n#include <string>\n#include <vector>\n"
ENGINE = STD + "".join(f"#include <ott/{header}>\n" for header in  # as examples/02_engine_split
                       ("attention.hpp", "cache/cache.hpp", "cuda/backend.hpp"))
SKIPPED = 77  # what ctest counts as skipped


def headers(ending):
    found = sorted(p.relative_to(INCLUDE).as_posix() for p in INCLUDE.rglob(f"*{ending}"))
    if not found:
        sys.exit(f"no {ending} under {INCLUDE}")
    return found


def run(command, text):
    return subprocess.run(command, input=text, capture_output=True, text=True)


def alone(command, names, suffix):
    """Twice in one file, so that a missing `#pragma once` shows too."""
    def one(name):
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder) / f"alone{suffix}"
            source.write_text(f"#include <{name}>\n#include <{name}>\n")
            return subprocess.run([*command, str(source)], cwd=folder, capture_output=True,
                                  text=True)

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:  # CI has two cores
        for name, done in zip(names, pool.map(one, names)):
            if done.returncode != 0:
                failed += 1
                print(f"{name} does not compile alone:\n{done.stderr[:3000]}")
    print(f"{len(names) - failed} of {len(names)} {suffix} headers compile alone ({command[0]})")
    return failed == 0


def lines(cxx, text):
    done = run([cxx, "-std=c++20", f"-I{INCLUDE}", "-E", "-P", "-x", "c++", "-"], text)
    if done.returncode != 0:
        sys.exit(f"does not preprocess:\n{text}\n{done.stderr[:2000]}")
    return sum(1 for line in done.stdout.splitlines() if line.strip())


def seconds(cxx, text):
    """Best of three: what the machine can do, not what else it was doing."""
    def once():
        start = time.monotonic()
        run([cxx, "-std=c++20", f"-I{INCLUDE}", "-fsyntax-only", "-x", "c++", "-"], text)
        return time.monotonic() - start
    return min(once() for _ in range(3))


def compiler(cxx):
    """The standard library's weight is not ours: a budget holds for one compiler and version."""
    done = run([cxx, "-dumpfullversion", "-dumpversion"], "")
    return f"{pathlib.Path(cxx).name.split('-')[0].replace('c++', 'g++')} " \
           f"{done.stdout.strip().split('.')[0]}"


def measure(cxx):
    names = headers(".hpp")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        weights = dict(zip(names, pool.map(lambda n: lines(cxx, f"#include <{n}>\n"), names)))
    if "ott/cuda/backend.hpp" in weights and "ott/ott.hpp" in weights:
        weights["(engine)"] = lines(cxx, ENGINE) - lines(cxx, STD)
        extra = seconds(cxx, ENGINE) - seconds(cxx, STD)
        print(f"an engine's .cpp: {weights['(engine)']} lines and {extra:.2f} s beyond <memory>, "
              "<string>, <vector>")
    return weights


def update(cxx):
    rows = [f"# Preprocessed lines of each header ({compiler(cxx)}); tests/headers/headers.py "
            "weight --update"]
    rows += [f"{count:7d} {name}" for name, count in sorted(measure(cxx).items())]
    BUDGET.write_text("\n".join(rows) + "\n")
    print(f"wrote {BUDGET}")


def check(cxx):
    if not BUDGET.exists():
        sys.exit(f"{BUDGET} is missing: tests/headers/headers.py weight --update")
    first, *rows = BUDGET.read_text().splitlines()
    if f"({compiler(cxx)})" not in first:
        print(f"skipped: the budget is of another compiler than {compiler(cxx)}: {first}")
        return SKIPPED
    budget = {name: int(count) for count, name in (row.split() for row in rows)}
    bad = 0
    now = measure(cxx)
    for name, count in now.items():
        if name not in budget:
            print(f"{name}: {count} lines, not in the budget")
            bad += 1
        elif count > max(budget[name] * 1.1, budget[name] + 20):  # a tiny header may grow
            print(f"{name}: {count} lines, budget {budget[name]} (+10 % allowed)")
            bad += 1
    for name in budget.keys() - now.keys():
        print(f"{name}: in the budget, but there is no such header")
        bad += 1
    print("update with: python3 tests/headers/headers.py weight --update" if bad else
          f"{len(now)} weights within budget")
    return 1 if bad else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=["alone", "weight"])
    parser.add_argument("--cxx", default="g++")
    parser.add_argument("--nvcc")
    parser.add_argument("--update", action="store_true")
    args = parser.parse_args()
    if args.job == "weight":
        sys.exit(update(args.cxx) if args.update else check(args.cxx))
    if args.nvcc:
        # Linking is not the point: stop after both front ends, before any optimizer.
        command = [args.nvcc, "-std=c++20", "-arch=sm_90", f"-I{INCLUDE}", "-cuda", "-o",
                   "alone.ii"]
        sys.exit(0 if alone(command, headers(".cuh"), ".cu") else 1)
    command = [args.cxx, "-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
               "-fsyntax-only", f"-I{INCLUDE}"]
    sys.exit(0 if alone(command, headers(".hpp"), ".cpp") else 1)


if __name__ == "__main__":
    main()
