"""Safetensors in NumPy: the few types of docs/formats.md, read and written in ten lines each."""
import json
import struct

import numpy as np

# BF16 has no NumPy type: its bits are kept as uint16 under this name.
DTYPES = {"U8": np.uint8, "I32": np.int32, "I64": np.int64, "F16": np.float16,
          "BF16": np.uint16, "F32": np.float32}


def read(path):
    """Returns ({name: (type name, array)}, metadata)."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        array = np.frombuffer(data[begin:end], DTYPES[entry["dtype"]])
        tensors[name] = (entry["dtype"], array.reshape(entry["shape"]))
    return tensors, metadata


def write(path, tensors, metadata):
    """tensors: {name: (type name, array)}, written in that order."""
    header, blobs, begin = {"__metadata__": metadata}, [], 0
    for name, (kind, array) in tensors.items():
        blob = np.ascontiguousarray(array, DTYPES[kind]).tobytes()
        header[name] = {"dtype": kind, "shape": list(array.shape),
                        "data_offsets": [begin, begin + len(blob)]}
        begin += len(blob)
        blobs.append(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def widen(kind, array):
    """Model elements as float32, exactly."""
    if kind == "BF16":
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float32)
