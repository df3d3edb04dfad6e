"""What of an artifact makes its class, and what does not."""

from __future__ import annotations

import base64
import json
import struct
import zipfile
import zlib
from pathlib import Path

import golden_hdf5
import pytest
from tfmatrix.store.artifact_class import artifact_class

CONFIG = {"class_name": "Sequential", "config": {"layers": [{"name": "dense", "units": 4}]}}


def written(folder: Path, name: str, content: bytes) -> str:
    """The class of an artifact that is one file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return artifact_class(folder)


def archive(folder: Path, *, version: str = "3.4.1", config: object = CONFIG, extra: bytes = b"") -> str:
    folder.mkdir()
    with zipfile.ZipFile(folder / "m.keras", "w") as file:
        file.writestr("metadata.json", json.dumps({"keras_version": version, "date_saved": version}))
        file.writestr("config.json", json.dumps(config))
        file.writestr("model.weights.h5", zlib.decompress(base64.b64decode(golden_hdf5.NEW_H5PY)))
        if extra:
            file.writestr("assets/words.txt", extra)
    return artifact_class(folder)


def test_versions_and_times_of_a_keras_archive_are_no_part_of_its_class(tmp_path):
    assert archive(tmp_path / "a") == archive(tmp_path / "b", version="3.9.0")


def test_configuration_and_assets_of_a_keras_archive_are(tmp_path):
    one = archive(tmp_path / "a")
    assert archive(tmp_path / "b", config={**CONFIG, "compile_config": {"optimizer": "adam"}}) != one
    assert archive(tmp_path / "c", extra=b"word") != one


def test_two_hdf5_files_of_other_content_differ(tmp_path):
    new, weights = (
        zlib.decompress(base64.b64decode(each)) for each in (golden_hdf5.NEW_H5PY, golden_hdf5.WEIGHTS_ONLY)
    )
    one = written(tmp_path / "a", "m.h5", new)
    assert one == written(tmp_path / "b", "m.h5", new)
    assert one != written(tmp_path / "c", "m.h5", weights)


def test_the_keras_that_wrote_an_hdf5_file_is_no_part_of_its_class(tmp_path):
    content = zlib.decompress(base64.b64decode(golden_hdf5.NEW_H5PY))
    assert content.count(b"2.10.0") == 1
    other = content.replace(b"2.10.0", b"2.11.0")
    assert written(tmp_path / "a", "m.h5", content) == written(tmp_path / "b", "m.h5", other)


def field(number: int, content: bytes | str | int) -> bytes:
    """One field of a message."""
    if isinstance(content, int):
        return bytes([number << 3]) + varint(content)
    data = content.encode() if isinstance(content, str) else content
    return bytes([number << 3 | 2]) + varint(len(data)) + data


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def node(name: str, op: str = "MatMul", inputs: tuple[str, ...] = ()) -> bytes:
    return field(1, field(1, name) + field(2, op) + b"".join(field(3, each) for each in inputs))


def saved_model(version: str, *nodes: bytes, number: int = 17) -> bytes:
    info = field(1, field(5, version) + field(6, "v" + version))
    graph = field(2, b"".join(nodes) + field(4, field(1, number)))
    return field(1, 1) + field(2, info + graph)


def test_the_tensorflow_and_the_order_of_nodes_are_no_part_of_a_saved_models_class(tmp_path):
    nodes = (node("call/dense", inputs=("x", "kernel")), node("call/__inference_call_12"))
    one = written(tmp_path / "a", "saved_model.pb", saved_model("2.15.1", *nodes))
    renumbered = (nodes[0], node("call/__inference_call_1234"))
    other = saved_model("2.16.2", *reversed(renumbered), number=1900)
    assert written(tmp_path / "b", "saved_model.pb", other) == one


def test_the_inputs_of_a_node_and_their_order_are(tmp_path):
    one = written(tmp_path / "a", "saved_model.pb", saved_model("2.15.1", node("sub", "Sub", ("x", "y"))))
    other = written(tmp_path / "b", "saved_model.pb", saved_model("2.15.1", node("sub", "Sub", ("y", "x"))))
    assert one != other


def table(entries: dict[str, bytes]) -> bytes:
    """A table as LevelDB has it: one block, its index, and the footer."""

    def block(items: list[tuple[bytes, bytes]]) -> bytes:
        body = b"".join(varint(0) + varint(len(key)) + varint(len(value)) + key + value for key, value in items)
        return body + struct.pack("<II", 0, 1)

    data = block([(key.encode(), value) for key, value in sorted(entries.items())])
    index = block([(b"~", varint(0) + varint(len(data)))])
    footer = varint(0) + varint(0) + varint(len(data) + 5) + varint(len(index))
    return data + b"\0crc!" + index + b"\0crc!" + footer.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


def entry(dtype: int, rows: int, offset: int, crc: int) -> bytes:
    return field(1, dtype) + field(2, field(2, field(1, rows))) + field(4, offset) + field(5, 8) + field(6, crc)


def test_what_a_checkpoint_holds_is_its_class_and_not_the_values(tmp_path):
    def checkpoint(name: str, entries: dict[str, bytes], values: bytes = b"12345678") -> str:
        written(tmp_path / name, "ckpt.data-00000-of-00001", values)
        return written(tmp_path / name, "ckpt.index", table({"": b"\x08\x01", **entries}))

    one = checkpoint("a", {"layer/kernel": entry(1, 4, 0, 77)})
    assert checkpoint("b", {"layer/kernel": entry(1, 4, 0, 99)}, b"87654321") == one
    assert checkpoint("c", {"layer/kernel": entry(1, 5, 0, 77)}) != one
    assert checkpoint("d", {"layer/bias": entry(1, 4, 0, 77)}) != one


@pytest.mark.parametrize("name", ["m.h5", "m.keras", "saved_model.pb", "ckpt.index", "m.tflite"])
@pytest.mark.parametrize(
    "head", [b"", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"]
)
def test_what_is_not_understood_is_taken_byte_by_byte(tmp_path, name, head):
    one = written(tmp_path / "a", name, head + b"\xff garbage")
    assert one == written(tmp_path / "b", name, head + b"\xff garbage")
    assert one != written(tmp_path / "c", name, head + b"\xfe garbage")
