"""matrix.yaml, read and checked: types first, then what one part says of another."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import ConfigError
from tfmatrix.core.globs import NAME_SEGMENTS, PAIR_SEGMENTS, TAG_PREFIX, GlobSet, did_you_mean_glob, match_scenario
from tfmatrix.core.hints import did_you_mean, one_of
from tfmatrix.core.scenario import Scenario
from tfmatrix.core.version_selectors import NIGHTLY, VersionSelector
from tfmatrix.project.config.model import (
    MATRIX_SCHEMA,
    Defaults,
    EnvironmentEntry,
    MatrixConfig,
    MatrixFile,
    SetEntry,
    with_selected,
)
from tfmatrix.project.config.selected import DISTRIBUTION, SELECTED_FILE, Selected, read_selected
from tfmatrix.project.config.validation import validate
from tfmatrix.project.config.values import NOT, PAIR_WORDS
from tfmatrix.project.config.yamlfile import Document, Location, Problem, read_yaml

_OWNED_BY_IMAGE = ("tensorflow", "python", "keras", "with", "as_of", "package")


def load_config(
    path: Path, *, scenarios: Sequence[Scenario] | None = None, formats: Collection[str] | None = None
) -> MatrixConfig:
    """Reads matrix.yaml; raises ConfigError with the first mistake in the file, and the number of the others.

    `scenarios` are those of the project and `formats` the ids that exist: where they are given, a glob that
    matches none of them is a mistake too. What selectors chose stands in the project's locks/selected.json: no index
    is asked.
    """
    file, document = _read(path)
    entries = _Entries.of(file, read_selected(path.parent / SELECTED_FILE))
    document.raise_first(_unresolved(file, entries))
    environments = tuple(entry.to_environment() for _, entry in entries.expanded)
    selected: dict[str, tuple[str, ...]] = {}
    for index, ids in entries.ids_by_index().items():
        # The same selector may stand twice, with tf-keras and without.
        text = file.environments[index].tensorflow or ""
        selected[text] = (*selected.get(text, ()), *ids)
    document.raise_first(_selection_problems(file, environments, selected, scenarios, formats))
    return MatrixConfig(
        path=path,
        environments=environments,
        selected=selected,
        scenarios=file.scenarios,
        formats=file.formats,
        pairs=file.pairs,
        sets=file.sets,
        defaults=file.defaults,
    )


@dataclass(frozen=True, kw_only=True)
class SelectorUse:
    """A selector as it stands in matrix.yaml, and whose releases it is about."""

    package: str
    selector: VersionSelector
    line: int

    @property
    def key(self) -> tuple[str, str]:
        """That of its answer, see `Selected`."""
        return (self.package, self.selector.text)


def read_selectors(path: Path) -> tuple[SelectorUse, ...]:
    """The selectors of a matrix.yaml, each once, whether or not they are resolved; ConfigError as `load_config`."""
    file, document = _read(path)
    found: dict[tuple[str, str], SelectorUse] = {}
    for index, entry in enumerate(file.environments):
        use = _use(entry, document.lines["environments", index])
        if use is not None:
            found.setdefault(use.key, use)
    return tuple(found.values())


def read_defaults(path: Path) -> Defaults:
    """The settings of a matrix.yaml, whether or not its selectors are resolved; ConfigError as `load_config`."""
    return _read(path)[0].defaults


def _read(path: Path) -> tuple[MatrixFile, Document]:
    """The file and where everything stands in it; what one entry says of another environment is right."""
    try:
        document = read_yaml(path)
    except FileNotFoundError as error:
        raise ConfigError(
            "there is no such file", file=path, expected="a project's matrix.yaml", fix="run `tfmatrix init`"
        ) from error
    file = validate(document, MatrixFile, version=MATRIX_SCHEMA)
    document.raise_first(_environment_problems(file, document))
    return file, document


def _use(entry: EnvironmentEntry, line: int = 0) -> SelectorUse | None:
    selector = entry.selector
    if selector is None:
        return None
    return SelectorUse(package=entry.package or DISTRIBUTION, selector=selector, line=line)


@dataclass(frozen=True, kw_only=True)
class _Entries:
    """The entries of the file with one for each version of a selector, in the order of the file.

    Where two would have the same id, an exact entry wins, then the selector that stands first. Each goes with the
    index of the entry it comes from; `by_selector` says so of all versions of a selector, those left out too.
    """

    expanded: tuple[tuple[int, EnvironmentEntry], ...]
    by_selector: Mapping[int, tuple[EnvironmentEntry, ...]]
    unresolved: tuple[int, ...]

    @classmethod
    def of(cls, file: MatrixFile, selected: Mapping[tuple[str, str], Selected]) -> _Entries:
        taken = {entry.resolved_id.casefold() for entry in file.environments if entry.selector is None}
        expanded: list[tuple[int, EnvironmentEntry]] = []
        by_selector: dict[int, tuple[EnvironmentEntry, ...]] = {}
        unresolved = []
        for index, entry in enumerate(file.environments):
            use = _use(entry)
            if use is None:
                expanded.append((index, entry))
            elif use.key not in selected:
                unresolved.append(index)
            else:
                made = [entry.model_copy(update={"tensorflow": each}) for each in selected[use.key].versions]
                by_selector[index] = tuple(made)
                for each in made:
                    if each.resolved_id.casefold() not in taken:
                        taken.add(each.resolved_id.casefold())
                        expanded.append((index, each))
        return cls(expanded=tuple(expanded), by_selector=by_selector, unresolved=tuple(unresolved))

    def ids_by_index(self) -> dict[int, tuple[str, ...]]:
        """The ids that a selector stands for, those of exact entries too; by the index of its entry."""
        return {index: tuple(each.resolved_id for each in made) for index, made in self.by_selector.items()}


def _unresolved(file: MatrixFile, entries: _Entries) -> Iterable[Problem]:
    """Selectors that nobody has resolved yet, or that cannot be what they are written as."""
    for index in entries.unresolved:
        yield Problem(
            location=("environments", index, "tensorflow"),
            what=f'the selector "{file.environments[index].tensorflow}" is not resolved yet',
            expected=f"its versions in {SELECTED_FILE.as_posix()}",
            fix="tfmatrix lock",
        )
    for index, made in entries.by_selector.items():
        if file.environments[index].id and len(made) > 1:
            yield Problem(
                location=("environments", index, "id"),
                what=f'the selector "{file.environments[index].tensorflow}" chooses {len(made)} versions: '
                "one id cannot name them all",
                expected="an id only for a selector of one version, such as latest",
                fix='remove "id"',
            )
    if not entries.unresolved and not entries.expanded:
        yield Problem(
            location=("environments",),
            what="the selectors choose no version at all",
            expected="at least one environment",
        )


def _environment_problems(file: MatrixFile, document: Document) -> Iterable[Problem]:
    """What the keys of one environment say of each other, and ids that stand twice."""
    seen: dict[str, Location] = {}
    for index, (entry, data) in enumerate(zip(file.environments, document.data["environments"], strict=True)):
        place: Location = ("environments", index)
        if not entry.image and not entry.tensorflow:
            yield Problem(
                location=(*place, "tensorflow"),
                what='the key "tensorflow" is missing',
                expected='tensorflow: "X.Y.Z", or image: with the name of an image',
            )
            continue
        if entry.image:
            for key in _OWNED_BY_IMAGE:
                if key in data:
                    yield Problem(
                        location=(*place, key),
                        what=f'"{key}" cannot stand beside "image", which is used as it is',
                        expected="image, id and env alone",
                        fix=f'remove "{key}" or "image"',
                    )
            if not entry.id:
                what = 'an environment with "image" needs an id'
                yield Problem(location=(*place, "id"), what=what, expected="id: official-2.14, or the like")
                continue
        if entry.as_of == "release" and entry.tensorflow == NIGHTLY:
            yield Problem(
                location=(*place, "as_of"),
                what="nightly has no release",
                expected="today (the default of nightly) or a date such as 2024-08-01",
            )
        if entry.selector is not None:
            continue  # its versions give way to other entries
        # Ids become folders: two that differ only in case are one on some file systems.
        first = seen.setdefault(entry.resolved_id.casefold(), place)
        if first != place:
            line = document.lines[first]
            yield Problem(
                location=(*place, "id") if entry.id else place,
                what=f'the id "{entry.resolved_id}" is taken by the environment in line {line}',
                expected="an id of its own for each environment",
                fix='give one of them another "id:"',
            )


def _selection_problems(
    file: MatrixFile,
    environments: Sequence[Environment],
    selected: Mapping[str, tuple[str, ...]],
    scenarios: Sequence[Scenario] | None,
    formats: Collection[str] | None,
) -> Iterable[Problem]:
    """Names and globs that mean nothing in this project: a typo must never yield a green empty run."""
    ids = [environment.id for environment in environments]
    yield from _selector_problems((), file, ids, selected, scenarios, formats)
    for name, entry in file.sets.items():
        place: Location = ("sets", name)
        yield from _include_problems(name, file.sets)
        patterns = [each for each in entry.environments or () if each not in selected]
        for problem in _unmatched((*place, "environments"), patterns, ids, "environment"):
            index = (entry.environments or ()).index(patterns[int(problem.location[-1])])
            yield replace(problem, location=(*place, "environments", index))
        wanted = GlobSet(with_selected(entry.environments or ("*",), selected), segments=NAME_SEGMENTS)
        there = [each for each in ids if wanted.matches(each)]
        yield from _selector_problems(place, entry, there, selected, scenarios, formats)
    for index, override in enumerate(file.defaults.tolerances.overrides):
        place = ("defaults", "tolerances", "overrides", index)
        if scenarios is not None:
            names = [scenario.name for scenario in scenarios]
            yield from _unmatched((*place, "scenario"), override.scenario, names, "scenario")
        if formats is not None:
            yield from _unmatched((*place, "format"), override.format, formats, "format")


def _selector_problems(
    place: Location,
    entry: MatrixFile | SetEntry,
    ids: Sequence[str],
    selected: Mapping[str, tuple[str, ...]],
    scenarios: Sequence[Scenario] | None,
    formats: Collection[str] | None,
) -> Iterable[Problem]:
    """The keys that the top level and every set have; `ids` are the environments selected there."""
    globs = [pair for pair in entry.pairs or () if pair not in PAIR_WORDS]
    pairs = [f"{writer}/{reader}" for writer in ids for reader in ids] if globs else []
    for pattern in globs:
        meant = with_selected([pattern], selected)
        # A selector may choose nothing today; what a pattern without one misses is a typo.
        if not meant or len(GlobSet(meant, segments=PAIR_SEGMENTS).unmatched(pairs)) < len(meant):
            continue
        yield Problem(
            location=(*place, "pairs", (entry.pairs or ()).index(pattern)),
            what=f'no pair of environments matches "{pattern}"',
            expected=f"WRITER/READER, each {one_of(ids)}, or a glob",
            fix=did_you_mean_glob(pattern, [ids, ids]),
        )
    if formats is not None:
        yield from _unmatched((*place, "formats"), entry.formats or (), formats, "format")
    if scenarios is not None:
        tags = sorted({tag for scenario in scenarios for tag in scenario.tags})
        names = [*(scenario.name for scenario in scenarios), *(TAG_PREFIX + tag for tag in tags)]
        for index, written in enumerate(entry.scenarios or ()):
            pattern = written.removeprefix(NOT)
            if not any(match_scenario(pattern, scenario.name, scenario.tags) for scenario in scenarios):
                yield Problem(
                    location=(*place, "scenarios", index),
                    what=f'no scenario matches "{pattern}"',
                    expected=f"{one_of(names)}, or a glob",
                    fix=did_you_mean(pattern, names),
                )


def _include_problems(name: str, sets: Mapping[str, SetEntry]) -> Iterable[Problem]:
    """What a set includes: other keys beside it, sets that there are not, a set that includes itself."""
    entry = sets[name]
    place: Location = ("sets", name, "include")
    if not entry.include:
        return
    for key in ("environments", "scenarios", "formats", "pairs"):
        if getattr(entry, key) is not None:
            yield Problem(
                location=("sets", name, key),
                what=f'"{key}" cannot stand beside "include"',
                expected="include alone",
                fix=f'move "{key}" into a set of its own and include that',
            )
    for index, other in enumerate(entry.include):
        if other not in sets:
            yield Problem(
                location=(*place, index),
                what=f'no set "{other}"',
                expected=one_of(each for each in sets if each != name),
                fix=did_you_mean(other, [each for each in sets if each != name]),
            )
        elif (way := _way(other, name, sets)) is not None:
            yield Problem(
                location=(*place, index),
                what=f"the set includes itself: {' -> '.join([name, *way])}",
                expected="sets that do not include each other in a circle",
            )


def _way(start: str, goal: str, sets: Mapping[str, SetEntry]) -> list[str] | None:
    """How one set includes another, over which others; None where it does not."""
    waiting, seen = [[start]], {start}
    while waiting:
        way = waiting.pop(0)
        if way[-1] == goal:
            return way
        for other in sets[way[-1]].include or ():
            if other in sets and (other not in seen):
                seen.add(other)
                waiting.append([*way, other])
    return None


def _unmatched(place: Location, patterns: str | Sequence[str], names: Collection[str], word: str) -> Iterable[Problem]:
    """Patterns that stand at `place`, one or a list, and match none of the names."""
    listed = [patterns] if isinstance(patterns, str) else patterns
    for pattern in GlobSet(listed, segments=NAME_SEGMENTS).unmatched(names):
        yield Problem(
            location=place if isinstance(patterns, str) else (*place, listed.index(pattern)),
            what=f'unknown {word} "{pattern}"',
            expected=f"{one_of(names)}, or a glob",
            fix=did_you_mean_glob(pattern, [names]),
        )
