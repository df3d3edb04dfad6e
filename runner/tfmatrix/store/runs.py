"""Run folders: `results/runs/RUN/` with run.json (the header) and cells.jsonl (one record per cell).

A run is readable at every moment: the header is written first, every record is appended as it comes, and a run
that was killed is the same folder with `complete: false`. Both files are strict JSON: figures that are not finite
are the strings "nan", "inf" and "-inf". `results/latest` names the complete run that ended last. An archived run is a
folder whose records are compressed: cells.jsonl.gz, and what was inferred as columns beside it (`columns.py`).
"""

from __future__ import annotations

import difflib
import gc
import gzip
import io
import json
import marshal
import math
import re
import secrets
import sys
import threading
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tfmatrix.core.data import parse_json
from tfmatrix.core.errors import StoreError, UsageError
from tfmatrix.core.ids import ID_PATTERN
from tfmatrix.core.records import RECORD_SCHEMA, CellRecord, Result, as_in_record
from tfmatrix.core.status import WORST_FIRST, Status
from tfmatrix.store.content import unwritable, write_atomically
from tfmatrix.store.migrate import header_with_format_info, migrated

RUN_SCHEMA = 1
"""Version of run.json."""

LATEST, PREVIOUS = "latest", "previous"
HEADER_FILE, ARCHIVED_FILE, INFERRED_FILE = "run.json", "cells.jsonl.gz", "inferred.json.gz"
"""The files of an archived run; the last one where it has inferred cells."""

_CELLS_FILE = "cells.jsonl"

MAX_LINE = 100_000_000
"""Bytes of a record: what is longer was made to fill a memory."""

_UPGRADE = "upgrade tfmatrix: python -m pip install --upgrade tfmatrix"


def strict_json(value: Any, indent: int | None = None) -> str:
    """JSON that every parser takes: figures that are not finite as strings, what is not ASCII as escapes."""
    # ASCII, so that no character of a message (U+2028, U+0085) is taken for the end of a line by any reader.
    encoder = _ENCODER if indent is None else json.JSONEncoder(allow_nan=False, indent=indent)
    try:
        return encoder.encode(value)
    except ValueError:
        return encoder.encode(_finite(value))


_ENCODER = json.JSONEncoder(allow_nan=False)
"""One for all: json.dumps would make an encoder for every value."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run as it was read: `header` is run.json, `records` are sorted by cell id, one per cell.

    `problems` are sentences on what was left out while reading, such as the torn last line of a killed run.
    """

    id: str
    header: Mapping[str, Any]
    records: tuple[CellRecord, ...]
    folder: Path
    problems: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether the run came to its end; an interrupted one holds the cells that were finished."""
        return bool(self.header.get("complete"))


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """What run.json says. Times are ISO 8601 in UTC; `finished` and `counts` are empty until it is complete.

    `is_part` says that it is a shard, or a run that only saved or only loaded: never `latest`, and not `previous`.
    """

    id: str
    folder: Path
    complete: bool
    started: str
    finished: str
    counts: Mapping[str, int]
    is_part: bool = False


def new_run_id(now: datetime) -> str:
    """An id such as `20251122T190412Z-3fa9c1`: sorts by time, and two runs of one second differ.

    `now` must know its time zone; raises ValueError where it does not.
    """
    if now.tzinfo is None:
        raise ValueError("the time of a run needs a time zone")
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


class RunWriter:
    """Creates and fills one run folder, from any thread. As a context manager it closes the journal.

    `header` holds the keys of run.json but `schema`, `run`, `complete`, `finished` and `counts`: those are written
    here. Raises UsageError where the id is not one, or is taken.
    """

    def __init__(self, results: Path, run_id: str, header: Mapping[str, Any]) -> None:
        if not ID_PATTERN.fullmatch(run_id) or run_id in (LATEST, PREVIOUS):
            raise UsageError(
                f"{run_id!r} cannot name a run",
                expected=f"{ID_PATTERN.pattern}, and neither {LATEST!r} nor {PREVIOUS!r}",
            )
        self.id = run_id
        self.results = results
        self.folder = _runs(results) / run_id
        self._lock = threading.Lock()
        self._header = dict(header)
        self._lines: dict[str, str] = {}
        self._statuses: dict[str, Status] = {}
        try:
            self.folder.mkdir(parents=True)
            self._write_header({"complete": False})
            self._journal = (self.folder / _CELLS_FILE).open("x", encoding="ascii", newline="\n")
        except FileExistsError:
            raise UsageError(f"the run {run_id} exists already: {self.folder}", fix="give another id") from None
        except OSError as error:
            raise unwritable(results, error) from error

    def update_header(self, changes: Mapping[str, Any]) -> None:
        """Adds to run.json what is known only now, such as the packages of environments that are provided."""
        with self._lock:
            self._header.update(changes)
            self._write_header({"complete": False})

    def add(self, record: CellRecord) -> None:
        """Appends a record to the journal. The last record of a cell is the one that counts."""
        line = strict_json(record.to_json()) + "\n"
        with self._lock:
            try:
                self._journal.write(line)
                self._journal.flush()
            except OSError as error:
                # A record that is nowhere would be a cell that nobody misses.
                raise unwritable(self.folder, error) from error
            self._lines[record.cell] = line
            self._statuses[record.cell] = record.status

    def finish(self, finished: datetime, *, latest: bool = True) -> Run:
        """Sorts the journal by cell id, marks the run complete, makes it the latest, and returns it as it reads.

        In this order: neither a complete header nor `latest` ever stands before the records it speaks of.
        """
        with self._lock:
            self._journal.close()
            write_atomically(self.folder / _CELLS_FILE, "".join(self._lines[cell] for cell in sorted(self._lines)))
            counts = Counter(self._statuses.values())
            self._write_header(
                {
                    "complete": True,
                    "finished": finished.astimezone(UTC).isoformat(timespec="seconds"),
                    "counts": {status.value: counts[status] for status in WORST_FIRST if counts[status]},
                }
            )
            if latest:
                write_atomically(self.results / LATEST, self.id + "\n")
        return read_run_folder(self.folder)

    def close(self) -> None:
        """Closes the journal; without finish() before, the run stays marked as incomplete."""
        with self._lock:
            self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _write_header(self, state: Mapping[str, Any]) -> None:
        header = {"schema": RUN_SCHEMA, "run": self.id} | self._header | {"run": self.id} | dict(state)
        write_atomically(self.folder / HEADER_FILE, strict_json(header, indent=1) + "\n")


def read_run(results: Path, reference: str | Path = LATEST) -> Run:
    """The run that `reference` names: "latest", "previous" (the complete one before it), an id, or a folder.

    Raises UsageError where there is no such run, StoreError where it is damaged or newer than this tfmatrix.
    """
    if reference == LATEST:
        return read_run_folder(_runs(results) / _latest_id(results))
    if reference == PREVIOUS:
        return read_run_folder(_runs(results) / _previous_id(results))
    if ID_PATTERN.fullmatch(str(reference)) and (_runs(results) / str(reference)).is_dir():
        return read_run_folder(_runs(results) / str(reference))
    if Path(reference).is_dir():
        return read_run_folder(Path(reference))
    ids = [run.id for run in list_runs(results)]
    if not ids:
        raise _no_runs(results)
    close = difflib.get_close_matches(str(reference), ids, n=3)
    raise UsageError(
        f"no run {str(reference)!r} in {_runs(results)}",
        expected=f"{LATEST}, {PREVIOUS}, the id of a run, or its folder",
        fix=f"did you mean {' or '.join(close)}?" if close else f"the newest runs are {', '.join(ids[:3])}",
    )


def read_run_folder(folder: Path) -> Run:
    """The run in a folder. Raises StoreError naming file and line where it is damaged or too new."""
    header = _read_header(folder)
    path = folder / _CELLS_FILE
    with without_collector():
        records, problems = _read_lines(path, header)
        if not path.exists() and (folder / INFERRED_FILE).exists():
            records = _with_inferred(folder / INFERRED_FILE, header, records)
    counted = sum(header["counts"].values()) if header["complete"] else len(records)
    if counted != len(records):
        raise _damaged(str(path), f"holds {len(records)} cells, but {HEADER_FILE} counts {counted}")
    return Run(id=header["run"], header=header, records=records, folder=folder, problems=problems)


def archive_run(run: Run, folder: Path) -> None:
    """Writes a run to `folder` as run.json, cells.jsonl.gz and inferred.json.gz, which `read_run_folder` reads.

    The last one is there where cells are inferred. Lines are in the order of what they say behind their place: those
    that are alike stand side by side, and pack to less than half. Same run, same bytes.
    """
    from tfmatrix.store.columns import kind_of, to_columns  # here: it brings numpy

    has_kind: dict[Result, bool] = {}
    lines: list[tuple[str, str]] = []
    inferred = []
    for record in run.records:
        if record.inferred is not None and record.result not in has_kind:
            has_kind[record.result] = kind_of(record) is not None
        if record.inferred is not None and has_kind[record.result]:
            inferred.append(record)
        else:
            place, status, what = strict_json(record.to_json()).partition('"status": ')
            lines.append((what, place + status))
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=0) as file:
        for what, place in sorted(lines):  # Line by line: those of a whole map are a gigabyte.
            file.write(f"{place}{what}\n".encode("ascii"))
    write_atomically(folder / ARCHIVED_FILE, packed.getvalue())
    if inferred:
        write_atomically(folder / INFERRED_FILE, to_columns(run.id, inferred))
    else:
        (folder / INFERRED_FILE).unlink(missing_ok=True)
    write_atomically(folder / HEADER_FILE, strict_json(dict(run.header), indent=1) + "\n")


def list_runs(results: Path) -> tuple[RunSummary, ...]:
    """All runs, newest first; a folder without run.json is none. Raises StoreError on a damaged run.json."""
    folders = [path.parent for path in _runs(results).glob(f"*/{HEADER_FILE}")]
    summaries = []
    for folder in folders:
        header = _read_header(folder)
        summaries.append(
            RunSummary(
                id=header["run"],
                folder=folder,
                complete=header["complete"],
                started=header.get("started", ""),
                finished=header.get("finished", ""),
                counts=header.get("counts", {}),
                is_part=bool(header.get("shard")) or header.get("phase") in ("save", "load"),
            )
        )
    return tuple(sorted(summaries, key=lambda run: (run.started, run.id), reverse=True))


def newest_headers(results: Path) -> Iterator[dict[str, Any]]:
    """What run.json says of each run, newest first, one after the other. Raises StoreError on a damaged one."""
    folder = _runs(results)
    if folder.is_dir():
        for run in sorted(folder.iterdir(), reverse=True):
            if (run / HEADER_FILE).is_file():
                yield _read_header(run)


def _runs(results: Path) -> Path:
    return results / "runs"


def _latest_id(results: Path) -> str:
    try:
        latest = (results / LATEST).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        runs = list_runs(results)
        if runs:
            raise UsageError(
                f"no run in {_runs(results)} has come to its end",
                fix=f"run `tfmatrix run` again, or name the interrupted one: {runs[0].id}",
            ) from None
        raise _no_runs(results) from None
    if not ID_PATTERN.fullmatch(latest) or not (_runs(results) / latest).is_dir():
        raise StoreError(
            f"{results / LATEST} names the run {latest!r}, which is not there",
            fix="name a run by its id, or run `tfmatrix run` again",
        )
    return latest


def _previous_id(results: Path) -> str:
    latest = _latest_id(results)
    # By the end, not by the start: `latest` is the run that ended last.
    complete = sorted((run.finished, run.id) for run in list_runs(results) if run.complete and not run.is_part)
    before = [run_id for _, run_id in complete]
    position = before.index(latest) if latest in before else 0
    if position == 0:
        raise UsageError(
            f"there is no complete run before {latest} in {_runs(results)}",
            fix="run `tfmatrix run` once more",
        )
    return before[position - 1]


def _no_runs(results: Path) -> UsageError:
    return UsageError(f"no runs yet in {_runs(results)}", fix="run `tfmatrix run` (or `python -m nox`) first")


def _read_header(folder: Path) -> dict[str, Any]:
    path = folder / HEADER_FILE
    try:
        header = parse_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(f"{folder} is not the folder of a run: it has no {HEADER_FILE}") from None
    except ValueError as error:
        raise _damaged(str(path), str(error)) from error
    if not isinstance(header, dict):
        raise _damaged(str(path), "not a JSON object")
    _check_schema(header, RUN_SCHEMA, str(path))
    if not isinstance(header.get("run"), str) or not isinstance(header.get("complete"), bool):
        raise _damaged(str(path), "`run` (text) or `complete` (true or false) is missing")
    if header["complete"] and not isinstance(header.get("counts"), dict):
        raise _damaged(str(path), "`counts` is missing from a complete run")
    from tfmatrix.store.forms import problem_in_header  # here: what lists no run needs no forms

    if problem := problem_in_header(header):
        raise _damaged(str(path), problem)
    return header_with_format_info(header)


_NOTHING: dict[str, Any] = {}
"""What a record has not: nobody writes into a record."""


_NAME = rb'"([ !#-\[\]-~]*)"'
_HEAD = re.compile(
    (
        b'{"schema": %d, "run": NAME, "cell": NAME, "scenario": NAME, "format": NAME, "writer": NAME, "reader": NAME, '
        b'"status"' % RECORD_SCHEMA
    )
    .replace(b"{", rb"\{")
    .replace(b"NAME", _NAME)
)
"""How a line begins that this version wrote: the place of a cell, in names without escapes."""

_FRAGMENTS = {
    ("status", "known", "fixed", "flaky", "promised", "failed_checks"): b', "checks": {',
    ("checks",): b', "save": {"status": ',
    ("save",): b', "load": {',
    ("load",): b', "error": ',
    ("error",): b', "remedies": [',
    ("remedies",): b', "remedy": ',
    ("remedy", "attribution", "artifact"): b', "key": "',
}
"""What lies behind the place of a cell, in the order of a line: fields that are often the same together; and what
stands behind them."""

_OWN = re.compile(
    rb', "key": "([ !#-\[\]-~]*)", "cached": (true|false), "seconds": ((?:0|[1-9][0-9]*)\.[0-9]+), "inferred": null\}\n'
)
"""How a line ends that this version wrote of a cell that was measured: what is its own."""

_MEASURED = b'"inferred": null}\n'

MAX_REMEMBERED = 50_000
"""Fragments of a kind: where most are a cell's own, as what a load took, to remember all would fill a memory."""


class _Parts:
    """Equal parts of records, each once in memory: readers share a save, and checks that held look alike.

    A run of a hundred thousand cells takes a tenth of the memory this way. What inferred cells came to is read once
    for all lines that say the same behind their place.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, Any] = {}
        self._results: dict[tuple[bytes, bytes], Result] = {}
        self._names: dict[bytes, str] = {}
        self._fragments: dict[tuple[str, ...], dict[bytes, tuple[Any, ...]]] = {names: {} for names in _FRAGMENTS}
        self._last: dict[tuple[str, ...], tuple[bytes, tuple[Any, ...]]] = dict.fromkeys(_FRAGMENTS, (b"", ()))

    def record(self, line: bytes) -> CellRecord | None:
        """The record of a line of this version, of which what other lines said as well is parsed and verified once.

        None where the line is not of that form, or is damaged: then it is to be read in full.
        """
        head = _HEAD.match(line)
        if head is None:
            return None
        run, cell, *place = head.groups()
        if cell != b"/".join(place):
            return None
        result = (
            self._measured(line, head.end(), run)
            if line.endswith(_MEASURED)
            else self._results.get((run, line[head.end() :]))
        )
        return None if result is None else CellRecord.at(result, *map(self._name, place))

    def _measured(self, line: bytes, end: int, run: bytes) -> Result | None:
        """The result of a cell that was measured; `end` is that of its place.

        Where every fragment is JSON with the fields that belong there, the line is: cut within a text, it would not be.
        """
        values: list[Any] = [self._name(run)]
        begin = end - len(b'"status"')
        for names, behind in _FRAGMENTS.items():
            # An archive has those side by side that say the same: then this is all that is looked at.
            same, found = self._last[names]
            if same and line.startswith(same, begin):
                end = begin + len(same) - len(behind)
            else:
                end = line.find(behind, begin)
                if end < 0:
                    return None
                read = self._fragment(line[begin:end], names)
                if read is None:
                    return None
                found = read
                self._last[names] = (line[begin : end + len(behind)], found)
            values += found
            begin = end + len(b", ")
        own = _OWN.fullmatch(line, end)
        if own is None:
            return None
        return Result((*values, own[1].decode("ascii"), own[2] == b"true", float(own[3]), None, RECORD_SCHEMA))

    def _fragment(self, text: bytes, names: tuple[str, ...]) -> tuple[Any, ...] | None:
        """The values of some fields as records have them, parsed once; None where it is anything else."""
        known = self._fragments[names]
        if text in known:
            return known[text]
        try:
            data = parse_json(b"{%b}" % text)
            if tuple(data) != names or _problem(data):
                return None
            values = tuple(as_in_record(name, value) for name, value in self.shared(data).items())
        except ValueError:
            return None
        if len(known) == MAX_REMEMBERED:
            known.clear()
        known[text] = values
        return values

    def _name(self, text: bytes) -> str:
        return self._names.get(text) or self._names.setdefault(text, sys.intern(text.decode("ascii")))

    def note(self, line: bytes, record: CellRecord) -> None:
        """Notes what a line said that was read in full."""
        head = _HEAD.match(line)
        if head is not None and record.inferred is not None:
            self._results[head[1], line[head.end() :]] = record.result

    def shared(self, record: dict[str, Any]) -> dict[str, Any]:
        """The record with its parts replaced by equal ones that were read before. Changes it."""
        for key in ("run", "scenario", "format", "writer", "reader"):
            if isinstance(record.get(key), str):
                record[key] = sys.intern(record[key])
        if record.get("checks") == {}:
            record["checks"] = _NOTHING
        elif isinstance(record.get("checks"), dict):
            record["checks"] = self._once({name: self._once(check) for name, check in record["checks"].items()})
        for key in ("save", "error", "artifact", "attribution", "remedies", "failed_checks", "inferred"):
            value = record.get(key)
            if value:
                record[key] = self._once(value)
            elif value == {}:  # Most are, of a map that is inferred: one object for all of them.
                record[key] = _NOTHING
        if record.get("load") == {}:
            record["load"] = _NOTHING
        elif isinstance(record.get("load"), dict):
            # As a whole it differs from cell to cell, by its seconds.
            record["load"] = {sys.intern(name): self._once(value) for name, value in record["load"].items()}
        return record

    def _once(self, value: Any) -> Any:
        return self._known.setdefault(marshal.dumps(value, 2), value)


MANY_OBJECTS = 500_000
"""From so many on, what was made without the collector is kept from it for good."""


@contextmanager
def without_collector() -> Iterator[None]:
    """Pauses the garbage collector: through a hundred thousand records it walks again and again for nothing."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            if gc.get_count()[0] > MANY_OBJECTS:
                # Nor is it let loose on them afterwards: records have no cycles.
                gc.freeze()
            gc.enable()


def _lines(path: Path) -> Iterator[bytes]:
    if path.exists():
        with path.open("rb") as file:
            yield from iter(lambda: file.readline(MAX_LINE + 1), b"")
    elif (archived := path.with_name(ARCHIVED_FILE)).exists():
        try:
            with gzip.open(archived) as packed, io.BufferedReader(packed, 1 << 20) as file:  # gzip's own has 8 KB
                yield from iter(lambda: file.readline(MAX_LINE + 1), b"")
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise _damaged(str(archived), str(error)) from error


def _read_lines(path: Path, header: Mapping[str, Any]) -> tuple[tuple[CellRecord, ...], tuple[str, ...]]:
    """The last record of each cell, in the order of their ids, and what was left out."""
    records = []
    problems = []
    parts = _Parts()
    at_most = sum(header["counts"].values()) if header["complete"] else None
    for number, line in enumerate(_lines(path), start=1):
        if not line.endswith(b"\n"):
            if len(line) > MAX_LINE:
                raise _damaged(f"{path}:{number}", f"the line has more than {MAX_LINE} bytes")
            # What a kill leaves. A complete run was rewritten at once and has no such line.
            if header["complete"]:
                raise _damaged(f"{path}:{number}", "the file ends in the middle of a line")
            problems.append(f"{path}:{number}: the last line was cut off when the run was killed; it is left out")
            break
        if number - 1 == at_most:
            raise _damaged(str(path), f"holds more cells than the {at_most} that {HEADER_FILE} counts")
        record = parts.record(line)
        if record is None:
            record = _read_record(line, f"{path}:{number}", parts)
            parts.note(line, record)
        records.append(record)
    cells = [record.cell for record in records]
    if any(one >= other for one, other in pairwise(cells)):
        # A journal: in the order in which cells came, and some of them again.
        last = dict(zip(cells, records, strict=True))
        records = [last[cell] for cell in sorted(last)]
    return tuple(records), tuple(problems)


def _with_inferred(path: Path, header: Mapping[str, Any], measured: Sequence[CellRecord]) -> tuple[CellRecord, ...]:
    """The records of an archive: those of its lines, and those of its columns."""
    from tfmatrix.store.columns import NewerColumnsError, from_columns  # here: few runs have any, and numpy takes time

    try:
        return from_columns(path.read_bytes(), header["run"]).among(measured)
    except NewerColumnsError as error:
        raise StoreError(f"{path}: written by a newer tfmatrix ({error})", fix=_UPGRADE) from error
    except ValueError as error:
        raise _damaged(str(path), str(error)) from error


def _problem(record: Mapping[str, Any]) -> str:
    from tfmatrix.store.forms import problem_in_record  # here: what reads no record needs no forms

    return problem_in_record(record)


def _read_record(line: bytes, place: str, parts: _Parts) -> CellRecord:
    try:
        data = parse_json(line)
        if not isinstance(data, dict):
            raise TypeError("not a JSON object")
        _check_schema(data, RECORD_SCHEMA, place)
        data = migrated(data)
        if problem := _problem(data):
            raise ValueError(problem)
        record = CellRecord.from_json(parts.shared(data))
    except KeyError as error:
        raise _damaged(place, f"the field {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise _damaged(place, str(error)) from error
    if data["cell"] != record.cell:
        raise _damaged(place, f"the cell {data['cell']!r} says of itself that it is {record.cell}")
    return record


def _check_schema(data: Mapping[str, Any], newest: int, place: str) -> None:
    schema = data.get("schema")
    if not isinstance(schema, int) or schema < 1:
        raise _damaged(place, f"`schema` is {schema!r}")
    if schema > newest:
        raise StoreError(
            f"{place}: written by a newer tfmatrix (schema {schema}; this one reads up to {newest})",
            fix=_UPGRADE,
        )


def _damaged(place: str, why: str) -> StoreError:
    return StoreError(
        f"{place}: damaged: {why}",
        expected="what `tfmatrix run` wrote",
        fix="restore the file, or delete that run's folder and run again: what was measured is in the store",
    )


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
