"""Heads of HDF5 files: in every layout, damaged, and made so that reading them never ends."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import struct
import time
import zipfile
import zlib
from pathlib import Path

import golden_hdf5
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tfmatrix.core.errors import InfrastructureError, UsageError
from tfmatrix.project.modelfiles import hdf5
from tfmatrix.project.modelfiles.hdf5 import Hdf5Error, Hdf5Head, read_head
from tfmatrix.project.modelfiles.hdf5_reader import Window
from tfmatrix.project.modelfiles.heads import HDF5
from tfmatrix.project.modelfiles.modelfile import read_model

LAYOUTS = ["OLD_H5PY", "NEW_H5PY", "LATEST_LAYOUT"]
UNDEFINED = 2**64 - 1


def golden(name: str) -> bytes:
    return zlib.decompress(base64.b64decode(getattr(golden_hdf5, name)))


@pytest.mark.parametrize("name", LAYOUTS)
def test_attributes_of_the_root_in_every_layout(tmp_path, name):
    path = tmp_path / "m.h5"
    path.write_bytes(golden(name))
    names = frozenset({"keras_version", "backend", "model_config", "ratio"})
    config = '{"class_name": "Sequential", "config": {"layers": []}}'
    assert read_head(path) == Hdf5Head(attributes=names, keras_version="2.10.0", model_config=config, parameters=2)


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_variables_of_a_file_in_an_archive_are_counted_however_it_is_packed(tmp_path, name, how):
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w", how) as archive:
        archive.writestr("config.json", "{}" * 50)
        archive.writestr("umlaut ä.h5", golden(name))
        archive.writestr("behind.json", "{}" * 50)
    assert hdf5.parameters_inside(path, "umlaut ä.h5") == 2


def test_a_part_of_a_file_is_read_at_any_place_and_no_further():
    whole = io.BytesIO(bytes(range(200)))
    window = io.BufferedReader(Window(whole, 20, 100))
    for place, count in ((90, 20), (0, 5), (50, 1), (99, 3), (100, 1), (150, 4)):
        window.seek(place)
        assert window.read(count) == bytes(range(20, 120))[place : place + count]
    assert window.seek(-3, io.SEEK_END) == 97
    assert len(window.read()) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each is read by a process of its own there")
def test_heads_of_many_files_are_read_by_one_process_and_a_bad_one_costs_the_others_nothing(tmp_path, monkeypatch):
    good = [tmp_path / f"{name}.h5" for name in LAYOUTS]
    for path, name in zip(good, LAYOUTS, strict=True):
        path.write_bytes(golden(name))
    damaged, endless, changed = (tmp_path / f"{name}.h5" for name in ("damaged", "endless", "changed"))
    damaged.write_bytes(golden("OLD_H5PY")[:600])
    endless.write_bytes(continued_in_itself(4_000_000))
    monkeypatch.setattr(hdf5, "CPU_SECONDS", 1)
    changed.write_bytes(golden("OLD_H5PY"))
    (tmp_path / "notes.h5").write_text("no model")
    alone = [read_head(path) for path in good]
    began = []
    run = hdf5._run
    monkeypatch.setattr(hdf5, "_run", lambda *given, seconds: began.append(given[0]) or run(*given, seconds=seconds))
    hdf5.look_ahead([damaged, good[0], endless, *good[1:], changed, tmp_path / "notes.h5", tmp_path / "none.h5"])
    assert began == ["--each"]
    assert [read_head(path) for path in good] == alone
    assert began == ["--each"], "they were read already"
    changed.write_bytes(golden("NEW_H5PY"))
    assert read_head(changed) == alone[1]
    for path in (damaged, endless):
        with pytest.raises(Hdf5Error):
            read_head(path)


@settings(max_examples=12)  # a process each
@given(st.sampled_from(LAYOUTS), st.data())
def test_damaged_hdf5_is_an_error_or_reads_as_something(tmp_path_factory, name, data):
    content = bytearray(golden(name))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "m.h5"
    path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]))
    with contextlib.suppress(Hdf5Error):  # whatever else it raises fails the test
        read_head(path)


def superblock(size: int, root: int) -> bytearray:
    """Version 0, up to the root group's entry."""
    content = bytearray(size)
    content[:16] = HDF5 + bytes([0, 0, 0, 0, 0, 8, 8, 0])
    struct.pack_into("<HHI", content, 16, 4, 16, 0)
    struct.pack_into("<QQQQ", content, 24, 0, UNDEFINED, size, UNDEFINED)
    struct.pack_into("<QQII", content, 56, 0, root, 0, 0)
    return content


def continued_in_itself(size: int) -> bytes:
    """An object header (version 1) full of continuations, each of which names the whole header again."""
    root, length = 96, size - 200
    content = superblock(size, root)
    struct.pack_into("<BBHII", content, root, 1, 0, 65535, 1, length)
    for place in range(root + 16, root + 16 + length - 24, 24):
        struct.pack_into("<HHBBHQQ", content, place, 0x10, 16, 0, 0, 0, root + 16, length)
    return bytes(content)


def larger_than_memory(size: int) -> bytes:
    """The root group's names lie in a heap that says it has 2**62 bytes."""
    content = superblock(size, 96)
    struct.pack_into("<BBHII", content, 96, 1, 0, 1, 1, 24)
    struct.pack_into("<HHBBHQQ", content, 112, 0x11, 16, 0, 0, 0, 200, 300)  # a symbol table: its tree, its heap
    content[200:208] = b"TREE" + bytes([0, 0, 0, 0])
    content[300:304] = b"HEAP"
    struct.pack_into("<QQQ", content, 308, 2**62, UNDEFINED, 400)
    return bytes(content)


@pytest.mark.parametrize("make", [continued_in_itself, larger_than_memory])
@pytest.mark.parametrize("size", [4_000, 4_000_000])
def test_a_hostile_head_ends_with_one_error(tmp_path, monkeypatch, make, size):
    monkeypatch.setattr(hdf5, "CPU_SECONDS", 1)
    path = tmp_path / "m.h5"
    path.write_bytes(make(size))
    began = time.monotonic()
    with pytest.raises(UsageError, match=r"is a damaged HDF5 file: .") as caught:
        read_model(path)
    assert time.monotonic() - began < hdf5.WALL_SECONDS
    assert "\n" not in caught.value.what


def test_what_takes_too_long_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "CPU_SECONDS", 1)
    path = tmp_path / "m.h5"
    path.write_bytes(continued_in_itself(4_000_000))
    with pytest.raises(Hdf5Error, match="its head has no end: reading it took more than 1 s of processor time"):
        read_head(path)


@pytest.mark.skipif(os.name == "nt", reason="processor time cannot be limited there")
def test_a_machine_that_is_busy_does_not_damage_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "WALL_SECONDS", 0.01)
    path = tmp_path / "m.h5"
    path.write_bytes(continued_in_itself(4_000))
    with pytest.raises(InfrastructureError, match="too busy"):
        read_model(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (HDF5, "not an HDF5 file"),
        (HDF5 + bytes([9]) + bytes(60), "superblock version 9 is not known"),
        (bytes(superblock(1000, 96)[:500]), "truncated: it ought to have 1000 bytes and has 500"),
    ],
)
def test_what_is_seen_before_anything_is_read(tmp_path, content, said):
    path: Path = tmp_path / "m.h5"
    path.write_bytes(content)
    with pytest.raises(Hdf5Error, match=said):
        read_head(path)


def test_a_reader_that_is_not_installed_is_no_damaged_file(tmp_path, monkeypatch):
    reader = tmp_path / "reader.py"
    reader.write_text("import a_package_that_nobody_has\n")
    monkeypatch.setattr(hdf5, "_READER", reader)
    path = tmp_path / "m.h5"
    path.write_bytes(golden("NEW_H5PY"))
    with pytest.raises(InfrastructureError, match="No module named 'a_package_that_nobody_has'"):
        read_head(path)
