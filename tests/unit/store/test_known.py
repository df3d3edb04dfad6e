"""Archives of others: what is one, and what of it counts."""

from __future__ import annotations

import functools
import http.server
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tfmatrix.core.errors import InfrastructureError, StoreError, UsageError
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.store.known import SHARE, Known, known_of, read_known
from tfmatrix.store.runs import INFERRED_FILE, Run, RunWriter, archive_run

RECORD = CellRecord(
    run="r", cell="s/h5/a/b", scenario="s", format="h5", writer="a", reader="b", status=Status.PASS, key="load-key",
    save={"status": "ok", "key": "save-key", "observation": "o", "warnings": [{"message": "m", "text": "m"}]},
    load={"status": "ok"}, artifact={"digest": "d", "name": "m.h5", "kind": "hdf5", "bytes": 3},
)  # fmt: skip


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    header = {"started": "", "environments": {}, "code": {"checks": "today"}}
    with RunWriter(tmp_path / "results", "r", header) as writer:
        writer.add(RECORD)
        writer.add(replace(RECORD, cell="s/h5/a/c", reader="c", key="", inferred={"from": "s/h5/a/b", "by": "reader"}))
        place = {"scenario": "s", "format": "h5", "writer": "b", "reader": "b", "cell": "s/h5/b/b", "run": "r"}
        writer.add(CellRecord(**place, status=Status.PASS, inferred={"from": "s/h5/a/b", "by": "artifact"}))
        lost = replace(RECORD, cell="s/h5/a/d", reader="d", key="lost", status=Status.INFRA_ERROR)
        writer.add(replace(lost, load={"status": "infra"}))
        run = writer.finish(datetime(2026, 11, 28, tzinfo=UTC))
    archive_run(run, tmp_path / "archive")
    return tmp_path / "archive"


def holds(known: Known) -> None:
    assert set(known.loads) == {"load-key"}, "neither what was inferred nor what was lost"
    assert set(known.saves) == {"save-key"}
    saved = known.saves["save-key"]
    assert (saved.artifact, saved.observation) == (dict(RECORD.artifact or {}), "o")
    assert saved.warnings == ({"message": "m"},)


def test_inferred_cells_lie_beside_the_lines(archive):
    assert (archive / INFERRED_FILE).is_file(), "or the address below would prove nothing"


def test_a_folder(archive):
    holds(read_known(str(archive), checks="today"))


def test_an_address(archive):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(archive))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        holds(read_known(f"http://127.0.0.1:{server.server_port}/", checks="today"))
        with pytest.raises(InfrastructureError, match="cannot be read"):
            read_known(f"http://127.0.0.1:{server.server_port}/nowhere", checks="today")
        (archive / INFERRED_FILE).unlink()
        with pytest.raises(StoreError, match=r"holds 3 cells, but run\.json counts 4"):
            read_known(f"http://127.0.0.1:{server.server_port}/", checks="today")
        server.shutdown()


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(UsageError, match="is no archived run"):
        read_known(str(tmp_path), checks="today")


def test_what_other_checks_judged_does_not_count(archive):
    with pytest.raises(UsageError, match="another version"):
        read_known(str(archive), checks="tomorrow")


def test_the_sample_is_a_share_and_another_one_in_every_run():
    keys = [str(number) for number in range(5000)]
    known = Known(reference="x", run="r")
    first, second = ({key for key in keys if known.is_checked(key, seed)} for seed in ("one", "two"))
    assert 0.5 * SHARE < len(first) / len(keys) < 2 * SHARE
    assert first != second


@pytest.mark.parametrize(
    ("status", "error", "taken"),
    [
        ("error", {"phase": "build", "type": "TypeError", "message": "no", "traceback": "File x"}, True),
        ("error", {"type": "TypeError"}, True),
        ("error", {"type": "RefusedResult", "phase": "save"}, False),
        ("error", None, False),
        ("crash", {"type": "SIGSEGV", "phase": "save"}, False),
        ("timeout", {"type": "timeout", "phase": "train"}, False),
        ("unsupported", {"type": "unsupported", "phase": "save"}, False),
    ],
)
def test_of_the_saves_that_failed_those_are_known_that_raised(status, error, taken):
    record = RECORD.but(save={"status": status, "key": "failed"}, artifact=None, load={}, key="", error=error)
    run = Run(id="r", header={}, records=(record,), folder=Path())
    saves = known_of(run, "elsewhere").saves
    assert set(saves) == ({"failed"} if taken else set())
    if taken:
        assert saves["failed"].status == "error"
        assert saves["failed"].error == {
            "type": "TypeError", "message": error.get("message", ""), "traceback": error.get("traceback", "")
        }  # fmt: skip
        assert saves["failed"].phase == error.get("phase")
