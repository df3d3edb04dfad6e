"""Bisecting versions: pure, over a function that measures some of them.

The change that is looked for is the first one from the older end on: a version counts as *before* where it reads like
the older end, and as *after* where it does not, whatever else it reads. That halves the range with every version that
can be measured; one that cannot is passed over for its nearest neighbour, and said.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tfmatrix.core.choices import Level
from tfmatrix.core.errors import InfrastructureError, NothingSelectedError


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a cell came to in one version.

    `causes` are titles, `figure` the difference of the outputs as text, `raised_in` the file whose line raised,
    `warnings` what the moving side said. `measured` is False where the cell says nothing of compatibility.
    """

    status: str
    causes: tuple[str, ...] = ()
    figure: str = ""
    warnings: frozenset[str] = frozenset()
    raised_in: str = ""
    cached: bool = False
    measured: bool = True

    def signature(self, level: Level) -> Hashable:
        """What has to be equal for two readings to be the same; finer levels contain the coarser ones."""
        match level:
            case Level.STATUS:
                return self.status
            case Level.CAUSE:
                return self.status, self.causes
            case Level.FIGURE:
                return self.status, self.causes, self.figure
            case Level.WARNINGS:
                return self.warnings


@dataclass(frozen=True, kw_only=True)
class Point:
    """A version that was tried: readings by cell, or why there are none (`skipped`). `described`: its environment."""

    version: str
    cells: Mapping[str, Reading] = field(default_factory=dict)
    skipped: str = ""
    described: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


Measure = Callable[[Sequence[str]], Mapping[str, Point]]


@dataclass(frozen=True, kw_only=True)
class Break:
    """The first change of a cell. `unmeasured` are versions between the two that could not be measured."""

    cell: str
    level: Level
    before: str
    after: str
    old: Reading
    new: Reading
    unmeasured: tuple[str, ...] = ()

    @property
    def is_exact(self) -> bool:
        """Whether no version between the two is left in doubt."""
        return not self.unmeasured


@dataclass(frozen=True, kw_only=True)
class Bisection:
    """What came of it. `points` are the versions tried, in the order of trying.

    `contradictions` are sentences: the cell does not change once and for all. `unchanged` reads the same at both ends,
    `unmeasured` could not be read at one of them. `bound` is the most versions that one change may take, ends included.
    """

    versions: tuple[str, ...]
    points: tuple[Point, ...]
    breaks: tuple[Break, ...]
    unchanged: tuple[str, ...]
    unmeasured: tuple[str, ...]
    contradictions: tuple[str, ...]
    bound: int

    @property
    def measured(self) -> int:
        """Versions that were measured."""
        return sum(not point.skipped for point in self.points)

    @property
    def skipped(self) -> tuple[Point, ...]:
        """Versions that could not be."""
        return tuple(point for point in self.points if point.skipped)

    def point(self, version: str) -> Point:
        """What a version that was tried came to."""
        return next(point for point in self.points if point.version == version)


def bound_of(versions: int) -> int:
    """The most versions that have to be measured to find one change: both ends, then half of what is left each time."""
    return 2 + math.ceil(math.log2(versions - 1)) if versions > 2 else min(versions, 2)


def bisect(
    versions: Sequence[str],
    measure: Measure,
    *,
    by: Level | None = None,
    every: bool = False,
    verify: bool = False,
    exhaustive: bool = False,
) -> Bisection:
    """Finds the first change of each cell from the first version (the older end) to the last.

    `by` is what has to change; None: for each cell the coarsest that differs at the ends, warnings aside. Cells share
    the versions that were measured for others. `every` goes on after a change that does not lead to what the newer end
    reads. `verify` also measures the neighbours of a change, `exhaustive` every version.

    Raises InfrastructureError where an end cannot be measured.
    """
    search = _Search(tuple(versions), measure)
    old, new = search.ends()
    if exhaustive:
        search.try_all(versions)
    breaks: list[Break] = []
    unchanged, unmeasured = [], []
    levels: dict[str, Level] = {}
    for cell in sorted({*old.cells, *new.cells}):
        first, last = old.cells.get(cell), new.cells.get(cell)
        if first is None or last is None or not (first.measured and last.measured):
            unmeasured.append(cell)
            continue
        wanted = [by] if by else [Level.STATUS, Level.CAUSE, Level.FIGURE]
        level = next((each for each in wanted if first.signature(each) != last.signature(each)), None)
        if level is None and not (exhaustive and search.varies(cell, by or Level.FIGURE)):
            unchanged.append(cell)
            continue
        levels[cell] = level = level or by or Level.FIGURE
        breaks += search.changes(cell, level, every=every or exhaustive)
    if verify:
        search.verify(breaks)
    return Bisection(
        versions=search.versions,
        points=tuple(search.points.values()),
        breaks=tuple(breaks),
        unchanged=tuple(unchanged),
        unmeasured=tuple(unmeasured),
        contradictions=tuple(search.contradictions(breaks, levels)),
        bound=bound_of(len(search.versions)),
    )


class _Search:
    """The versions that were tried so far."""

    def __init__(self, versions: tuple[str, ...], measure: Measure) -> None:
        self.versions = versions
        self.points: dict[str, Point] = {}
        self._measure = measure

    def try_all(self, versions: Iterable[str]) -> None:
        """Measures what of these has not been tried."""
        missing = [version for version in versions if version not in self.points]
        if missing:
            self.points.update(self._measure(missing))

    def ends(self) -> tuple[Point, Point]:
        """Both ends, measured together."""
        first, last = self.versions[0], self.versions[-1]
        self.try_all([first, last])
        for version in (first, last):
            if self.points[version].skipped:
                raise InfrastructureError(
                    f"{version} cannot be measured, and a search needs both ends: {self.points[version].skipped}",
                    fix="name another version for this end (--good, --bad), another --python, or --as-of today",
                )
        if not {*self.points[first].cells} & {*self.points[last].cells}:
            raise NothingSelectedError("no cell was measured at both ends", fix="see `tfmatrix plan --cells`")
        return self.points[first], self.points[last]

    def reading(self, index: int, cell: str) -> Reading | None:
        """What a cell came to, measured on demand; None where it cannot be."""
        version = self.versions[index]
        self.try_all([version])
        return self._known(index, cell)

    def _known(self, index: int, cell: str) -> Reading | None:
        point = self.points.get(self.versions[index])
        found = point.cells.get(cell) if point is not None and not point.skipped else None
        return found if found is not None and found.measured else None

    def varies(self, cell: str, level: Level) -> bool:
        """Whether the cell reads differently in any two versions tried."""
        found = [self._known(index, cell) for index in range(len(self.versions))]
        return len({each.signature(level) for each in found if each is not None}) > 1

    def changes(self, cell: str, level: Level, *, every: bool) -> list[Break]:
        """The first change of a cell, or all that lead from one end to the other."""
        start, found = 0, []
        last = len(self.versions) - 1
        while True:
            change = self._first_change(cell, level, start, last)
            if change is None:
                break
            found.append(change)
            start = self.versions.index(change.after)
            if not every:
                break
        return found

    def _first_change(self, cell: str, level: Level, start: int, end: int) -> Break | None:
        old = self._known(start, cell)
        assert old is not None, "both ends were measured"
        same = old.signature(level)
        low, high = start, end
        newest = self._known(end, cell)
        if newest is None or newest.signature(level) == same:
            # The ends agree: only what happens to be measured between them can show a change.
            high = next(
                (
                    index
                    for index in range(start + 1, end + 1)
                    if (found := self._known(index, cell)) is not None and found.signature(level) != same
                ),
                start,
            )
            if high == start:
                return None
        skipped: set[int] = set()
        while open_ones := [index for index in range(low + 1, high) if index not in skipped]:
            middle = (low + high) / 2
            index = min(open_ones, key=lambda each: (abs(each - middle), each))
            found = self.reading(index, cell)
            if found is None:
                skipped.add(index)
            elif found.signature(level) == same:
                low = index
            else:
                high = index
            skipped = {each for each in skipped if low < each < high}
        before, after = self._known(low, cell), self._known(high, cell)
        assert before is not None
        assert after is not None
        return Break(
            cell=cell,
            level=level,
            before=self.versions[low],
            after=self.versions[high],
            old=before,
            new=after,
            unmeasured=self.versions[low + 1 : high],
        )

    def verify(self, breaks: Iterable[Break]) -> None:
        """Measures the version before and behind each change."""
        wanted: list[str] = []
        for change in breaks:
            low, high = self.versions.index(change.before), self.versions.index(change.after)
            wanted += [self.versions[index] for index in (low - 1, high + 1) if 0 <= index < len(self.versions)]
        self.try_all(dict.fromkeys(wanted))

    def contradictions(self, breaks: Sequence[Break], levels: Mapping[str, Level]) -> Iterable[str]:
        """What does not fit one change for good, among all that was measured."""
        for cell, level in levels.items():
            own = [change for change in breaks if change.cell == cell]
            if not own:
                continue
            for change in own[1:]:
                if change.new.signature(level) == own[0].old.signature(level):
                    yield (
                        f"{cell} does not change once and for all: {change.after} reads {_said(change.new)} again, as "
                        f"before {own[0].after}"
                    )
            expected = own[0].old
            place = 0
            for index, version in enumerate(self.versions):
                while place < len(own) and index >= self.versions.index(own[place].after):
                    expected = own[place].new
                    place += 1
                found = self._known(index, cell)
                if found is None or found.signature(level) == expected.signature(level):
                    continue
                if place > 0 and found.signature(level) != own[0].old.signature(level):
                    said = f"{_said(expected)} → {_said(found)}"
                    yield f"{cell} changes again, by {version}: {said}; --every finds where"
                    expected = found
                else:
                    again = " again" if place else ""
                    yield (
                        f"{cell} does not change once and for all: {version} reads {_said(found)}{again}, where "
                        f"{_said(expected)} was to be expected; --exhaustive shows every change"
                    )


def _said(reading: Reading) -> str:
    return f"{reading.status} ({'; '.join(reading.causes)})" if reading.causes else reading.status
