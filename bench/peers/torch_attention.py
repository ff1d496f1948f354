#!/usr/bin/env python3
"""The best fp16 decode attention that torch has, at the shapes of support/axes.hpp.

  torch_attention.py PEERS.json

One query row a sequence, dense K and V, CUDA-graph replays over as many working sets as decode_bench
takes; the fastest backend that gives the right output counts.
"""
import json
import re
import pathlib
import sys

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention as attention

AXES = pathlib.Path(__file__).resolve().parents[1] / "support/axes.hpp"
BACKENDS = [SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION]


def shapes():
    """Uniform decode shapes, read from the C++ file so that there is one list."""
    text = AXES.read_text()
    block = re.search(r"decode_shapes\[\] = \{(.*?)\n\};", text, re.DOTALL).group(1)
    for entry in re.findall(r'\{("[^}]*)\}', block):
        name, *numbers = [part.strip() for part in entry.split(",")]
        numbers = [int(n) for n in numbers]
        if len(numbers) > 4:
            continue  # ragged
        batch, tokens, q_heads, kv_heads = (numbers + [32, 8])[:4] if len(numbers) == 2 else numbers
        yield name.strip('"'), batch, tokens, q_heads, kv_heads


def median_us(run, sets):
    """Replays of a graph that runs every set, at least eight calls."""
    parts = -(-8 // sets) * sets
    for i in range(sets):
        run(i)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for i in range(parts):
            run(i % sets)
    times = []
    for _ in range(23):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        graph.replay()
        end.record()
        times.append((start, end))
    torch.cuda.synchronize()
    return sorted(1e3 * a.elapsed_time(b) / parts for a, b in times[3:])[10]


def measure(name, batch, tokens, q_heads, kv_heads):
    l2 = torch.cuda.get_device_properties(0).L2_cache_size
    size = 2 * 2 * batch * tokens * kv_heads * 128
    sets = 2 + int(4 * l2 / size)
    make = lambda heads, rows: torch.randn(batch, heads, rows, 128, device="cuda",
                                           dtype=torch.float16)
    keys, values = ([make(kv_heads, tokens) for _ in range(sets)] for _ in range(2))
    query = make(q_heads, 1)
    # float32 on the first sequence
    wide = lambda x: x[:1].float().repeat_interleave(q_heads // kv_heads, 1)
    scores = (query[:1].float() @ wide(keys[0]).transpose(-1, -2)) / 128**0.5
    want = scores.softmax(-1) @ wide(values[0])
    best = None
    for backend in BACKENDS:
        call = lambda i: attention(query, keys[i], values[i], enable_gqa=q_heads != kv_heads)
        try:
            with sdpa_kernel(backend):
                got = call(0)[:1].float()
                error = ((got - want).norm() / want.norm()).item()
                if not error <= 5e-3:
                    print(f"{name} {backend.name}: wrong by {error}")
                    continue
                us = median_us(call, sets)
        except RuntimeError as refused:
            print(f"{name} {backend.name}: {str(refused).splitlines()[0]}")
            continue
        print(f"{name} h{q_heads}-{kv_heads} {backend.name}: {us:.1f} us, error {error:.1e}")
        if best is None or us < best["us"]:
            best = {"verb": "decode", "shape": f"{name} h{q_heads}-{kv_heads}",
                    "name": backend.name.lower(), "us": us, "error": error}
    return best


def main():
    rows = []
    for shape in shapes():
        found = measure(*shape)
        torch.cuda.empty_cache()
        if found:
            rows.append(found)
    report = {"torch": torch.__version__, "device": torch.cuda.get_device_name(), "peers": rows}
    pathlib.Path(sys.argv[1]).write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
