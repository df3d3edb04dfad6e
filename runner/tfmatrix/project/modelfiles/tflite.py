"""What a TFLite file says of its converter and of the oldest runtime that reads it, read without TensorFlow.

The tables and fields are those of TensorFlow's schema.fbs (Model, Metadata) and conversion_metadata.fbs; of the
encoding ("FlatBuffers: Internals") only what leads there is read, each offset checked against the file.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import NamedTuple

MAX_ENTRIES = 10_000
_MODEL_CODES, _MODEL_GRAPHS, _MODEL_BUFFERS, _MODEL_METADATA = 1, 2, 4, 6
_GRAPH_TENSORS, _GRAPH_OPERATORS = 0, 3
_TENSOR_SHAPE, _TENSOR_BUFFER = 0, 2
_CODE_CUSTOM = 1
_CONVERTER, _RUNTIME = "CONVERSION_METADATA", "min_runtime_version"


class FlatbufferError(Exception):
    """An offset that leads out of the file."""


class About(NamedTuple):
    """Versions of TensorFlow: the converter's, and the least that has every op of the file; empty where not said."""

    converter: str
    runtime: str


def about(path: Path) -> About:
    """What the file says. Raises FlatbufferError for a damaged one."""
    model = _Table.root(path.read_bytes())
    buffers = model.tables(_MODEL_BUFFERS)
    held = {
        entry.text(0): buffers[entry.number(1)].data(0)
        for entry in model.tables(_MODEL_METADATA)
        if entry.number(1) < len(buffers)
    }
    converter = ""
    if held.get(_CONVERTER):
        environment = _Table.root(held[_CONVERTER]).table(0)
        converter = environment.text(0) if environment is not None else ""
    # Padded to 16 bytes.
    runtime = held.get(_RUNTIME, b"").split(b"\0", 1)[0].decode("utf-8", "replace")
    return About(converter=converter, runtime=runtime)


class Held(NamedTuple):
    """What a file holds: numbers in its constant tensors, ops in all its graphs, names of ops of other programs."""

    parameters: int
    operators: int
    custom: tuple[str, ...]


def held(path: Path) -> Held:
    """The same for what it computes with. Raises FlatbufferError for a damaged one."""
    model = _Table.root(path.read_bytes())
    filled = [bool(buffer.data(0)) for buffer in model.tables(_MODEL_BUFFERS)]
    parameters = operators = 0
    for graph in model.tables(_MODEL_GRAPHS):
        operators += len(graph.tables(_GRAPH_OPERATORS))
        for tensor in graph.tables(_GRAPH_TENSORS):
            place = tensor.number(_TENSOR_BUFFER)
            if place < len(filled) and filled[place]:
                parameters += math.prod(tensor.numbers(_TENSOR_SHAPE))
    codes = (code.text(_CODE_CUSTOM) for code in model.tables(_MODEL_CODES))
    return Held(parameters, operators, tuple(dict.fromkeys(name for name in codes if name)))


class _Table:
    """A table of a buffer, at a position."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self._position = position
        self._fields = position - self._read("<i", position)

    @classmethod
    def root(cls, data: bytes) -> _Table:
        if len(data) < 8:
            raise FlatbufferError("too short")
        return cls(data, int(struct.unpack_from("<I", data)[0]))

    def _read(self, kind: str, position: int) -> int:
        if position < 0 or position + struct.calcsize(kind) > len(self._data):
            raise FlatbufferError(f"byte {position} is named, the file has {len(self._data)}")
        return int(struct.unpack_from(kind, self._data, position)[0])

    def _place(self, field: int) -> int | None:
        """Where a field's value lies; None where it has its default."""
        entry = 4 + 2 * field
        if entry + 2 > self._read("<H", self._fields):
            return None
        offset = self._read("<H", self._fields + entry)
        return self._position + offset if offset else None

    def _target(self, field: int) -> int | None:
        place = self._place(field)
        return None if place is None else place + self._read("<I", place)

    def number(self, field: int) -> int:
        """An unsigned integer of four bytes."""
        place = self._place(field)
        return 0 if place is None else self._read("<I", place)

    def data(self, field: int) -> bytes:
        """A vector of bytes, or a string."""
        start = self._target(field)
        if start is None:
            return b""
        length = self._read("<I", start)
        if start + 4 + length > len(self._data):
            raise FlatbufferError("a vector ends beyond the file")
        return self._data[start + 4 : start + 4 + length]

    def numbers(self, field: int) -> list[int]:
        """A vector of signed integers of four bytes."""
        start = self._target(field)
        count = 0 if start is None else self._read("<I", start)
        if start is None or count > MAX_ENTRIES:
            return []
        return [self._read("<i", start + 4 + 4 * index) for index in range(count)]

    def text(self, field: int) -> str:
        """A string."""
        return self.data(field).decode("utf-8", "replace")

    def table(self, field: int) -> _Table | None:
        """A table in a field."""
        start = self._target(field)
        return None if start is None else _Table(self._data, start)

    def tables(self, field: int) -> list[_Table]:
        """A vector of tables."""
        start = self._target(field)
        if start is None:
            return []
        count = self._read("<I", start)
        if count > MAX_ENTRIES:
            raise FlatbufferError(f"a vector of {count} tables")
        places = range(start + 4, start + 4 + 4 * count, 4)
        return [_Table(self._data, place + self._read("<I", place)) for place in places]
