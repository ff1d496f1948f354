#!/usr/bin/env python3
"""Draws a report of `ott_eval --json`: plot_eval.py REPORT.json PLOT.png

Top: the L1 norm of every key by position, one panel a layer, with the tokens that a policy traced.
Bottom: the error of every policy, with the bits of its codes, parameters and factors.
"""
import json
import os
import sys

try:
    import matplotlib
except ImportError:  # another python3 comes first in PATH: take the distribution's, which has it
    system = "/usr/bin/python3"
    if os.path.exists(system) and os.environ.get("OTT_PLOT_PYTHON") != system:
        os.environ["OTT_PLOT_PYTHON"] = system
        os.execv(system, [system, *sys.argv])
    sys.exit("plot_eval.py: no matplotlib; apt-get install python3-matplotlib")

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402  (the backend comes first)

DOT, TRACED = "#9aa7b5", "#d1495b"
FAMILIES = {"dense": "#444444", "kivi": "#edae49", "ott": "#d1495b", "rotated": "#00798c"}


def tracing_policy(report):
    """The run whose traced tokens the panels show: the first that traced any."""
    return next((p for p in report["policies"] if p["traced_tokens"]), None)


def draw_keys(axes, keys, policy):
    """One layer: all KV heads' key norms, traced ones in colour."""
    traced = []
    if policy:
        layer = next(x for x in policy["layers"] if x["layer"] == keys["layer"])
        traced = [(t, head[t]) for head, found in zip(keys["heads"], layer["traced"])
                  for t in found]
    for head in keys["heads"]:
        axes.plot(range(len(head)), head, ".", color=DOT, markersize=1.5, rasterized=True)
    if traced:
        axes.plot(*zip(*traced), "o", color=TRACED, markersize=3)
    axes.set_title(f"layer {keys['layer']}: {len(traced)} traced", fontsize=9)
    axes.set_ylim(bottom=0)
    axes.tick_params(labelsize=7)
    axes.set_xlabel("position", fontsize=8)


def draw_errors(axes, report, key, title):
    """One point a policy, by bits; what is exact has no place on a log axis."""
    shown = sorted((p for p in report["policies"] if p["error"][key] > 1e-5),
                   key=lambda p: p["bits_per_element"])
    for x, p in enumerate(shown):
        y = p["error"][key]
        axes.plot(x, y, "o", color=FAMILIES.get(p["policy"].split("-")[0], "#777777"), markersize=7)
        axes.annotate(f"{y:.2g}", (x, y), textcoords="offset points", xytext=(0, 6), fontsize=7,
                      ha="center")
    names = [f"{p['policy']}\n{p['bits_per_element']:.3g} bits" for p in shown]
    axes.set_xticks(range(len(shown)))
    axes.set_xticklabels(names, fontsize=8)
    axes.set_yscale("log")
    axes.set_title(title, fontsize=9)
    axes.grid(True, axis="y", which="major", color="#e5e5e5", linewidth=0.6)
    axes.margins(x=0.08, y=0.15)
    axes.tick_params(axis="y", labelsize=7)


def draw(report, path):
    layers = report["key_magnitude"]
    columns = max(2, min(5, len(layers)))
    rows = -(-len(layers) // columns)
    figure = plt.figure(figsize=(3.0 * columns, 2.3 * rows + 3.6), constrained_layout=True)
    parts = figure.subfigures(2, 1, height_ratios=[2.3 * rows, 3.4])
    panels = parts[0].subplots(rows, columns, squeeze=False).ravel()
    policy = tracing_policy(report)
    for axes, keys in zip(panels, layers):
        draw_keys(axes, keys, policy)
    for axes in panels[len(layers):]:
        axes.axis("off")
    panels[0].set_ylabel("L1 norm of the key", fontsize=8)
    trace = report["trace"]
    by = f", traced by {policy['policy']} in red" if policy else ""
    parts[0].suptitle(f"{trace['source'] or trace['path']}{by}", fontsize=10)
    bottom = parts[1].subplots(1, 2)
    draw_errors(bottom[0], report, "output", "attention output: |difference| / |exact|")
    draw_errors(bottom[1], report, "kl", "KL of the attention weights (nats)")
    figure.savefig(path, dpi=130)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1]) as file:
        report = json.load(file)
    draw(report, sys.argv[2])


if __name__ == "__main__":
    main()
