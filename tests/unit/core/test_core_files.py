"""Files that others wrote are read without an end to wait for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tfmatrix.core.files import read_bounded


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_bounded(tmp_path / "a", most=5) == b"12345"
    with pytest.raises(OSError, match="more than 0 MB"):
        read_bounded(tmp_path / "a", most=4)


def test_a_device_without_an_end_is_too_large() -> None:
    with pytest.raises(OSError, match="more than 1 MB"):
        read_bounded(Path("/dev/zero"), most=1 << 20, plain=False)


def test_a_pipe_is_waited_for_only_where_a_person_names_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(OSError, match="it is no plain file"):
            read_bounded(path)
    reader, writer = os.pipe()
    os.write(writer, b"a/b/c/d\n")
    os.close(writer)
    assert read_bounded(Path(f"/dev/fd/{reader}"), plain=False) == b"a/b/c/d\n"
    os.close(reader)
