"""The plan of a run: which artifacts are saved, which cells are loaded. Pure: nothing is read, written or started."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import NothingSelectedError
from tfmatrix.core.globs import NAME_SEGMENTS, PAIR_SEGMENTS, GlobSet, match_scenario
from tfmatrix.core.hints import nearest
from tfmatrix.core.ids import CellId
from tfmatrix.core.packages import KERAS, TENSORFLOW, TF_KERAS, version_among
from tfmatrix.core.scenario import Scenario, Subject
from tfmatrix.core.selection import Selector, Unmatched, unmatched
from tfmatrix.project.config import Selection
from tfmatrix.project.config.values import ADAPTIVE, NOT, PAIR_WORDS
from tfmatrix.worker.declared import Format
from tfmatrix.worker.retraining import is_trained


@dataclass(frozen=True, kw_only=True, order=True)
class Save:
    """One artifact: a scenario's model, written by a saver in the environment `writer`."""

    scenario: str
    saver: str
    writer: str

    def __str__(self) -> str:
        return f"{self.scenario}/{self.saver}/{self.writer}"


Pair = tuple[str, str]
"""Writer and reader."""


@dataclass(frozen=True, kw_only=True)
class Square:
    """The cells of one scenario in one format: the unit of a plan, because a matrix has millions of cells.

    `pairs` are in the order of matrix.yaml; those that are also in `adaptive` need not be measured where others tell
    what they come to. `unsupported` maps writers that cannot save it to the reason.
    """

    scenario: str
    format: str
    saver: str
    pairs: tuple[Pair, ...]
    adaptive: frozenset[Pair] = frozenset()
    unsupported: Mapping[str, str] = field(default_factory=dict)

    @property
    def writers(self) -> tuple[str, ...]:
        """Those that save it, in order."""
        return tuple(name for name in dict.fromkeys(writer for writer, _ in self.pairs) if name not in self.unsupported)

    def cell(self, pair: Pair) -> CellId:
        """The id of one of its cells."""
        return CellId(scenario=self.scenario, format=self.format, writer=pair[0], reader=pair[1])

    def cells(self) -> Iterator[CellId]:
        """All of them, in order."""
        return map(self.cell, self.pairs)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run does.

    `squares` hold all cells that were selected, ordered by scenario (name), format (as in the table of formats), writer
    and reader (as in matrix.yaml); `environments`, `scenarios` and `formats` those that occur in them, in the same
    orders. `saves` are the artifacts that cells need. `savers` maps each format to its saver. `unmatched` are the
    selector's globs that match nothing: to be warned of.
    """

    environments: tuple[Environment, ...]
    scenarios: tuple[Subject, ...]
    formats: tuple[str, ...]
    squares: tuple[Square, ...]
    saves: tuple[Save, ...]
    savers: Mapping[str, str]
    unmatched: tuple[Unmatched, ...] = ()

    def cells(self) -> Iterator[CellId]:
        """All cells, in order; not kept."""
        return (cell for square in self.squares for cell in square.cells())

    @cached_property
    def loads(self) -> tuple[CellId, ...]:
        """The cells that run, unless they are inferred."""
        return tuple(cell for cell in self.cells() if self.reason(cell) is None)

    @cached_property
    def size(self) -> int:
        """The number of cells."""
        return sum(len(square.pairs) for square in self.squares)

    @cached_property
    def by_name(self) -> Mapping[tuple[str, str], Square]:
        """The squares by scenario and format."""
        return {(square.scenario, square.format): square for square in self.squares}

    def reason(self, cell: CellId) -> str | None:
        """Why a cell is settled without running: its writer cannot save it."""
        return self.by_name[cell.scenario, cell.format].unsupported.get(cell.writer)

    def save_of(self, cell: CellId) -> Save:
        """The artifact that a cell reads; one that is not saved where the cell is unsupported."""
        return Save(scenario=cell.scenario, saver=self.savers[cell.format], writer=cell.writer)

    def counts(self) -> dict[str, int]:
        """How much there is of everything, for `tfmatrix plan`."""
        unsupported = sum(
            writer in square.unsupported for square in self.squares if square.unsupported for writer, _ in square.pairs
        )
        return {
            "environments": len(self.environments),
            "scenarios": len(self.scenarios),
            "formats": len(self.formats),
            "cells": self.size,
            "saves": len(self.saves),
            "loads": self.size - unsupported,
            "unsupported": unsupported,
        }


def part_of(
    plan: Plan, pairs: Mapping[tuple[str, str], Collection[Pair]], saves: Collection[Save], beside: Collection[str] = ()
) -> Plan:
    """The part of a plan with some cells (scenario and format to pairs) and saves, in the plan's order.

    `beside` are environments that it needs although no cell names them.
    """
    squares = []
    for square in plan.squares:
        wanted = pairs.get((square.scenario, square.format), ())
        kept = tuple(pair for pair in square.pairs if pair in wanted)
        if kept:
            writers = {writer for writer, _ in kept}
            unsupported = {writer: reason for writer, reason in square.unsupported.items() if writer in writers}
            squares.append(replace(square, pairs=kept, adaptive=square.adaptive & set(kept), unsupported=unsupported))
    used = {name for square in squares for pair in square.pairs for name in pair} | set(beside)
    used |= {save.writer for save in saves}
    scenarios = {square.scenario for square in squares} | {save.scenario for save in saves}
    formats = {square.format for square in squares}
    return replace(
        plan,
        environments=tuple(each for each in plan.environments if each.id in used),
        scenarios=tuple(each for each in plan.scenarios if each.name in scenarios),
        formats=tuple(name for name in plan.formats if name in formats),
        squares=tuple(squares),
        saves=tuple(save for save in plan.saves if save in saves),
    )


def make_plan(
    selection: Selection,
    scenarios: Sequence[Subject],
    selector: Selector | None = None,
    *,
    formats: Mapping[str, Format],
    versions: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> Plan:
    """The plan for a selection (matrix.yaml and a set), narrowed by a selector (the command line).

    `scenarios` are those of the project, `formats` the table of formats in its order. `versions` maps ids of
    environments to the versions of their packages, where a lock tells them; what cannot be decided without is left to
    the worker. Raises NothingSelectedError where no cell is left.
    """
    selector = selector or Selector()
    candidates = _candidates(selection, scenarios, formats, _named_formats(selector))
    named = {square.scenario for square in candidates}
    chosen = sorted((each for each in scenarios if each.name in named), key=lambda scenario: scenario.name)
    missed = unmatched(selector, _Ids(candidates), chosen)
    squares = _narrowed(candidates, chosen, selector)
    if not squares:
        raise _nothing(selection, selector, candidates, missed)

    by_name = {scenario.name: scenario for scenario in chosen}
    known = {each.id: writer_versions(each, versions.get(each.id)) for each in selection.environments}
    lacking: dict[tuple[str, str], str | None] = {}
    unwritable = {
        (name, writer): _cannot_write(formats[name], known[writer])
        for name in {square.format for square in squares}
        for writer in known
    }
    writers_of = _Cached(lambda pairs: tuple(dict.fromkeys(writer for writer, _ in pairs)))
    made: list[Square] = []
    saves: dict[Save, None] = {}
    for square in squares:
        unsupported = {}
        for writer in writers_of(square.pairs):
            key = (square.scenario, writer)
            if key not in lacking:
                complete = bool(versions.get(writer))
                lacking[key] = _lacks(by_name[square.scenario], writer, known[writer], complete=complete)
            reason = lacking[key]
            # A file was written already: what its writer makes of it is seen when it loads it.
            if reason is None and isinstance(by_name[square.scenario], Scenario):
                reason = unwritable[square.format, writer]
            if reason is None:
                saves[Save(scenario=square.scenario, saver=square.saver, writer=writer)] = None
            else:
                unsupported[writer] = reason
        made.append(replace(square, unsupported=unsupported) if unsupported else square)
    used = {name for pairs in {id(each.pairs): each.pairs for each in made}.values() for pair in pairs for name in pair}
    used_formats = {square.format for square in made}
    used_scenarios = {square.scenario for square in made}
    return Plan(
        environments=tuple(each for each in selection.environments if each.id in used),
        scenarios=tuple(each for each in chosen if each.name in used_scenarios),
        formats=tuple(name for name in formats if name in used_formats),
        squares=tuple(made),
        saves=tuple(saves),
        savers={name: info.saver for name, info in formats.items() if name in used_formats},
        unmatched=missed,
    )


class _Ids:
    """What a selector can match in squares: for its globs that match nothing."""

    def __init__(self, squares: Sequence[Square]) -> None:
        self._squares = squares
        pairs = {id(square.pairs): square.pairs for square in squares}.values()
        self.writers = list(dict.fromkeys(writer for each in pairs for writer, _ in each))
        self.readers = list(dict.fromkeys(reader for each in pairs for _, reader in each))
        self.formats = list(dict.fromkeys(square.format for square in squares))

    def cells(self) -> Iterator[str]:
        """The ids of all cells."""
        for square in self._squares:
            head = f"{square.scenario}/{square.format}"
            for writer, reader in square.pairs:
                yield f"{head}/{writer}/{reader}"


class _Cached:
    """A function of a tuple of pairs, which most squares share: computed once for each."""

    def __init__(self, function: Callable[[tuple[Pair, ...]], Any]) -> None:
        self._function = function
        self._known: dict[int, tuple[tuple[Pair, ...], Any]] = {}

    def __call__(self, pairs: tuple[Pair, ...]) -> Any:
        # With the pairs, so that nothing else gets their address.
        found = self._known.get(id(pairs))
        if found is None:
            found = self._known[id(pairs)] = (pairs, self._function(pairs))
        return found[1]


def writer_versions(environment: Environment, packages: Mapping[str, str] | None) -> dict[str, str]:
    """What is known of an environment's versions, by canonical name; of its packages where a lock tells them.

    "tensorflow" is that of whichever distribution brings it, and "keras" is what `tf.keras` is there: that of tf-keras
    where TF_USE_LEGACY_KERAS is set, and TensorFlow's own minor where Keras is a part of it.
    """
    known: dict[str, str] = {canonicalize_name(name): version for name, version in (packages or {}).items()}
    tensorflow = version_among(known, TENSORFLOW) or environment.tensorflow
    keras = version_among(known, KERAS) or environment.keras
    legacy = environment.env.get("TF_USE_LEGACY_KERAS", "").lower() in ("1", "true")
    release = _parse(tensorflow)
    if legacy:
        keras = version_among(known, TF_KERAS)
    elif keras is None and release is not None and release < Version("2.16.0rc0"):
        keras = f"{release.major}.{release.minor}.0"
    found = {**known, "python": known.get("python") or environment.python, "tensorflow": tensorflow}
    found.pop("keras", None)
    if keras:
        found["keras"] = keras
    return {name: version for name, version in found.items() if _parse(version) is not None}


def _named_formats(selector: Selector) -> set[str]:
    """The formats that the command line names, without a glob."""
    return {*selector.format, *(glob.split("/")[1] for glob in selector.only if glob.count("/"))}


def _candidates(
    selection: Selection, scenarios: Sequence[Subject], formats: Mapping[str, Format], named: Collection[str]
) -> list[Square]:
    """All squares of a selection, in the order of a plan. NothingSelectedError for a set included that has none.

    `named` are formats that are asked for by name.
    """
    if selection.parts:
        return _united(selection, scenarios, formats, named)
    wanted_formats = GlobSet(selection.formats, segments=NAME_SEGMENTS)
    table = {name: info for name, info in formats.items() if wanted_formats.matches(name)}
    pairs, adaptive = _pairs(selection)
    if not pairs:
        return []
    return [
        Square(scenario=scenario.name, format=name, saver=table[name].saver, pairs=pairs, adaptive=adaptive)
        for scenario in sorted(scenarios, key=lambda scenario: scenario.name)
        if _takes_scenario(selection.scenarios, scenario)
        for name in _formats_of(scenario, table, {*named, *selection.formats})
    ]


def _united(
    selection: Selection, scenarios: Sequence[Subject], formats: Mapping[str, Format], named: Collection[str]
) -> list[Square]:
    """The union of the parts of a selection. What one of them wants measured is measured."""
    place = {environment.id: index for index, environment in enumerate(selection.environments)}
    row = {name: index for index, name in enumerate(formats)}
    found: dict[tuple[str, str], list[Square]] = defaultdict(list)
    for part in selection.parts:
        squares = _candidates(part, scenarios, formats, named)
        # Nothing for a selector that chooses nothing today is no mistake; nothing else is.
        if not squares and part.environments and part.pairs:
            raise _nothing(part, Selector(), [], ())
        for square in squares:
            found[square.scenario, square.format].append(square)
    unions: dict[tuple[int, ...], tuple[tuple[Pair, ...], frozenset[Pair]]] = {}
    united = []
    for _, squares in sorted(found.items(), key=lambda entry: (entry[0][0], row[entry[0][1]])):
        key = tuple(id(square.pairs) for square in squares)
        if key not in unions:
            every = {pair for square in squares for pair in square.pairs}
            measured = {pair for square in squares for pair in square.pairs if pair not in square.adaptive}
            ordered = sorted(every, key=lambda pair: (place[pair[0]], place[pair[1]]))
            unions[key] = tuple(ordered), frozenset(every - measured)
        pairs, adaptive = unions[key]
        united.append(replace(squares[0], pairs=pairs, adaptive=adaptive))
    return united


def _takes_scenario(patterns: Sequence[str], scenario: Subject) -> bool:
    """Whether a scenario is meant: by one of the patterns, or where none but exclusions stand, and by no exclusion."""
    wanted = [pattern for pattern in patterns if not pattern.startswith(NOT)] or ["*"]
    refused = [pattern.removeprefix(NOT) for pattern in patterns if pattern.startswith(NOT)]
    return any(match_scenario(each, scenario.name, scenario.tags) for each in wanted) and not any(
        match_scenario(each, scenario.name, scenario.tags) for each in refused
    )


def _pairs(selection: Selection) -> tuple[tuple[Pair, ...], frozenset[Pair]]:
    """The pairs of writer and reader, in the order of matrix.yaml, and those of them that may be inferred."""
    ids = [environment.id for environment in selection.environments]
    globs = GlobSet([pair for pair in selection.pairs if pair not in PAIR_WORDS], segments=PAIR_SEGMENTS)
    words = {pair for pair in selection.pairs if pair in PAIR_WORDS}
    measured = {
        (writer, reader)
        for row, writer in enumerate(ids)
        for column, reader in enumerate(ids)
        if words & _words_for(column - row) or globs.matches(f"{writer}/{reader}")
    }
    is_adaptive = ADAPTIVE in selection.pairs
    pairs = tuple((writer, reader) for writer in ids for reader in ids if is_adaptive or (writer, reader) in measured)
    return pairs, frozenset(pairs) - measured


def _words_for(rows_down: int) -> set[str]:
    """The words for pairs whose reader stands so many rows below the writer; above, where the number is negative."""
    words = {"all"}
    if rows_down >= 0:
        words.add("forward")
    if abs(rows_down) <= 1:
        words |= {"adjacent", ("same", "upgrade", "rollback")[rows_down]}
    return words


def _formats_of(scenario: Subject, table: Mapping[str, Format], named: Collection[str]) -> Iterator[str]:
    """The formats a scenario is saved in: those it names, or else every one that fits what it builds.

    One that trains the code anew takes every scenario that is one, where somebody asks for it by name.
    """
    for name, info in table.items():
        if is_trained(info.checks) and name in named:
            fits = isinstance(scenario, Scenario) and scenario.uses_keras
        elif scenario.formats is not None:
            fits = name in scenario.formats
        else:
            functions = scenario.functions if isinstance(scenario, Scenario) else ()
            fits = set(info.functions) <= set(functions) and (info.models == "any" or scenario.uses_keras)
            fits = fits and not info.by_name
        if fits:
            yield name


def _narrowed(squares: Sequence[Square], scenarios: Sequence[Subject], selector: Selector) -> list[Square]:
    """What the selector takes of them; squares of which nothing is left are gone."""
    if not selector:
        return list(squares)
    names = {scenario.name for scenario in scenarios if selector.takes_scenario(scenario)}
    formats = set(filter(selector.takes_format, {square.format for square in squares}))
    pairs_of = _Cached(
        lambda pairs: tuple(
            (writer, reader)
            for writer, reader in pairs
            if selector.takes_writer(writer) and selector.takes_reader(reader)
        )
    )
    narrowed = []
    for square in squares:
        if square.scenario not in names or square.format not in formats:
            continue
        pairs = pairs_of(square.pairs)
        if selector.only:
            head = f"{square.scenario}/{square.format}"
            pairs = tuple(pair for pair in pairs if selector.takes_cell(f"{head}/{pair[0]}/{pair[1]}"))
        if pairs:
            narrowed.append(replace(square, pairs=pairs, adaptive=_adaptive(square, pairs)))
    return narrowed


def _adaptive(square: Square, pairs: tuple[Pair, ...]) -> frozenset[Pair]:
    return square.adaptive if pairs is square.pairs or not square.adaptive else square.adaptive & set(pairs)


def _nothing(
    selection: Selection, selector: Selector, candidates: Sequence[Square], missed: Sequence[Unmatched]
) -> NothingSelectedError:
    """The error for an empty plan: what was asked, what there is, and what was probably meant."""
    where = f'the set "{selection.name}"' if selection.name else "matrix.yaml"
    if not candidates:
        return NothingSelectedError(
            f"{where} selects no cell at all",
            expected="scenarios that are saved in one of the formats, and a pair of environments",
            fix="compare `scenarios`, `formats` and `pairs` with FORMATS of the scenarios",
        )
    # The segments of --only are asked for too, wherever they belong.
    only = [segment for glob in selector.only for segment in glob.split("/")]
    scenarios = nearest([*selector.scenario, *only], (square.scenario for square in candidates))
    formats = nearest([*selector.format, *only], (square.format for square in candidates))
    environments = nearest(
        [*selector.writer, *selector.reader, *only],
        (name for square in candidates for pair in square.pairs for name in pair),
    )
    count = sum(len(square.pairs) for square in candidates)
    return NothingSelectedError(
        f"{selector} selects none of the {count} cells of {where}",
        expected=f"scenarios {scenarios}; formats {formats}; environments {environments}",
        fix="; ".join(map(str, missed)) or "loosen one of the options: no cell fits all of them",
    )


def _lacks(scenario: Subject, writer: str, known: Mapping[str, str], *, complete: bool) -> str | None:
    """What of a scenario's REQUIRES the writer lacks; None where nothing does or where it is not known.

    `complete` says that `known` holds every package, so that one that is not there is lacking.
    """
    for text in scenario.requires:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if name not in known:
            if complete and name not in ("python", "tensorflow", "keras"):
                return f"the scenario requires {text}; {writer} has no {name}"
        elif not requirement.specifier.contains(known[name], prereleases=True):
            return f"the scenario requires {text}; {writer} has {name} {known[name]}"
    return None


def _cannot_write(info: Format, known: Mapping[str, str]) -> str | None:
    """Why the writer cannot write a format; None where it can, or where its versions are not known."""
    if "tensorflow" not in known or "keras" not in known:
        return None
    return info.unsupported({"tensorflow": known["tensorflow"], "keras": known["keras"]})


def _parse(version: str) -> Version | None:
    """The version, or None for what is none, such as "nightly"."""
    try:
        return Version(version)
    except InvalidVersion:
        return None
