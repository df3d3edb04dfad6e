"""The catalogue of warnings: what is said when models are saved and loaded, where, and whether it predicts a failure.

One save serves the cells of every reader. "How often was it said" counts each save once; "how often did a cell with it
fail" counts cells, because that is what a user who saw the warning then meets. Cells whose save itself failed are no
part of that: nothing was left to predict.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfmatrix.analysis.environments import Environments
from tfmatrix.analysis.reasons import neutral
from tfmatrix.analysis.records import failed_in_save, in_order, is_measured, warnings_of
from tfmatrix.analysis.squares import Squares, present
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
    """An entry in the making. `times` says how often it was said in each cell, by its place among the records."""

    category: str
    channel: str
    side: str
    text: str
    example: str
    phases: set[str] = field(default_factory=set)
    fingerprints: set[str] = field(default_factory=set)
    times: dict[int, int] = field(default_factory=dict)


def catalogue(run: Run, squares: Squares | None = None) -> Catalogue:
    """The catalogue of a run's warnings. Entries of saving come first, then the most frequent first.

    `squares` are those of the run, where they are at hand.
    """
    squares = squares or Squares.of(run)
    # Nine in ten cells of a whole map are inferred: they were neither saved nor loaded, and count as what they come to.
    predicts = squares.each(_predicts, bool, "status", "save", "error")[squares.kind]
    fails = predicts & squares.each(lambda record: record.status.is_incompatibility, bool, "status")[squares.kind]

    def predicted(cells: NDArray[Any]) -> Prediction:
        """Of the cells that can show it, by their places or by a mask."""
        return Prediction(cells=int(predicts[cells].sum()), failed=int(fails[cells].sum()))

    sides = {side: _Side(squares, side) for side in _SIDES}
    found = {key: (item, side) for side in sides.values() for key, item in side.found.items()}
    ids = _ids(found)
    environments = Environments.of(run, squares.environments)
    entries = [_entry(run, environments, ids[key], item, side, predicted) for key, (item, side) in found.items()]
    cells = predicted(np.ones(len(predicts), bool))
    save, load = sides["save"], sides["load"]
    with_warning = predicted(save.warned)
    return Catalogue(
        run=run.id,
        entries=tuple(
            sorted(entries, key=lambda entry: (_SIDES.index(entry.side), -entry.issued, entry.text, entry.id))
        ),
        saves=save.issued,
        warned_saves=save.count(save.made & save.warned),
        loads=load.issued,
        warned_loads=load.count(load.made & load.warned),
        cells=cells,
        warned=with_warning,
        unwarned=Prediction(cells=cells.cells - with_warning.cells, failed=cells.failed - with_warning.failed),
        silent_at_save=cells.failed - with_warning.failed,
        silent_at_load=cells.failed - predicted(load.warned).failed,
        silent=cells.failed - predicted(save.warned | load.warned).failed,
    )


_SIDES = ("save", "load")


class _Said(NamedTuple):
    """What one side of a cell said.

    `is_made`: it ran, to its end or not. `has_warned`: the save (load) call itself did; what building or training says
    is no sign about a file. `times` has how often each warning was said.
    """

    is_made: bool
    has_warned: bool
    times: tuple[tuple[_Key, int], ...]


class _Side:
    """What saves, or loads, said: the entries, and for each cell whether its own was `made` and `warned`."""

    def __init__(self, squares: Squares, side: str) -> None:
        self.side = side
        self.found: dict[_Key, _Found] = {}
        self.environment = squares.writer if side == "save" else squares.reader
        self.squares = squares
        said, said_of = squares.distinct(self._read, side)
        number = said_of[squares.kind]
        self.made = np.array([each.is_made for each in said], bool)[number]
        self.warned = np.array([each.has_warned for each in said], bool)[number]
        speaks = np.array([bool(each.times) for each in said], bool)[number]
        for place in np.flatnonzero(speaks).tolist():
            for key, times in said[number[place]].times:
                self.found[key].times[place] = times

    def count(self, cells: NDArray[np.bool_]) -> int:
        """How many saves (loads) some cells have. Readers and formats of one saver share a save, and its artifact."""
        return len(np.unique(self.issues[cells]))

    @cached_property
    def issued(self) -> int:
        """How many there are."""
        return self.count(self.made)

    @cached_property
    def issues(self) -> NDArray[np.int64]:
        """By cell what tells its save (load) from another, as a number."""
        squares = self.squares
        if self.side == "load":
            return np.arange(len(squares.kind))
        saves, save_of = squares.distinct(_own_save, "artifact", "save")
        return (squares.scenario.astype(np.int64) * len(squares.environments) + squares.writer) * len(saves) + save_of[
            squares.kind
        ]

    def _read(self, record: CellRecord) -> _Said:
        """What a record said on this side, of which each warning has an entry from now on."""
        outcome: Mapping[str, Any] = getattr(record, self.side)
        is_made = bool(outcome) and outcome.get("status") not in ("unsupported", "infra", "skipped")
        warnings = list(warnings_of(record, self.side))
        has_warned = any(warning.get("phase", self.side) == self.side for warning in warnings)
        here: dict[_Key, int] = {}
        for warning in warnings if is_made else ():
            message = str(warning.get("message") or "")
            key = (self.side, str(warning.get("channel") or ""), str(warning.get("category") or ""), _text(message))
            item = self.found.get(key)
            if item is None:
                item = self.found[key] = _Found(
                    side=self.side,
                    channel=one_line(key[1], 30),
                    category=one_line(key[2], 60),
                    text=key[3],
                    example=one_line(message, _TEXT_LIMIT),
                )
            item.phases.add(one_line(warning.get("phase") or self.side, 30))
            if warning.get("fingerprint"):
                item.fingerprints.add(str(warning["fingerprint"]))
            here[key] = here.get(key, 0) + _count(warning)
        return _Said(is_made=is_made, has_warned=has_warned, times=tuple(here.items()))


def _own_save(record: CellRecord) -> str:
    """What tells a save of a scenario and writer from their others."""
    # A save that failed left no artifact; its record is the same, to the microsecond, in every cell it serves.
    return str((record.artifact or {}).get("digest") or "") or strict_json(record.save)


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


def _ids(keys: Iterable[_Key]) -> dict[_Key, str]:
    """Ids that stay the same from run to run; longer ones where two would be equal."""
    digests = {key: hashlib.sha256(json.dumps(key).encode("utf-8", "surrogatepass")).hexdigest() for key in keys}
    counts = Counter(digest[:_ID_DIGITS] for digest in digests.values())
    return {
        key: f"W-{digest[: _ID_DIGITS if counts[digest[:_ID_DIGITS]] == 1 else 2 * _ID_DIGITS]}"
        for key, digest in digests.items()
    }


def _entry(
    run: Run,
    environments: Environments,
    entry_id: str,
    item: _Found,
    side: _Side,
    predicted: Callable[[NDArray[Any]], Prediction],
) -> WarningEntry:
    places = np.fromiter(item.times, np.int64, len(item.times))
    squares = side.squares
    said_in = tuple(squares.environments[each] for each in present(side.environment[places]))
    versions = [environments.versions(name).tensorflow or name for name in said_in]
    ordered = _by_version(versions)
    # Of one save that several cells have, what the last of them says.
    times = dict(zip(side.issues[places].tolist(), item.times.values(), strict=True))
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
        scenarios=in_order(
            (squares.scenarios[each] for each in present(squares.scenario[places])), run.header.get("scenarios") or ()
        ),
        formats=in_order(
            (squares.formats[each] for each in present(squares.format[places])), run.header.get("formats") or ()
        ),
        times=sum(times.values()),
        issued=len(times),
        of=side.issued,
        cells=tuple(run.records[place].cell for place in item.times),
        prediction=predicted(places),
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
