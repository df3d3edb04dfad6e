"""The class of an artifact: what it says but for versions, times and the values of weights.

Artifacts of one class are read alike by any one reader, so that one of them speaks for all (`engine/inference.py`).
What a file is, is seen from the file itself. All names stay: in the HDF5 part of a `.keras` archive the numbers in them
decide which layer gets which values. A kind of file that is not understood is taken byte by byte: its classes are then
the equal ones, and nothing is inferred that should not be.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
import zipfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import pyfive  # type: ignore[import-untyped]

from tfmatrix.store.keys import digest_of, module_digest

_OF_A_MOMENT = ("keras_version", "date_saved")
"""Keys of JSON and names of attributes that say who wrote, and when."""

_HDF5, _ZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"
_TRACED = re.compile(r"(__(?:inference|forward|backward)_\w*?)_\d+\b")
"""TensorFlow counts the functions that a process traces; a number more or less changes nothing."""

_MAX_DEPTH = 60


def artifact_class(folder: Path) -> str:
    """The class of the artifact in a folder of the store, as a digest. Raises FileNotFoundError where there is none.

    An empty folder would be a class, and so whatever is not there would be of one class.
    """
    if not folder.is_dir():
        raise FileNotFoundError(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return digest_of({path.relative_to(folder).as_posix(): _file(path) for path in files})


@cache
def classes_digest() -> str:
    """Digest of the code that makes classes: those that other code made are not to be compared with its."""
    return module_digest(artifact_class)


def _file(path: Path) -> Any:
    if path.name == "fingerprint.pb":  # hashes of the files beside it
        return None
    if path.name.startswith("variables.data-") or path.match("*.data-?????-of-?????"):
        return path.stat().st_size
    try:
        with path.open("rb") as stream:
            head = stream.read(8)
        if head == _HDF5:
            return _hdf5(path)
        if head[:4] == _ZIP:
            return _archive(path)
        if path.suffix == ".index":
            return [[key.decode("utf-8", "replace"), _entry(value)] for key, value in _table(path.read_bytes()) if key]
        if path.name == "saved_model.pb":
            return _message(path.read_bytes(), _SAVED_MODEL)
        if path.name == "keras_metadata.pb":
            return _message(path.read_bytes(), _KERAS_METADATA)
    except _NOT_UNDERSTOOD:
        pass  # byte by byte
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


_NOT_UNDERSTOOD = (
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    struct.error,
    zipfile.BadZipFile,
    NotImplementedError,
    OSError,
    AttributeError,
    AssertionError,
)
"""What reading a damaged or unknown file raises, in the standard library and in pyfive."""


# JSON and archives


def _json(text: str) -> Any:
    """The value of a JSON text without what is of a moment; a text that is none as it is."""
    if not text.startswith(("{", "[")):
        return text
    try:
        return _without_moments(json.loads(text))
    except ValueError:
        return text


def _without_moments(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_moments(each) for key, each in value.items() if key not in _OF_A_MOMENT}
    if isinstance(value, list):
        return [_without_moments(each) for each in value]
    # A number may be nan or too large: digests are of strict JSON.
    return repr(value) if isinstance(value, float) else value


def _archive(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with zipfile.ZipFile(path) as archive:
        for entry in sorted(archive.infolist(), key=lambda each: each.filename):
            content = archive.read(entry)
            if content.startswith(_HDF5):
                found[entry.filename] = _hdf5(io.BytesIO(content))
            elif entry.filename.endswith(".json"):
                found[entry.filename] = _json(content.decode("utf-8"))
            else:
                found[entry.filename] = hashlib.sha256(content).hexdigest()
    return found


# HDF5


def _hdf5(source: Path | BinaryIO) -> dict[str, Any]:
    """Groups, datasets (shape and type) and attributes (with their values)."""
    found: dict[str, Any] = {}

    def visit(item: Any) -> None:
        attributes = {name: _attribute(value) for name, value in sorted(item.attrs.items()) if name not in _OF_A_MOMENT}
        if isinstance(item, pyfive.Group):
            found[item.name] = {"attributes": attributes, "members": sorted(item)}
            for name in sorted(item):
                visit(item[name])
        else:
            found[item.name] = {"attributes": attributes, "shape": list(item.shape), "type": str(item.dtype)}

    with pyfive.File(source if not isinstance(source, Path) else str(source)) as file:
        visit(file)
    return found


def _attribute(value: Any) -> Any:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return _json(value)
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [_attribute(each) for each in value]
    return value if isinstance(value, int | bool) or value is None else repr(value)


# TensorFlow's checkpoint index: a table as LevelDB has it (tensorflow/core/lib/io/format.cc), without compression


def _table(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    if len(data) < 48 or data[-8:] != bytes.fromhex("57fb808b247547db"):
        raise ValueError("not a table")
    footer = data[-48:-8]
    _, place = _varint(footer, 0)
    _, place = _varint(footer, place)
    offset, place = _varint(footer, place)
    size, _ = _varint(footer, place)
    for _, handle in _block(data[offset : offset + size]):
        start, place = _varint(handle, 0)
        length, _ = _varint(handle, place)
        if data[start + length] != 0:
            raise ValueError("a compressed block")
        yield from _block(data[start : start + length])


def _block(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    (restarts,) = struct.unpack("<I", data[-4:])
    end = len(data) - 4 - 4 * restarts
    place, key = 0, b""
    while place < end:
        shared, place = _varint(data, place)
        unshared, place = _varint(data, place)
        length, place = _varint(data, place)
        key = key[:shared] + data[place : place + unshared]
        place += unshared
        yield key, data[place : place + length]
        place += length


def _entry(value: bytes) -> Any:
    """What is stored under a key: its type and shape, but neither where it lies nor its checksum."""
    return [[number, _value(content, ())] for number, content in _fields(value) if number in (1, 2)]


# Protocol buffers, read without their schema but for the few places below

_Schema = Mapping[str, set[tuple[int, ...]]]

_SAVED_MODEL: _Schema = {
    # Of MetaGraphDef: what wrote it, with all the ops that it knew.
    "left out": {(2, 1), (2, 2, 4)},
    # Maps, nodes and functions come in any order.
    "sorted": {
        (2, 2, 1), (2, 2, 1, 5), (2, 2, 2, 1), (2, 2, 2, 1, 3), (2, 2, 2, 1, 3, 5), (2, 2, 2, 1, 4), (2, 2, 2, 1, 5),
        (2, 2, 2, 1, 6), (2, 2, 2, 1, 7), (2, 5), (2, 7, 2),
    },
}  # fmt: skip
_KERAS_METADATA: _Schema = {"left out": {(1, 6)}, "sorted": set()}


def _message(data: bytes, schema: _Schema, path: tuple[int, ...] = ()) -> list[Any]:
    """The fields of a message, in order; those of a map sorted."""
    found: list[Any] = []
    for number, content in _fields(data):
        place = (*path, number)
        if place not in schema["left out"]:
            found.append([number, _value(content, place, schema)])
    in_any_order = {number for number, _ in found if (*path, number) in schema["sorted"]}
    if in_any_order:
        kept = [entry for entry in found if entry[0] not in in_any_order]
        moved = [entry for entry in found if entry[0] in in_any_order]
        found = kept + sorted(moved, key=lambda entry: (entry[0], json.dumps(entry[1])))
    return found


_NO_SCHEMA: _Schema = {"left out": set(), "sorted": set()}


def _value(content: int | bytes, path: tuple[int, ...], schema: _Schema = _NO_SCHEMA) -> Any:
    """A number, a text, a message, or else bytes: which of them is not told, but what can be read as one is."""
    if isinstance(content, int):
        return content
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if all(char.isprintable() or char in "\n\t" for char in text) and not _reads_as_message(content):
        return _json(_TRACED.sub(r"\1", text))
    if len(path) < _MAX_DEPTH and _reads_as_message(content):
        return _message(content, schema, path)
    return hashlib.sha256(content).hexdigest()


def _reads_as_message(data: bytes) -> bool:
    try:
        return bool(data) and all(number for number, _ in _fields(data))
    except (ValueError, IndexError, struct.error):
        return False


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, place = _varint(data, place)
            yield number, value
        elif kind in (1, 5):
            width = 8 if kind == 1 else 4
            if place + width > len(data):
                raise ValueError("cut off")
            yield number, int.from_bytes(data[place : place + width], "little")
            place += width
        elif kind == 2:
            length, place = _varint(data, place)
            if place + length > len(data):
                raise ValueError("cut off")
            yield number, data[place : place + length]
            place += length
        else:
            raise ValueError(f"no wire type {kind}")


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
        if shift > 63:
            raise ValueError("no varint")
