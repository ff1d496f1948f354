#!/usr/bin/env python3
"""check_command_line.py OTT_EVAL TRACE: options, table, JSON, plot, and the answers to mistakes."""
import json
import os
import subprocess
import sys
import tempfile

POLICIES = ["dense", "kivi-2", "kivi-4", "ott-2", "ott-3", "ott-4", "rotated-2"]
MISTAKES = [
    ([], "no trace"),
    (["TRACE", "--policy", "ott-9"], "unknown policy, got 'ott-9'"),
    (["TRACE", "--policy", "nope\n"], "nope\\x0a"),
    (["TRACE", "--policy"], "--policy"),
    (["TRACE", "--backend", "tpu"], "unknown backend, got 'tpu'"),
    (["TRACE", "--append", "0"], "bad chunk, got '0'"),
    (["TRACE", "--append", "-3"], "-3"),
    (["TRACE", "--append", "12x"], "bad chunk"),
    (["TRACE", "--append", "99999999999999999999"], "bad chunk"),
    (["TRACE", "--dump", "/tmp/x"], "exactly one --policy"),
    (["TRACE", "--policy", "dense", "--dump", "/no/such/folder/x"], "cannot write"),
    (["TRACE", "--policy", "dense", "--json", "/no/such/folder/x"], "cannot write"),
    (["TRACE", "--frobnicate"], "--frobnicate"),
    (["TRACE", "a second trace"], "a second trace"),
    (["/no/such/trace"], "no such file"),
]


def run(ott_eval, trace, arguments):
    return subprocess.run([ott_eval, *(trace if a == "TRACE" else a for a in arguments)],
                          capture_output=True, text=True, timeout=240)


def expect(name, condition, said):
    if not condition:
        print(f"{name}: {said}")
    return condition


def check_mistakes(ott_eval, trace):
    good = True
    for arguments, says in MISTAKES:
        done = run(ott_eval, trace, arguments)
        one_line = done.stderr.count("\n") == 1 and done.stderr.endswith("\n")
        right = done.returncode == 2 and one_line and says in done.stderr
        good &= expect(" ".join(arguments), right,
                       f"exit code {done.returncode}, {done.stderr!r}, want 2 and {says!r}")
    return good


def check_report(report, good=True):
    by_name = {p["policy"]: p for p in report["policies"]}
    good &= expect("JSON", list(by_name) == POLICIES, list(by_name))
    good &= expect("dense", by_name["dense"]["error"]["output"] < 1e-3, by_name["dense"]["error"])
    good &= expect("dense", by_name["dense"]["error"]["k"] == 0, by_name["dense"]["error"])
    for better, worse in (("ott-2", "kivi-2"), ("ott-4", "kivi-4"), ("ott-3", "ott-2"),
                          ("ott-4", "ott-3"), ("rotated-2", "ott-2")):
        for key in ("output", "kl"):
            errors = [by_name[name]["error"][key] for name in (better, worse)]
            good &= expect(f"{key} of {better} and {worse}", errors[0] < errors[1], errors)
    good &= expect("bits", by_name["ott-2"]["bits_per_element"] == 2.375,
                   by_name["ott-2"]["bits_per_element"])
    good &= expect("keys", len(report["key_magnitude"]) == 5, len(report["key_magnitude"]))
    return good


def main():
    ott_eval, trace = sys.argv[1:]
    good = check_mistakes(ott_eval, trace)
    listed = run(ott_eval, trace, ["--list"])
    names = [line.split()[0] for line in listed.stdout.splitlines()]
    good &= expect("--list", listed.returncode == 0 and set(POLICIES) <= set(names), listed)
    asked = run(ott_eval, trace, ["--help"])
    good &= expect("--help", asked.returncode == 0 and "--policy" in asked.stdout, asked)
    with tempfile.TemporaryDirectory() as folder:
        json_path, png = (os.path.join(folder, name) for name in ("a report.json", "a plot.png"))
        done = run(ott_eval, trace, ["TRACE", "--backend", "host", "--json", json_path,
                                     "--plot", png])
        good &= expect("all policies", done.returncode == 0 and not done.stderr, done)
        rows = [line.split()[0] for line in done.stdout.splitlines() if " host" in line]
        good &= expect("the table's rows", rows == POLICIES, rows)
        print(done.stdout)
        if done.returncode == 0:
            with open(json_path) as file:
                good &= check_report(json.load(file))
            with open(png, "rb") as file:
                good &= expect("the plot", file.read(8) == b"\x89PNG\r\n\x1a\n", "no PNG")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
