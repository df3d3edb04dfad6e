"""Environments of a run: their order, their versions, and sets of them written short.

The order is that of the matrix, as run.json lists it: `2.16.2@today` and `nightly` have no place of their own on a
scale of versions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from operator import attrgetter
from typing import Any

from tfmatrix.analysis.records import in_order
from tfmatrix.core.packages import packages_of
from tfmatrix.core.versions import Versions, version, versions_of
from tfmatrix.store.runs import Run

MAX_GROUPS = 4
"""Groups of pairs that are named; the rest is counted."""

Pair = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Environments:
    """The environments of a run in matrix order, with what run.json says about each."""

    described: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, run: Run, named: Iterable[str] | None = None) -> Environments:
        """Those that cells name: in the order in which run.json lists them, then the others by name.

        An environment without cells (one that only remedies use) would be a hole in every range. Of a run without any
        cell they are those of run.json. `named` are what the cells of the run name, where that is at hand.
        """
        listed = run.header.get("environments") or {}
        if named is None:
            named = {name for side in ("writer", "reader") for name in set(map(attrgetter(side), run.records))}
        return cls(described={name: listed.get(name) or {} for name in in_order(named or listed, listed)})

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The ids."""
        return tuple(self.described)

    @cached_property
    def _position(self) -> Mapping[str, int]:
        return {name: position for position, name in enumerate(self.order)}

    def position(self, name: str) -> int:
        """The place of an environment in the matrix."""
        return self._position[name]

    def sorted(self, names: Iterable[str]) -> tuple[str, ...]:
        """Names in matrix order, each once."""
        return tuple(sorted(set(names), key=self.position))

    def packages(self, name: str) -> dict[str, str]:
        """The versions of an environment's packages by normalised name."""
        return packages_of(self.described.get(name, {}))

    def versions(self, name: str) -> Versions:
        """The versions of TensorFlow and Keras in an environment."""
        return versions_of(self.described.get(name, {}))

    @cached_property
    def _ascends(self) -> bool:
        """Whether no environment is older than the one before it: only then "≥" says the same as a version would."""
        numbers = [version(self.versions(name).tensorflow or name) for name in self.order]
        known = [number for number in numbers if number is not None]
        return len(known) == len(numbers) and all(before <= after for before, after in pairwise(known))

    def ranges(self, names: Iterable[str]) -> str:
        """A set of environments, short: `2.12.1–2.15.1`, `≥ 2.16.2`, `any`.

        A range holds every environment of the matrix between its ends. `≥` stands for all from there to the last one.
        """
        chosen = set(names)
        if len(chosen) == len(self.order) > 1:
            return "any"
        runs: list[list[str]] = []
        for name in self.order:
            if name not in chosen:
                continue
            if runs and self.position(runs[-1][-1]) == self.position(name) - 1:
                runs[-1].append(name)
            else:
                runs.append([name])
        return ", ".join(map(self._range, runs))

    def _range(self, run: Sequence[str]) -> str:
        if len(run) == 1:
            return run[0]
        if run[-1] == self.order[-1] and self._ascends:
            return f"≥ {run[0]}"
        return f"{run[0]}–{run[-1]}"

    def pairs(self, pairs: Iterable[Pair]) -> str:
        """Pairs of writer and reader, short: `2.12.1–2.15.1 → ≥ 2.16.2`.

        Writers that share their readers stand together; `any other` is every one of them but the writer itself.
        """
        readers: dict[str, set[str]] = {}
        for writer, reader in pairs:
            readers.setdefault(writer, set()).add(reader)
        if not readers:
            return ""
        if len(readers) > 2 and all(found == set(readers) - {writer} for writer, found in readers.items()):
            return f"{self.ranges(readers)} → any other of them"
        if len(readers) > 1 and all(found == {writer} for writer, found in readers.items()):
            return f"{self.ranges(readers)} → itself"
        groups: dict[frozenset[str], list[str]] = {}
        for writer in self.sorted(readers):
            groups.setdefault(frozenset(readers[writer]), []).append(writer)
        shown = [f"{self.ranges(writers)} → {self.ranges(found)}" for found, writers in groups.items()]
        if len(shown) > MAX_GROUPS:
            rest = sum(len(found) * len(writers) for found, writers in list(groups.items())[MAX_GROUPS - 1 :])
            shown = [*shown[: MAX_GROUPS - 1], f"and {rest} more pairs"]
        return "; ".join(shown)
