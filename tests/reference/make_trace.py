#!/usr/bin/env python3
"""A random trace for tests: make_trace.py OUT [--type F16|BF16|F32] [--head-dim D] [--tokens N] ...

Keys have channels of unequal size and a few tokens with tiny keys, as real ones do; with --edges
also constant channels, equal scores, signed zeros, subnormals and the type's largest values; with
--falling ever smaller keys, so that every group traces until both pools are full.
"""
import argparse

import numpy as np

import safetensors


def narrowed(kind, x):
    x = x.astype(np.float32)
    if kind != "BF16":
        return x.astype(safetensors.DTYPES[kind])
    bits = x.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def add_edges(k, v, kind):
    k[:, :, 0] = 0.75                      # a constant channel
    k[:, :, 1] = -0.0
    k[5] = k[9]                            # equal scores: the earlier position wins
    k[130] = 0.0                           # a zero key
    k[140] = -0.0
    k[20, :, 2] = 6e-8                     # an fp16 subnormal
    k[:, :, 3] *= 1e-7                     # a channel so narrow that its scale underflows
    v[11] = 0.25                           # a constant value row
    v[12] = -0.0
    top = 60000.0 if kind == "F16" else 3e38
    k[50, :, 4], k[51, :, 4] = top, -top   # a range whose difference overflows fp32 (or fp16)
    v[60, :, 5], v[60, :, 6] = top, -top


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    parser.add_argument("--type", default="F16", choices=["F16", "BF16", "F32"])
    parser.add_argument("--head-dim", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=500)
    parser.add_argument("--kv-heads", type=int, default=2)
    parser.add_argument("--q-heads", type=int, default=4)
    parser.add_argument("--queries", type=int, default=9)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--edges", action="store_true")
    parser.add_argument("--falling", action="store_true")
    o = parser.parse_args()
    rng = np.random.default_rng(o.seed)
    tensors = {}
    for layer in range(o.layers):
        shape = (o.tokens, o.kv_heads, o.head_dim)
        k = rng.standard_normal(shape) * np.exp(rng.standard_normal(shape[1:])) + 1.0
        v = rng.standard_normal(shape)
        tiny = rng.choice(o.tokens, max(1, o.tokens // 40), replace=False)
        if not o.falling:
            k[tiny] *= rng.uniform(0.01, 0.3, (len(tiny), 1, 1))
        v[tiny] *= 0.1
        if o.falling:
            k *= np.exp(-6.0 * np.arange(o.tokens) / o.tokens)[:, None, None]
        if o.edges:
            add_edges(k, v, o.type)
        q = rng.standard_normal((o.queries, o.q_heads, o.head_dim))
        prefix = f"layers.{layer}." if o.layers > 1 else ""
        for name, x in (("k", k), ("v", v), ("q", q)):
            tensors[prefix + name] = (o.type, narrowed(o.type, x))
        if o.queries > 1 and layer % 2 == 0:
            q_pos = np.sort(rng.choice(o.tokens, o.queries, replace=False))
            tensors[prefix + "q_pos"] = ("I64" if layer % 4 == 0 else "I32", q_pos)
    safetensors.write(o.out, tensors, {"source": f"make_trace.py, seed {o.seed}"})


if __name__ == "__main__":
    main()
