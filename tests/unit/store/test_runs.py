from __future__ import annotations

import gzip
import json
import math
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tfmatrix.core.errors import StoreError, UsageError
from tfmatrix.core.ids import ID_PATTERN
from tfmatrix.core.records import RECORD_SCHEMA, CellRecord
from tfmatrix.core.status import Status
from tfmatrix.store import runs
from tfmatrix.store.runs import RunWriter, archive_run, list_runs, new_run_id, read_run, read_run_folder

NOW = datetime(2025, 11, 22, 19, 4, 12, tzinfo=UTC)
HEADER = {"started": "2025-11-22T19:04:12+00:00", "environments": {"2.15.1": {}, "2.12.1": {}}}


def record(reader: str, status: Status = Status.PASS, **fields: object) -> CellRecord:
    cell = f"dense/h5/2.12.1/{reader}"
    return CellRecord(
        run="r1", cell=cell, scenario="dense", format="h5", writer="2.12.1", reader=reader, status=status, **fields
    )  # type: ignore[arg-type]


def write_run(results: Path, run_id: str, *records: CellRecord, started: datetime = NOW, minutes: int = 1) -> None:
    with RunWriter(results, run_id, HEADER | {"started": started.isoformat()}) as writer:
        for item in records:
            writer.add(item)
        writer.finish(started + timedelta(minutes=minutes))


def interrupted_run(results: Path, run_id: str, *records: CellRecord) -> Path:
    with RunWriter(results, run_id, HEADER) as writer:
        for item in records:
            writer.add(item)
    return results / "runs" / run_id


# ids


def test_a_run_id_is_an_id_and_sorts_by_time() -> None:
    ids = [new_run_id(NOW + timedelta(seconds=seconds)) for seconds in range(5)]
    assert ids == sorted(ids)
    assert all(ID_PATTERN.fullmatch(run_id) for run_id in ids)
    assert ids[0].startswith("20251122T190412Z-")


def test_two_runs_of_one_second_have_two_ids() -> None:
    assert new_run_id(NOW) != new_run_id(NOW)


def test_a_run_id_is_in_utc() -> None:
    assert new_run_id(NOW.astimezone(timezone(timedelta(hours=9)))).startswith("20251122T190412Z-")


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        new_run_id(NOW.replace(tzinfo=None))


# writing


def test_a_finished_run_reads_back_sorted_with_its_header(tmp_path: Path) -> None:
    write_run(tmp_path, "r1", record("2.21.0", Status.DRIFT), record("2.15.1"), record("2.16.2"))
    run = read_run(tmp_path, "latest")
    assert run.id == "r1"
    assert run.is_complete
    assert [item.reader for item in run.records] == ["2.15.1", "2.16.2", "2.21.0"]
    assert run.header["counts"] == {"drift": 1, "pass": 2}
    assert run.header["finished"] == "2025-11-22T19:05:12+00:00"
    assert list(run.header["environments"]) == ["2.15.1", "2.12.1"], "the order of the matrix"
    assert list(run.header)[:2] == ["schema", "run"]
    assert run.problems == ()
    lines = (tmp_path / "runs" / "r1" / "cells.jsonl").read_text().splitlines()
    assert [json.loads(line)["reader"] for line in lines] == ["2.15.1", "2.16.2", "2.21.0"]


def test_records_read_back_as_they_were(tmp_path: Path) -> None:
    full = record(
        "2.15.1",
        Status.LOAD_ERROR,
        known=True,
        failed_checks=("load",),
        checks={"outputs": {"status": "fail", "max_abs": 0.5, "detail": ["a\u2028b"]}},
        error={"phase": "load", "type": "TypeError", "message": "\x1b[31m\udc80 ünï\n", "traceback": ""},
        remedies=({"name": "compile=False", "status": "pass", "detail": ""},),
    )
    write_run(tmp_path, "r1", full)
    assert read_run(tmp_path, "r1").records == (full,)


def test_finish_returns_what_is_read(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, "r1", HEADER)
    writer.add(record("2.15.1"))
    assert writer.finish(NOW) == read_run(tmp_path, "r1")


def test_every_line_is_there_as_soon_as_it_was_added(tmp_path: Path) -> None:
    with RunWriter(tmp_path, "r1", HEADER) as writer:
        for count, reader in enumerate(("2.21.0", "2.15.1"), start=1):
            writer.add(record(reader))
            run = read_run_folder(tmp_path / "runs" / "r1")
            assert len(run.records) == count
            assert not run.is_complete


def test_the_last_record_of_a_cell_counts(tmp_path: Path) -> None:
    write_run(tmp_path, "r1", record("2.15.1", Status.TIMEOUT), record("2.15.1", Status.PASS, flaky=True))
    run = read_run(tmp_path, "r1")
    assert [item.status for item in run.records] == [Status.PASS]
    assert run.header["counts"] == {"pass": 1}


def test_figures_that_are_not_finite_are_strict_json(tmp_path: Path) -> None:
    figures = {"max_abs": math.nan, "max_rel": math.inf, "worst": [-math.inf, 1.5]}
    write_run(tmp_path, "r1", record("2.15.1", checks={"outputs": figures}))
    line = (tmp_path / "runs" / "r1" / "cells.jsonl").read_text()

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    checks = json.loads(line, parse_constant=refuse)["checks"]
    assert checks["outputs"] == {"max_abs": "nan", "max_rel": "inf", "worst": ["-inf", 1.5]}


@given(message=st.text())
def test_no_message_breaks_a_line(tmp_path_factory: pytest.TempPathFactory, message: str) -> None:
    results = tmp_path_factory.mktemp("results")
    error = {"phase": "load", "type": "E", "message": message, "traceback": message}
    write_run(results, "r1", record("2.15.1", Status.LOAD_ERROR, error=error))
    assert len((results / "runs" / "r1" / "cells.jsonl").read_text().splitlines()) == 1
    assert read_run(results).records[0].error == error


def test_the_header_can_grow_during_the_run(tmp_path: Path) -> None:
    with RunWriter(tmp_path, "r1", HEADER) as writer:
        writer.update_header({"environments": {"2.15.1": {"python": "3.11.9"}}})
        assert json.loads((writer.folder / "run.json").read_text())["environments"]["2.15.1"]["python"] == "3.11.9"
        run = writer.finish(NOW)
    assert run.header["environments"] == {"2.15.1": {"python": "3.11.9"}}
    assert run.header["started"] == HEADER["started"]


def test_the_header_cannot_claim_another_id_or_its_own_end(tmp_path: Path) -> None:
    with RunWriter(tmp_path, "r1", {"run": "other", "complete": True, "schema": 1}):
        pass
    run = read_run(tmp_path, "r1")
    assert run.id == "r1"
    assert not run.is_complete


def test_records_from_many_threads_are_whole(tmp_path: Path) -> None:
    long = {"phase": "load", "type": "E", "message": "x" * 20_000, "traceback": ""}
    with RunWriter(tmp_path, "r1", HEADER) as writer:

        def add(thread: int) -> None:
            for number in range(20):
                writer.add(record(f"{thread}.{number}", Status.LOAD_ERROR, error=long))

        threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(read_run_folder(writer.folder).records) == 160


@pytest.mark.parametrize("name", ["", "../r1", "a/b", "latest", "previous", ".hidden"])
def test_what_cannot_name_a_run_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a run"):
        RunWriter(tmp_path, name, HEADER)


def test_a_run_is_never_written_over(tmp_path: Path) -> None:
    write_run(tmp_path, "r1", record("2.15.1"))
    with pytest.raises(UsageError, match="r1 exists already"):
        RunWriter(tmp_path, "r1", HEADER)
    assert len(read_run(tmp_path, "r1").records) == 1


# killed runs


def test_an_interrupted_run_can_be_read_but_is_not_the_latest(tmp_path: Path) -> None:
    write_run(tmp_path, "r1", record("2.15.1"))
    interrupted_run(tmp_path, "r2", record("2.16.2"))
    assert read_run(tmp_path).id == "r1"
    run = read_run(tmp_path, "r2")
    assert not run.is_complete
    assert len(run.records) == 1


def test_a_torn_last_line_is_left_out_and_said(tmp_path: Path) -> None:
    folder = interrupted_run(tmp_path, "r1", record("2.15.1"), record("2.16.2"))
    cells = folder / "cells.jsonl"
    cells.write_bytes(cells.read_bytes()[:-40])
    run = read_run(tmp_path, "r1")
    assert [item.reader for item in run.records] == ["2.15.1"]
    assert len(run.problems) == 1
    assert "cells.jsonl:2: the last line was cut off" in run.problems[0]


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_wherever_the_last_line_was_torn_the_others_are_kept(tmp_path: Path, cut: int) -> None:
    folder = interrupted_run(tmp_path, "r1", record("2.15.1"), record("2.16.2"))
    cells = folder / "cells.jsonl"
    cells.write_bytes(cells.read_bytes()[:-cut])
    assert "2.15.1" in [item.reader for item in read_run(tmp_path, "r1").records]


def test_a_run_killed_before_its_first_cell_is_empty(tmp_path: Path) -> None:
    folder = interrupted_run(tmp_path, "r1")
    assert read_run(tmp_path, "r1").records == ()
    (folder / "cells.jsonl").unlink()
    assert read_run(tmp_path, "r1").records == ()


def test_a_run_killed_before_its_header_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "runs" / "r1").mkdir(parents=True)
    assert list_runs(tmp_path) == ()
    with pytest.raises(StoreError, match=r"has no run\.json"):
        read_run(tmp_path, "r1")


# names of runs


def test_no_runs_yet(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no runs yet") as caught:
        read_run(tmp_path)
    assert "tfmatrix run" in caught.value.fix
    with pytest.raises(UsageError, match="no runs yet"):
        read_run(tmp_path, "20251122T190412Z-3fa9c1")


def test_only_an_interrupted_run(tmp_path: Path) -> None:
    interrupted_run(tmp_path, "r1")
    with pytest.raises(UsageError, match="has come to its end") as caught:
        read_run(tmp_path)
    assert "r1" in caught.value.fix


def test_latest_is_a_text_file_with_the_id(tmp_path: Path) -> None:
    write_run(tmp_path, "r1", record("2.15.1"))
    assert (tmp_path / "latest").read_text() == "r1\n"


def test_latest_that_names_a_deleted_run(tmp_path: Path) -> None:
    write_run(tmp_path, "r1", record("2.15.1"))
    (tmp_path / "latest").write_text("gone\n")
    with pytest.raises(StoreError, match="'gone', which is not there"):
        read_run(tmp_path)


def test_latest_that_leads_outside(tmp_path: Path) -> None:
    write_run(tmp_path, "r1", record("2.15.1"))
    (tmp_path / "latest").write_text("../../etc\n")
    with pytest.raises(StoreError, match="not there"):
        read_run(tmp_path)


def test_previous_is_the_complete_run_before_the_latest(tmp_path: Path) -> None:
    write_run(tmp_path, "z-first", record("2.15.1"), started=NOW)
    interrupted_run(tmp_path, "killed", record("2.15.1"))
    write_run(tmp_path, "a-second", record("2.15.1"), started=NOW + timedelta(hours=1))
    assert read_run(tmp_path, "previous").id == "z-first"


def test_previous_of_the_only_complete_run(tmp_path: Path) -> None:
    interrupted_run(tmp_path, "r0", record("2.15.1"))
    write_run(tmp_path, "r1", record("2.15.1"))
    with pytest.raises(UsageError, match="no complete run before r1"):
        read_run(tmp_path, "previous")


def test_an_unknown_id_has_a_suggestion(tmp_path: Path) -> None:
    write_run(tmp_path, "20251122T190412Z-3fa9c1", record("2.15.1"))
    with pytest.raises(UsageError, match="no run '20251122T190412Z-3fa9c7'") as caught:
        read_run(tmp_path, "20251122T190412Z-3fa9c7")
    assert caught.value.fix == "did you mean 20251122T190412Z-3fa9c1?"
    with pytest.raises(UsageError) as caught:
        read_run(tmp_path, "nothing/like/it")
    assert "the newest runs are 20251122T190412Z-3fa9c1" in caught.value.fix


def test_a_run_can_be_named_by_its_folder(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "r1", record("2.15.1"))
    assert read_run(tmp_path / "elsewhere", tmp_path / "a" / "runs" / "r1").id == "r1"
    assert read_run(tmp_path / "elsewhere", str(tmp_path / "a" / "runs" / "r1")).id == "r1"
    with pytest.raises(StoreError, match="is not the folder of a run"):
        read_run(tmp_path, tmp_path / "a")


def test_runs_are_listed_newest_first(tmp_path: Path) -> None:
    write_run(tmp_path, "r1", record("2.15.1"), started=NOW)
    write_run(tmp_path, "r0", record("2.15.1", Status.DRIFT), started=NOW + timedelta(days=1))
    interrupted_run(tmp_path, "r9")
    runs = list_runs(tmp_path)
    assert [(run.id, run.complete) for run in runs] == [("r0", True), ("r9", False), ("r1", True)]
    assert runs[0].counts == {"drift": 1}
    assert runs[1].counts == {}


# damage


def finished(results: Path) -> Path:
    write_run(results, "r1", record("2.15.1"), record("2.16.2"), record("2.21.0"))
    return results / "runs" / "r1"


WITHOUT_CODE = (
    '{"schema": 2, "status": "pass", "failed_checks": [], "remedies": [], "checks": {"load": {"findings": [{}]}}}'
)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "cells.jsonl:2: damaged: Expecting"),
        ("", "cells.jsonl:2: damaged"),
        ("[]", "cells.jsonl:2: damaged: not a JSON object"),
        ('{"schema": "1"}', "cells.jsonl:2: damaged: `schema` is '1'"),
        ('{"schema": 2}', "cells.jsonl:2: damaged: the field 'status' is missing"),
        ('{"schema": 1}', "cells.jsonl:2: damaged: the field 'checks' is missing"),
        (WITHOUT_CODE, "cells.jsonl:2: damaged: `checks.load.findings.0.code`: field required"),
        (
            WITHOUT_CODE.replace('{"findings": [{}]}', "7"),
            "cells.jsonl:2: damaged: `checks.load`: input should be a valid dictionary",
        ),
        ('{"schema": 1, "checks": {"load": 7}, "remedies": []}', "cells.jsonl:2: damaged: `checks` or `remedies`"),
        ("\xff", "cells.jsonl:2: damaged"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str, why: str) -> None:
    cells = finished(tmp_path) / "cells.jsonl"
    lines = cells.read_bytes().split(b"\n")
    lines[1] = line.encode("latin-1")
    cells.write_bytes(b"\n".join(lines))
    with pytest.raises(StoreError) as caught:
        read_run(tmp_path)
    assert why in str(caught.value)
    assert "in the store" in caught.value.fix


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"status": "great"}, "'great' is not a valid Status"),
        ({"unheard_of": 1}, "unheard_of"),
        ({"cell": "dense/h5/2.12.1/2.99"}, "says of itself that it is dense/h5/2.12.1/2.16.2"),
    ],
)
def test_a_record_that_makes_no_sense_is_damage(tmp_path: Path, changes: dict[str, object], why: str) -> None:
    cells = finished(tmp_path) / "cells.jsonl"
    lines = cells.read_text().split("\n")
    lines[1] = json.dumps(json.loads(lines[1]) | changes)
    cells.write_text("\n".join(lines))
    with pytest.raises(StoreError, match=r"cells\.jsonl:2: damaged") as caught:
        read_run(tmp_path)
    assert why in str(caught.value)


def test_a_truncated_complete_run_is_damage(tmp_path: Path) -> None:
    cells = finished(tmp_path) / "cells.jsonl"
    whole = cells.read_bytes()
    cells.write_bytes(whole[:-10])
    with pytest.raises(StoreError, match="ends in the middle of a line"):
        read_run(tmp_path)
    cells.write_bytes(b"".join(whole.splitlines(keepends=True)[:2]))
    with pytest.raises(StoreError, match=r"holds 2 cells, but run\.json counts 3"):
        read_run(tmp_path)
    cells.unlink()
    with pytest.raises(StoreError, match="holds 0 cells"):
        read_run(tmp_path)


def test_a_newer_record_says_upgrade(tmp_path: Path) -> None:
    folder = interrupted_run(tmp_path, "r1", replace(record("2.15.1"), schema=RECORD_SCHEMA + 1))
    with pytest.raises(StoreError, match=r"cells\.jsonl:1: written by a newer tfmatrix") as caught:
        read_run_folder(folder)
    assert "upgrade" in caught.value.fix


def test_a_newer_header_says_upgrade(tmp_path: Path) -> None:
    header = finished(tmp_path) / "run.json"
    header.write_text(header.read_text().replace('"schema": 1', '"schema": 2', 1))
    with pytest.raises(StoreError, match=r"run\.json: written by a newer tfmatrix \(schema 2") as caught:
        read_run(tmp_path)
    assert "upgrade" in caught.value.fix


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 1}', '{"schema": 1, "run": "r1", "complete": true}'])
def test_a_damaged_header_is_named(tmp_path: Path, text: str) -> None:
    (finished(tmp_path) / "run.json").write_text(text)
    with pytest.raises(StoreError, match=r"run\.json: damaged"):
        read_run(tmp_path)


# lines that say what others said


def inferred_line(reader: str, **more: object) -> CellRecord:
    return record(reader, inferred={"from": "dense/h5/2.12.1/2.12.1", "by": "reader"}, **more)


def test_inferred_cells_that_say_the_same_are_one_result(tmp_path: Path) -> None:
    records = (inferred_line("2.15.1"), inferred_line("2.16.2"), inferred_line("2.17.1", known=True))
    write_run(tmp_path, "r1", *records)
    found = read_run(tmp_path).records
    assert found == records
    assert found[0].result is found[1].result
    assert found[0].result is not found[2].result


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"reader": "2.16.2"', '"reader": "2.17.1"'),
        ('"cell": "dense/h5', '"cell": "dense/keras'),
        ('"writer": "2.12.1"', '"writer": "2.12.2"'),
    ],
)
def test_a_line_like_another_is_held_to_its_own_place(tmp_path: Path, old: str, new: str) -> None:
    write_run(tmp_path, "r1", inferred_line("2.15.1"), inferred_line("2.16.2"))
    cells = tmp_path / "runs" / "r1" / "cells.jsonl"
    first, second = cells.read_text().splitlines()
    assert old in second
    cells.write_text(f"{first}\n{second.replace(old, new)}\n")
    with pytest.raises(StoreError, match=r"cells\.jsonl:2: damaged: the cell .* says of itself"):
        read_run(tmp_path)


MARKS = ({}, {"save": {"status": "ok"}}, {"load": {"status": "x"}}, {"a": ', "save": {"status": '}, {"remedy": None})


@pytest.mark.parametrize("figures", MARKS, ids=str)
@pytest.mark.parametrize("where", ["checks", "error", "save", "remedies"])
def test_fields_within_fields_are_read_as_they_are(tmp_path: Path, figures: dict[str, object], where: str) -> None:
    fields: dict[str, object] = {
        "checks": {"outputs": {"status": "fail", **figures}},
        "error": {"phase": "load", **figures},
        "save": {"status": "ok", **figures},
        "remedies": ({"name": "x", "status": "pass", **figures},),
    }
    full = [record(reader, key=reader, **{where: fields[where]}) for reader in ("2.15.1", "2.16.2")]
    write_run(tmp_path, "r1", *full)
    assert read_run(tmp_path).records == tuple(full)


@pytest.mark.parametrize(
    ("field", "value"),
    [("checks", {"outputs": {"status": 1}}), ("error", {"phase": 2}), ("remedies", [3]), ("save", {"status": None})],
)
def test_a_field_of_another_type_is_damage_in_every_line(tmp_path: Path, field: str, value: object) -> None:
    write_run(tmp_path, "r1", record("2.15.1"), record("2.16.2"))
    cells = tmp_path / "runs" / "r1" / "cells.jsonl"
    lines = [json.dumps(json.loads(line) | {field: value}) for line in cells.read_text().splitlines()]
    for damaged in (lines, [cells.read_text().splitlines()[0], lines[1]]):
        cells.write_text("\n".join([*damaged, ""]))
        with pytest.raises(StoreError, match=rf"cells\.jsonl:\d: damaged: `{field}"):
            read_run(tmp_path)


def test_more_lines_than_run_json_counts_are_not_read(tmp_path: Path) -> None:
    write_run(tmp_path, "r1", record("2.15.1"))
    cells = tmp_path / "runs" / "r1" / "cells.jsonl"
    cells.write_text(cells.read_text() * 3)
    with pytest.raises(StoreError, match="more cells than the 1 that"):
        read_run(tmp_path)


@pytest.mark.parametrize("archived", [False, True])
def test_a_line_that_would_fill_the_memory_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, archived: bool
) -> None:
    write_run(tmp_path, "r1", record("2.15.1"))
    cells = tmp_path / "runs" / "r1" / "cells.jsonl"
    if archived:
        cells.with_name("cells.jsonl.gz").write_bytes(gzip.compress(b" " * 200_000))
        cells.unlink()
    else:
        cells.write_bytes(b" " * 200_000)
    monkeypatch.setattr(runs, "MAX_LINE", 100_000)
    with pytest.raises(StoreError, match="more than 100000 bytes"):
        read_run(tmp_path)


# archives


def test_an_archived_run_reads_back_and_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    write_run(tmp_path, "r1", record("2.15.1"), record("2.16.2", Status.DRIFT))
    run = read_run(tmp_path, "r1")
    for name in ("one", "two"):
        archive_run(run, tmp_path / name)
    archived = read_run_folder(tmp_path / "one")

    assert (archived.id, archived.header, archived.records) == (run.id, run.header, run.records)
    files = [sorted((tmp_path / name).iterdir()) for name in ("one", "two")]
    assert [path.name for path in files[0]] == ["cells.jsonl.gz", "run.json"]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]


def test_a_damaged_archive_is_an_error_that_names_it(tmp_path: Path) -> None:
    write_run(tmp_path, "r1", record("2.15.1"))
    archive_run(read_run(tmp_path, "r1"), tmp_path / "one")
    path = tmp_path / "one" / "cells.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(StoreError, match=r"cells\.jsonl\.gz: damaged"):
        read_run_folder(tmp_path / "one")


def test_a_part_of_a_run_is_not_the_previous_one(tmp_path: Path) -> None:
    for hour, name, more in [
        (0, "one", {}),
        (1, "part", {"shard": {"group": "g", "number": 1, "of": 2}}),
        (2, "saves", {"phase": "save"}),
        (3, "two", {}),
    ]:
        with RunWriter(tmp_path, name, HEADER | more) as writer:
            writer.finish(NOW + timedelta(hours=hour), latest=not more)
    assert read_run(tmp_path, "previous").id == "one"
