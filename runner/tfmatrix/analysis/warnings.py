"""The catalogue of warnings: what is said when models are saved and loaded, where, and whether it predicts a failure.

One save serves the cells of every reader. "How often was it said" counts each save once; "how often did a cell with it
fail" counts cells, because that is what a user who saw the warning then meets. Cells whose save itself failed are no
part of that: nothing was left to predict.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from operator import attrgetter
from typing import Any

from tfmatrix.analysis.environments import Environments
from tfmatrix.analysis.reasons import neutral
from tfmatrix.analysis.records import by_result, failed_in_save, in_order, is_measured, warnings_of
from tfmatrix.core.records import CellRecord
from tfmatrix.core.text import one_line
from tfmatrix.core.versions import version
from tfmatrix.store.runs import Run, strict_json

CATALOGUE_SCHEMA = 1
_ID_DIGITS = 6
_TEXT_LIMIT = 400

_Key = tuple[str, str, str, str]
"""Side, channel, category, text: what makes two warnings one entry."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Of `cells` measured cells, `failed` failed or drifted."""

    cells: int
    failed: int

    @property
    def share(self) -> float | None:
        """The share that failed; None where there is no cell."""
        return self.failed / self.cells if self.cells else None

    def __str__(self) -> str:
        return f"{self.failed} of {self.cells}" + (f" ({percent(self.failed, self.cells)})" if self.cells else "")


class Advice(StrEnum):
    """May one ignore a warning?"""

    HEED = "no: more fail with it"
    IGNORE = "yes: no more fail with it than without"
    TOO_FEW = "too few cells to say"


ENOUGH = 5
"""Cells with a warning from which on their share of failures says anything."""

MARGIN = 0.1
"""How much larger the share of failures must be with a warning than without, to call it a sign."""

HIDDEN = ("DeprecationWarning", "PendingDeprecationWarning", "ImportWarning", "ResourceWarning")
"""What Python shows to nobody by default: https://docs.python.org/3/library/warnings.html#default-warning-filter."""


@dataclass(frozen=True, kw_only=True)
class WarningEntry:
    """One warning: the same text from the same channel, wherever it came up.

    `side` says whether saving or loading said it. `times` counts every repetition, `issued` the saves (or loads) that
    said it, `of` all saves (or loads) that were made. Versions are of the writer for a save, of the reader for a load;
    `first_environment` and `last_environment` are by matrix order, `first_version` and `last_version` by version.
    """

    id: str
    side: str
    category: str
    channel: str
    phases: tuple[str, ...]
    text: str
    example: str
    fingerprints: tuple[str, ...]
    first_version: str
    last_version: str
    first_environment: str
    last_environment: str
    environments: tuple[str, ...]
    scenarios: tuple[str, ...]
    formats: tuple[str, ...]
    times: int
    issued: int
    of: int
    cells: tuple[str, ...] = field(repr=False)
    prediction: Prediction

    @property
    def is_hidden(self) -> bool:
        """Whether a user does not see it unless Python is told to show it."""
        return self.channel == "python" and self.category in HIDDEN

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON types, without the cells, which would be most of it."""
        names = ("phases", "fingerprints", "environments", "scenarios", "formats")
        return {
            **{name: getattr(self, name) for name in ("id", "side", "category", "channel", "text", "example")},
            **{name: list(getattr(self, name)) for name in names},
            **{
                name: getattr(self, name)
                for name in ("first_version", "last_version", "first_environment", "last_environment")
            },
            "times": self.times,
            "issued": self.issued,
            "of": self.of,
            "cells": self.prediction.cells,
            "failed": self.prediction.failed,
        }


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """The warnings of a run, and what they are worth as a sign.

    `saves` and `loads` count what was made, `warned_saves` and `warned_loads` those that warned in the save (load)
    itself: what building and training say is in the entries, and no sign about a file. Of the failing cells,
    `silent_at_save` had no warning from the save, `silent_at_load` none from the load, `silent` neither. `warned` and
    `unwarned` are the cells by whether their save warned.
    """

    run: str
    entries: tuple[WarningEntry, ...]
    saves: int
    warned_saves: int
    loads: int
    warned_loads: int
    cells: Prediction
    warned: Prediction
    unwarned: Prediction
    silent_at_save: int
    silent_at_load: int
    silent: int

    def without(self, entry: WarningEntry) -> Prediction:
        """The measured cells that did not have a warning."""
        mine = entry.prediction
        return Prediction(cells=self.cells.cells - mine.cells, failed=self.cells.failed - mine.failed)

    def advice(self, entry: WarningEntry) -> Advice:
        """Whether more cells fail with a warning than without it. That is no cause: both may come of a third thing."""
        share, base = entry.prediction.share, self.without(entry).share
        if share is None or base is None or entry.prediction.cells < ENOUGH:
            return Advice.TOO_FEW
        return Advice.HEED if share > base + MARGIN else Advice.IGNORE

    def ranked(self) -> list[WarningEntry]:
        """Those that are a sign first, by how many failures they announce; what Python hides from users last."""
        signs = {entry.id: self.advice(entry) is Advice.HEED for entry in self.entries}
        return sorted(
            self.entries,
            key=lambda entry: (entry.is_hidden, not signs[entry.id], -entry.prediction.failed, entry.id),
        )

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON types."""
        return {
            "schema": CATALOGUE_SCHEMA,
            "run": self.run,
            "answer": answer(self),
            "saves": self.saves,
            "warned_saves": self.warned_saves,
            "loads": self.loads,
            "warned_loads": self.warned_loads,
            "cells": self.cells.cells,
            "failed": self.cells.failed,
            "failed_without_warning": {
                "at_save": self.silent_at_save,
                "at_load": self.silent_at_load,
                "at_either": self.silent,
            },
            "by_save": {
                "warned": {"cells": self.warned.cells, "failed": self.warned.failed},
                "not_warned": {"cells": self.unwarned.cells, "failed": self.unwarned.failed},
            },
            "warnings": [entry.to_json() for entry in self.entries],
        }


@dataclass(kw_only=True)
class _Found:
    """An entry in the making."""

    category: str
    channel: str
    side: str
    text: str
    example: str
    phases: set[str] = field(default_factory=set)
    fingerprints: set[str] = field(default_factory=set)
    counts: dict[object, int] = field(default_factory=dict)
    records: list[CellRecord] = field(default_factory=list)


def catalogue(run: Run) -> Catalogue:
    """The catalogue of a run's warnings. Entries of saving come first, then the most frequent first."""
    environments = Environments.of(run)
    # Nine in ten cells of a whole map are inferred: they were neither saved nor loaded, and count as what they come to.
    times = Counter(map(attrgetter("result"), run.records))
    first = by_result(run.records)
    own = {result for result, record in first.items() if record.save or record.load}
    made = [record for record in run.records if record.result in own]
    heard = _Heard()
    for record in made:
        for side in _SIDES:
            if _was_made(record, side):
                heard.add(record, side)
    found, issued, warned = heard.found, heard.issued, heard.warned
    ids = _ids(found)
    entries = [_entry(run, environments, ids[key], item, len(issued[item.side])) for key, item in found.items()]
    measured = [(record, times[result]) for result, record in first.items() if _predicts(record)]
    cells = _predicted(measured)
    said = {side: [record for record in made if heard.said(record, side) and _predicts(record)] for side in _SIDES}
    with_warning = _predict(said["save"])
    anywhere = {id(record): record for side in _SIDES for record in said[side]}
    return Catalogue(
        run=run.id,
        entries=tuple(
            sorted(entries, key=lambda entry: (_SIDES.index(entry.side), -entry.issued, entry.text, entry.id))
        ),
        saves=len(issued["save"]),
        warned_saves=len(warned["save"]),
        loads=len(issued["load"]),
        warned_loads=len(warned["load"]),
        cells=cells,
        warned=with_warning,
        unwarned=Prediction(cells=cells.cells - with_warning.cells, failed=cells.failed - with_warning.failed),
        silent_at_save=cells.failed - with_warning.failed,
        silent_at_load=cells.failed - _predict(said["load"]).failed,
        silent=cells.failed - _predict(anywhere.values()).failed,
    )


_SIDES = ("save", "load")


def _side(record: CellRecord, side: str) -> Mapping[str, Any]:
    return record.save if side == "save" else record.load


def _was_made(record: CellRecord, side: str) -> bool:
    """Whether the cell has a save (a load) that ran, to its end or not."""
    outcome = _side(record, side)
    return bool(outcome) and outcome.get("status") not in ("unsupported", "infra", "skipped")


class _Heard:
    """What was said, as cells are added. Those that came to the same share what was saved and loaded: each such object
    is read once.
    """

    def __init__(self) -> None:
        self.found: dict[_Key, _Found] = {}
        self.issued: dict[str, set[object]] = {side: set() for side in _SIDES}
        self.warned: dict[str, set[object]] = {side: set() for side in _SIDES}
        self._counts: dict[tuple[str, int], Mapping[_Key, int]] = {}
        self._said: dict[tuple[str, int], bool] = {}
        self._saves: dict[int, str] = {}

    def add(self, record: CellRecord, side: str) -> None:
        """Adds what one side of a cell said to the entries, and its save (load) to those that warned."""
        issue = self._issue(record, side)
        self.issued[side].add(issue)
        place = (side, id(_side(record, side)))
        if place not in self._counts:
            self._counts[place] = self._read(record, side)
        for key, times in self._counts[place].items():
            self.found[key].counts[issue] = times
            self.found[key].records.append(record)
        if self.said(record, side):
            self.warned[side].add(issue)

    def said(self, record: CellRecord, side: str) -> bool:
        """Whether the save (load) call itself warned; what building or training says is no sign about a file."""
        place = (side, id(_side(record, side)))
        if place not in self._said:
            self._said[place] = any(warning.get("phase", side) == side for warning in warnings_of(record, side))
        return self._said[place]

    def _issue(self, record: CellRecord, side: str) -> object:
        """What tells one save (load) from another. Readers and formats of one saver share a save, and its artifact."""
        if side == "load":
            return record.cell
        own = (record.artifact or {}).get("digest")
        if not own:
            # A save that failed left no artifact; its record is the same, to the microsecond, in every cell it serves.
            own = self._saves.get(id(record.save)) or self._saves.setdefault(id(record.save), strict_json(record.save))
        return record.scenario, record.writer, own

    def _read(self, record: CellRecord, side: str) -> Mapping[_Key, int]:
        """How often each warning was said, each of which has an entry from now on."""
        here: dict[_Key, int] = {}
        for warning in warnings_of(record, side):
            message = str(warning.get("message") or "")
            key = (side, str(warning.get("channel") or ""), str(warning.get("category") or ""), _text(message))
            item = self.found.get(key)
            if item is None:
                item = self.found[key] = _Found(
                    side=side,
                    channel=one_line(key[1], 30),
                    category=one_line(key[2], 60),
                    text=key[3],
                    example=one_line(message, _TEXT_LIMIT),
                )
            item.phases.add(one_line(warning.get("phase") or side, 30))
            if warning.get("fingerprint"):
                item.fingerprints.add(str(warning["fingerprint"]))
            here[key] = here.get(key, 0) + _count(warning)
        return here


@lru_cache(maxsize=4096)
def _text(message: str) -> str:
    """What a message says in every scenario, on one line."""
    return one_line(neutral(message), _TEXT_LIMIT)


def _count(warning: Mapping[str, Any]) -> int:
    count = warning.get("count")
    return count if isinstance(count, int) and count > 0 else 1


def _predicts(record: CellRecord) -> bool:
    """Whether the cell can show what a warning was worth: it was measured, and there was something to load."""
    return is_measured(record) and not failed_in_save(record)


def _predict(records: Iterable[CellRecord]) -> Prediction:
    return _predicted((record, 1) for record in records if _predicts(record))


def _predicted(counted: Iterable[tuple[CellRecord, int]]) -> Prediction:
    """Of cells that can show it; each record stands for so many."""
    every = list(counted)
    return Prediction(
        cells=sum(count for _, count in every),
        failed=sum(count for record, count in every if record.status.is_incompatibility),
    )


def _ids(keys: Iterable[_Key]) -> dict[_Key, str]:
    """Ids that stay the same from run to run; longer ones where two would be equal."""
    digests = {key: hashlib.sha256(json.dumps(key).encode("utf-8", "surrogatepass")).hexdigest() for key in keys}
    counts = Counter(digest[:_ID_DIGITS] for digest in digests.values())
    return {
        key: f"W-{digest[: _ID_DIGITS if counts[digest[:_ID_DIGITS]] == 1 else 2 * _ID_DIGITS]}"
        for key, digest in digests.items()
    }


def _entry(run: Run, environments: Environments, entry_id: str, item: _Found, made: int) -> WarningEntry:
    said_in = environments.sorted(record.writer if item.side == "save" else record.reader for record in item.records)
    versions = [environments.versions(name).tensorflow or name for name in said_in]
    ordered = _by_version(versions)
    return WarningEntry(
        id=entry_id,
        side=item.side,
        category=item.category,
        channel=item.channel,
        phases=in_order(item.phases, _PHASES),
        text=item.text,
        example=item.example,
        fingerprints=tuple(sorted(item.fingerprints)),
        first_version=ordered[0],
        last_version=ordered[-1],
        first_environment=said_in[0],
        last_environment=said_in[-1],
        environments=said_in,
        scenarios=in_order((record.scenario for record in item.records), run.header.get("scenarios") or ()),
        formats=in_order((record.format for record in item.records), run.header.get("formats") or ()),
        times=sum(item.counts.values()),
        issued=len(item.counts),
        of=made,
        cells=tuple(record.cell for record in item.records),
        prediction=_predict(item.records),
    )


_PHASES = ("import", "build", "train", "save", "load", "observe", "resume", "reading", "signatures", "control")


def _by_version(versions: Sequence[str]) -> list[str]:
    """In order of version; texts that are none keep their place behind the others."""
    known = sorted((number, text) for text in versions if (number := version(text)) is not None)
    return [text for _, text in known] + [text for text in versions if version(text) is None]


# The answer


def answer(found: Catalogue) -> str:
    """What warnings are issued when TensorFlow models are saved, and can one rely on them? With figures."""
    kinds = sum(entry.side == "save" and "save" in entry.phases for entry in found.entries)
    different = f" ({kinds} different {'warning' if kinds == 1 else 'warnings'})" if kinds else ""
    said = (
        f"{found.warned_saves} of {found.saves} saves warned{different}; "
        f"{found.warned_loads} of {found.loads} loads did."
    )
    failed = found.cells.failed
    if not failed:
        return f"{said} None of {found.cells.cells} measured cells failed: nothing shows whether to rely on them."
    verdict = "They cannot be relied on" if found.silent_at_save else "Every failure was announced at saving"
    sentences = [
        said,
        f"{verdict}: of {failed} cells that failed or drifted, {_share(found.silent_at_save, failed)} had no warning "
        f"when the model was saved, {_share(found.silent_at_load, failed)} none when it was loaded, and "
        f"{_share(found.silent, failed)} none at all.",
    ]
    if found.warned.cells and found.unwarned.cells:
        sentences.append(f"After a warning at saving {found.warned} cells failed, after none {found.unwarned}.")
    return " ".join(sentences)


def _share(part: int, whole: int) -> str:
    return f"{part} ({percent(part, whole)})"


def percent(part: int, whole: int) -> str:
    """A share in percent; never 0 % or 100 % where it is not all or nothing."""
    if not whole:
        return "–"
    value = 100 * part / whole
    if 0 < value < 1:
        return "< 1 %"
    if 99 < value < 100:
        return "> 99 %"
    return f"{value:.0f} %"
