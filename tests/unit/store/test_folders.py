"""A run's own folder: gone when it ends, removed by the next run when it was killed, left alone while it lives."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest
from tfmatrix.store.folders import own_folder


def test_it_goes_with_its_run(tmp_path: Path) -> None:
    def run() -> None:
        with own_folder(tmp_path / "work" / "run") as folder:
            (folder / "file").write_text("x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        run()
    assert list((tmp_path / "work").iterdir()) == []


def die(folder: Path) -> None:
    with own_folder(folder):
        (folder / "file").write_text("x")
        os._exit(9)


def test_what_a_killed_run_left_goes_with_the_next(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=die, args=(tmp_path / "killed",))
    process.start()
    process.join()
    assert (tmp_path / "killed" / "file").exists()
    (tmp_path / "of an earlier version").mkdir()
    with own_folder(tmp_path / "next"):
        assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["next"]


def test_a_run_that_lives_is_left_alone(tmp_path: Path) -> None:
    with own_folder(tmp_path / "one"):
        (tmp_path / "one" / "file").write_text("x")
        with own_folder(tmp_path / "other"):
            assert (tmp_path / "one" / "file").read_text() == "x"
        assert (tmp_path / "one" / "file").read_text() == "x"
