from __future__ import annotations

from itertools import pairwise

import pytest
from diff_runs import header, record, write_run
from tfmatrix.analysis.causes import find_causes
from tfmatrix.analysis.diff.changes import compare, remembered
from tfmatrix.analysis.diff.regressions import regressions

VERSIONS = ("2.15.1", "2.16.2", "2.17.1", "2.18.1")
GONE, LOST = "Unknown layer: 'Old'", "Could not locate function 'mse'"


def environments(**keras):
    """What run.json says of them; `keras` is that of one version, by its name with underscores."""
    return {
        name: {
            "python": "3.11.9",
            "lock": name,
            "packages": {"tensorflow-cpu": name, "keras": keras.get(f"v{name.replace('.', '_')}", "3.0.0")},
        }
        for name in VERSIONS
    }


@pytest.fixture
def history(tmp_path):
    """Runs of one scenario that every version writes and reads; a night says what fails, by pair, and with what."""

    def make(*nights, keras=(), left_out=()):
        runs = []
        for number, night in enumerate(nights):
            moved = keras[number] if number < len(keras) else {}
            cells = [
                record(f"dense/h5/{writer}/{reader}", **night.get((writer, reader), {}))
                for writer in VERSIONS
                for reader in VERSIONS
                if (number, writer, reader) not in left_out
            ]
            head = header(environments=environments(**moved), formats=["h5"], started=f"2026-11-0{number + 1}T01:00:00")
            run = write_run(
                tmp_path, f"night{number + 1}", cells, head, finished=f"2026-11-0{number + 1}T02:00:00+00:00"
            )
            runs.append(remembered(run, find_causes(run)))
        news = [compare(before, after) for before, after in pairwise(runs)]
        return regressions(runs, news[::-1])

    return make


def broken(error=GONE):
    return {"status": "load-error", "error": error}


def test_what_failed_from_the_first_night_on_has_not_become_worse(history):
    assert history({("2.15.1", "2.17.1"): broken()}, {("2.15.1", "2.17.1"): broken()}) == ()


def test_it_has_the_night_the_version_and_its_neighbours(history):
    bad = {(writer, "2.17.1"): broken() for writer in VERSIONS}
    (found,) = history({}, bad, bad, keras=[{}, {"v2_17_1": "3.1.0"}, {"v2_17_1": "3.1.0"}])
    assert (found.began, found.before, found.started) == ("night2", "night1", "2026-11-02T01:00:00")
    assert (found.axis, found.environments) == ("reader", ("2.17.1",))
    assert (found.last_good, found.first_bad, found.first_good) == ("2.16.2", "2.17.1", "2.18.1")
    assert found.moved == {"2.17.1": {"keras": ("3.0.0", "3.1.0")}}
    assert found.is_open
    assert found.still == found.cells == tuple(f"dense/h5/{writer}/2.17.1" for writer in VERSIONS)
    assert found.title == "the loader does not know the scenario's own layer"


def test_it_ends_with_the_first_night_in_which_none_of_its_cells_fails(history):
    bad = {("2.15.1", "2.17.1"): broken(), ("2.15.1", "2.18.1"): broken()}
    half = {("2.15.1", "2.18.1"): broken()}
    (found,) = history({}, bad, half, {}, {})
    assert not found.is_open
    assert found.ended == "night4"
    assert found.first_good is None  # Nothing stands behind the newest version.


def test_what_comes_again_is_another_one_and_stands_first(history):
    bad = {("2.15.1", "2.17.1"): broken()}
    again, first = history({}, bad, {}, bad)
    assert (again.began, again.is_open) == ("night4", True)
    assert (first.began, first.ended, first.still) == ("night2", "night3", again.still)


def test_writers_are_the_axis_where_a_file_fails_in_its_own_writer_too(history):
    bad = {("2.16.2", reader): broken() for reader in VERSIONS}
    (found,) = history({}, bad)
    assert (found.axis, found.first_bad) == ("writer", "2.16.2")
    assert (found.last_good, found.first_good) == ("2.15.1", "2.17.1")


def test_each_cause_is_its_own_and_another_failure_is_no_regression(history):
    first = {("2.15.1", "2.17.1"): broken()}
    second = {("2.15.1", "2.17.1"): broken(LOST), ("2.15.1", "2.18.1"): broken(LOST)}
    newest, oldest = history({}, first, second)
    assert newest.cells == ("dense/h5/2.15.1/2.18.1",)
    assert (oldest.cells, oldest.ended) == (("dense/h5/2.15.1/2.17.1",), "night3")


def test_a_drift_that_grows_is_one(history):
    pair = ("2.15.1", "2.17.1")
    (found,) = history({pair: {"status": "drift", "delta": 1e-3}}, {pair: {"status": "drift", "delta": 1e-1}})
    assert found.grown == found.cells == ("dense/h5/2.15.1/2.17.1",)
    assert found.is_open


@pytest.mark.parametrize("lost", ["left out", "infra-error"])
def test_what_nobody_measures_any_more_has_not_ended(history, lost):
    pair = ("2.15.1", "2.17.1")
    left_out = {(2, *pair)} if lost == "left out" else ()
    (found,) = history({}, {pair: broken()}, {pair: {"status": "infra-error"}}, left_out=left_out)
    assert (found.still, found.ended) == ((), None)
    assert found.gone == found.cells
