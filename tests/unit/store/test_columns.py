from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tfmatrix.core.errors import StoreError
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import WORST_FIRST, Status
from tfmatrix.store import columns
from tfmatrix.store.runs import ARCHIVED_FILE, INFERRED_FILE, Run, archive_run, read_run_folder

VERSIONS = ("2.9.3", "2.15.1", "2.15.1+tf-keras", "2.21.0")


def measured(place: str, status: Status = Status.DRIFT, **more: Any) -> CellRecord:
    scenario, fmt, writer, reader = place.split("/")
    return CellRecord(
        run="r1", cell=place, scenario=scenario, format=fmt, writer=writer, reader=reader, status=status, **more
    )


def inferred(place: str, source: CellRecord, by: str = "reader", **more: Any) -> CellRecord:
    given = {"failed_checks": source.failed_checks, "inferred": {"from": source.cell, "by": by}}
    return measured(place, source.status, **(given | more))


def a_run(*records: CellRecord) -> Run:
    ordered = tuple(sorted(records, key=lambda record: record.cell))
    counts = {status.value: sum(record.status is status for record in ordered) for status in WORST_FIRST}
    header = {"schema": 1, "run": "r1", "complete": True, "counts": counts, "format_info": {"h5": {}}}
    return Run(id="r1", header=header, records=ordered, folder=Path("r1"))


def a_map() -> Run:
    """Two scenarios, of which the name of one begins with the other's, and what is inferred from two cells."""
    records = []
    for scenario in ("dense", "dense-wide"):
        first = measured(f"{scenario}/h5/2.9.3/2.9.3", failed_checks=("outputs",), key="k", checks={"outputs": {}})
        last = measured(f"{scenario}/h5/2.9.3/2.21.0", Status.PASS, key="l")
        records += [first, last]
        for writer in VERSIONS:
            for reader in VERSIONS:
                place = f"{scenario}/h5/{writer}/{reader}"
                if place not in (first.cell, last.cell):
                    source = last if reader == "2.21.0" else first
                    marks = {"known": source is first, "promised": writer == "2.9.3", "fixed": source is last}
                    records.append(inferred(place, source, "artifact" if writer != "2.9.3" else "reader", **marks))
    return a_run(*records)


def told(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress((folder / INFERRED_FILE).read_bytes()))
    return found


def in_full(column: Any) -> list[int]:
    """A column as a list of numbers."""
    return column if isinstance(column, list) else np.repeat(column["number"], column["times"]).tolist()


def told_in_full(folder: Path) -> dict[str, Any]:
    """What an earlier version wrote."""
    found = told(folder)
    return found | {"schema": 1, "cells": {name: in_full(column) for name, column in found["cells"].items()}}


def test_an_archive_reads_back_as_it_was(tmp_path: Path) -> None:
    run = a_map()
    archive_run(run, tmp_path)
    assert read_run_folder(tmp_path).records == run.records


def test_lines_hold_what_was_measured_and_columns_the_rest(tmp_path: Path) -> None:
    run = a_map()
    archive_run(run, tmp_path)
    lines = [json.loads(line) for line in gzip.decompress((tmp_path / ARCHIVED_FILE).read_bytes()).splitlines()]
    assert sorted(line["cell"] for line in lines) == [each.cell for each in run.records if each.inferred is None]
    found = told_in_full(tmp_path)
    cells, names = found["cells"], found["names"]
    there = [
        {
            "cell": "/".join(names[name][cells[name][place]] for name in ("scenario", "format", "writer", "reader")),
            "status": found["kinds"][cells["kind"][place]]["status"],
            "from": found["sources"][cells["source"][place]],
        }
        for place in range(len(cells["kind"]))
    ]
    assert there == [
        {"cell": each.cell, "status": each.status.value, "from": each.inferred["from"]}
        for each in run.records
        if each.inferred is not None
    ]


def test_other_programs_read_the_columns_as_the_documentation_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_map()
    archive_run(run, tmp_path)
    text = (Path(__file__).parents[3] / "docs" / "architecture.md").read_text("utf-8")
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if INFERRED_FILE in block]
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"gzip": gzip, "json": json, "np": np, "pd": pd}
    exec(code, names)
    expected = [each for each in run.records if each.inferred is not None]
    found = names["cells"]
    for name in ("scenario", "format", "writer", "reader", "status", "known", "fixed", "promised"):
        assert list(found[name]) == [getattr(each, name) for each in expected]
    assert list(found["from"]) == [each.inferred["from"] for each in expected]
    assert list(found["by"]) == [each.inferred["by"] for each in expected]


def test_the_same_run_makes_the_same_bytes(tmp_path: Path) -> None:
    archive_run(a_map(), tmp_path / "a")
    archive_run(read_run_folder(tmp_path / "a"), tmp_path / "b")
    assert (tmp_path / "a" / INFERRED_FILE).read_bytes() == (tmp_path / "b" / INFERRED_FILE).read_bytes()


def test_numbers_that_repeat_are_written_once(tmp_path: Path) -> None:
    archive_run(a_map(), tmp_path)
    cells = told(tmp_path)["cells"]
    assert cells["scenario"] == {"number": [0, 1], "times": [14, 14]}
    assert isinstance(cells["reader"], list)


def test_what_an_earlier_version_wrote_is_read(tmp_path: Path) -> None:
    run = a_map()
    archive_run(run, tmp_path)
    rewrite(tmp_path, lambda _: None)
    assert told(tmp_path)["schema"] == 1
    assert read_run_folder(tmp_path).records == run.records


def test_cells_in_any_order_are_read_in_that_of_their_ids(tmp_path: Path) -> None:
    run = a_map()
    archive_run(run, tmp_path)
    rewrite(tmp_path, lambda data: [column.reverse() for column in data["cells"].values()])
    assert read_run_folder(tmp_path).records == run.records


def test_cells_that_came_to_the_same_share_it(tmp_path: Path) -> None:
    archive_run(a_map(), tmp_path)
    found = [each for each in read_run_folder(tmp_path).records if each.inferred is not None]
    assert len({id(each.result) for each in found}) < len(found) / 2


def test_what_columns_do_not_have_stays_a_line(tmp_path: Path) -> None:
    source = measured("dense/h5/2.9.3/2.9.3")
    odd = [
        inferred("dense/h5/2.9.3/2.15.1", source, seconds=1.5),
        inferred("dense/h5/2.9.3/2.21.0", source, inferred={"from": source.cell, "by": "reader", "why": "x"}),
    ]
    run = a_run(source, *odd)
    archive_run(run, tmp_path)
    assert not (tmp_path / INFERRED_FILE).exists()
    assert read_run_folder(tmp_path).records == run.records


def test_an_archive_written_over_one_with_columns_has_none_left(tmp_path: Path) -> None:
    archive_run(a_map(), tmp_path)
    only = a_run(measured("dense/h5/2.9.3/2.9.3"))
    archive_run(only, tmp_path)
    assert read_run_folder(tmp_path).records == only.records


def test_an_archive_without_its_columns_is_damaged(tmp_path: Path) -> None:
    archive_run(a_map(), tmp_path)
    (tmp_path / INFERRED_FILE).unlink()
    with pytest.raises(StoreError, match=r"holds 4 cells, but run\.json counts 32"):
        read_run_folder(tmp_path)


def test_a_newer_schema_says_upgrade(tmp_path: Path) -> None:
    archive_run(a_map(), tmp_path)
    rewrite(tmp_path, lambda data: data.update(schema=columns.SCHEMA + 1))
    with pytest.raises(StoreError, match="newer tfmatrix") as caught:
        read_run_folder(tmp_path)
    assert "pip install --upgrade" in str(caught.value.fix)


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object], *, in_short: bool = False) -> None:
    data = told(folder) if in_short else told_in_full(folder)
    change(data)
    (folder / INFERRED_FILE).write_bytes(gzip.compress(json.dumps(data).encode()))


def put(*path: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        where: Any = data
        for key in path[:-1]:
            where = where[key]
        where[path[-1]] = value

    return change


def append(data: dict[str, Any], *place: str) -> None:
    """A cell more, that came to what the first one came to."""
    for name, column in data["cells"].items():
        column.append(column[0])
        if name in data["names"]:
            column[-1] = data["names"][name].index(place[list(data["names"]).index(name)])


HOSTILE: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "number out of range": (put("cells", "reader", 0, value=99), "none of 0 to 3"),
    "number below 0": (put("cells", "writer", 0, value=-1), "none of 0 to 3"),
    "kind out of range": (put("cells", "kind", 0, value=10**6), "`cells.kind`"),
    "source out of range": (put("cells", "source", 0, value=2**40), "`cells.source`"),
    "more than 64 bits": (put("cells", "source", 0, value=2**80), "whole numbers"),
    "half a number": (put("cells", "reader", 0, value=0.5), "whole numbers"),
    "text for a number": (put("cells", "reader", 0, value="0"), "whole numbers"),
    "null for a number": (put("cells", "reader", 0, value=None), "whole numbers"),
    "list for a number": (put("cells", "reader", 0, value=[0]), "numbers"),
    "text for a column": (put("cells", "reader", value="0123"), "whole numbers"),
    "a column is short": (lambda data: data["cells"]["scenario"].pop(), "has 27 numbers, `cells.kind` 28"),
    "a column is long": (lambda data: data["cells"]["reader"].append(0), "has 29 numbers, `cells.kind` 28"),
    "a column is missing": (lambda data: data["cells"].pop("format"), "cells.format"),
    "no cells at all": (lambda data: data.pop("cells"), "`cells`"),
    "a status of no run": (put("kinds", 0, "status", value="fine"), "'fine' is not a valid Status"),
    "a mark that is none": (put("kinds", 0, "known", value="yes"), "kinds.0.known"),
    "checks that are no list": (put("kinds", 0, "failed_checks", value="outputs"), "kinds.0.failed_checks"),
    "a kind that is none": (put("kinds", 0, value=None), "kinds.0"),
    "a name that is none": (put("names", "reader", 0, value=3), "names.reader.0"),
    "a name with a slash": (put("names", "reader", 0, value="a/b"), "has a slash"),
    "one name twice": (lambda data: put("names", "reader", 0, value=data["names"]["reader"][1])(data), "twice"),
    "a source that is none": (put("sources", 0, value={}), "sources.0"),
    "another run": (put("run", value="r2"), "of the run 'r2'"),
    "no schema": (put("schema", value="1"), "`schema` is '1'"),
    "one cell twice": (lambda data: [column.append(column[-1]) for column in data["cells"].values()], "two records"),
    "a cell that was measured": (lambda data: append(data, "dense", "h5", "2.9.3", "2.9.3"), "two records"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_columns_that_make_no_sense_are_damage(tmp_path: Path, name: str) -> None:
    archive_run(a_map(), tmp_path)
    change, why = HOSTILE[name]
    rewrite(tmp_path, change)
    with pytest.raises(StoreError, match=r"inferred\.json\.gz: damaged") as caught:
        read_run_folder(tmp_path)
    assert why in str(caught.value)


TIMES: dict[str, tuple[Any, str]] = {
    "a cell too few": ({"number": [0, 1], "times": [14, 13]}, "has 27 numbers, `cells.kind` 28"),
    "more cells than a map has": ({"number": [0, 1], "times": [14, 2**40]}, "all together are at most 10000000"),
    "many times what a map has": ({"number": [0] * 4, "times": [9_000_000] * 4}, "all together are at most 10000000"),
    "more than 64 bits": ({"number": [0, 1], "times": [14, 2**80]}, "whole numbers"),
    "no time": ({"number": [0, 1, 0], "times": [14, 14, 0]}, "`times` are not"),
    "times below 0": ({"number": [0, 1, 0], "times": [15, 14, -1]}, "`times` are not"),
    "half a time": ({"number": [0, 1], "times": [13.5, 14.5]}, "whole numbers"),
    "a number without times": ({"number": [0, 1, 0], "times": [14, 14]}, "`number` has 3 numbers, `times` 2"),
    "no times": ({"number": [0, 1]}, "`number` and `times`"),
    "something else": ({"number": [0, 1], "times": [14, 14], "more": 1}, "`number` and `times`"),
    "a number of nothing": ({"number": [0, 2], "times": [14, 14]}, "none of 0 to 1"),
}


@pytest.mark.parametrize("name", TIMES)
def test_times_that_make_no_sense_are_damage(tmp_path: Path, name: str) -> None:
    archive_run(a_map(), tmp_path)
    column, why = TIMES[name]
    rewrite(tmp_path, put("cells", "scenario", value=column), in_short=True)
    with pytest.raises(StoreError, match=r"inferred\.json\.gz: damaged") as caught:
        read_run_folder(tmp_path)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"no gzip", gzip.compress(b"{}"), gzip.compress(b"[1]"), gzip.compress(b"{"), gzip.compress(b"[" * 10_000)],
    ids=["empty", "no gzip", "nothing in it", "a list", "cut off", "deep"],
)
def test_what_is_no_file_of_columns_is_damage(tmp_path: Path, content: bytes) -> None:
    archive_run(a_map(), tmp_path)
    (tmp_path / INFERRED_FILE).write_bytes(content)
    with pytest.raises(StoreError, match=r"inferred\.json\.gz: damaged"):
        read_run_folder(tmp_path)


def test_a_file_that_was_cut_off_is_damage(tmp_path: Path) -> None:
    archive_run(a_map(), tmp_path)
    data = (tmp_path / INFERRED_FILE).read_bytes()
    (tmp_path / INFERRED_FILE).write_bytes(data[: len(data) // 2])
    with pytest.raises(StoreError, match=r"inferred\.json\.gz: damaged"):
        read_run_folder(tmp_path)


def test_a_file_that_unpacks_to_more_than_a_map_has_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive_run(a_map(), tmp_path)
    (tmp_path / INFERRED_FILE).write_bytes(gzip.compress(b" " * 200_000))
    monkeypatch.setattr(columns, "MAX_BYTES", 100_000)
    with pytest.raises(StoreError, match="more than 100000 bytes"):
        read_run_folder(tmp_path)


def test_more_cells_than_run_json_counts_is_damage(tmp_path: Path) -> None:
    run = a_map()
    archive_run(replace(run, header={**run.header, "counts": {"pass": 31}}), tmp_path)
    with pytest.raises(StoreError, match=r"holds 32 cells, but run\.json counts 31"):
        read_run_folder(tmp_path)
