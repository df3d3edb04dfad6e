"""Archives that are small and claim to be large: named, or refused in one error, soon and in little memory."""

from __future__ import annotations

import gzip
import io
import tarfile
import time
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from tfmatrix.core.errors import UsageError
from tfmatrix.project.modelfiles import archives
from tfmatrix.project.modelfiles.modelfile import read_model


@pytest.fixture(autouse=True)
def _bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_BYTES", 8 << 20)
    monkeypatch.setattr(archives, "MAX_MEMBERS", 1000)


def told(path: Path) -> str:
    """The one error, within two seconds of processor time."""
    started = time.process_time()
    with pytest.raises(UsageError) as caught:
        read_model(path)
    assert time.process_time() - started < 2
    return caught.value.what


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)


def swelling(path: Path, head: bytes) -> None:
    """A compressed tar archive that begins so and goes on in zeros."""
    with gzip.open(path, "wb", compresslevel=1) as target:
        target.write(head)
        for _ in range(64):
            target.write(bytes(1 << 20))


def test_a_member_that_swells_hides_what_lies_behind_and_keeps_nobody(tmp_path: Path) -> None:
    swelling(tmp_path / "m.tar.gz", header("model.h5", 1 << 40))
    assert "a tar archive of a model: model.h5" in told(tmp_path / "m.tar.gz")


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
@pytest.mark.parametrize("packed", [True, False])
def test_a_header_that_swells_is_refused_before_it_is_read(tmp_path: Path, kind: bytes, packed: bool) -> None:
    path = tmp_path / ("m.tar.gz" if packed else "m.tar")
    if packed:
        swelling(path, header("x", 1 << 40, kind))
    else:
        path.write_bytes(header("x", 1 << 38, kind))
        with path.open("r+b") as stream:
            stream.truncate(1 << 38)
    tracemalloc.start()
    try:
        assert "tar archive" in told(path) or "gzip" in told(path)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_members_without_an_end_are_counted_to_a_bound(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as target:
        for number in range(1200):
            target.addfile(tarfile.TarInfo(f"{number}.h5"))
    with gzip.open(tmp_path / "m.tar.gz", "wb", compresslevel=1) as packed:
        packed.write(stream.getvalue())
    assert "a tar archive of 1000 models" in told(tmp_path / "m.tar.gz")


@pytest.mark.parametrize("name", ["../../etc/x.h5", "/etc/x.h5", "a\n\x1b[31mb.h5", "x" * 90 + ".h5"])
def test_names_are_told_and_nothing_is_unpacked(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "m.tar", "w") as target:
        target.addfile(tarfile.TarInfo(name), io.BytesIO())
    assert "a model" in told(tmp_path / "m.tar")
    assert [path.name for path in tmp_path.iterdir()] == ["m.tar"]


def test_a_zip_with_one_name_twice_and_a_part_that_swells_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("metadata.json", '{"keras_version": "3.0.5"}')
        target.writestr("config.json", "{}")
        target.writestr("model.weights.h5", b"")
        with pytest.warns(UserWarning, match="Duplicate"):
            target.writestr("config.json", b" " * (80 << 20) + b"{}")
    assert "its config.json is larger than 64 MB" in told(path)
