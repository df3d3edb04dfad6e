"""Fields of a serialized protobuf message by number, without its schema: enough to see who wrote a SavedModel."""

from __future__ import annotations

from collections.abc import Iterator


class ProtobufError(Exception):
    """The bytes are no message, or one that ends too early."""


def fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Numbers and contents of the length-delimited fields of a message (strings, messages); others are passed over."""
    position = 0
    while position < len(data):
        key, position = varint(data, position)
        number, wire = key >> 3, key & 7
        if not number:
            raise ProtobufError("field 0")
        if wire == 0:
            _, position = varint(data, position)
        elif wire == 2:
            length, position = varint(data, position)
            if position + length > len(data):
                raise ProtobufError("a field ends beyond the file")
            yield number, data[position : position + length]
            position += length
        elif wire in (1, 5):
            position += 8 if wire == 1 else 4
        else:
            raise ProtobufError(f"wire type {wire}")
    if position > len(data):
        raise ProtobufError("a field ends beyond the file")


def inside(data: memoryview, *path: int) -> Iterator[memoryview]:
    """The contents of all fields at a path of numbers."""
    for number, content in fields(data):
        if number == path[0]:
            if len(path) == 1:
                yield content
            else:
                yield from inside(content, *path[1:])


def varint(data: memoryview, position: int) -> tuple[int, int]:
    """The number that begins at a position, and where it ends. Raises ProtobufError where it has no end."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise ProtobufError("a number ends beyond the file")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ProtobufError("a number without end")
