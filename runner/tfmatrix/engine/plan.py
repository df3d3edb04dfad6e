"""The plan of a run: which artifacts are saved, which cells are loaded. Pure: nothing is read, written or started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Protocol

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import NothingSelectedError
from tfmatrix.core.globs import NAME_SEGMENTS, PAIR_SEGMENTS, GlobSet, match_scenario
from tfmatrix.core.ids import CellId
from tfmatrix.core.packages import KERAS, TENSORFLOW, TF_KERAS, version_among
from tfmatrix.core.scenario import Scenario, Subject
from tfmatrix.core.selection import Selector, Unmatched, unmatched
from tfmatrix.project.config import Selection
from tfmatrix.project.config.values import NOT, PAIR_WORDS
from tfmatrix.project.scenario import CUSTOM_FORMAT, has_custom_format


class FormatInfo(Protocol):
    """What the plan wants to know of a format; the modules in `tfmatrix.worker.formats` have it."""

    @property
    def SAVER(self) -> str:
        """Id of the format whose artifact it reads."""

    @property
    def MODELS(self) -> str:
        """What it takes: "keras", Keras models only; "any", any tf.Module."""

    def unsupported(self, env: Mapping[str, str]) -> str | None:
        """Why an environment (its versions of "tensorflow" and "keras") cannot write it, or None."""


@dataclass(frozen=True, kw_only=True, order=True)
class Save:
    """One artifact: a scenario's model, written by a saver in the environment `writer`."""

    scenario: str
    saver: str
    writer: str

    def __str__(self) -> str:
        return f"{self.scenario}/{self.saver}/{self.writer}"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run does.

    `cells` are all that were selected, ordered by scenario (name), format (as in the table of formats), writer and
    reader (as in matrix.yaml); `environments`, `scenarios` and `formats` those that occur in them, in the same orders.
    `unsupported` holds the cells, out of `cells`, that are settled without running, each with its reason; `saves` the
    artifacts that the others need. `savers` maps each format to its saver. `unmatched` are the selector's globs that
    match nothing: to be warned of.
    """

    environments: tuple[Environment, ...]
    scenarios: tuple[Subject, ...]
    formats: tuple[str, ...]
    cells: tuple[CellId, ...]
    saves: tuple[Save, ...]
    unsupported: Mapping[CellId, str]
    savers: Mapping[str, str]
    unmatched: tuple[Unmatched, ...] = ()

    @cached_property
    def loads(self) -> tuple[CellId, ...]:
        """The cells that run."""
        return tuple(cell for cell in self.cells if cell not in self.unsupported)

    def save_of(self, cell: CellId) -> Save:
        """The artifact that a cell reads; one that is not saved where the cell is unsupported."""
        return Save(scenario=cell.scenario, saver=self.savers[cell.format], writer=cell.writer)

    def counts(self) -> dict[str, int]:
        """How much there is of everything, for `tfmatrix plan`."""
        return {
            "environments": len(self.environments),
            "scenarios": len(self.scenarios),
            "formats": len(self.formats),
            "cells": len(self.cells),
            "saves": len(self.saves),
            "loads": len(self.loads),
            "unsupported": len(self.unsupported),
        }


def make_plan(
    selection: Selection,
    scenarios: Sequence[Subject],
    selector: Selector | None = None,
    *,
    formats: Mapping[str, FormatInfo],
    versions: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> Plan:
    """The plan for a selection (matrix.yaml and a set), narrowed by a selector (the command line).

    `scenarios` are those of the project, `formats` the table of formats in its order. `versions` maps ids of
    environments to the versions of their packages, where a lock tells them; what cannot be decided without is left to
    the worker. Raises NothingSelectedError where no cell is left.
    """
    selector = selector or Selector()
    candidates = _candidates(selection, scenarios, formats)
    named = {cell.scenario for cell in candidates}
    chosen = sorted((each for each in scenarios if each.name in named), key=lambda scenario: scenario.name)
    missed = unmatched(selector, candidates, chosen)
    cells = _narrowed(candidates, chosen, selector)
    if not cells:
        raise _nothing(selection, selector, candidates, missed)

    by_name = {scenario.name: scenario for scenario in chosen}
    by_id = {environment.id: environment for environment in selection.environments}
    known = {name: writer_versions(each, versions.get(name)) for name, each in by_id.items()}
    reasons: dict[tuple[str, str, str], str | None] = {}
    saves: dict[Save, None] = {}
    for cell in cells:
        key = (cell.scenario, cell.format, cell.writer)
        if key not in reasons:
            complete = bool(versions.get(cell.writer))
            lacking = _lacks(by_name[cell.scenario], cell.writer, known[cell.writer], complete=complete)
            reasons[key] = lacking or _cannot_write(formats[cell.format], known[cell.writer])
            if reasons[key] is None:
                saves[Save(scenario=cell.scenario, saver=formats[cell.format].SAVER, writer=cell.writer)] = None
    unsupported = {
        cell: reason for cell in cells if (reason := reasons[cell.scenario, cell.format, cell.writer]) is not None
    }
    used = {name for cell in cells for name in (cell.writer, cell.reader)}
    used_formats = {cell.format for cell in cells}
    used_scenarios = {cell.scenario for cell in cells}
    return Plan(
        environments=tuple(each for each in selection.environments if each.id in used),
        scenarios=tuple(each for each in chosen if each.name in used_scenarios),
        formats=tuple(name for name in formats if name in used_formats),
        cells=tuple(cells),
        saves=tuple(saves),
        unsupported=unsupported,
        savers={name: info.SAVER for name, info in formats.items() if name in used_formats},
        unmatched=missed,
    )


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


def _candidates(selection: Selection, scenarios: Sequence[Subject], formats: Mapping[str, FormatInfo]) -> list[CellId]:
    """All cells of a selection, in the order of a plan. NothingSelectedError where a set that is included has none."""
    if selection.parts:
        ids = [environment.id for environment in selection.environments]
        place = {name: index for index, name in enumerate(ids)}
        row = {name: index for index, name in enumerate(formats)}
        cells: dict[CellId, None] = {}
        for part in selection.parts:
            found = _candidates(part, scenarios, formats)
            # Nothing for a selector that chooses nothing today is no mistake; nothing else is.
            if not found and part.environments and part.pairs:
                raise _nothing(part, Selector(), [], ())
            cells |= dict.fromkeys(found)
        return sorted(cells, key=lambda cell: (cell.scenario, row[cell.format], place[cell.writer], place[cell.reader]))
    wanted_formats = GlobSet(selection.formats, segments=NAME_SEGMENTS)
    table = {name: info for name, info in formats.items() if wanted_formats.matches(name)}
    pairs = _pairs(selection)
    return [
        CellId(scenario=scenario.name, format=name, writer=writer, reader=reader)
        for scenario in sorted(scenarios, key=lambda scenario: scenario.name)
        if _takes_scenario(selection.scenarios, scenario)
        for name in _formats_of(scenario, table)
        for writer, reader in pairs
    ]


def _takes_scenario(patterns: Sequence[str], scenario: Subject) -> bool:
    """Whether a scenario is meant: by one of the patterns, or where none but exclusions stand, and by no exclusion."""
    wanted = [pattern for pattern in patterns if not pattern.startswith(NOT)] or ["*"]
    refused = [pattern.removeprefix(NOT) for pattern in patterns if pattern.startswith(NOT)]
    return any(match_scenario(each, scenario.name, scenario.tags) for each in wanted) and not any(
        match_scenario(each, scenario.name, scenario.tags) for each in refused
    )


def _pairs(selection: Selection) -> list[tuple[str, str]]:
    """The pairs of writer and reader, in the order of matrix.yaml."""
    ids = [environment.id for environment in selection.environments]
    globs = GlobSet([pair for pair in selection.pairs if pair not in PAIR_WORDS], segments=PAIR_SEGMENTS)
    words = {pair for pair in selection.pairs if pair in PAIR_WORDS}
    return [
        (writer, reader)
        for row, writer in enumerate(ids)
        for column, reader in enumerate(ids)
        if words & _words_for(column - row) or globs.matches(f"{writer}/{reader}")
    ]


def _words_for(rows_down: int) -> set[str]:
    """The words for pairs whose reader stands so many rows below the writer; above, where the number is negative."""
    words = {"all"}
    if rows_down >= 0:
        words.add("forward")
    if abs(rows_down) <= 1:
        words |= {"adjacent", ("same", "upgrade", "rollback")[rows_down]}
    return words


def _formats_of(scenario: Subject, table: Mapping[str, FormatInfo]) -> Iterator[str]:
    """The formats a scenario is saved in: those it names, or else every one that fits what it builds."""
    for name, info in table.items():
        if scenario.formats is not None:
            fits = name in scenario.formats
        elif name == CUSTOM_FORMAT:
            fits = isinstance(scenario, Scenario) and has_custom_format(scenario)
        else:
            fits = info.MODELS == "any" or scenario.uses_keras
        if fits:
            yield name


def _narrowed(cells: Sequence[CellId], scenarios: Sequence[Subject], selector: Selector) -> list[CellId]:
    """The cells that the selector takes."""
    if not selector:
        return list(cells)
    names = {scenario.name for scenario in scenarios if selector.takes_scenario(scenario)}
    formats = set(filter(selector.takes_format, {cell.format for cell in cells}))
    writers = set(filter(selector.takes_writer, {cell.writer for cell in cells}))
    readers = set(filter(selector.takes_reader, {cell.reader for cell in cells}))
    return [
        cell
        for cell in cells
        if cell.scenario in names
        and cell.format in formats
        and cell.writer in writers
        and cell.reader in readers
        and selector.takes_cell(str(cell))
    ]


def _nothing(
    selection: Selection, selector: Selector, candidates: Sequence[CellId], missed: Sequence[Unmatched]
) -> NothingSelectedError:
    """The error for an empty plan: what was asked, what there is, and what was probably meant."""
    where = f'the set "{selection.name}"' if selection.name else "matrix.yaml"
    if not candidates:
        return NothingSelectedError(
            f"{where} selects no cell at all",
            expected="scenarios that are saved in one of the formats, and a pair of environments",
            fix="compare `scenarios`, `formats` and `pairs` with FORMATS of the scenarios",
        )
    scenarios, formats, environments = (
        ", ".join(dict.fromkeys(names))
        for names in (
            (cell.scenario for cell in candidates),
            (cell.format for cell in candidates),
            (name for cell in candidates for name in (cell.writer, cell.reader)),
        )
    )
    return NothingSelectedError(
        f"{selector} selects none of the {len(candidates)} cells of {where}",
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


def _cannot_write(info: FormatInfo, known: Mapping[str, str]) -> str | None:
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
