"""A store within its budget: what goes, in which order, and what never goes."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.store.budget import GOING_ON, Needed, needed_by_runs, prune_store, stored_outcomes
from tfmatrix.store.content import A_DAY, Store
from tfmatrix.store.runs import RunWriter

NOTHING = Needed(keys=frozenset(), artifacts=frozenset())


def put(
    store: Store, key: str, days_ago: float, *, artifact: str | None = None, observation: str | None = None
) -> None:
    """An outcome, with folders of a kilobyte whose digests are these names."""
    for digest in (artifact, observation):
        if digest is not None:
            folder = store.folder(digest)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "content").write_bytes(b"x" * 1000)
    described = {"digest": artifact} if artifact else None
    store.write_outcome(key, {"status": "ok", "artifact": described, "observation": observation})
    when = time.time() - days_ago * A_DAY
    os.utime(store.root / "outcomes" / key[:2] / f"{key}.json", (when, when))


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "results" / "store")
    put(store, "aa-old", 30, artifact="a1" * 8, observation="b1" * 8)
    put(store, "bb-middle", 20, observation="b2" * 8)
    put(store, "cc-new", 0.5, artifact="a3" * 8, observation="b1" * 8)
    return store


def keys(store: Store) -> list[str]:
    return [outcome.key for outcome in stored_outcomes(store.root)]


def folders(store: Store) -> set[str]:
    return {path.name for path in (store.root / "folders").glob("??/*")}


def test_within_its_budget_nothing_goes(store):
    freed = prune_store(store.root, keep=10**6, needed=NOTHING)
    assert (freed.outcomes, freed.bytes) == (0, 0)
    assert keys(store) == ["aa-old", "bb-middle", "cc-new"]


def test_what_was_used_longest_ago_goes_first_and_a_shared_folder_with_its_last_user(store):
    freed = prune_store(store.root, keep=3700, needed=NOTHING)
    assert keys(store) == ["bb-middle", "cc-new"]
    assert folders(store) == {"b1" * 8, "b2" * 8, "a3" * 8}
    assert freed.left <= 3700
    prune_store(store.root, keep=0, needed=NOTHING)
    assert (keys(store), folders(store)) == ([], set())


def test_what_is_needed_stays_though_the_budget_is_not_met(store):
    needed = Needed(keys=frozenset({"bb-middle"}), artifacts=frozenset({"a1" * 8}))
    freed = prune_store(store.root, keep=0, needed=needed)
    assert keys(store) == ["aa-old", "bb-middle"]
    assert freed.left > 0


def test_reading_an_outcome_is_using_it(store):
    store.read_outcome("aa-old")
    assert keys(store)[-1] == "aa-old"


def test_a_folder_that_no_outcome_speaks_of_goes_once_no_run_can_be_about_to(store):
    for digest, age in (("c1" * 8, 2 * GOING_ON), ("c2" * 8, 60)):
        store.folder(digest).mkdir(parents=True)
        when = time.time() - age
        os.utime(store.folder(digest), (when, when))
    prune_store(store.root, keep=10**6, needed=NOTHING)
    assert "c1" * 8 not in folders(store)
    assert "c2" * 8 in folders(store)


def write_run(results: Path, name: str, key: str, *, set_name: str | None = None, finish: bool = True) -> Path:
    header = {"started": datetime.now(UTC).isoformat(), "set": set_name, "environments": {}}
    with RunWriter(results, name, header) as writer:
        record = CellRecord(
            run=name, cell="s/h5/a/b", scenario="s", format="h5", writer="a", reader="b", status=Status.PASS,
            key=key, artifact={"digest": f"artifact-of-{key}"},
        )  # fmt: skip
        writer.add(record)
        if finish:
            writer.finish(datetime.now(UTC))
        return writer.folder


def test_the_newest_run_of_each_set_and_every_archive_are_needed(tmp_path):
    results = tmp_path / "results"
    write_run(results, "1-older", "k1", set_name="nightly")
    write_run(results, "2-newer", "k2", set_name="nightly")
    write_run(results, "3-quick", "k3", set_name="quick")
    archive = write_run(tmp_path / "elsewhere", "published", "k4")
    found = needed_by_runs(results, [archive, tmp_path / "no-archive"])
    assert found.keys == {"k2", "k3", "k4"}
    assert "artifact-of-k4" in found.artifacts


def test_what_a_run_that_goes_on_has_measured_is_needed(tmp_path, store):
    results = tmp_path / "results"
    folder = write_run(results, "going-on", "k1", finish=False)
    prune_store(store.root, keep=0, needed=needed_by_runs(results))
    assert keys(store) == ["cc-new"]
    long_ago = time.time() - 3 * GOING_ON
    os.utime(folder / "run.json", (long_ago, long_ago))
    prune_store(store.root, keep=0, needed=needed_by_runs(results))
    assert keys(store) == []
    assert json.loads((folder / "run.json").read_bytes())["complete"] is False
