"""The documented workarounds for a cell that fails: which are worth a try, and what a try came to.

Some are tried: the reader loads the same artifact in another way, in a child of its own, and every check runs again.
Others are read off the run: another format of the same writer, or the same reader with tf-keras, is a cell itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tfmatrix.checks.fingerprint import normalise
from tfmatrix.checks.verdict import Verdict
from tfmatrix.core.records import Try
from tfmatrix.core.status import Status
from tfmatrix.worker.remedies import AND, LOAD_MODEL, Failing, price_of, remedies

_COMBINED = 70
"""The place of combinations among the tries: behind the single ones, before those that give up the file's own model."""


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """A workaround that a reader can try.

    `name` is what reports show. `modules` are the files of worker/remedies whose code
    changes the load; without any it is the plain one. `loader` is the id of the format whose loader takes the artifact,
    `environment` the reader, both where they are not the cell's own. `parts` are the remedies that it combines.
    `migrates`: the artifact is made anew by the reader. `variables` are those of the reader's process. `is_switch`: it
    is tried in the writer as well, to tell what is the switch's from what is the version's.
    """

    name: str
    modules: tuple[str, ...] = ()
    loader: str | None = None
    environment: str | None = None
    parts: tuple[str, ...] = ()
    migrates: bool = False
    variables: tuple[tuple[str, str], ...] = ()
    is_switch: bool = False


def candidates(failing: Failing) -> tuple[Remedy, ...]:
    """The workarounds worth a try for a failing cell, in the order in which a person would try them.

    Most are documented for `load_model`, and for no other loader.
    """
    fitting = {name: each for name, each in remedies().items() if getattr(each, "OF", LOAD_MODEL) == failing.loader}
    helping = {name: module for name, module in fitting.items() if module.helps(failing)}
    found = [(_place(module, failing), _remedy(name, module, failing)) for name, module in helping.items()]
    combinable = [name for name, module in helping.items() if hasattr(module, "COMBINES")]
    for names in itertools.combinations(combinable, 2):
        parts = sorted((helping[name] for name in names), key=lambda module: int(module.COMBINES))
        both = Remedy(
            name=AND.join(part.NAME for part in parts),
            modules=names,
            parts=tuple(part.NAME for part in parts),
        )
        found.append((_COMBINED, both))
    return tuple(remedy for _, remedy in sorted(found, key=lambda item: item[0]))


def _place(module: Any, failing: Failing) -> int:
    place: int = module.place(failing) if hasattr(module, "place") else module.ORDER
    return place


def _remedy(name: str, module: Any, failing: Failing) -> Remedy:
    return Remedy(
        name=module.NAME,
        modules=(name,) if hasattr(module, "change") else (),
        loader=getattr(module, "LOADER", None),
        environment=module.reader(failing) if hasattr(module, "reader") else None,
        migrates=getattr(module, "MIGRATES", False),
        variables=getattr(module, "VARIABLES", ()),
        is_switch=getattr(module, "SWITCH", False),
    )


def attempt(
    name: str, status: Status, checks: Mapping[str, Mapping[str, Any]], promised: Collection[str], error: str
) -> Try:
    """The try of a remedy, judged by what the cell's own format promises: what a loader gives up is missing, not fine.

    `checks` are those of the try, `promised` those that applied to the cell itself.
    """
    loaded = status in (Status.PASS, Status.DRIFT)
    names = [check for check in promised if check not in ("load", "warnings")]
    held = tuple(check for check in names if loaded and checks.get(check, {}).get("status") == "pass")
    missing = tuple(check for check in names if check not in held)
    if loaded:
        status = Status.DRIFT if missing else Status.PASS
    return Try(name=name, status=status, held=held, missing=missing, error=error, price=price_of(name))


def is_sensible(remedy: Remedy, tries: Sequence[Try], error: str) -> bool:
    """Whether a combination is worth a try: one of its parts changed something, or was not tried.

    `error` is what the cell's own load said. Parts that all end in the very same exception end there together, too.
    """
    outcomes = {each.name: normalise(each.error) for each in tries}
    return not remedy.parts or any(outcomes.get(part) != normalise(error) for part in remedy.parts)


def cause_of(verdict: Verdict) -> str:
    """What cells have in common that fail for the same reason, as far as one cell tells: what helps one may help all.

    The exception without what differs from run to run, or what a loaded model lacks.
    """
    if verdict.error is not None:
        said = normalise(f"{verdict.error['type']}: {verdict.error['message']}")
        return f"{verdict.status.value} {said}"
    codes = {
        f"{name}: {finding['code']}"
        for name in verdict.failed_checks
        for finding in verdict.checks[name].get("findings") or ()
    }
    return f"{verdict.status.value} {', '.join(sorted(codes) or verdict.failed_checks)}"


def in_order(remedies: Sequence[Remedy], helped: Sequence[Try]) -> list[Remedy]:
    """Remedies in the order in which a cell tries them: first what helped the first cell of its cause, the best first.

    `helped` are that cell's tries. A combination comes after what it combines, as before.
    """
    useful = [each for each in helped if each.brings_back_the_model and not is_last_resort(each.name)]
    useful.sort(key=lambda each: len(each.missing))
    rank = {each.name: position for position, each in enumerate(useful)}
    # A last resort that brings back everything would end the tries before any other.
    return sorted(remedies, key=lambda remedy: rank.get(remedy.name, len(rank)))


def is_last_resort(name: str) -> bool:
    """Whether a remedy is one that a person tries when nothing else helps."""
    return name in {module.NAME for module in remedies().values() if getattr(module, "LAST_RESORT", False)}


def best(tries: Sequence[Try], failed_checks: Collection[str]) -> str | None:
    """The name of the remedy to recommend: one that brings back everything, else the model with the fewest losses.

    Of equals the first that was tried; a last resort only where nothing else brings back the model.
    A cell that loads already, whether it drifts or dies in further training, is not helped by what brings back no more
    than it has. A cell without failed checks was not even saved.
    """
    useful = [each for each in tries if each.brings_back_the_model]
    if failed_checks and "load" not in failed_checks:
        useful = [each for each in useful if set(each.missing) < set(failed_checks)]
    chosen = min(useful, key=lambda each: (is_last_resort(each.name), len(each.missing)), default=None)
    return chosen.name if chosen is not None else None
