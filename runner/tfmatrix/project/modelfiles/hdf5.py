"""The attributes of an HDF5 file's root, read without h5py: enough to see which Keras wrote a model.

Bytes are looked up, nothing is made of them. Every offset and length is checked against the file; what the few pages of
the format used here do not cover (dense attribute storage, shared types) is left out. The format is published by the
HDF Group: "HDF5 File Format Specification", version 3.0.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MAX_VALUE = 64 * 1024 * 1024
"""Bytes of one attribute that are read at most: a model's configuration is one."""

MAX_BLOCKS = 1000
_ATTRIBUTE, _CONTINUATION = 0x0C, 0x10
_STRING, _VARIABLE_LENGTH = 3, 9


class Hdf5Error(Exception):
    """Not an HDF5 file, or a damaged one."""


def root_attributes(path: Path) -> dict[str, bytes]:
    """Name to value of the root's string attributes. Raises Hdf5Error."""
    with path.open("rb") as stream:
        reader = _Reader(stream, path.stat().st_size)
        try:
            return reader.attributes()
        except (struct.error, IndexError, RecursionError) as error:
            raise Hdf5Error(f"damaged: {error}") from error


class _Reader:
    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._size = size
        self._offset_bytes = 8
        self._length_bytes = 8

    def attributes(self) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for kind, message in self._messages(self._root()):
            if kind == _ATTRIBUTE:
                pair = self._attribute(message)
                if pair is not None:
                    found[pair[0]] = pair[1]
        return found

    def _at(self, offset: int, length: int) -> bytes:
        if offset < 0 or length < 0 or offset + length > self._size:
            raise Hdf5Error(f"truncated: byte {offset + length} is named, the file has {self._size}")
        self._stream.seek(offset)
        return self._stream.read(length)

    def _number(self, data: bytes, start: int, width: int) -> int:
        if start + width > len(data):
            raise Hdf5Error("damaged: a number beyond its block")
        return int.from_bytes(data[start : start + width], "little")

    def _root(self) -> int:
        """Where the root group's object header lies."""
        head = self._at(0, min(self._size, 128))
        if not head.startswith(SIGNATURE):
            raise Hdf5Error("not an HDF5 file")
        version = head[8]
        if version in (0, 1):
            self._offset_bytes, self._length_bytes = head[13], head[14]
            addresses = 24 + (4 if version == 1 else 0)
            end, root = addresses + 2 * self._offset_bytes, addresses + 5 * self._offset_bytes
        elif version in (2, 3):
            self._offset_bytes, self._length_bytes = head[9], head[10]
            end, root = 12 + 2 * self._offset_bytes, 12 + 3 * self._offset_bytes
        else:
            raise Hdf5Error(f"superblock version {version} is not known")
        if self._number(head, end, self._offset_bytes) > self._size:
            last = self._number(head, end, self._offset_bytes)
            raise Hdf5Error(f"truncated: it ought to have {last} bytes and has {self._size}")
        return self._number(head, root, self._offset_bytes)

    def _messages(self, address: int) -> Iterator[tuple[int, bytes]]:
        """Types and contents of the messages of an object header, in version 1 or 2."""
        head = self._at(address, 16)
        if head[:4] == b"OHDR":
            flags = head[5]
            start = address + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
            width = 1 << (flags & 3)
            length = self._number(self._at(start, width), 0, width)
            blocks, entry = [(start + width, length)], 6 if flags & 0x04 else 4
        else:
            blocks, entry = [(address + 16, self._number(head, 8, 4))], 8
        for count, (start, length) in enumerate(blocks):
            if count > MAX_BLOCKS:
                raise Hdf5Error("damaged: the header has no end")
            block = self._at(start, length)
            position = 0
            while position + entry <= len(block):
                kind = block[position] if entry != 8 else self._number(block, position, 2)
                size = self._number(block, position + (1 if entry != 8 else 2), 2)
                message = block[position + entry : position + entry + size]
                position += entry + size
                if kind == _CONTINUATION:
                    offset = self._number(message, 0, self._offset_bytes)
                    more = self._number(message, self._offset_bytes, self._length_bytes)
                    # Version 2 puts a signature before, and a checksum behind.
                    blocks.append((offset, more) if entry == 8 else (offset + 4, more - 8))
                else:
                    yield kind, message

    def _attribute(self, message: bytes) -> tuple[str, bytes] | None:
        """Name and value of a string attribute; None for others."""
        version, flags = message[0], message[1]
        if version not in (1, 2, 3) or (version > 1 and flags & 1):
            return None
        sizes = [self._number(message, 2 + 2 * index, 2) for index in range(3)]
        position = 9 if version == 3 else 8
        parts = []
        for size in sizes:
            parts.append(message[position : position + size])
            position += -(-size // 8) * 8 if version == 1 else size
        name = parts[0].split(b"\0", 1)[0].decode("utf-8", "replace")
        kind = parts[1][0] & 0x0F
        if kind == _STRING:
            length = self._number(parts[1], 4, 4)
            return name, message[position : position + length].rstrip(b"\0")
        if kind == _VARIABLE_LENGTH and parts[1][1] & 0x0F == 1:
            return name, self._from_heap(message[position:])
        return None

    def _from_heap(self, reference: bytes) -> bytes:
        """A string of variable length: the file keeps it elsewhere."""
        length = self._number(reference, 0, 4)
        address = self._number(reference, 4, self._offset_bytes)
        index = self._number(reference, 4 + self._offset_bytes, 4)
        if not length:
            return b""
        if length > MAX_VALUE:
            raise Hdf5Error("damaged: an attribute of more than 64 MB")
        head = self._at(address, 8 + self._length_bytes)
        if head[:4] != b"GCOL":
            raise Hdf5Error("damaged: an attribute points nowhere")
        end = address + self._number(head, 8, self._length_bytes)
        position = address + 8 + self._length_bytes
        while position + 8 + self._length_bytes <= end:
            entry = self._at(position, 8 + self._length_bytes)
            number, size = self._number(entry, 0, 2), self._number(entry, 8, self._length_bytes)
            position += 8 + self._length_bytes
            if number == index:
                return self._at(position, min(length, size))
            if number == 0:
                break
            position += -(-size // 8) * 8
        raise Hdf5Error("damaged: an attribute points nowhere")
