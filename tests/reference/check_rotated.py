#!/usr/bin/env python3
"""check_rotated.py TRACE DUMP: is this dump of a rotated-b policy what docs/method.md describes?

Fits leave room in the last bit, so their result is not computed anew but judged, in double
precision and from the trace: pools and marks as traced on the raw key; every code the nearest to
its rotated, divided element; factors refitted; keys' parameters as good as the best of the 49
ranges; values' no worse than min-max; `out` and `lse` what attention over just these bytes gives.
"""
import sys

import numpy as np

import reference
import safetensors

SHRINK = (1, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6)


def hadamard(dim):
    """Normalized, block-diagonal over the largest power of two that divides dim."""
    block = dim & -dim
    h = np.ones((1, 1))
    while len(h) < block:
        h = np.block([[h, h], [h, -h]])
    return np.kron(np.eye(dim // block), h / np.sqrt(block))


def stored(x):
    return reference.stored(np.asarray(x, np.float32)).astype(np.float64)


def encode(x, scale, zero, steps):
    with np.errstate(divide="ignore", invalid="ignore"):
        code = np.clip(np.rint((x - zero) / scale), 0, steps)
    return np.where(scale == 0, 0, code)


def high_norm(x, scale, zero, steps, width):
    """Sum over axis 0 of |error / width|^8."""
    error = x - (zero + scale * encode(x, scale, zero, steps))
    return ((error / width) ** 8).sum(axis=0)


class Check:
    def __init__(self, bits):
        self.steps, self.worst, self.good = (1 << bits) - 1, {}, True

    def expect(self, what, value, limit):
        self.worst[what] = max(self.worst.get(what, 0.0), float(value))
        if not value <= limit:
            print(f"{what}: {float(value):.4g}, want <= {limit:g}")
            self.good = False

    def codes(self, what, x, codes, params):
        """How far a code is from its element, over the half step that rounding may take."""
        scale, zero = params[..., 0].astype(np.float64), params[..., 1].astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            place = np.where(scale == 0, 0, np.clip((x - zero) / scale, 0, self.steps))
        self.expect(what, np.abs(place - codes).max(initial=0), 0.5 + 2e-3)
        return zero + scale * codes

    def keys(self, k, marks, codes, params, factors, rotation):
        """One group of keys [G, D]; returns what attention reads of them."""
        rotated = k @ rotation
        norm = stored(np.sqrt((rotated**2).sum(axis=1)))
        divided = rotated / np.where(norm == 0, 1, norm)[:, None] * (norm > 0)[:, None]
        read = self.codes("key code", divided[~marks], codes[~marks], params[None])
        product = (divided[~marks] * read).sum(axis=1)
        refitted = norm[~marks] * (divided[~marks]**2).sum(axis=1) / product
        factors = factors.astype(np.float64)
        self.expect("key factor", np.abs(factors[~marks] / refitted - 1).max(), 2.0**-10)
        filled = divided.copy()
        filled[marks] = divided[~marks].mean(axis=0) if (~marks).any() else 0
        self.key_fit(filled, params)
        result = np.zeros_like(k)
        result[~marks] = factors[~marks, None] * read @ rotation
        return result

    def key_fit(self, x, params):
        steps = self.steps
        low, high = x.min(axis=0), x.max(axis=0)
        middle, width = (low + high) / 2, np.where(high > low, high - low, 1)
        best = np.full(x.shape[1], np.inf)
        for a in SHRINK:
            for b in SHRINK:
                lo, hi = middle - a * (middle - low), middle + b * (high - middle)
                cost = high_norm(x, stored((hi - lo) / steps), stored(lo), steps, width)
                best = np.minimum(best, cost)
        scale, zero = params[:, 0].astype(np.float64), params[:, 1].astype(np.float64)
        got = high_norm(x, scale, zero, steps, width)
        self.expect("key fit over the best", (got / np.maximum(best, 1e-30)).max(), 1.05)
        self.expect("key fit over the best, mean", got.sum() / best.sum(), 1.001)

    def values(self, v, marks, codes, params, rotation):
        steps, rotated = self.steps, (v @ rotation)[~marks]
        read = self.codes("value code", rotated, codes[~marks], params[~marks])
        low, high = rotated.min(axis=1, keepdims=True), rotated.max(axis=1, keepdims=True)
        scale, zero = stored((high - low) / steps), stored(low)
        min_max = zero + scale * encode(rotated, scale, zero, steps)
        ratio = ((rotated - read)**2).sum(axis=1) / ((rotated - min_max)**2).sum(axis=1)
        self.expect("value fit over min-max", ratio.max(), 1.0005)
        self.expect("value fit over min-max, mean", ratio.mean(), 0.95 if steps == 3 else 1.0)
        result = np.zeros_like(v)
        result[~marks] = read @ rotation
        return result

    def attention(self, what, k, v, q, q_pos, scale, out, lse):
        s = scale * (q @ k.T)
        s[np.arange(len(k))[None, :] > q_pos[:, None]] = -np.inf
        top = s.max(axis=1, keepdims=True)
        weights = np.exp(s - top)
        total = weights.sum(axis=1, keepdims=True)
        exact = (weights / total) @ v
        self.expect(f"{what}out", np.abs(out - exact).max() / np.abs(exact).max(), 2e-3)
        self.expect(f"{what}lse", np.abs(lse - (top + np.log(total))[:, 0]).max(), 2e-3)


def check_layer(check, tensors, traced, dump, prefix, scale):
    k, v, q = (safetensors.widen(*tensors[prefix + n]).astype(np.float64) for n in "kvq")
    if prefix + "q_pos" in tensors:
        q_pos = tensors[prefix + "q_pos"][1].astype(np.int64)
    else:
        q_pos = np.arange(len(k) - len(q), len(k))
    for name in ("marks", "pool_pos", "evicted_pos"):
        same = np.array_equal(traced[prefix + name][1], dump[prefix + name][1])
        check.expect(f"{name} differ", 0 if same else 1, 0)
    codes_k, params_k, codes_v, params_v, factors, marks = (
        dump[prefix + n][1] for n in ("codes_k", "params_k", "codes_v", "params_v", "factor_k",
                                      "marks"))
    group, rotation = marks.shape[2], hadamard(k.shape[2])
    for h in range(k.shape[1]):
        seen_k, seen_v = k[:, h].copy(), v[:, h].copy()
        for g in range(len(marks)):
            rows, m = slice(g * group, (g + 1) * group), marks[g, h].astype(bool)
            read_k = check.keys(k[rows, h], m, codes_k[g, h].T, params_k[g, h], factors[g, h],
                                rotation)
            read_v = check.values(v[rows, h], m, codes_v[g, h], params_v[g, h], rotation)
            seen_k[rows][~m], seen_v[rows][~m] = read_k[~m], read_v[~m]
        shared = q.shape[1] // k.shape[1]
        for i in range(h * shared, (h + 1) * shared):
            check.attention(prefix, seen_k, seen_v, q[:, i], q_pos, scale,
                            dump[prefix + "out"][1][:, i], dump[prefix + "lse"][1][:, i])


def main():
    trace_path, dump_path = sys.argv[1:]
    dump, metadata = safetensors.read(dump_path)
    # Who is traced follows from the raw keys alone: the ott policy traces the same tokens.
    traced = reference.run(trace_path, reference.policy_named("ott-2"))
    tensors, header = safetensors.read(trace_path)
    check = Check(int(metadata["policy"].split("-")[1]))
    for name in sorted(n for n in dump if n == "out" or n.endswith(".out")):
        prefix = name[:-3]
        default = 1 / np.sqrt(tensors[prefix + "k"][1].shape[2])
        scale = float(header.get("softmax_scale", default))
        check_layer(check, tensors, traced, dump, prefix, scale)
    for what, value in check.worst.items():
        print(f"  {what}: {value:.5g}")
    print("agree" if check.good else "DIFFER")
    return 0 if check.good else 1


if __name__ == "__main__":
    sys.exit(main())
