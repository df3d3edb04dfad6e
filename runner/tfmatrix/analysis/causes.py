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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from tfmatrix.analysis.environments import Environments
from tfmatrix.analysis.losses import consequences, losses
from tfmatrix.analysis.reasons import DOING, reason
from tfmatrix.analysis.records import failed_in_save, in_order, is_measured
from tfmatrix.analysis.squares import NONE, Numbers, Squares, numbers_counted, present
from tfmatrix.analysis.upstream import Upstream, find_upstream, is_tabled
from tfmatrix.core.globs import CELL_SEGMENTS, GlobSet
from tfmatrix.core.records import CellRecord, are_listed
from tfmatrix.core.status import WORST_FIRST, Status
from tfmatrix.core.text import one_line
from tfmatrix.store.runs import Run

_ID_DIGITS = 6

_Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class BestRemedy:
    """The workaround that helps most of a cause's cells: all of `cells`, and `complete` of them get everything back."""

    name: str
    cells: int
    complete: int
    detail: str


class Cells(Sequence[str]):
    """The ids of some cells of a run, in its order; `places` are theirs among its records.

    A cause of a whole map has a million: each is written when it is asked for.
    """

    def __init__(self, records: Sequence[CellRecord], places: Numbers) -> None:
        self._records = records
        self.places = places

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[str, ...]: ...

    def __getitem__(self, place: int | slice) -> str | tuple[str, ...]:
        if isinstance(place, slice):
            return tuple(self._records[each].cell for each in self.places[place].tolist())
        record: CellRecord = self._records[self.places[place]]
        return record.cell

    def __iter__(self) -> Iterator[str]:
        return (self._records[place].cell for place in self.places.tolist())

    def __eq__(self, other: object) -> bool:
        return tuple(self) == (tuple(other) if isinstance(other, Cells) else other)

    __hash__ = None  # type: ignore[assignment]


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
    cells: Cells
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


def find_causes(run: Run, squares: Squares | None = None) -> tuple[Cause, ...]:
    """The causes of a run: those with a cell that nobody has listed first, then by number of cells.

    `squares` are those of the run, where they are at hand.
    """
    found = _Failing(run, squares or Squares.of(run))
    keys, keys_of = found.squares.distinct(
        _keys, "status", "error", "save", "failed_checks", "checks", "attribution", "format"
    )
    identities = [[(key.identity, key) for key in each] for each in keys]
    groups: dict[str, dict[int, _Key]] = {}
    for kind, evidence in found.evidence():
        for identity, key in identities[keys_of[evidence]]:
            groups.setdefault(identity, {})[kind] = key
    ids = _ids(groups)
    return tuple(sorted((_cause(found, ids[identity], group) for identity, group in groups.items()), key=_rank))


class _Failing:
    """What the causes of a run are looked for in: its columns, and where each kind of outcome stands in them."""

    def __init__(self, run: Run, squares: Squares) -> None:
        self.run = run
        self.squares = squares
        self.environments = Environments.of(run, squares.environments)
        self.known = squares.each(lambda record: record.known, bool, "known")
        self.promised = squares.each(lambda record: record.promised, bool, "promised")
        self.inferred = squares.each(lambda record: record.inferred is not None, bool)
        self.fails = squares.each(lambda record: record.status.is_incompatibility, bool, "status")
        self.tried = squares.each(lambda record: bool(record.remedies), bool, "remedies")
        self.advice, self.advice_of = squares.distinct(_advice, "remedy", "remedies")
        self.consequences, self.consequences_of = squares.distinct(consequences, "failed_checks", "checks")
        self._by_kind = np.argsort(squares.kind, kind="stable")
        self._ends = np.cumsum(np.bincount(squares.kind, minlength=len(squares.examples)))
        measured = squares.each(is_measured, bool, "status") & ~self.inferred
        self.measured = np.flatnonzero(measured[squares.kind])
        # A number for each scenario and format with its writer, or its reader.
        self.of_writer, self.of_reader = (
            squares.square * len(squares.environments) + side for side in (squares.writer, squares.reader)
        )

    def places(self, kinds: Iterable[int]) -> Numbers:
        """Where the cells of some kinds stand among the records, in their order."""
        found = [self._by_kind[self._ends[kind - 1] if kind else 0 : self._ends[kind]] for kind in kinds]
        return np.sort(np.concatenate(found))

    def evidence(self) -> Iterator[tuple[int, int]]:
        """Each kind that fails, and the one that says for what: of one that is inferred that of its source."""
        records, kinds = self.run.records, self.squares.kind
        own = np.flatnonzero((self.fails & ~self.inferred)[kinds])
        measured = {records[place].cell: kind for place, kind in zip(own.tolist(), kinds[own].tolist(), strict=True)}
        for kind in np.flatnonzero(self.fails).tolist():
            inferred = self.squares.examples[kind].inferred
            yield kind, kind if inferred is None else measured.get(inferred["from"], kind)

    def known_failures(self, places: Numbers) -> tuple[tuple[str, ...], tuple[Upstream, ...]]:
        """What known_failures.yaml says about the known ones among some cells."""
        kinds = self.squares.kind[places]
        known = self.known[kinds]
        measured = known & ~self.inferred[kinds]
        if not measured.any():
            return known_failures(self.run, [self.run.records[place] for place in places[known].tolist()])
        # What is inferred is listed with its source, or it was measured.
        entries = {entry for place in places[measured].tolist() for entry in self._entries.get(place, ())}
        listed = self.run.header.get("known_failures") or ()
        return said_of([listed[entry] for entry in sorted(entries)])

    @cached_property
    def _entries(self) -> Mapping[int, Sequence[int]]:
        """Where each known cell that was measured stands among the records → the entries that list it."""
        squares = self.squares
        measured = (self.known & ~self.inferred)[squares.kind]
        found: dict[int, list[int]] = {}
        for number, masks in enumerate(spoken(squares, self.run.header.get("known_failures") or ())):
            places = squares.places_of(masks)
            for place in places[measured[places]].tolist():
                found.setdefault(place, []).append(number)
        return found


def _rank(cause: Cause) -> tuple[object, ...]:
    return cause.is_known, -len(cause.cells), WORST_FIRST.index(cause.status), cause.title, cause.phase


def causes_of(causes: Iterable[Cause], cell: str) -> tuple[Cause, ...]:
    """The causes that a cell belongs to, in their order; none for a cell that did not fail."""
    return tuple(cause for cause in causes if cell in cause.cells)


def _keys(record: CellRecord) -> tuple[_Key, ...]:
    """What a failing cell belongs to: several things where it drifts, else one."""
    if not record.status.is_incompatibility:
        return ()
    error = record.error or {}
    in_save = failed_in_save(record)
    phase = str(error.get("phase") or ("save" if in_save else "load"))
    match record.status:
        case Status.DRIFT:
            said = [sentence for name in record.failed_checks for sentence in _detail(record, name)]
            text = reason(error).text if error else one_line(" · ".join(said[:3]), 600)
            return tuple(_Key(status=record.status, phase="observe", title=loss, text=text) for loss in losses(record))
        case Status.CRASH | Status.TIMEOUT:
            title = f"{_death(record)}, {record.format}"
            text = one_line(error.get("message") or "", 600)
            return (_Key(status=record.status, phase=phase, title=title, text=text),)
        case _:
            found = reason(error)
            doing = DOING.get(phase, one_line(phase, 30))
            if found.in_words:
                title = found.title if phase in ("save", "load") else f"{doing}: {found.title}"
            else:
                title = f"{doing} raises {found.title}"
            side = f"{phase} (save)" if in_save else phase
            return (_Key(status=record.status, phase=side, title=title, text=found.text),)


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


def _cause(found: _Failing, cause_id: str, group: Mapping[int, _Key]) -> Cause:
    """The cause of some kinds of outcome, each with what it says."""
    run, squares, environments = found.run, found.squares, found.environments
    places = found.places(group)
    kinds, writers_of, readers_of = squares.kind[places], squares.writer[places], squares.reader[places]
    in_save = failed_in_save(squares.examples[kinds[0]])

    def names(column: Numbers, every: Sequence[str]) -> list[str]:
        return [every[place] for place in present(column)]

    # The one to look at: measured, news before known, then the first pair of the matrix.
    size = len(squares.environments)
    rank = ((found.inferred[kinds] * 2 + found.known[kinds]).astype(np.int64) * size + readers_of) * size + writers_of
    first = min(places[rank == rank.min()].tolist(), key=lambda place: run.records[place].cell)
    key = group[int(squares.kind[first])]
    writers = names(writers_of, squares.environments)
    readers = names(readers_of, squares.environments)
    formats = in_order(names(squares.format[places], squares.formats), run.header.get("formats") or ())
    reasons, named = found.known_failures(places)
    # A cell is listed with one of its causes: a link that the table has counts where its own row fits.
    links = tuple(link for link in named if not is_tabled(link.url))
    links += find_upstream(title=key.title, text=key.text, status=key.status, formats=formats)
    also: Counter[str] = Counter()
    if key.status is Status.DRIFT:
        for follow, count in numbers_counted(found.consequences_of[kinds]):
            also.update(dict.fromkeys(found.consequences[follow], count))
    advised = ((found.advice[place], count) for place, count in numbers_counted(found.advice_of[kinds]))
    pairs = [divmod(pair, size) for pair in present(writers_of * size + readers_of)]
    return Cause(
        id=cause_id,
        title=key.title,
        status=key.status,
        phase=key.phase,
        cells=Cells(run.records, places),
        saves=len(present(found.of_writer[places])),
        formats=formats,
        scenarios=in_order(names(squares.scenario[places], squares.scenarios), run.header.get("scenarios") or ()),
        writers=tuple(writers),
        readers=() if in_save else tuple(readers),
        where=environments.ranges(writers)
        if in_save
        else environments.pairs(
            (squares.environments[writer], squares.environments[reader]) for writer, reader in pairs
        ),
        first_writer=writers[0],
        first_reader=None if in_save else readers[0],
        good_again=_good_again(found, places, in_save=in_save),
        known=int(found.known[kinds].sum()),
        reasons=reasons,
        promised=int(found.promised[kinds].sum()),
        remedy=_best_remedy((each, count) for each, count in advised if each is not None),
        tried=int(found.tried[kinds].sum()),
        links=links,
        example=run.records[first].cell,
        text=key.text,
        also_failed=dict(also),
    )


def _good_again(found: _Failing, places: Numbers, *, in_save: bool) -> str | None:
    """The first environment behind those that show a cause where the same cells are measured and none of them fails.

    Looked for among the readers of the same saves, and where there is none among the writers of the same scenarios and
    formats.
    """
    squares, measured = found.squares, found.measured
    fails = found.fails[squares.kind[measured]]
    by_reader, by_writer = (squares.reader, found.of_writer), (squares.writer, found.of_reader)
    for place, same in ((squares.writer, squares.square),) if in_save else (by_reader, by_writer):
        concerned = np.zeros(len(squares.scenarios) * len(squares.formats) * len(squares.environments), bool)
        concerned[same[places]] = True
        behind = (place[measured] > place[places].max()) & concerned[same[measured]]
        failing = set(present(place[measured[behind & fails]]))
        good = [each for each in present(place[measured[behind]]) if each not in failing]
        if good:
            return squares.environments[good[0]]
    return None


def known_failures(run: Run, records: Iterable[CellRecord]) -> tuple[tuple[str, ...], tuple[Upstream, ...]]:
    """What known_failures.yaml, as the run has it, says about known cells: reasons and links."""
    ways: dict[tuple[Status, tuple[str, ...]], list[str]] = {}
    for record in records:
        ways.setdefault((record.status, record.failed_checks), []).append(record.cell)
    found = []
    for entry in run.header.get("known_failures") or ():
        globs = GlobSet(names_of(entry.get("cells")), segments=CELL_SEGMENTS)
        cells = (cell for way, cells in ways.items() if speaks_of(entry, *way) for cell in cells)
        if any(map(globs.matches, cells)):
            found.append(entry)
    return said_of(found)


def said_of(entries: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, ...], tuple[Upstream, ...]]:
    """The reasons and the links of entries of known_failures.yaml, each once."""
    reasons: dict[str, None] = {}
    links: dict[str, Upstream] = {}
    for entry in entries:
        reason_given = one_line(entry.get("reason") or "", 300)
        if reason_given:
            reasons[reason_given] = None
        if entry.get("link"):
            url = one_line(entry["link"], 300)
            links[url] = Upstream(url=url, about="named in known_failures.yaml")
    return tuple(reasons), tuple(links.values())


def spoken(squares: Squares, entries: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[tuple[str, str], _Mask]]:
    """Of each entry, (scenario, format) → the known cells that it speaks of, and the fixed ones.

    Those that are fixed have another status than it lists.
    """
    # Of a whole map a million cells are known, in a hundred ways.
    ways, of_kind = squares.distinct(
        lambda record: (record.known, record.fixed, record.status, record.failed_checks),
        *("known", "fixed", "status", "failed_checks"),
    )
    way = np.append(of_kind, NONE)  # The last one stands for NONE among the kinds.
    for entry in entries:
        speaks = np.array(
            [fixed or (known and speaks_of(entry, status, checks)) for known, fixed, status, checks in ways] + [False],
            np.bool_,
        )
        covered = squares.covered(names_of(entry.get("cells"))) if speaks.any() else {}
        yield {square: mask & speaks[way[squares.blocks[square]]] for square, mask in covered.items()}


def unreviewed(run: Run, squares: Squares) -> Cells:
    """The known cells that only entries list which nobody has reviewed: `run --accept` wrote them."""
    entries = run.header.get("known_failures") or ()
    reviewed = [entry for entry in entries if entry.get("reviewed") is not False]
    if len(reviewed) == len(entries):
        return Cells(run.records, np.empty(0, np.int32))
    seen = np.zeros(len(run.records), bool)
    for found in spoken(squares, reviewed):
        seen[squares.places_of(found)] = True
    known = squares.where(lambda record: record.known, "known")
    return Cells(run.records, known[~seen[known]])


def speaks_of(entry: Mapping[str, Any], status: Status, failed_checks: Sequence[str]) -> bool:
    """Whether an entry, as run.json has it, lists what became of a cell, wherever that is."""
    return status.value in names_of(entry.get("status")) and are_listed(
        names_of(entry.get("checks")), status, failed_checks
    )


def names_of(value: Any) -> list[str]:
    """One or several names, as run.json has them."""
    return [value] if isinstance(value, str) else [str(name) for name in value or ()]


@dataclass(frozen=True)
class _Advice:
    """The remedy that a cell is recommended, whether it brings back everything, and what its try says."""

    name: str
    is_complete: bool
    detail: str


def _advice(record: CellRecord) -> _Advice | None:
    if not record.remedy:
        return None
    tried = next((each for each in record.remedies if each.get("name") == record.remedy), {})
    return _Advice(
        name=record.remedy,
        is_complete=tried.get("status", Status.PASS) == Status.PASS,
        detail=one_line(tried["detail"], 300) if tried.get("detail") else "",
    )


def _best_remedy(advice: Iterable[tuple[_Advice, int]]) -> BestRemedy | None:
    """The remedy that is recommended for most cells; of equals the one that brings back everything more often.

    With each advice goes how many cells have it.
    """
    cells: Counter[str] = Counter()
    complete: Counter[str] = Counter()
    details: dict[str, Counter[str]] = {}
    for each, count in advice:
        cells[each.name] += count
        complete[each.name] += count * each.is_complete
        details.setdefault(each.name, Counter())[each.detail] += count
    if not cells:
        return None
    name = min(cells, key=lambda name: (-cells[name], -complete[name], name))
    said = {detail: count for detail, count in details[name].items() if detail}
    detail = min(said, key=lambda detail: (-said[detail], detail)) if said else ""
    return BestRemedy(name=one_line(name, 120), cells=cells[name], complete=complete[name], detail=detail)
