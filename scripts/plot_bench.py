#!/usr/bin/env python3
"""Tables and plots of benchmark results: plot_bench.py [--table] [--plot PREFIX] RESULT.json...

Takes what `<verb>_bench --benchmark_out=FILE --benchmark_out_format=json` wrote, several verbs at a
time, and peers.json of bench/peers. Prints Markdown tables for docs/performance.md; draws
PREFIX_time.png and PREFIX_share.png (default: beside the first file, `bench`), unless --table.
"""
import argparse
import json
import os
import pathlib
import sys

COLORS = {"dense": "#444444", "ott-2": "#d1495b", "rotated-2": "#00798c", "ott-3": "#edae49",
          "ott-4": "#66a182", "ott-2-d64": "#9c6fb6", "ott-2-d256": "#8d6e63"}

# header, counter, format; a column nobody fills is left out
COLUMNS = [
    ("MB", "MB", "{:.1f}"),
    ("us", "us", "{:.2f}"),
    ("GB/s", "GBps", "{:.0f}"),
    ("share of ceiling", "share", "{:.1%}"),
    ("share of R", "share_R", "{:.1%}"),
    ("x dense", "x_dense", "{:.2f}"),
    ("x best fp16", "x_peer", "{:.2f}"),
    ("rel. error", "error", "{:.1e}"),
    ("traced", "traced", "{:.1f}"),
    ("quiet us", "quiet_us", "{:.2f}"),
    ("cold us", "cold_us", "{:.2f}"),
    ("TFLOP/s", "TFLOPs", "{:.0f}"),
    ("spread", "spread", "{:.1%}"),
    ("sets", "sets", "{:.0f}"),
]


def read(paths):
    """(contexts, rows, peers); a row has verb, shape (with heads), policy, us and the counters."""
    contexts, rows, peers = [], [], {}
    for path in paths:
        report = json.loads(pathlib.Path(path).read_text())
        if "peers" in report:
            peers.update({(p["verb"], p["shape"]): p for p in report["peers"]})
            continue
        contexts.append(report["context"])
        for entry in report["benchmarks"]:
            if entry.get("run_type") == "aggregate":
                continue
            parts = [p for p in entry["name"].split("/") if p not in ("manual_time", "iterations:1")]
            row = dict(entry, verb=parts[0], shape=" ".join(parts[1:-1]), policy=parts[-1])
            unit = {"ns": 1e-3, "us": 1, "ms": 1e3, "s": 1e6}[entry["time_unit"]]
            row["us"] = entry["real_time"] * unit
            row["failed"] = entry.get("error_message") if entry.get("error_occurred") else None
            rows.append(row)
    for row in rows:
        peer = peers.get((row["verb"], row["shape"]))
        if peer and not row["failed"]:
            row["x_peer"] = peer["us"] / row["us"]
    return contexts, rows, peers


def table(rows):
    """One verb's rows as Markdown."""
    columns = [c for c in COLUMNS if any(c[1] in r for r in rows if not r["failed"])]
    lines = ["| shape | policy | " + " | ".join(c[0] for c in columns) + " |",
             "|---|---|" + "---|" * len(columns)]
    for row in rows:
        if row["failed"]:
            cells = [f"**failed**: {row['failed']}"] + [""] * (len(columns) - 1)
        else:
            cells = [form.format(row[key]) if key in row else "" for _, key, form in columns]
        lines.append(f"| {row['shape']} | {row['policy']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def print_tables(contexts, rows, peers):
    for context in contexts[:1]:
        print(f"{context.get('device', 'host')}, {context['date'][:16]}; R (read, 1 GiB) "
              f"{float(context.get('read_GBps', 0)):.0f} GB/s, copy "
              f"{float(context.get('copy_GBps', 0)):.0f} GB/s.")
    for verb in dict.fromkeys(r["verb"] for r in rows):
        mine = [r for r in rows if r["verb"] == verb]
        if verb == "ceiling":  # every program measures them; one is enough
            mine = list({(r["shape"], r["policy"]): r for r in mine}.values())
        print(f"\n### {verb}\n\n{table(mine)}")
    if peers:
        print("\n### fp16 peers\n\n| shape | fastest | us |\n|---|---|---|")
        for (verb, shape), peer in peers.items():
            print(f"| {verb} {shape} | {peer['name']} | {peer['us']:.1f} |")


def import_pyplot():
    try:
        import matplotlib
    except ImportError:  # another python3 comes first in PATH: take the distribution's
        system = "/usr/bin/python3"
        if os.path.exists(system) and os.environ.get("OTT_PLOT_PYTHON") != system:
            os.environ["OTT_PLOT_PYTHON"] = system
            sys.stdout.flush()
            os.execv(system, [system, *sys.argv])
        sys.exit("plot_bench.py: no matplotlib; apt-get install python3-matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    return plt


def bars(axes, rows, key, scale=1.0):
    """Groups of bars: a group a shape, a bar a policy."""
    shapes = list(dict.fromkeys(r["shape"] for r in rows))
    policies = list(dict.fromkeys(r["policy"] for r in rows))
    width = 0.8 / len(policies)
    for i, policy in enumerate(policies):
        mine = {r["shape"]: r[key] * scale for r in rows if r["policy"] == policy and key in r}
        at = [shapes.index(s) + (i - (len(policies) - 1) / 2) * width for s in mine]
        axes.bar(at, mine.values(), width, label=policy, color=COLORS.get(policy, "#777777"))
    axes.set_xticks(range(len(shapes)))
    axes.set_xticklabels([s.replace(" ", "\n") for s in shapes], fontsize=7)
    axes.tick_params(axis="y", labelsize=7)
    axes.grid(True, axis="y", color="#e5e5e5", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(fontsize=7, frameon=False, ncols=len(policies))


def draw(rows, contexts, prefix):
    plt = import_pyplot()
    rows = [r for r in rows if not r["failed"] and r["verb"] != "ceiling" and "share" in r]
    verbs = list(dict.fromkeys(r["verb"] for r in rows))
    if not verbs:
        return
    device = contexts[0].get("device", "") if contexts else ""
    for name, key, label, scale in (("time", "us", "microseconds", 1),
                                    ("share", "share", "% of the measured ceiling", 100)):
        figure, panels = plt.subplots(len(verbs), 1, figsize=(10, 2.6 * len(verbs)), squeeze=False,
                                      constrained_layout=True)
        for axes, verb in zip(panels.ravel(), verbs):
            bars(axes, [r for r in rows if r["verb"] == verb], key, scale)
            axes.set_title(f"{verb}, {device}", fontsize=9)
            axes.set_ylabel(label, fontsize=8)
            if key == "us":
                axes.set_yscale("log")
            else:
                axes.set_ylim(0, 100)
        path = f"{prefix}_{name}.png"
        figure.savefig(path, dpi=130)
        print(f"wrote {path}", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="+")
    parser.add_argument("--table", action="store_true", help="no plots")
    parser.add_argument("--plot", metavar="PREFIX", help="where plots go")
    args = parser.parse_args()
    contexts, rows, peers = read(args.results)
    if not args.table:
        import_pyplot()  # before anything is printed: it may start another python
    print_tables(contexts, rows, peers)
    if not args.table:
        draw(rows, contexts, args.plot or str(pathlib.Path(args.results[0]).parent / "bench"))
    failed = [r for r in rows if r["failed"]]
    sys.exit(1 if failed or not rows else 0)


if __name__ == "__main__":
    main()
