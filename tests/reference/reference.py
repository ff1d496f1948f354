#!/usr/bin/env python3
"""The method of docs/method.md in NumPy, written from that page alone.

    reference.py TRACE POLICY DUMP        e.g. reference.py trace.safetensors ott-2 dump.safetensors

Shares no code with the library: an agreement of the two says that both follow the page. Policies:
ott-b, kivi-b (b bits) and dense. Tokens arrive one at a time; the dump is that of docs/formats.md.
"""
import re
import sys
from dataclasses import dataclass, field

import numpy as np

import safetensors

F32 = np.float32


@dataclass
class Policy:
    bits: int          # 0: elements are kept as they are
    pool: int
    evicted: int
    group: int = 128
    residual: int = 32


def policy_named(name):
    if name == "dense":
        return Policy(bits=0, pool=0, evicted=0)
    match = re.fullmatch(r"(ott|kivi)-([1-8])", name)
    if not match:
        sys.exit(f"reference.py: unknown policy {name}, want ott-b, kivi-b or dense")
    traces = match[1] == "ott"
    return Policy(int(match[2]), pool=3 if traces else 0, evicted=32 if traces else 0)


# --- numbers: every operation rounded once, to fp32 -------------------------------------------

def stored(values):
    """fp32 -> the fp16 parameter: nearest even, saturated to finite, -0 and NaN become +0."""
    with np.errstate(over="ignore", invalid="ignore"):
        p = values.astype(np.float16)
    p = np.where(np.isposinf(p), np.float16(65504), p)
    p = np.where(np.isneginf(p), np.float16(-65504), p)
    p = np.where(np.isnan(p), np.float16(0), p)
    return np.where(p == 0, np.float16(0), p).astype(np.float16)


def quantize(x, bits):
    """x: [slices, elements] fp32 -> codes, (scale, zero) per slice, decoded values."""
    steps = (1 << bits) - 1
    low, high = x.min(axis=1), x.max(axis=1)
    with np.errstate(over="ignore"):
        scale = stored((high - low) / F32(steps))
    zero = stored(low)
    s, z = scale.astype(F32)[:, None], zero.astype(F32)[:, None]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.rint((x - z) / s)
    ratio = np.where(s == 0, F32(0), ratio)
    codes = np.clip(ratio, 0, steps).astype(np.uint8)
    decoded = z + s * codes.astype(F32)
    return codes, np.stack([scale, zero], axis=-1), decoded


def scores(kind, keys):
    """L1 norm of each key, exact for fp16 (units of 2^-24), else fp64 in channel order."""
    if kind == "F16":
        units = np.abs(keys.astype(np.float64)) * 2.0**24
        return units.astype(np.uint64).sum(axis=1, dtype=np.uint64)
    return np.add.accumulate(np.abs(keys.astype(np.float64)), axis=1)[:, -1]


# --- one (layer, KV head) -----------------------------------------------------------------------

@dataclass
class Head:
    policy: Policy
    kind: str
    k: np.ndarray      # [tokens, D] fp32: the trace, of which tokens < length have arrived
    v: np.ndarray
    length: int = 0
    flushed: int = 0   # groups
    pool: list = field(default_factory=list)      # (score, position)
    evicted: list = field(default_factory=list)
    groups: list = field(default_factory=list)
    marks: list = field(default_factory=list)

    def append(self):
        self.length += 1
        p = self.policy
        if self.length - self.flushed * p.group == p.residual + p.group:
            self.flush()

    def trace(self, first):
        """Step 1: returns the positions of this group that entered the pool."""
        p, entered = self.policy, []
        offered = scores(self.kind, self.k[first:first + p.group])
        for score, position in sorted((s, first + i) for i, s in enumerate(offered.tolist())):
            if len(self.pool) < p.pool:
                pass
            elif (self.pool and (score, position) < max(self.pool)
                  and len(self.evicted) < p.evicted):
                largest = max(self.pool)
                self.pool.remove(largest)
                self.evicted.append(largest)
            else:
                break
            self.pool.append((score, position))
            entered.append(position)
        return entered

    def substituted(self, rows, traced):
        """Step 2: the traced rows become the mean of the others, summed in position order."""
        if not traced.any():
            return rows
        total = np.zeros(rows.shape[1], F32)
        for row in rows[~traced]:
            total = total + row
        untraced = int((~traced).sum())
        rows = rows.copy()
        rows[traced] = total / F32(untraced) if untraced else F32(0)
        return rows

    def flush(self):
        p, first = self.policy, self.flushed * self.policy.group
        entered = self.trace(first)
        traced = np.isin(np.arange(first, first + p.group), entered)
        keys, values = self.k[first:first + p.group], self.v[first:first + p.group]
        if p.bits:
            k_codes, k_params, k_decoded = quantize(self.substituted(keys, traced).T, p.bits)
            v_codes, v_params, v_decoded = quantize(self.substituted(values, traced), p.bits)
            self.groups.append((k_codes, k_params, v_codes, v_params, k_decoded.T, v_decoded))
        else:
            self.groups.append((self.substituted(keys, traced).T, None,
                                self.substituted(values, traced), None, keys, values))
        self.marks.append(traced)
        self.flushed += 1

    def seen(self):
        """K and V as attention sees them: groups, traced tokens exact, window exact."""
        k, v = self.k[:self.length].copy(), self.v[:self.length].copy()
        for g, (group, traced) in enumerate(zip(self.groups, self.marks)):
            rows = g * self.policy.group + np.flatnonzero(~traced)
            k[rows], v[rows] = group[4][~traced], group[5][~traced]
        return k.astype(np.float64), v.astype(np.float64)


def attend(head, q, q_pos, scale):
    """fp64 attention of q [queries, D]; a query at position p sees positions <= p."""
    k, v = head.seen()
    s = scale * (q.astype(np.float64) @ k.T)
    s[np.arange(len(k))[None, :] > q_pos[:, None]] = -np.inf
    top = s.max(axis=1, keepdims=True)
    weights = np.exp(s - top)
    total = weights.sum(axis=1, keepdims=True)
    return (weights / total) @ v, (top + np.log(total))[:, 0]


# --- a trace ------------------------------------------------------------------------------------

def positions(entries, capacity):
    found = sorted(position for _, position in entries)
    return np.array(found + [-1] * (capacity - len(found)), np.int32)


def narrow(kind, values):
    """Elements of a dense group, back in the trace's own type."""
    if kind == "BF16":
        return (values.astype(F32).view(np.uint32) >> 16).astype(np.uint16)
    return values.astype(safetensors.DTYPES[kind])


def run_layer(policy, kind, k, v, q, q_pos, scale):
    """Returns the layer's tensors of the dump, {name: (type, array)}."""
    tokens, kv_heads, dim = k.shape
    heads = [Head(policy, kind, k[:, h], v[:, h]) for h in range(kv_heads)]
    for head in heads:
        for _ in range(tokens):
            head.append()
    shared = q.shape[1] // kv_heads
    out = np.zeros(q.shape, np.float64)
    lse = np.zeros(q.shape[:2], np.float64)
    for h in range(q.shape[1]):
        out[:, h], lse[:, h] = attend(heads[h // shared], q[:, h], q_pos, scale)

    def stack(field):   # -> [groups, kv_heads, ...]
        return np.stack([[group[field] for group in head.groups] for head in heads], axis=1)

    made = {}
    if heads[0].groups:
        for name, codes, params in (("k", 0, 1), ("v", 2, 3)):
            if policy.bits:
                made["codes_" + name] = ("U8", stack(codes))
                made["params_" + name] = ("F16", stack(params))
            else:
                made["codes_" + name] = (kind, narrow(kind, stack(codes)))
        if policy.bits:
            made["params_v"] = ("F16", made["params_v"][1][:, :, :, None, :])   # one channel group
        made["marks"] = ("U8", np.stack([head.marks for head in heads], axis=1).astype(np.uint8))
    made["pool_pos"] = ("I32", np.stack([positions(h.pool, policy.pool) for h in heads]))
    made["evicted_pos"] = ("I32", np.stack([positions(h.evicted, policy.evicted) for h in heads]))
    made["out"] = ("F32", out.astype(F32))
    made["lse"] = ("F32", lse.astype(F32))
    return made


def run(trace_path, policy):
    tensors, metadata = safetensors.read(trace_path)
    prefixes = sorted((n[:-1] for n in tensors if n == "k" or n.endswith(".k")),
                      key=lambda p: int(p.split(".")[1]) if p else 0)
    dump = {}
    for prefix in prefixes:
        kind = tensors[prefix + "k"][0]
        k, v, q = (safetensors.widen(*tensors[prefix + name]) for name in "kvq")
        if prefix + "q_pos" in tensors:
            q_pos = tensors[prefix + "q_pos"][1].astype(np.int64)
        else:
            q_pos = np.arange(len(k) - len(q), len(k))
        scale = float(metadata.get("softmax_scale", 1 / np.sqrt(k.shape[2])))
        layer = run_layer(policy, kind, k, v, q, q_pos, scale)
        dump.update({prefix + name: tensor for name, tensor in layer.items()})
    return dump


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    safetensors.write(sys.argv[3], run(sys.argv[1], policy_named(sys.argv[2])),
                      {"policy": sys.argv[2], "source": "tests/reference/reference.py"})
