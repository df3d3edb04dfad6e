"""What a run says of its time and room before it starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tfmatrix.engine.estimate import duration, estimate_lines, installed_locks


def installed(folder: Path, *locks: str) -> Path:
    for number, lock in enumerate(locks):
        (folder / str(number)).mkdir(parents=True)
        (folder / str(number) / "tfmatrix.json").write_text(json.dumps({"lock": lock}))
    return folder


def test_what_is_installed_needs_no_room(tmp_path):
    folder = installed(tmp_path / "envs", "a", "b")
    (tmp_path / "envs" / "half").mkdir()
    assert installed_locks(folder) == {"a", "b"}
    (line,) = estimate_lines(saves=2, loads=4, slots=2, locks=["a", "b"], environments=folder)
    assert line.startswith("time         at most about 20 s")


def test_what_is_not_is_counted_and_a_long_run_says_how_to_ask_for_less(tmp_path):
    folder = installed(tmp_path / "envs", "a")
    time, room, less = estimate_lines(saves=500, loads=2000, slots=2, locks=["a", "b", ""], environments=folder)
    assert "36 minutes" in time
    assert "2 environments are not installed: up to 1.2 GB of downloads and 4 GB of disk" in room
    assert "--scenario, --format and --only" in less


@pytest.mark.parametrize(
    ("seconds", "words"), [(3, "10 s"), (61, "2 minutes"), (5300, "89 minutes"), (9000, "3 hours")]
)
def test_durations(seconds, words):
    assert duration(seconds) == words
