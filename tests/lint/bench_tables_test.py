#!/usr/bin/env python3
"""Tests of the scripts that turn results into tables: accuracy, plot_bench, bench_asked, compare,
resources."""
import contextlib
import io
import json
import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "bench/compare")]

import accuracy  # noqa: E402
import bench_asked  # noqa: E402
import compare  # noqa: E402
import doc_blocks  # noqa: E402
import plot_bench  # noqa: E402
import report  # noqa: E402
import resources  # noqa: E402

CONTEXT = {"date": "2026-11-22T10:00:00+00:00", "device": "a GPU", "read_GBps": "4000",
           "copy_GBps": "3500"}


def entry(name, us, **counters):
    return {"name": f"{name}/iterations:1/manual_time", "run_type": "iteration", "real_time": us,
            "time_unit": "us", **counters}


DECODE = [
    entry("decode/64x8K/h32-8/dense", 500.0, MB=2000.0, share_R=0.95, error=1e-4, sets=2),
    entry("decode/64x8K/h32-8/ott-2", 80.0, MB=300.0, share_R=0.90, error=1e-4, sets=2,
          x_dense=6.25),
    entry("decode/16x32K/h32-8/ott-2", 100.0, MB=300.0, share_R=0.70, error=1e-4, sets=2),
    entry("decode/8x8K/h32-8/ott-2", 0.0, error_occurred=True, error_message="wrong output"),
    entry("decode/64xragged/h32-8/ott-2", 80.0, MB=300.0, GBps=3600.0, error=1e-4, sets=2),
    entry("decode/64xeven/h32-8/ott-2", 80.0, MB=300.0, GBps=4000.0, error=1e-4, sets=2),
]


def compared():
    """compare.json as compare.measure makes it, of made-up times."""
    rows, refused = compare.ott_rows(DECODE, ["dense", "ott-2"])
    for row in list(rows):
        if row["name"] == "ott-2":
            for name, us in (("torch cudnn fp16", 480.0), ("torch flash bf16", 490.0)):
                rows.append({**row, "library": "torch", "name": name, "us": us})
    for row in rows:
        row["share_R"] = row["bytes"] / row["us"] * 1e-3 / 4000
    return {"device": "a GPU", "date": CONTEXT["date"], "read_GBps": 4000.0, "torch": "2",
            "cudnn": 9, "rows": rows, "refused": refused}


class Tables(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "decode.json").write_text(
            json.dumps({"context": CONTEXT, "benchmarks": DECODE}))
        (self.folder / "compare.json").write_text(json.dumps(compared()))
        self.paths = [self.folder / "decode.json", self.folder / "compare.json"]

    def asked(self):
        _, rows, peers = plot_bench.read(self.paths)
        return bench_asked.table(rows, peers)

    def test_floors_and_goals(self):
        text, short = self.asked()
        self.assertIn("| 1 | 64x8K, share of R | 85.0 % | 93.0 % | 90.0 % | floor |", text)
        self.assertIn("| 1 | 16x32K, share of R | 85.0 % | 93.0 % | 70.0 % | **no** |", text)
        self.assertIn("| 2 | 64x8K against the best fp16 | 5.60x | 6.30x | 6.00x | floor |", text)
        self.assertIn("| 4 | 8x8K | 15.00 us | 12.00 us |  | not measured |", text)  # it failed
        self.assertIn("0.88x | 0.97x | 0.90x | floor |", text)  # ragged
        wanted = sum(floor is not None for _, _, _, floor, _, _ in bench_asked.ASKED)
        holding = text.count("| floor |\n") + text.count("| goal |\n")
        self.assertEqual(short, wanted - holding)

    def test_less_is_better_for_microseconds(self):
        self.assertEqual(bench_asked.verdict(20, 26, 21, "us"), "goal")
        self.assertEqual(bench_asked.verdict(26, 26, 21, "us"), "floor")
        self.assertEqual(bench_asked.verdict(26.1, 26, 21, "us"), "**no**")

    def test_merged_results_say_the_same(self):
        merged = self.folder / "all.json"
        merged.write_text(json.dumps({"files": dict(plot_bench.load(self.paths))}))
        before = self.asked()
        self.paths = [merged]
        self.assertEqual(self.asked(), before)

    def test_compare_reads_uniform_rows(self):
        rows, refused = compare.ott_rows(DECODE, ["dense", "ott-2"])
        self.assertEqual([r["shape"] for r in rows], ["64x8K h32-8"] * 2 + ["16x32K h32-8"])
        self.assertEqual((rows[0]["batch"], rows[0]["tokens"], rows[0]["kv_heads"]), (64, 8192, 8))
        self.assertEqual([r["why"] for r in refused], ["wrong output"])

    def test_compare_table(self):
        text = report.markdown(compared())
        self.assertIn("| 64x8K, 32/8 | 80.0 (94 %) | 500.0 (100 %) | **480.0** | 490.0 | 6.00x |",
                      text)
        self.assertIn("8x8K h32-8, ott-2: wrong output", text)

    def test_plots(self):
        try:
            import matplotlib  # noqa: F401
        except ImportError:
            self.skipTest("no matplotlib")
        for path in report.draw(compared(), self.folder):
            self.assertGreater(path.stat().st_size, 1000)

    def test_docs(self):
        page = self.folder / "page.md"
        page.write_text("a\n<!-- generated: asked, by x -->\nold\n<!-- end -->\nb\n")
        self.assertEqual(doc_blocks.replace(page, {"asked": "new \\1", "no": ""}), ["no"])
        self.assertEqual(page.read_text(),
                         "a\n<!-- generated: asked, by x -->\n\nnew \\1\n\n<!-- end -->\nb\n")
        for name in ("asked", "compare", "rows", "resources"):
            self.assertIn(f"<!-- generated: {name}, ", (ROOT / "docs/performance.md").read_text())


def scored(bits, loss, accuracy=0.5):
    return {"policy": "p", "loss": loss, "accuracy": accuracy, "cache": {"bits_per_element": bits}}


class Accuracy(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "all.json"

    def scores(self, **reports):
        self.path.write_text(json.dumps(reports))
        return accuracy.Scores(self.path)

    def test_closed_at_equal_bytes(self):
        scores = self.scores(**{
            "text_dense": scored(16, 2.0), "text_kivi-2": scored(2.0, 2.8),
            "text_kivi-4": scored(4.0, 2.05), "text_x": scored(3.0, 2.1),
            "own_copy_x": scored(3.0, 2.1, 0.9)})
        # Halfway between gaps of 0.8 and 0.05, in logarithms: 0.2. Half of it is gone.
        self.assertAlmostEqual(scores.kivi_gap(3.0), 0.2)
        self.assertAlmostEqual(scores.closed("x"), 0.5)
        self.assertAlmostEqual(scores.closed("kivi-2"), 0.0)
        self.assertIsNone(scores.closed("dense"))
        self.assertEqual(scores.accuracy("x", "own_copy"), 0.9)

    def test_decoding_may_not_lose_more(self):
        chunks = self.scores(text_x=scored(3.0, 2.1))
        for loss, code in ((2.105, 0), (2.095, 0), (2.111, 1)):
            decoded = self.scores(**{"text_x+decode": scored(3.0, loss)})
            with contextlib.redirect_stdout(io.StringIO()) as said:
                self.assertEqual(accuracy.decoded(chunks, decoded), code)
            self.assertIn(f"| x | text | {loss:.4f} | 2.1000 |", said.getvalue())
        chunks = self.scores(text_dense=scored(16, 2.0), text_x=scored(2.0, 2.6))  # it costs 0.6
        for loss, code in ((2.629, 0), (2.571, 0), (2.631, 1)):
            decoded = self.scores(**{"text_x+decode": scored(2.0, loss)})
            with contextlib.redirect_stdout(io.StringIO()):
                self.assertEqual(accuracy.decoded(chunks, decoded), code)


class Resources(unittest.TestCase):
    LOG = """ptxas info    : Compiling entry function '_ZN3ott1fEv' for 'sm_80'
ptxas info    : Function properties for _ZN3ott1fEv
    40 bytes stack frame, 24 bytes spill stores, 28 bytes spill loads
ptxas info    : Used 128 registers, used 1 barriers, 40 bytes cumulative stack size, 3200 bytes smem
ptxas info    : Compiling entry function '_ZN3ott1gEv' for 'sm_80'
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 32 registers, 376 bytes cmem[0]
"""

    def test_log(self):
        found = resources.read_log(self.LOG)
        self.assertEqual(found["_ZN3ott1fEv"], resources.Use(128, 3200, 40, 24))
        self.assertEqual(found["_ZN3ott1gEv"], resources.Use(32, 0, 0, 0))
        self.assertEqual(resources.cell(found["_ZN3ott1fEv"]), "128, **spills 24 B**")

    def test_names(self):
        for plain, short in (
                ("void ott::split_kernel<ott::paper_policy, (bool)1>(ott::a<b>, int)",
                 "split_kernel<1>"),
                ("void ott::group_kernel<ott_bench::ott_bits<3>, 2, "
                 "ott::default_group_tuning<ott_bench::ott_bits<3>, 2> >(x)", "group_kernel<2>"),
                ("ott::plan_kernel(int)", "plan_kernel")):
            self.assertEqual(resources.short_name(plain), short)


if __name__ == "__main__":
    unittest.main()
