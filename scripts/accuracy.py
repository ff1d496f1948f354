#!/usr/bin/env python3
"""Scores of cache policies on the real model: one file, tables, a plot.

    scripts/accuracy.py merge ALL.json REPORT.json...   reports of `llama score --json` into ALL,
                                                        named by their files: FILE_POLICY.json
    scripts/accuracy.py table ALL.json [--update PAGE]  Markdown; into the marked place of a page
    scripts/accuracy.py plot ALL.json PLOT.png
    scripts/accuracy.py decoded ALL.json DECODED.json   losses token by token against those in chunks
"""
import argparse
import json
import math
import os
import re
import sys
from pathlib import Path

FILES = ["text", "records", "needle", "copy"]
SIMULATED = Path(__file__).resolve().parents[1] / "bench/results/accuracy_simulation.json"
# KIVI by bits: what a policy of as many bytes is measured against.
KIVI = ["kivi-2", "kivi-2-g32-vg32", "kivi-3", "kivi-4"]
# Loss that decoding may differ by, where a policy costs little; a share of what it costs, where
# it costs much and any rounding moves it (docs/accuracy.md, "Decoding against chunks").
MOST_OFF = 0.01
MOST_OFF_OF_COST = 0.05
SECTIONS = [
    ("KIVI and the published method", r"dense|kivi|ott-2$|ott-2-|ott-2\+|ott-[34]$"),
    ("Who is traced", r"sinks|largest"),
    ("The parts of `rotated`, one by one",
     r"hadamard|normed|rotated-2$|rotated-2-p|rotated-2\+pool"),
    ("Bits of K and V apart, longer windows, larger pools",
     r"ott-\dv|rotated-[34]|wide|rotated-2-r128"),
    ("On the balanced checkpoint", r".*\+balanced"),
]


class Scores:
    def __init__(self, path):
        self.reports = json.loads(Path(path).read_text())
        self.policies = {}
        for name, report in self.reports.items():
            file, policy = name.split("_", 1)
            if file == "own" and policy.startswith("copy_"):
                file, policy = "own_copy", policy[5:]
            self.policies.setdefault(policy, {})[file] = report

    def loss(self, policy, file="text"):
        report = self.policies.get(policy, {}).get(file)
        return report and report["loss"]

    def accuracy(self, policy, file):
        report = self.policies.get(policy, {}).get(file)
        return report and report["accuracy"]

    def bits(self, policy):
        return next(iter(self.policies[policy].values()))["cache"]["bits_per_element"]

    def all_bits(self, policy):
        """With window and pools at the length of `text`, 8,192 tokens."""
        cache = self.policies[policy].get("text", {}).get("cache")
        if not cache:
            return None
        held = cache["group_bytes"] + cache["window_bytes"] + cache["pool_bytes"]
        return 16 * held / cache["fp16_bytes"]

    def kivi_gap(self, bits):
        """What KIVI loses at so many bits: straight lines through log(gap)."""
        base = self.loss("dense")
        known = [] if base is None else [p for p in KIVI if self.loss(p) is not None]
        if not known:
            return None
        points = sorted((self.bits(p), math.log(self.loss(p) - base)) for p in known)
        below = [p for p in points if p[0] <= bits] or points[:1]
        above = [p for p in points if p[0] > bits] or points[-1:]
        (x0, y0), (x1, y1) = below[-1], above[0]
        share = 0 if x1 <= x0 else min(1, max(0, (bits - x0) / (x1 - x0)))
        return math.exp(y0 + share * (y1 - y0))

    def closed(self, policy):
        """Share of KIVI's gap at equal bytes that is gone."""
        gap = self.kivi_gap(self.bits(policy))
        if gap is None or self.loss(policy) is None or policy.startswith("dense"):
            return None
        return 1 - (self.loss(policy) - self.loss("dense")) / gap


def number(x, form):
    return "-" if x is None else format(x, form)


def row(scores, policy, simulated):
    sim = simulated.get(policy, [None] * 4)
    cells = [policy, number(scores.bits(policy), ".4g"), number(scores.all_bits(policy), ".2f"),
             number(scores.loss(policy), ".4f"), number(sim[0], ".4f"),
             number(scores.closed(policy), ".0%").replace("%", " %")]
    for file, expected in zip(FILES[1:], sim[1:]):
        cells += [number(scores.accuracy(policy, file), ".3f"), number(expected, ".3f")]
    return "| " + " | ".join(cells) + " |"


def table(scores):
    simulated = json.loads(SIMULATED.read_text())
    left = [p for p in scores.policies if not p.endswith("+decode")
            and any(f in scores.policies[p] for f in FILES)]
    lines = []
    for title, pattern in SECTIONS:
        shown = [p for p in left if re.match(pattern, p)
                 and (title.startswith("On the") or "+balanced" not in p)]
        left = [p for p in left if p not in shown]
        if not shown:
            continue
        lines += ["", f"{title}:", "",
                  "| policy | bits | all | text | sim | closed | records | sim | needle | sim "
                  "| copy | sim |", "|---|" + "---|" * 11]
        shown.sort(key=lambda p: (p.split("-")[0], scores.bits(p), p))
        lines += [row(scores, p, simulated) for p in shown]
    own = [p for p in scores.policies if "own" in scores.policies[p]]
    if own:
        lines += ["", "The text of our own, untouched until the choice was made:", "",
                  "| policy | bits | loss | above dense | copy |", "|---|---|---|---|---|"]
        base = scores.loss("dense", "own")
        for p in sorted(own, key=lambda p: (scores.bits(p), scores.loss(p, "own"))):
            more = None if base is None else scores.loss(p, "own") - base
            copied = number(scores.accuracy(p, "own_copy"), ".3f")
            lines.append(f"| {p} | {scores.bits(p):.4g} | {scores.loss(p, 'own'):.4f} | "
                         f"{number(more, '.4f')} | {copied} |")
    decoded = decoded_rows(scores, scores)
    if decoded:
        lines += ["", "Token by token, as decoding runs, against the same in chunks:", "", *decoded]
    return "\n".join(lines).strip() + "\n"


def decoded_rows(chunks, decoded):
    """A table of FILE_POLICY+decode beside FILE_POLICY."""
    rows = []
    for name, files in decoded.policies.items():
        policy = name.removesuffix("+decode")
        for file, report in sorted(files.items()):
            if name == policy or chunks.loss(policy, file) is None:
                continue
            off = report["loss"] - chunks.loss(policy, file)
            rows.append(f"| {policy} | {file} | {report['loss']:.4f} | "
                        f"{chunks.loss(policy, file):.4f} | {off:+.4f} | {report['accuracy']:.4f} "
                        f"| {chunks.accuracy(policy, file):.4f} |")
    return rows and ["| policy | file | loss, decoding | loss, chunks | off | accuracy, decoding | "
                     "accuracy, chunks |", "|---|---|---|---|---|---|---|", *rows]


def decoded(chunks, decoded):
    """Exit code 1 where a loss token by token is further from that in chunks than it may be."""
    print("\n".join(decoded_rows(chunks, decoded)))
    status = 0
    for name, files in decoded.policies.items():
        policy = name.removesuffix("+decode")
        for file, report in files.items():
            known, dense = chunks.loss(policy, file), chunks.loss("dense", file)
            if known is None:
                continue
            most = max(MOST_OFF, MOST_OFF_OF_COST * (known - dense) if dense else 0)
            off = abs(report["loss"] - known)
            fine = off <= most
            print(f"{policy}, {file}: off by {off:.4f}, at most {most:.4f}{'' if fine else ': FAILED'}")
            status = status if fine else 1
    return status


def update(page, text):
    page = Path(page)
    begin, end = "<!-- scores -->\n", "<!-- /scores -->"
    before, rest = page.read_text().split(begin)
    page.write_text(before + begin + "\n" + text + "\n" + end + rest.split(end)[1])


def merge(path, reports):
    path = Path(path)
    merged = json.loads(path.read_text()) if path.exists() else {}
    for report in map(Path, reports):
        read = json.loads(report.read_text())
        # a merged file again, or one report
        merged.update({report.stem: read} if "policy" in read else read)
    lines = ",\n".join(f"{json.dumps(k)}: {json.dumps(merged[k])}" for k in sorted(merged))
    path.write_text("{\n" + lines + "\n}\n")
    print(f"{path}: {len(merged)} scores")


def pyplot():
    try:
        import matplotlib
    except ImportError:  # another python3 comes first in PATH: take the distribution's
        system = "/usr/bin/python3"
        if os.path.exists(system) and os.environ.get("OTT_PLOT_PYTHON") != system:
            os.environ["OTT_PLOT_PYTHON"] = system
            os.execv(system, [system, *sys.argv])
        sys.exit("accuracy.py: no matplotlib; apt-get install python3-matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    return plt


FAMILIES = [("kivi", "#edae49"), ("ott|sinks|largest", "#d1495b"), ("hadamard|normed", "#8d96a3"),
            ("rotated", "#00798c"), ("wide", "#30638e")]
GOALS = {2.5: (2.20, 0.88, 0.78, 0.86), 3.0: (2.155, 0.96, 0.86, 0.935)}


LABEL_HEIGHT = 9  # points


def label(axis, labels):
    """Names beside their points: (x, y, name), pushed apart where they would overlap."""
    scale = 72 / axis.figure.dpi
    for x in {x for x, _, _ in labels}:
        side = -1 if x == min(x for x, _, _ in labels) else 1
        lowest = -math.inf
        for y, name in sorted((y, name) for at, y, name in labels if at == x):
            height = axis.transData.transform((x, y))[1] * scale
            lowest = max(height, lowest + LABEL_HEIGHT)
            axis.annotate(name, (x, y), fontsize=6.5, va="center", textcoords="offset points",
                          xytext=(16 * side, lowest - height),
                          ha="right" if side < 0 else "left",
                          arrowprops={"arrowstyle": "-", "linewidth": 0.3, "color": "#999999"})


def plot(scores, path):
    plt = pyplot()
    figure, axes = plt.subplots(2, 2, figsize=(15, 15), constrained_layout=True)
    for axis, file, at in zip(axes.ravel(), FILES, range(4)):
        value = scores.loss if file == "text" else scores.accuracy
        labels = []
        for policy in scores.policies:
            y = value(policy, file)
            if y is None or re.match(r"dense|.*\+decode|.*\+balanced_", policy):
                continue
            y = y - scores.loss("dense") if file == "text" else y
            colour = next((c for f, c in FAMILIES if re.match(f, policy)), "#777777")
            balanced = policy.endswith("+balanced")
            axis.plot(scores.bits(policy), y, "s" if balanced else "o", color=colour, markersize=6,
                      markerfacecolor=colour if not balanced else "white")
            labels.append((scores.bits(policy), y, policy.replace("+balanced", "+b")))
        for bits, goals in GOALS.items():
            goal = goals[at] - scores.loss("dense") if file == "text" else goals[at]
            axis.plot(bits, goal, "*", color="black", markersize=11, zorder=1)
        if file == "text":
            axis.set_yscale("log")
            axis.set_title("text: loss above fp16")
        else:
            axis.set_title(f"{file}: accuracy (fp16 {scores.accuracy('dense', file):.3f})")
        axis.set_xlabel("bits an element: codes, parameters, factors (head_dim 64)")
        axis.set_xlim(1.9, 4.9)
        axis.grid(True, color="#e5e5e5", linewidth=0.6)
        axis.margins(y=0.08)
        figure.canvas.draw()
        label(axis, labels)
    figure.suptitle("SmolLM2-135M-Instruct; squares: balanced checkpoint (+b); stars: goals")
    figure.savefig(path, dpi=100)


def main():
    ask = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    what = ask.add_subparsers(dest="what", required=True)
    command = what.add_parser("merge")
    command.add_argument("all")
    command.add_argument("reports", nargs="+")
    command = what.add_parser("table")
    command.add_argument("all")
    command.add_argument("--update", metavar="PAGE")
    command = what.add_parser("plot")
    command.add_argument("all")
    command.add_argument("out")
    command = what.add_parser("decoded")
    command.add_argument("all")
    command.add_argument("decoded")
    asked = ask.parse_args()
    if asked.what == "decoded":
        sys.exit(decoded(Scores(asked.all), Scores(asked.decoded)))
    if asked.what == "merge":
        merge(asked.all, asked.reports)
    elif asked.what == "plot":
        plot(Scores(asked.all), asked.out)
    elif asked.update:
        update(asked.update, table(Scores(asked.all)))
    else:
        print(table(Scores(asked.all)))


if __name__ == "__main__":
    main()
