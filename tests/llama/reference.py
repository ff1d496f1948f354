"""A Llama-family model in NumPy, fp32, with plain attention: what the engine must agree with where
its cache rounds nothing. Shares no code with it; slow and short."""
import json
from pathlib import Path

import numpy as np

TYPES = {"F16": np.float16, "F32": np.float32, "I32": np.int32, "U8": np.uint8}


def read_safetensors(path):
    """name -> array; BF16 becomes float32."""
    raw = Path(path).read_bytes()
    size = int.from_bytes(raw[:8], "little")
    tensors = {}
    for name, info in json.loads(raw[8:8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + size + at for at in info["data_offsets"])
        if info["dtype"] == "BF16":
            flat = (np.frombuffer(raw[begin:end], np.uint16).astype(np.uint32) << 16).view(
                np.float32)
        else:
            flat = np.frombuffer(raw[begin:end], TYPES[info["dtype"]])
        tensors[name] = flat.reshape(info["shape"])
    return tensors


def read_model(folder):
    """config, and every tensor in fp32."""
    folder = Path(folder)
    config = json.loads((folder / "config.json").read_text())
    tensors = {}
    for shard in sorted(folder.glob("*.safetensors")):
        tensors |= read_safetensors(shard)
    return config, {name: t.astype(np.float32) for name, t in tensors.items()}


def frequencies(config):
    dim = head_dim(config)
    plain = float(config.get("rope_theta", 10000.0)) ** (-np.arange(0, dim, 2) / dim)
    scaling = config.get("rope_scaling")
    if not scaling:
        return plain
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    turns = scaling["original_max_position_embeddings"] * plain / (2 * np.pi)
    smooth = np.clip((turns - low) / (high - low), 0, 1)
    return plain * ((1 - smooth) / scaling["factor"] + smooth)


def head_dim(config):
    return config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]


def window(config):
    """0 or None: a query sees everything before it."""
    if config.get("use_sliding_window") is False:
        return None
    return config.get("sliding_window")


def norm(x, weight, eps):
    return x / np.sqrt((x.astype(np.float64) ** 2).mean(-1, keepdims=True) + eps).astype(
        np.float32) * weight


def turn(x, angles):
    """x: [tokens, heads, dim]; the halves of a head turn together."""
    cos, sin = (f(angles)[:, None].astype(np.float32) for f in (np.cos, np.sin))
    a, b = np.split(x, 2, axis=-1)
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)


def attention(q, k, v, window):
    """q: [tokens, q_heads, dim]; k, v: [tokens, kv_heads, dim]. Causal."""
    tokens, heads, dim = q.shape
    at = np.arange(tokens)
    hidden = at[None] > at[:, None]
    if window:
        hidden |= at[None] <= at[:, None] - window
    out = np.empty_like(q)
    for head in range(heads):
        source = head * k.shape[1] // heads
        scores = q[:, head] @ k[:, source].T / np.float32(np.sqrt(dim))
        scores[hidden] = -np.inf
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        out[:, head] = scores @ v[:, source] / scores.sum(-1, keepdims=True)
    return out


def logits(config, tensors, ids):
    """[tokens, vocab] of one sequence."""
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    dim, eps, count = head_dim(config), config["rms_norm_eps"], len(ids)
    angles = np.arange(count)[:, None] * frequencies(config)[None]
    x = tensors["model.embed_tokens.weight"][ids]
    for layer in range(config["num_hidden_layers"]):
        t = lambda name: tensors[f"model.layers.{layer}.{name}"]  # noqa: E731
        linear = lambda name, x: x @ t(name + ".weight").T  # noqa: E731
        h = norm(x, t("input_layernorm.weight"), eps)
        q, k, v = (linear(f"self_attn.{name}_proj", h) for name in "qkv")
        if config["architectures"] == ["Qwen2ForCausalLM"]:
            q, k, v = (y + t(f"self_attn.{name}_proj.bias") for name, y in zip("qkv", (q, k, v)))
        q, k, v = (y.reshape(count, n, dim) for y, n in zip((q, k, v), (heads, kv_heads, kv_heads)))
        o = attention(turn(q, angles), turn(k, angles), v, window(config))
        x = x + linear("self_attn.o_proj", o.reshape(count, heads * dim))
        h = norm(x, t("post_attention_layernorm.weight"), eps)
        gate = linear("mlp.gate_proj", h)
        x = x + linear("mlp.down_proj", gate / (1 + np.exp(-gate)) * linear("mlp.up_proj", h))
    x = norm(x, tensors["model.norm.weight"], eps)
    head = "model.embed_tokens.weight" if config.get("tie_word_embeddings") else "lm_head.weight"
    return x @ tensors[head].T


def losses(rows, targets):
    """-log softmax of each row at its target."""
    top = rows.max(-1)
    total = np.log(np.exp(rows - top[:, None]).sum(-1, dtype=np.float64)) + top
    return total - rows[np.arange(len(targets)), targets]
