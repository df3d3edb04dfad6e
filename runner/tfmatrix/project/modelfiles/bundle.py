"""Shapes of the variables of a checkpoint, read from its index without TensorFlow.

The index is a table of LevelDB's ("LevelDB: table_format.md"): blocks of sorted keys, an index of the blocks, a footer.
Its values are BundleEntryProto (tensorflow/core/protobuf/tensor_bundle.proto).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from tfmatrix.project.modelfiles.protobuf import ProtobufError, fields, inside, varint

MAX_INDEX = 64 * 2**20
"""Bytes of an index that are read; that of a model with 100 000 variables has some 10 MB."""

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_SHAPE, _DIM = 2, 2
_NOT_THE_MODEL = (".OPTIMIZER_SLOT", "_CHECKPOINTABLE_OBJECT_GRAPH", "keras_api/metrics/", "save_counter/")
_OF_OPTIMIZERS = ("optimizer/", "_optimizer/")


def parameters(index: Path) -> int | None:
    """How many numbers the model's variables have, without those of optimizers and metrics.

    None where the index is packed, or too large. Raises ProtobufError where it is damaged.
    """
    if index.stat().st_size > MAX_INDEX:
        return None
    data = memoryview(index.read_bytes())
    if len(data) < _FOOTER or int.from_bytes(data[-8:], "little") != _MAGIC:
        raise ProtobufError("the index of its checkpoint has no end")
    footer = data[len(data) - _FOOTER :]
    _, position = _handle(footer, 0)
    (start, size), _ = _handle(footer, position)
    total = 0
    for _, handle in _entries(data, start, size):
        (start, size), _ = _handle(handle, 0)
        if bytes(data[start + size : start + size + 1]) != b"\0":
            return None
        for key, value in _entries(data, start, size):
            name = key.decode("utf-8", "replace")
            if name and not name.startswith(_OF_OPTIMIZERS) and not any(each in name for each in _NOT_THE_MODEL):
                total += _size(value)
    return total


def _handle(data: memoryview, position: int) -> tuple[tuple[int, int], int]:
    start, position = varint(data, position)
    size, position = varint(data, position)
    return (start, size), position


def _entries(data: memoryview, start: int, size: int) -> Iterator[tuple[bytes, memoryview]]:
    """Keys and values of a block: each key shares its beginning with the one before; restarts follow at the end."""
    if size < 4 or start + size > len(data):
        raise ProtobufError("the index of its checkpoint names what is not there")
    block = data[start : start + size]
    end = size - 4 - 4 * int.from_bytes(block[-4:], "little")
    key, position = b"", 0
    while position < end:
        shared, position = varint(block, position)
        own, position = varint(block, position)
        length, position = varint(block, position)
        if position + own + length > end or shared > len(key):
            raise ProtobufError("an entry of its checkpoint ends beyond its block")
        key = key[:shared] + bytes(block[position : position + own])
        position += own
        yield key, block[position : position + length]
        position += length


def _size(entry: memoryview) -> int:
    """The product of the sizes of an entry's dimensions."""
    sizes = []
    for shape in inside(entry, _SHAPE):
        for number, dimension in fields(shape):
            if number == _DIM:
                # Field 1 is a number; left out, it is 0.
                sizes.append(varint(dimension, 1)[0] if bytes(dimension[:1]) == b"\x08" else 0)
    return math.prod(sizes)
