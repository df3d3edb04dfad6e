"""Groups the failing cells of a run into causes: the same thing went wrong, in whatever scenario, pair or format.

What groups is, for an exception, where it was raised and why (`reasons`); for a drift what was lost (`losses`); for a
process that died or never returned the signal and the format, because there is nothing else to tell them apart by.
A cell that drifts counts for everything it lost, so it may belong to several causes. Cells that were not measured
(infra-error) have none: they say nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tfmatrix.analysis.environments import Environments
from tfmatrix.analysis.losses import consequences, losses
from tfmatrix.analysis.reasons import DOING, reason
from tfmatrix.analysis.records import failed_in_save, in_order
from tfmatrix.analysis.upstream import Upstream, find_upstream, is_tabled
from tfmatrix.core.globs import CELL_SEGMENTS, GlobSet
from tfmatrix.core.records import CellRecord, are_listed
from tfmatrix.core.status import WORST_FIRST, Status
from tfmatrix.core.text import one_line
from tfmatrix.store.runs import Run

_ID_DIGITS = 6


@dataclass(frozen=True, kw_only=True)
class BestRemedy:
    """The workaround that helps most of a cause's cells: all of `cells`, and `complete` of them get everything back."""

    name: str
    cells: int
    complete: int
    detail: str


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One thing that goes wrong, with the cells where it does.

    `title` is one line, code in backticks. `where` is `writers → readers` in matrix order, for a failing save the
    writers alone. `first_reader` is the first environment of the matrix that shows it (`first_writer` where it fails
    at saving), `good_again` the first one behind all of them where the same cells are measured and do not fail.
    `text` is what the example cell said, the decisive part. `known` counts cells that known_failures.yaml lists, for
    `reasons`. `tried` counts cells for which remedies were tried. `also_failed` counts checks whose failure follows
    from this one.
    """

    id: str
    title: str
    status: Status
    phase: str
    cells: tuple[str, ...]
    saves: int
    formats: tuple[str, ...]
    scenarios: tuple[str, ...]
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    where: str
    first_writer: str
    first_reader: str | None
    good_again: str | None
    known: int
    reasons: tuple[str, ...]
    promised: int
    remedy: BestRemedy | None
    tried: int
    links: tuple[Upstream, ...]
    example: str
    text: str
    also_failed: Mapping[str, int]

    @property
    def is_known(self) -> bool:
        """Whether every cell of it is listed in known_failures.yaml."""
        return self.known == len(self.cells)

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON types."""
        remedy = self.remedy
        return {
            "id": self.id,
            "title": self.title,
            "status": self.status.value,
            "phase": self.phase,
            "where": self.where,
            "formats": list(self.formats),
            "scenarios": list(self.scenarios),
            "writers": list(self.writers),
            "readers": list(self.readers),
            "first_writer": self.first_writer,
            "first_reader": self.first_reader,
            "good_again": self.good_again,
            "saves": self.saves,
            "known": self.known,
            "reasons": list(self.reasons),
            "promised": self.promised,
            "remedy": remedy
            and {"name": remedy.name, "cells": remedy.cells, "complete": remedy.complete, "detail": remedy.detail},
            "tried": self.tried,
            "links": [{"url": link.url, "about": link.about} for link in self.links],
            "also_failed": dict(self.also_failed),
            "example": self.example,
            "text": self.text,
            "cells": list(self.cells),
        }


@dataclass(frozen=True, kw_only=True)
class _Key:
    """What groups cells. `text` is what the cell said, which does not group."""

    status: Status
    phase: str
    title: str
    text: str

    @property
    def identity(self) -> str:
        return json.dumps([self.status.value, self.phase, self.title])


def find_causes(run: Run) -> tuple[Cause, ...]:
    """The causes of a run: those with a cell that nobody has listed first, then by number of cells."""
    environments = Environments.of(run)
    groups: dict[str, list[tuple[_Key, CellRecord]]] = {}
    failing = [record for record in run.records if record.status.is_incompatibility]
    measured = {record.cell: record for record in failing if record.inferred is None}
    # A whole map is inferred from a tenth of it: what a measured cell said is read once.
    keys: dict[str, list[tuple[str, _Key]]] = {}
    for record in failing:
        # One that is inferred fails for what its source fails for.
        evidence = record if record.inferred is None else measured.get(record.inferred["from"], record)
        if evidence.cell not in keys:
            keys[evidence.cell] = [(key.identity, key) for key in _keys(evidence)]
        for identity, key in keys[evidence.cell]:
            groups.setdefault(identity, []).append((key, record))
    ids = _ids(groups)
    squares = _measured_squares(run)
    causes = [_cause(run, environments, squares, ids[identity], group) for identity, group in groups.items()]
    return tuple(sorted(causes, key=_rank))


_Squares = Mapping[tuple[str, str], Sequence[CellRecord]]
"""(scenario, format) → the cells of it that were measured."""


def _measured_squares(run: Run) -> _Squares:
    squares: dict[tuple[str, str], list[CellRecord]] = {}
    for record in run.records:
        if record.inferred is None and record.status.is_measured:
            squares.setdefault((record.scenario, record.format), []).append(record)
    return squares


def _rank(cause: Cause) -> tuple[object, ...]:
    return cause.is_known, -len(cause.cells), WORST_FIRST.index(cause.status), cause.title, cause.phase


def causes_of(causes: Iterable[Cause], cell: str) -> tuple[Cause, ...]:
    """The causes that a cell belongs to, in their order; none for a cell that did not fail."""
    return tuple(cause for cause in causes if cell in cause.cells)


def _keys(record: CellRecord) -> list[_Key]:
    """What a failing cell belongs to: several things where it drifts, else one."""
    error = record.error or {}
    in_save = failed_in_save(record)
    phase = str(error.get("phase") or ("save" if in_save else "load"))
    match record.status:
        case Status.DRIFT:
            said = [sentence for name in record.failed_checks for sentence in _detail(record, name)]
            text = reason(error).text if error else one_line(" · ".join(said[:3]), 600)
            return [_Key(status=record.status, phase="observe", title=loss, text=text) for loss in losses(record)]
        case Status.CRASH | Status.TIMEOUT:
            title = f"{_death(record)}, {record.format}"
            text = one_line(error.get("message") or "", 600)
            return [_Key(status=record.status, phase=phase, title=title, text=text)]
        case _:
            found = reason(error)
            doing = DOING.get(phase, one_line(phase, 30))
            if found.in_words:
                title = found.title if phase in ("save", "load") else f"{doing}: {found.title}"
            else:
                title = f"{doing} raises {found.title}"
            side = f"{phase} (save)" if in_save else phase
            return [_Key(status=record.status, phase=side, title=title, text=found.text)]


def _death(record: CellRecord) -> str:
    """How a process ended that did not return."""
    error = record.error or {}
    doing = "saving" if failed_in_save(record) else "loading"
    kind = str(error.get("type") or "")
    if record.status is Status.TIMEOUT:
        return f"{doing} does not return"
    if kind == "memory":
        return f"{doing} runs out of memory"
    if kind.startswith("SIG"):
        return f"the process dies of {one_line(kind, 30)} while {doing}"
    return f"{doing} ends the process"


def _detail(record: CellRecord, check: str) -> Sequence[str]:
    detail = (record.checks.get(check) or {}).get("detail") or ()
    return [detail] if isinstance(detail, str) else [str(sentence) for sentence in detail]


def _ids(identities: Iterable[str]) -> dict[str, str]:
    """An id for each: as many digits of its hash as tell it from the others, six where that will do."""
    digests = {
        identity: hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest() for identity in identities
    }
    counts = Counter(digest[:_ID_DIGITS] for digest in digests.values())
    return {
        identity: f"C-{digest[: _ID_DIGITS if counts[digest[:_ID_DIGITS]] == 1 else 2 * _ID_DIGITS]}"
        for identity, digest in digests.items()
    }


def _cause(
    run: Run,
    environments: Environments,
    squares: _Squares,
    cause_id: str,
    group: Sequence[tuple[_Key, CellRecord]],
) -> Cause:
    records = [record for _, record in group]
    in_save = failed_in_save(records[0])
    # The one to look at: measured, news before known, then the first pair of the matrix.
    key, example = min(
        group,
        key=lambda item: (
            item[1].inferred is not None,
            item[1].known,
            environments.position(item[1].reader),
            environments.position(item[1].writer),
            item[1].cell,
        ),
    )
    writers = environments.sorted(record.writer for record in records)
    readers = environments.sorted(record.reader for record in records)
    formats = in_order((record.format for record in records), run.header.get("formats") or ())
    reasons, named = known_failures(run, records)
    # A cell is listed with one of its causes: a link that the table has counts where its own row fits.
    links = tuple(link for link in named if not is_tabled(link.url))
    links += find_upstream(title=key.title, text=key.text, status=key.status, formats=formats)
    also = Counter(check for record in records for check in consequences(record)) if key.status is Status.DRIFT else {}
    return Cause(
        id=cause_id,
        title=key.title,
        status=key.status,
        phase=key.phase,
        cells=tuple(record.cell for record in records),
        saves=len({(record.scenario, record.format, record.writer) for record in records}),
        formats=formats,
        scenarios=in_order((record.scenario for record in records), run.header.get("scenarios") or ()),
        writers=writers,
        readers=() if in_save else readers,
        where=environments.ranges(writers)
        if in_save
        else environments.pairs((record.writer, record.reader) for record in records),
        first_writer=writers[0],
        first_reader=None if in_save else readers[0],
        good_again=_good_again(squares, environments, records, in_save=in_save),
        known=sum(record.known for record in records),
        reasons=reasons,
        promised=sum(record.promised for record in records),
        remedy=_best_remedy(records),
        tried=sum(bool(record.remedies) for record in records),
        links=links,
        example=example.cell,
        text=key.text,
        also_failed=dict(also),
    )


def _good_again(
    squares: _Squares, environments: Environments, records: Sequence[CellRecord], *, in_save: bool
) -> str | None:
    """The first environment behind those that show a cause where the same cells are measured and none of them fails.

    Looked for among the readers of the same saves, and where there is none among the writers of the same scenarios and
    formats.
    """

    def of_reader(record: CellRecord) -> tuple[str, ...]:
        return record.scenario, record.format, record.writer

    def of_writer(record: CellRecord) -> tuple[str, ...]:
        return record.scenario, record.format, "" if in_save else record.reader

    measured = [
        record
        for square in {(record.scenario, record.format) for record in records}
        for record in squares.get(square, ())
    ]
    for place, same in (("writer", of_writer),) if in_save else (("reader", of_reader), ("writer", of_writer)):
        concerned = {same(record) for record in records}
        last = max(environments.position(getattr(record, place)) for record in records)
        behind: dict[str, list[CellRecord]] = {}
        for record in measured:
            name = getattr(record, place)
            if environments.position(name) > last and same(record) in concerned:
                behind.setdefault(name, []).append(record)
        good = [name for name, cells in behind.items() if not any(each.status.is_incompatibility for each in cells)]
        if good:
            return min(good, key=environments.position)
    return None


def known_failures(run: Run, records: Sequence[CellRecord]) -> tuple[tuple[str, ...], tuple[Upstream, ...]]:
    """What known_failures.yaml, as the run has it, says about the known ones among cells: reasons and links."""
    listed = [record for record in records if record.known]
    # What is inferred is listed with what it is inferred from, or was measured.
    known = [record for record in listed if record.inferred is None] or listed
    reasons: dict[str, None] = {}
    links: dict[str, Upstream] = {}
    ways: dict[tuple[Status, tuple[str, ...]], list[str]] = {}
    for record in known:
        ways.setdefault((record.status, record.failed_checks), []).append(record.cell)
    for entry in run.header.get("known_failures") or ():
        globs = GlobSet(names_of(entry.get("cells")), segments=CELL_SEGMENTS)
        spoken = [cell for way, cells in ways.items() if speaks_of(entry, *way) for cell in cells]
        if not any(map(globs.matches, spoken)):
            continue
        reason_given = one_line(entry.get("reason") or "", 300)
        if reason_given:
            reasons[reason_given] = None
        if entry.get("link"):
            url = one_line(entry["link"], 300)
            links[url] = Upstream(url=url, about="named in known_failures.yaml")
    return tuple(reasons), tuple(links.values())


def unreviewed(run: Run) -> frozenset[str]:
    """The known cells that only entries list which nobody has reviewed: `run --accept` wrote them."""
    entries = run.header.get("known_failures") or ()
    reviewed = [entry for entry in entries if entry.get("reviewed") is not False]
    if len(reviewed) == len(entries):
        return frozenset()
    # Of a whole map a million cells are known, in a hundred ways: what speaks of one of these is one set of globs.
    spoken: dict[tuple[Status, tuple[str, ...]], GlobSet] = {}
    found = set()
    for record in run.records:
        if record.known:
            what = (record.status, record.failed_checks)
            if what not in spoken:
                spoken[what] = GlobSet(
                    (glob for entry in reviewed if speaks_of(entry, *what) for glob in names_of(entry.get("cells"))),
                    segments=CELL_SEGMENTS,
                )
            if not spoken[what].matches(cell := record.cell):
                found.add(cell)
    return frozenset(found)


def speaks_of(entry: Mapping[str, Any], status: Status, failed_checks: Sequence[str]) -> bool:
    """Whether an entry, as run.json has it, lists what became of a cell, wherever that is."""
    return status.value in names_of(entry.get("status")) and are_listed(
        names_of(entry.get("checks")), status, failed_checks
    )


def names_of(value: Any) -> list[str]:
    """One or several names, as run.json has them."""
    return [value] if isinstance(value, str) else [str(name) for name in value or ()]


def _best_remedy(records: Sequence[CellRecord]) -> BestRemedy | None:
    """The remedy that is recommended for most cells; of equals the one that brings back everything more often."""
    advised: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        if record.remedy:
            tried = next((each for each in record.remedies if each.get("name") == record.remedy), {})
            advised.setdefault(record.remedy, []).append(tried)
    if not advised:
        return None

    def complete(tries: Sequence[Mapping[str, Any]]) -> int:
        return sum(each.get("status", Status.PASS) == Status.PASS for each in tries)

    name, tries = min(advised.items(), key=lambda item: (-len(item[1]), -complete(item[1]), item[0]))
    details = Counter(one_line(each["detail"], 300) for each in tries if each.get("detail"))
    detail = min(details, key=lambda said: (-details[said], said)) if details else ""
    return BestRemedy(name=one_line(name, 120), cells=len(tries), complete=complete(tries), detail=detail)
