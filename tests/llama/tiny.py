"""Tiny random checkpoints in Hugging Face layout, and token files, for the tests of `llama`."""
import json
from pathlib import Path

import numpy as np

VOCAB, LAYERS, DIM = 96, 2, 64

LLAMA = {
    "architectures": ["LlamaForCausalLM"], "vocab_size": VOCAB, "hidden_size": 128,
    "intermediate_size": 96, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": DIM, "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu", "eos_token_id": 2,
    "tie_word_embeddings": True,
}
LLAMA3 = LLAMA | {
    "num_key_value_heads": 1, "tie_word_embeddings": False, "rope_theta": 500000.0,
    "eos_token_id": [1, 2],
    "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                     "high_freq_factor": 4.0, "original_max_position_embeddings": 64},
}
MISTRAL = LLAMA | {"architectures": ["MistralForCausalLM"], "sliding_window": 50,
                   "tie_word_embeddings": False}
# Here head_dim is left to follow from the rest.
QWEN2 = {k: v for k, v in LLAMA.items() if k != "head_dim"} | {
    "architectures": ["Qwen2ForCausalLM"], "num_attention_heads": 2, "num_key_value_heads": 2,
    "sliding_window": 50, "use_sliding_window": False}


def shapes(config):
    hidden, ffn = config["hidden_size"], config["intermediate_size"]
    rows = {"q": config["num_attention_heads"] * DIM, "k": config["num_key_value_heads"] * DIM,
            "v": config["num_key_value_heads"] * DIM}
    yield "model.embed_tokens.weight", (VOCAB, hidden)
    yield "model.norm.weight", (hidden,)
    if not config["tie_word_embeddings"]:
        yield "lm_head.weight", (VOCAB, hidden)
    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        yield layer + "input_layernorm.weight", (hidden,)
        yield layer + "post_attention_layernorm.weight", (hidden,)
        for name, count in rows.items():
            yield f"{layer}self_attn.{name}_proj.weight", (count, hidden)
            if config["architectures"] == ["Qwen2ForCausalLM"]:
                yield f"{layer}self_attn.{name}_proj.bias", (count,)
        yield layer + "self_attn.o_proj.weight", (hidden, rows["q"])
        yield layer + "mlp.gate_proj.weight", (ffn, hidden)
        yield layer + "mlp.up_proj.weight", (ffn, hidden)
        yield layer + "mlp.down_proj.weight", (hidden, ffn)


def random_tensors(config, seed):
    random = np.random.default_rng(seed)
    tensors = {}
    for name, shape in shapes(config):
        values = random.standard_normal(shape) / np.sqrt(shape[-1])
        if name.startswith("model.embed"):
            values *= 2
        tensors[name] = (1 + values if "norm" in name else values).astype(np.float32)
    return tensors


def raw_of(values, dtype):
    """bytes of a tensor; BF16 by cutting, since the tests read back what was stored."""
    if dtype == "BF16":
        return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes()
    return values.astype({"F16": np.float16, "F32": np.float32, "I32": np.int32,
                          "U8": np.uint8}[dtype]).tobytes()


def write_safetensors(path, tensors, dtypes):
    """dtypes: one for all, or one each by name."""
    header, body = {}, b""
    for name, values in tensors.items():
        dtype = dtypes if isinstance(dtypes, str) else dtypes[name]
        raw = raw_of(values, dtype)
        header[name] = {"dtype": dtype, "shape": list(values.shape),
                        "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(header).encode()
    Path(path).write_bytes(len(text).to_bytes(8, "little") + text + body)


def write_model(folder, config, tensors, dtype="F32", num_shards=1):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    if num_shards == 1:
        write_safetensors(folder / "model.safetensors", tensors, dtype)
        return
    names, where = sorted(tensors), {}
    for i in range(num_shards):
        shard = f"model-{i + 1:05}-of-{num_shards:05}.safetensors"
        part = {name: tensors[name] for name in names[i::num_shards]}
        write_safetensors(folder / shard, part, dtype)
        where |= dict.fromkeys(part, shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))


def write_tokens(path, tokens, scored):
    write_safetensors(path, {"tokens": np.asarray(tokens), "scored": np.asarray(scored)},
                      {"tokens": "I32", "scored": "U8"})
