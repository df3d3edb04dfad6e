"""What became worse over several runs: one entry a cause and a night in which it hit cells that it had not hit before.

Pure, over what each run remembers (`changes.Past`) and what changed from one to the next (`changes.Changes`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tfmatrix.analysis.diff.changes import Change, Changes, Past, PastCell
from tfmatrix.analysis.diff.surroundings import moved
from tfmatrix.analysis.records import in_order
from tfmatrix.core.status import Status

Moved = Mapping[str, tuple[str, str]]
"""Package → its versions before and after."""


@dataclass(frozen=True, kw_only=True)
class Regression:
    """Cells that fail for `cause` since the run `began`, and did not in the run `before` it.

    `cells` are all of them, `grown` those among them that had drifted for this cause already, and drift further.
    `still` are those that fail for it in the newest run of the set, `gone` those that are no part of that run any more
    or are not known in it. `ended` is the first later run in which none of them failed for it; None while one does.

    `axis` says whose versions tell where it begins: "writer" where a writer's files fail in itself and in others, else
    "reader". Along it, in matrix order and in the run `began`: `first_bad` is the first environment of
    the cells, `last_good` the one before it where the same scenarios, formats and other sides passed, `first_good` the
    first such behind the last bad one; None where there is none. `moved` says of each environment of the axis which
    packages changed from `before` to `began`; one of which nothing is known or nothing changed is not in it.
    """

    cause: str
    title: str
    status: Status
    began: str
    started: str
    before: str
    cells: tuple[str, ...]
    grown: tuple[str, ...]
    still: tuple[str, ...]
    gone: tuple[str, ...]
    ended: str | None
    axis: str
    environments: tuple[str, ...]
    last_good: str | None
    first_bad: str
    first_good: str | None
    moved: Mapping[str, Moved]

    @property
    def is_open(self) -> bool:
        """Whether a cell of it still fails for this cause."""
        return bool(self.still)


def regressions(runs: Sequence[Past], news: Iterable[Changes]) -> tuple[Regression, ...]:
    """Every regression of `runs` (oldest first): those still there first, then the newest, then the largest.

    `news` are the changes from run to run. What fails from the first run on has not become worse in any of them, and
    what fails in another way than before (a load-error for another reason) is no regression: `Changes.other` has it.
    """
    by_id = {run.id: (place, run) for place, run in enumerate(runs)}
    found = []
    for changes in news:
        place, after = by_id[changes.after]
        later = [run for run in runs[place + 1 :] if run.set_name == after.set_name and run.complete]
        groups: dict[str, list[Change]] = {}
        for change in (*changes.worse, *changes.grown, *_loses_more(changes.other)):
            for cause in _new_causes(change):
                groups.setdefault(cause, []).append(change)
        before = by_id[changes.before][1]
        found += [_regression(cause, group, before, after, later) for cause, group in groups.items()]
    order = {run.id: -place for place, run in enumerate(runs)}
    return tuple(sorted(found, key=lambda each: (not each.is_open, order[each.began], -len(each.cells), each.cause)))


def _loses_more(changed: Iterable[Change]) -> Iterator[Change]:
    """Cells that drift as before, and lose something else besides."""
    for change in changed:
        if change.before and change.after and change.before.status is change.after.status is Status.DRIFT:
            yield change


def _new_causes(change: Change) -> list[str]:
    """The causes that a cell has and had not before; all of them where it drifts further for the same ones."""
    now, had = _causes(change.after), _causes(change.before)
    return now if now == had else [cause for cause in now if cause not in had]


def _causes(state: PastCell | None) -> list[str]:
    return (state.causes or "").split() if state else []


def _regression(cause: str, group: Sequence[Change], before: Past, after: Past, later: Sequence[Past]) -> Regression:
    cells = tuple(change.cell for change in group)
    newest = later[-1] if later else after
    states = [(cell, newest.outcomes.get(cell)) for cell in cells]
    axis, environments = _axis(cells, after)
    last_good, first_good = _good_around(cells, axis, environments, after)
    packages = {
        name: moved(before.environments[name] or {}, after.environments[name] or {})
        for name in environments
        if name in before.environments and name in after.environments
    }
    first = group[0].after
    assert first is not None  # What became worse is there.
    return Regression(
        cause=cause,
        title=after.titles.get(cause, cause),
        status=first.status,
        began=after.id,
        started=after.started,
        before=before.id,
        cells=cells,
        grown=tuple(change.cell for change in group if cause in _causes(change.before)),
        still=tuple(cell for cell, state in states if cause in _causes(state)),
        gone=tuple(cell for cell, state in states if state is None or state.status.is_unknown),
        ended=next((run.id for run in later if _has_ended(cause, cells, run)), None),
        axis=axis,
        environments=environments,
        last_good=last_good,
        first_bad=environments[0],
        first_good=first_good,
        moved={name: changed for name, changed in packages.items() if changed},
    )


def _has_ended(cause: str, cells: Iterable[str], run: Past) -> bool:
    """Whether none of the cells fails for it in a run that knows any of them."""
    known = [state for cell in cells if (state := run.outcomes.get(cell)) and not state.status.is_unknown]
    return bool(known) and not any(cause in _causes(state) for state in known)


def _axis(cells: Iterable[str], run: Past) -> tuple[str, tuple[str, ...]]:
    """The side to which a regression belongs, and its environments in matrix order.

    It is the writer's where all that fail to read its files are more than it, and it itself is one of them.
    """
    ids = [tuple(cell.split("/")) for cell in cells]
    writers = in_order((writer for *_, writer, _ in ids), run.environments)
    readers = in_order((reader for *_, reader in ids), run.environments)
    own = {(scenario, fmt, writer) for scenario, fmt, writer, reader in ids if writer == reader}
    if len(writers) < len(readers) and own == {(scenario, fmt, writer) for scenario, fmt, writer, _ in ids}:
        return "writer", writers
    return "reader", readers


def _good_around(cells: Sequence[str], axis: str, bad: Sequence[str], run: Past) -> tuple[str | None, str | None]:
    """The last environment before the bad ones, and the first behind them, in which the same cells pass."""
    order = list(run.environments)
    if not set(bad) <= set(order):
        return None, None
    places = [order.index(name) for name in bad]
    rows = {tuple(cell.split("/")) for cell in cells}

    def is_good(name: str) -> bool:
        same = {
            "/".join((scenario, fmt, name, reader) if axis == "writer" else (scenario, fmt, writer, name))
            for scenario, fmt, writer, reader in rows
        }
        there = [state for cell in same if (state := run.outcomes.get(cell))]
        return bool(there) and all(state.status is Status.PASS for state in there)

    before = next((name for name in reversed(order[: min(places)]) if is_good(name)), None)
    behind = next((name for name in order[max(places) + 1 :] if is_good(name)), None)
    return before, behind
