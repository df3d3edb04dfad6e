"""matrix.yaml, read and checked: types first, then what one part says of another."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from runner.config.model import MATRIX_SCHEMA, MatrixConfig, MatrixFile, SetEntry
from runner.config.validation import validate
from runner.config.values import NIGHTLY, PAIR_WORDS
from runner.config.yamlfile import Document, Location, Problem, read_yaml
from runner.errors import ConfigError
from runner.globs import (
    NAME_SEGMENTS,
    PAIR_SEGMENTS,
    TAG_PREFIX,
    GlobSet,
    did_you_mean_glob,
    match_scenario,
)
from runner.hints import did_you_mean, one_of
from runner.models import Environment, Scenario

_OWNED_BY_IMAGE = ("tensorflow", "python", "keras", "with", "as_of", "package")


def load_config(
    path: Path, *, scenarios: Sequence[Scenario] | None = None, formats: Collection[str] | None = None
) -> MatrixConfig:
    """Reads matrix.yaml; raises ConfigError with the first mistake in the file, and the number of the others.

    `scenarios` are those of the project and `formats` the ids that exist: where they are given, a glob that
    matches none of them is a mistake too.
    """
    try:
        document = read_yaml(path)
    except FileNotFoundError as error:
        raise ConfigError(
            "there is no such file", file=path, expected="a project's matrix.yaml", fix="run `tfmatrix init`"
        ) from error
    file = validate(document, MatrixFile, version=MATRIX_SCHEMA)
    document.raise_first(_environment_problems(file, document))
    environments = tuple(entry.to_environment() for entry in file.environments)
    document.raise_first(_selection_problems(file, environments, scenarios, formats))
    return MatrixConfig(
        path=path,
        environments=environments,
        scenarios=file.scenarios,
        formats=file.formats,
        pairs=file.pairs,
        sets=file.sets,
        defaults=file.defaults,
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
    scenarios: Sequence[Scenario] | None,
    formats: Collection[str] | None,
) -> Iterable[Problem]:
    """Names and globs that mean nothing in this project: a typo must never yield a green empty run."""
    ids = [environment.id for environment in environments]
    yield from _selector_problems((), file, ids, scenarios, formats)
    for name, entry in file.sets.items():
        place: Location = ("sets", name)
        yield from _unmatched((*place, "environments"), entry.environments or (), ids, "environment")
        wanted = GlobSet(entry.environments or ("*",), segments=NAME_SEGMENTS)
        yield from _selector_problems(place, entry, [each for each in ids if wanted.matches(each)], scenarios, formats)
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
    scenarios: Sequence[Scenario] | None,
    formats: Collection[str] | None,
) -> Iterable[Problem]:
    """The keys that the top level and every set have; `ids` are the environments selected there."""
    globs = [pair for pair in entry.pairs or () if pair not in PAIR_WORDS]
    pairs = [f"{writer}/{reader}" for writer in ids for reader in ids] if globs else []
    for pattern in GlobSet(globs, segments=PAIR_SEGMENTS).unmatched(pairs):
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
        for index, pattern in enumerate(entry.scenarios or ()):
            if not any(match_scenario(pattern, scenario.name, scenario.tags) for scenario in scenarios):
                yield Problem(
                    location=(*place, "scenarios", index),
                    what=f'no scenario matches "{pattern}"',
                    expected=f"{one_of(names)}, or a glob",
                    fix=did_you_mean(pattern, names),
                )


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
