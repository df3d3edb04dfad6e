from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from site_runs import header, records, write_nights, write_run
from tfmatrix.commands.publish import publish
from tfmatrix.core.errors import ExitCode
from tfmatrix.core.status import Status
from tfmatrix.reports.site.published import build_published, build_run
from tfmatrix.store.merge import MergeConflictError, merge
from tfmatrix.store.runs import RunWriter, list_runs, read_run

ENVIRONMENTS = ("2.12.1", "2.15.1")


def shard(results, number, of, cells, **changes):
    about = {"shard": {"group": "night", "number": number, "of": of}} | changes
    return write_run(results, run=f"night-{number}", environments=ENVIRONMENTS, scenarios=4, changes=about, cells=cells)


@pytest.fixture
def every(tmp_path):
    return list(records("x", ENVIRONMENTS, 4))


def test_shards_become_the_run_that_they_are_parts_of(tmp_path, every):
    whole = write_run(tmp_path / "whole", run="night", environments=ENVIRONMENTS, scenarios=4)
    merged = merge([shard(tmp_path, 2, 2, every[20:]), shard(tmp_path, 1, 2, every[:20])])
    assert [record.cell for record in merged.records] == [record.cell for record in whole.records]
    assert merged.header["counts"] == whole.header["counts"]
    assert merged.header["missing_shards"] == []
    assert merged.id == "night"


def test_a_missing_shard_is_named_and_publishing_goes_on(tmp_path, every):
    shard(tmp_path, 1, 3, every[:20])
    shard(tmp_path, 3, 3, every[20:])
    assert publish(tmp_path, tmp_path / "site") is ExitCode.INFRASTRUCTURE
    assert "Shard 2 of 3 is missing" in (tmp_path / "site/index.html").read_text()


def test_a_whole_set_of_shards_is_no_problem(tmp_path, every):
    shard(tmp_path, 1, 2, every[:20])
    shard(tmp_path, 2, 2, every[20:])
    assert publish(tmp_path, tmp_path / "site") is ExitCode.OK


def test_two_results_of_one_cell_are_a_conflict(tmp_path, every):
    other = replace(every[0], status=Status.CRASH)
    runs = [shard(tmp_path, 1, 2, every[:20]), shard(tmp_path, 2, 2, [other])]
    with pytest.raises(MergeConflictError, match=every[0].cell):
        merge(runs)


def test_the_same_result_measured_twice_is_none(tmp_path, every):
    again = replace(every[0], seconds=99.0, key="other", cached=True)
    merged = merge([shard(tmp_path, 1, 2, every), shard(tmp_path, 2, 2, [again])])
    assert len(merged.records) == len(every)


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": {"seed": 1}},
        {"tfmatrix": "9.9"},
        {"environments": {"2.12.1": {"lock": "another"}}},
        {"scenarios": {"dense": {"title": "another"}}},
    ],
)
def test_shards_of_another_configuration_are_a_conflict(tmp_path, every, changes):
    runs = [shard(tmp_path, 1, 2, every[:20]), shard(tmp_path, 2, 2, every[20:], **changes)]
    with pytest.raises(MergeConflictError):
        merge(runs)


def test_an_environment_that_only_one_shard_could_provide_is_described_by_that_one(tmp_path, every):
    one = shard(tmp_path, 1, 2, every[:20], environments={"2.12.1": {}, "2.15.1": {}})
    two = shard(tmp_path, 2, 2, every[20:])
    assert merge([one, two]).header["environments"]["2.12.1"]["packages"]


def test_an_interrupted_newer_run_is_named_and_left_out(tmp_path):

    write_nights(tmp_path, 2, scenarios=1, environments=ENVIRONMENTS)
    started = datetime.fromisoformat("2025-12-01T00:00:00+00:00")
    RunWriter(tmp_path, "cut-short", header(ENVIRONMENTS, 1, ("h5",), started)).close()
    built = build_published(tmp_path, tmp_path / "site")
    assert [problem.kind for problem in built.problems] == ["incomplete"]
    assert "20251102" in (tmp_path / "site/matrix.json").read_text()


def test_the_site_of_an_older_run_looks_back_only(tmp_path):
    runs = write_nights(tmp_path, 3, scenarios=1, environments=ENVIRONMENTS)
    build_run(tmp_path, runs[1], tmp_path / "site")
    named = (tmp_path / "site/data/runs.js").read_text()
    assert [run.id in named for run in runs] == [True, True, False]
    assert f"Run <code>{runs[1].id}" in (tmp_path / "site/index.html").read_text()


# Shards that are all there become a run of their own


def test_joined_shards_are_the_latest_run_and_the_shards_stay(tmp_path, every):
    shard(tmp_path, 1, 2, every[:20])
    shard(tmp_path, 2, 2, every[20:])
    assert publish(tmp_path, tmp_path / "site") is ExitCode.OK
    joined = read_run(tmp_path, "latest")
    assert (joined.id, len(joined.records), joined.is_complete) == ("night", len(every), True)
    assert {record.run for record in joined.records} == {"night"}
    assert joined.header["merged_from"] == ["night-1", "night-2"]
    assert {run.id for run in list_runs(tmp_path)} == {"night", "night-1", "night-2"}
    # Again: nothing is joined twice, and the shards are no runs of the history.
    built = build_published(tmp_path, tmp_path / "site")
    assert {run.id for run in list_runs(tmp_path)} == {"night", "night-1", "night-2"}
    assert not built.problems


def test_shards_with_a_gap_are_not_joined(tmp_path, every):
    shard(tmp_path, 1, 3, every[:20])
    shard(tmp_path, 3, 3, every[20:])
    publish(tmp_path, tmp_path / "site")
    assert {run.id for run in list_runs(tmp_path)} == {"night-1", "night-3"}


def test_a_shard_that_was_run_again_counts_once(tmp_path, every):
    shard(tmp_path, 1, 2, every[:20])
    shard(tmp_path, 2, 2, [replace(every[20], status=Status.CRASH), *every[21:]])
    about = {"shard": {"group": "night", "number": 2, "of": 2}, "started": "2030-01-01T00:00:00+00:00"}
    write_run(tmp_path, run="again", environments=ENVIRONMENTS, scenarios=4, changes=about, cells=every[20:])
    assert publish(tmp_path, tmp_path / "site") is ExitCode.OK
    assert read_run(tmp_path, "night").header["merged_from"] == ["night-1", "again"]


def test_older_shards_do_not_become_the_latest(tmp_path, every):
    shard(tmp_path, 1, 2, every[:20])
    shard(tmp_path, 2, 2, every[20:])
    write_run(tmp_path, run="later", environments=ENVIRONMENTS, scenarios=4, night=3)
    publish(tmp_path, tmp_path / "site")
    assert read_run(tmp_path, "latest").id == "later"
    assert read_run(tmp_path, "night").is_complete
