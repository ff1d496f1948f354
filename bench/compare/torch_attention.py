"""Attention of PyTorch's SDPA, timed like decode_bench and prefill_bench: dense K and V, replays of
a CUDA graph over working sets that empty the L2 between two uses of one.

Keys and values are never copied for their query heads. Two ways are tried, the faster counts:
`gqa`, SDPA's own enable_gqa, and, with one query a sequence, `rows`, which views the query heads of
a KV head as query rows (there is no causal order, so that is the same sum). Several queries a
sequence are its last ones: the mask is torch's causal_lower_right.
"""
import os
import time

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention

HEAD_DIM = 128
BACKENDS = {"cudnn": SDPBackend.CUDNN_ATTENTION, "flash": SDPBackend.FLASH_ATTENTION}
TYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}
CYCLES_A_US = 1900.0  # of a multiprocessor, about
TOLERANCE = {"fp16": 5e-3, "bf16": 1e-2}  # bf16 rounds the output itself by up to 4e-3


def working_sets(size):
    """As bench/support/device.hpp: 64 times the L2 is touched between two uses of one."""
    l2 = torch.cuda.get_device_properties(0).L2_cache_size
    return 1 + min(int(64 * l2 / size) + 1, 512)


class Inputs:
    """Random K, V and q of one shape and type, in as many working sets as it takes."""

    def __init__(self, shape, kind):
        self.shape, self.kind = shape, kind
        batch, tokens = shape["batch"], shape["tokens"]
        self.kv_heads, self.group = shape["kv_heads"], shape["q_heads"] // shape["kv_heads"]
        self.rows = shape["rows"]
        self.bytes = 4 * batch * HEAD_DIM * (tokens * self.kv_heads + self.rows * shape["q_heads"])
        self.sets = working_sets(self.bytes)
        make = lambda heads, rows: torch.randn(batch, heads, rows, HEAD_DIM, device="cuda",
                                               dtype=TYPES[kind])
        self.keys = [make(self.kv_heads, tokens) for _ in range(self.sets)]
        self.values = [make(self.kv_heads, tokens) for _ in range(self.sets)]
        self.query = make(shape["q_heads"], self.rows)
        self.mask = causal_lower_right(self.rows, tokens) if self.rows > 1 else None

    def ways(self):
        return ["gqa", "rows"] if self.group > 1 and self.rows == 1 else ["gqa"]

    def call(self, way, i):
        keys, values = self.keys[i], self.values[i]
        if way == "rows":
            query = self.query.view(-1, self.kv_heads, self.group, HEAD_DIM)
            return scaled_dot_product_attention(query, keys, values)
        return scaled_dot_product_attention(self.query, keys, values, attn_mask=self.mask,
                                            enable_gqa=self.group > 1)

    def error(self, out):
        """Relative, against float32: some rows of the first and last sequence of working set 0."""
        wrong = size = 0.0
        tokens = self.shape["tokens"]
        out = out.view(-1, self.shape["q_heads"], self.rows, HEAD_DIM)
        for at in {0, self.shape["batch"] - 1}:
            keys, values = self.keys[0][at].float(), self.values[0][at].float()
            for row in {0, self.rows // 2, self.rows - 1}:
                seen = tokens - self.rows + row + 1
                query = self.query[at, :, row].float().view(self.kv_heads, self.group, HEAD_DIM)
                scores = query @ keys[:, :seen].transpose(-1, -2) / HEAD_DIM**0.5
                want = scores.softmax(-1) @ values[:, :seen]
                got = out[at, :, row].float().reshape(want.shape)
                wrong += (got - want).square().sum().item()
                size += want.square().sum().item()
        return (wrong / size) ** 0.5


def replay_us(graph, count, rest_us=0.0):
    """Each after a rest, as bench/support/timer.hpp has it."""
    cycles = 0 if "OTT_BENCH_BACK_TO_BACK" in os.environ else int(rest_us * CYCLES_A_US)
    marks = []
    for _ in range(count):
        if cycles:
            torch.cuda._sleep(cycles)  # one thread
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        graph.replay()
        end.record()
        marks.append((begin, end))
    torch.cuda.synchronize()
    return sorted(1e3 * begin.elapsed_time(end) for begin, end in marks)


def measure(inputs, backend, way):
    """One row, or {"refused": why}."""
    parts = -(-8 // inputs.sets) * inputs.sets
    try:
        with sdpa_kernel(BACKENDS[backend]):
            inputs.call(way, 0)
            torch.cuda.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                outputs = [inputs.call(way, i % inputs.sets) for i in range(parts)]
    except RuntimeError as refused:
        return {"refused": (str(refused).splitlines() or ["?"])[0][:200]}
    once = replay_us(graph, 2)[0]
    us = [t / parts for t in replay_us(graph, max(7, min(50, int(8e4 / once))), once)]
    error = inputs.error(outputs[0])
    if not error <= TOLERANCE[inputs.kind]:
        return {"refused": f"wrong by {error:.1e}"}
    last = len(us) - 1
    return {"us": us[last // 2], "low": us[last // 10], "high": us[last - last // 10],
            "error": error, "sets": inputs.sets, "bytes": inputs.bytes, "way": way}


def measure_shape(shape, deadline):
    """Rows of every backend and type that answers, and what did not."""
    rows, refused, way_of = [], [], {}
    for kind in TYPES:
        if kind != "fp16" and time.monotonic() > deadline:
            refused.append({"shape": shape["shape"], "name": kind, "why": "no time left"})
            continue
        inputs = Inputs(shape, kind)
        for backend in BACKENDS:
            ways = inputs.ways()
            if kind != "fp16":  # the way that won in fp16
                ways = way_of.get(backend, [])
            name = f"torch {backend} {kind}"
            best = None
            for way in ways:
                found = measure(inputs, backend, way)
                if "refused" in found:
                    refused.append({"shape": shape["shape"], "name": f"{name} {way}",
                                    "why": found["refused"]})
                elif best is None or found["us"] < best["us"]:
                    best = found
            if best:
                way_of.setdefault(backend, [best["way"]])
                rows.append({**shape, "library": "torch", "name": name, **best})
                print(f"{shape['shape']:>18}  {name:18} {best['us']:8.1f} us  {best['way']}",
                      flush=True)
        del inputs
        torch.cuda.empty_cache()
    return rows, refused


def measure_all(shapes, seconds):
    """Every shape in order; bf16 is left out, then whole shapes, once `seconds` are over."""
    begin = time.monotonic()
    rows, refused = [], []
    for shape in shapes:
        if time.monotonic() - begin > 1.5 * seconds:
            refused.append({"shape": shape["shape"], "name": "all", "why": "no time left"})
            continue
        more, less = measure_shape(shape, begin + seconds)
        rows += more
        refused += less
    return rows, refused


def describe():
    device = torch.cuda.get_device_properties(0)
    return {"torch": torch.__version__, "cudnn": torch.backends.cudnn.version(),
            "torch_device": device.name}
