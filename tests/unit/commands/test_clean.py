"""`clean --keep`: the store and environments within a budget."""

from __future__ import annotations

import os
import time

import pytest
from tfmatrix.commands.clean import clean_up, keep_within, parse_size
from tfmatrix.core.errors import UsageError
from tfmatrix.project.project import Project
from tfmatrix.store.content import Store
from tfmatrix.store.folders import own_folder


@pytest.mark.parametrize(
    ("text", "size"), [("20GB", 20 * 10**9), ("500 MB", 5 * 10**8), ("1.5g", 1_500_000_000), ("0", 0), ("7 kib", 7000)]
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-3GB", "3 parsecs"])
def test_what_is_no_size(text):
    with pytest.raises(UsageError, match="is no size"):
        parse_size(text)


def test_the_store_is_pruned_to_what_environments_leave(tmp_path, monkeypatch):
    monkeypatch.setenv("TFMATRIX_CACHE", str(tmp_path / "cache"))
    project = Project(root=tmp_path)
    store = Store(project.store)
    store.write_outcome("aa-old", {"status": "ok", "observation": None, "artifact": None})
    (path,) = (store.root / "outcomes").glob("*/*.json")
    os.utime(path, (time.time() - 10**6,) * 2)
    assert keep_within(project, 10**9) == ["the store: 0 outcomes removed, 0 MB freed, 0 MB left", "environments: 0 MB"]
    assert path.exists()
    assert "1 outcomes removed" in keep_within(project, 0)[0]
    assert not path.exists()


def test_a_run_that_goes_on_keeps_its_folder_and_its_store(tmp_path, monkeypatch):
    monkeypatch.setenv("TFMATRIX_CACHE", str(tmp_path / "cache"))
    project = Project(root=tmp_path)
    left = project.store / "work" / "killed"
    left.mkdir(parents=True)
    with own_folder(project.store / "work" / "living") as living:
        left.mkdir()  # `own_folder` has swept it
        assert f"removed {left}" in clean_up(project, store=False, force=False)
        assert living.is_dir()
        with pytest.raises(UsageError, match="the run living goes on"):
            clean_up(project, store=True, force=False)
        assert living.is_dir()
    assert f"removed {project.store}" in clean_up(project, store=True, force=False)
    assert not project.store.exists()
