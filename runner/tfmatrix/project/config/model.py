"""matrix.yaml as types: what the file may hold (`MatrixFile`), and what others get of it (`MatrixConfig`).

The pydantic models are strict and frozen, refuse unknown keys, and carry the descriptions and examples that
the JSON Schema shows in an editor. Every key has a default but `schema` and `environments`; a default is
written here the way the file would write it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from tfmatrix.core.environment import Environment, default_python
from tfmatrix.core.errors import UsageError
from tfmatrix.core.globs import NAME_SEGMENTS, GlobSet, match_glob
from tfmatrix.core.hints import did_you_mean, one_of
from tfmatrix.core.ids import environment_id
from tfmatrix.core.version_selectors import NIGHTLY, VersionSelector, parse_selector
from tfmatrix.project.config.values import (
    PAIR_WORDS,
    AsOf,
    CheckWithTolerance,
    EnvironmentGlob,
    ExactVersion,
    ExecutorName,
    FormatGlob,
    Identifier,
    ImageTemplate,
    Jobs,
    NameGlob,
    OneOrMore,
    Package,
    PackageName,
    Pair,
    PythonVersion,
    ScenarioGlob,
    SetName,
    Size,
    TensorFlowVersion,
    Variable,
    one_or_more_schema,
)

MATRIX_SCHEMA: Final = 1
"""Version of matrix.yaml. Raised when a key changes its meaning."""


class StrictModel(BaseModel):
    """The base of all that is read from a file: nothing unknown, nothing converted, nothing changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class EnvironmentEntry(StrictModel):
    """One pinned set of packages and a Python. It saves as a writer (row) and loads as a reader (column)."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["tensorflow"]}, {"required": ["image"]}]})

    tensorflow: TensorFlowVersion | None = Field(
        default=None,
        description=(
            'Exact version in quotes, or a selector: "2.15" (the newest patch), "2.x" (the newest patch of each minor),'
            ' a range such as ">=2.9,<2.16" (the same within it), latest, rc (the newest release candidate, where it is'
            " newer than the newest release), nightly. A selector is one environment for each version it chooses, but"
            " for those that an exact entry has already; `tfmatrix lock` asks the package index and notes the choice in"
            " locks/selected.json, `tfmatrix lock --upgrade` renews it. Stands unless `image` does."
        ),
        examples=["2.15.1", "2.x"],
    )
    python: PythonVersion | None = Field(
        default=None,
        description="Python, X.Y in quotes. Default: the newest up to 3.11 that this TensorFlow supports.",
        examples=["3.11"],
    )
    keras: ExactVersion | None = Field(
        default=None,
        description="Pins Keras. From TensorFlow 2.16 on it decides more than TensorFlow's own version.",
    )
    with_packages: tuple[Package, ...] = Field(
        default=(),
        alias="with",
        description="Further packages to install, pinned or not.",
        examples=[["tf-keras"]],
    )
    env: Mapping[Variable, str] = Field(
        default={},
        description="Environment variables of every process of this environment; values in quotes.",
        examples=[{"TF_USE_LEGACY_KERAS": "1"}],
    )
    as_of: AsOf | None = Field(
        default=None,
        description=(
            "The day whose packages are taken: release (two weeks after this TensorFlow came out), today, or"
            " a date. Default: release; today for nightly."
        ),
    )
    package: PackageName | None = Field(
        default=None,
        description="Distribution to install. Default: tensorflow-cpu where it exists, else tensorflow.",
    )
    image: str | None = Field(
        default=None,
        description="A container image, used as it is with its own Python and packages. Wants an `id`.",
        examples=["tensorflow/tensorflow:2.14.0"],
        min_length=1,
    )
    id: Identifier | None = Field(
        default=None,
        description=(
            "The name of the row and column. Default: the version, then +kerasX.Y.Z, +package and @as_of"
            " where they stand, as in 2.16.2+tf-keras or 2.16.2@today. Not for a selector of several versions."
        ),
    )

    @property
    def selector(self) -> VersionSelector | None:
        """What is to be resolved with the package index before it is an environment; None for all other entries."""
        found = parse_selector(self.tensorflow) if self.tensorflow else None
        return None if found is None or found.is_pinned else found

    @property
    def resolved_as_of(self) -> str:
        """`as_of` with its default filled in."""
        return self.as_of or ("today" if self.tensorflow == NIGHTLY else "release")

    @property
    def resolved_id(self) -> str:
        """The id as given, or made of what sets the environment apart (`tfmatrix.core.ids`), never of its Python."""
        return self.id or self.to_environment().id

    def to_environment(self) -> Environment:
        """The entry with its defaults filled in. An image's Python and packages are its own: empty."""
        environment = Environment(
            id=self.id or "",
            tensorflow=self.tensorflow or "",
            python=self.python or (default_python(self.tensorflow) if self.tensorflow else ""),
            keras=self.keras,
            with_packages=self.with_packages,
            env=dict(self.env),
            as_of=self.resolved_as_of,
            package=self.package,
            image=self.image,
        )
        return environment if self.id else replace(environment, id=environment_id(environment, in_matrix=True))


_Environments = Annotated[tuple[EnvironmentGlob, ...], Field(min_length=1)]
_Scenarios = Annotated[tuple[ScenarioGlob, ...], Field(min_length=1)]
_Formats = Annotated[tuple[FormatGlob, ...], Field(min_length=1)]
_Pairs = Annotated[
    tuple[Pair, ...],
    Field(min_length=1),
    OneOrMore,
    one_or_more_schema({"type": "string", "examples": [*PAIR_WORDS, "2.12.1/*"]}),
]

_PAIRS_DESCRIPTION = (
    "Which writer meets which reader, by the order of the selected environments: all; same (each reads what it wrote);"
    " upgrade (the reader is the next one below); rollback (the next one above); adjacent (these three); forward (the"
    ' reader is the writer or stands anywhere below it); or globs "WRITER/READER". Several are joined.'
    " adaptive: all, of which those are measured that the others can be inferred from."
)
_SCENARIOS_DESCRIPTION = "Globs on names of files in scenarios/, or tag:NAME; with ! before it, leaves those out."
_ENVIRONMENTS_DESCRIPTION = (
    "Ids of environments, globs on them, or a selector as it stands above, such as rc: all that it chose, perhaps none."
)


class SetEntry(StrictModel):
    """A named selection. A key that stands here takes the place of the key of the same name above."""

    include: Annotated[tuple[SetName, ...], Field(min_length=1)] | None = Field(
        default=None,
        description="Other sets: this one is all of their cells, each once. Stands alone.",
        examples=[["breadth", "depth"]],
    )
    environments: _Environments | None = Field(default=None, description=_ENVIRONMENTS_DESCRIPTION)
    scenarios: _Scenarios | None = Field(default=None, description=_SCENARIOS_DESCRIPTION)
    formats: _Formats | None = Field(default=None, description="Ids of formats, or globs on them.")
    pairs: _Pairs | None = Field(default=None, description=_PAIRS_DESCRIPTION)


class GivenTolerance(NamedTuple):
    """`abs(reader - writer) <= atol + rtol * abs(writer)`. None: derived by the check, from precision and noise."""

    rtol: float | None
    atol: float | None


class ToleranceOverride(StrictModel):
    """Other tolerances for some scenarios, formats or checks. Of several that fit, the last one decides."""

    scenario: NameGlob = Field(default="*", description="Glob on names of scenarios.")
    format: NameGlob = Field(default="*", description="Glob on ids of formats.")
    check: CheckWithTolerance = Field(
        default="*", description="The check; those of variables compare bit for bit and know no tolerance."
    )
    rtol: float | None = Field(default=None, ge=0, description="Relative; default: unchanged.", examples=[1e-4])
    atol: float | None = Field(default=None, ge=0, description="Absolute; default: unchanged.", examples=[1e-5])


class Tolerances(StrictModel):
    """How far computed numbers may lie apart: abs(reader - writer) <= atol + rtol * abs(writer).

    What is not given is derived: from the precision the model computes in, and from the measured noise.
    """

    rtol: float | None = Field(default=None, ge=0, description="Relative; default: derived.", examples=[1e-5])
    atol: float | None = Field(default=None, ge=0, description="Absolute; default: derived.", examples=[1e-6])
    overrides: tuple[ToleranceOverride, ...] = Field(
        default=(), description="Exceptions; of several that fit, the last one decides."
    )


class DockerDefaults(StrictModel):
    """What the executor `docker` starts its containers from, and their limits."""

    image: ImageTemplate = Field(
        default="python:{python}-slim",
        description="Base image of an environment without its own; {python} is its X.Y.",
    )
    pull: Literal["missing", "never", "always"] = Field(default="missing", description="When to ask the registry.")
    host_userland: Literal["auto", "never", "always"] = Field(
        default="auto",
        description=(
            "Whether to mount the host's /usr read-only into an empty image instead (Linux only): auto does"
            " where the base image cannot be had."
        ),
    )
    cpus: float = Field(default=2.0, gt=0, description="CPUs of a container; never more than the engine has.")
    pids: int = Field(default=1024, ge=64, description="Processes and threads of a container.")
    tmpfs: Size = Field(default="256m", validate_default=True, description="Size of /tmp of a container, in memory.")


class NetworkDefaults(StrictModel):
    """How packages are fetched. Cells themselves run without any network."""

    timeout: int = Field(
        default=60, ge=1, description="Seconds to wait for an answer of a package index or a registry."
    )
    offline: bool = Field(default=False, description="Never ask an index or a registry: use what is in the caches.")


class Defaults(StrictModel):
    """Settings of every run; the command line overrides some."""

    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="Seed of every job: of Python, numpy and TensorFlow.")
    timeout: int = Field(default=120, ge=1, description="Seconds that one job (a save or a load) may take.")
    memory: Size = Field(default="4g", validate_default=True, description="Memory of one job; more is a crash.")
    disk: Size = Field(default="8g", validate_default=True, description="What one job may write; more is not taken.")
    jobs: Jobs = Field(default="auto", description="Jobs at once; auto goes by the host's CPUs and memory.")
    executor: ExecutorName = Field(
        default="auto",
        description="Where cells run: auto takes docker where an engine answers, else venv. Or what a package brings.",
    )
    tolerances: Tolerances = Field(default=Tolerances(), description="How far computed numbers may lie apart.")
    docker: DockerDefaults = Field(default=DockerDefaults(), description="Containers of the executor docker.")
    network: NetworkDefaults = Field(default=NetworkDefaults(), description="How packages are fetched.")

    def tolerance_for(self, scenario: str, format: str, check: str) -> GivenTolerance:
        """The tolerance (rtol, atol) of one check of one scenario and format, overrides applied."""
        rtol, atol = self.tolerances.rtol, self.tolerances.atol
        for override in self.tolerances.overrides:
            if (
                match_glob(override.scenario, scenario, segments=NAME_SEGMENTS)
                and match_glob(override.format, format, segments=NAME_SEGMENTS)
                and override.check in ("*", check)
            ):
                rtol = rtol if override.rtol is None else override.rtol
                atol = atol if override.atol is None else override.atol
        return GivenTolerance(rtol, atol)


class MatrixFile(StrictModel):
    """The matrix: which TensorFlow environments save and load which scenarios in which formats."""

    schema_version: Literal[1] = Field(alias="schema", description="Version of this file's format.")
    environments: tuple[EnvironmentEntry, ...] = Field(
        min_length=1,
        description="Rows (writers) and columns (readers), oldest first: pairs go by this order.",
    )
    scenarios: _Scenarios = Field(default=("*",), description=_SCENARIOS_DESCRIPTION)
    formats: _Formats = Field(default=("*",), description="Ids of formats, or globs on them.")
    pairs: _Pairs = Field(default="all", description=_PAIRS_DESCRIPTION, validate_default=True)
    sets: Mapping[SetName, SetEntry] = Field(
        default={},
        description="Named selections; each may narrow the keys above. `nox` runs the one named quick.",
    )
    defaults: Defaults = Field(default=Defaults(), description="Settings of every run.")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What a run is about: the top level of matrix.yaml, narrowed by the set `name` (None: not narrowed).

    With `parts`, it is the union of their cells: `environments` are then all of theirs, and the rest does not count.
    """

    name: str | None = None
    environments: tuple[Environment, ...]
    scenarios: tuple[str, ...] = ("*",)
    formats: tuple[str, ...] = ("*",)
    pairs: tuple[str, ...] = ("all",)
    parts: tuple[Selection, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MatrixConfig:
    """A matrix.yaml that was read and checked. `environments` are in the order of the file.

    `selected` maps each selector to the ids of the environments it stands for.
    """

    path: Path
    environments: tuple[Environment, ...]
    scenarios: tuple[str, ...] = ("*",)
    formats: tuple[str, ...] = ("*",)
    pairs: tuple[str, ...] = ("all",)
    sets: Mapping[str, SetEntry] = field(default_factory=dict)
    defaults: Defaults = field(default_factory=lambda: Defaults())
    selected: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def environment(self, environment_id: str) -> Environment:
        """The environment of that id; UsageError where there is none."""
        for environment in self.environments:
            if environment.id == environment_id:
                return environment
        ids = [environment.id for environment in self.environments]
        raise UsageError(
            f'no environment "{environment_id}" in {self.path}',
            expected=one_of(ids),
            fix=did_you_mean(environment_id, ids),
        )

    def selection(self, set_name: str | None = None) -> Selection:
        """The selection of a set; None is all of the top level. UsageError where there is no such set."""
        if set_name is None:
            narrowing = SetEntry()
        elif set_name in self.sets:
            narrowing = self.sets[set_name]
        else:
            raise UsageError(
                f'no set "{set_name}" in {self.path}',
                expected=one_of(self.sets) if self.sets else "a name below `sets:`, which this file does not have",
                fix=did_you_mean(set_name, self.sets)
                if self.sets
                else f"leave --set out, which selects everything, or write `sets: {{{set_name}: {{}}}}`",
            )
        if narrowing.include:
            parts = tuple(self.selection(name) for name in narrowing.include)
            used = {environment.id for part in parts for environment in part.environments}
            return Selection(
                name=set_name, environments=tuple(each for each in self.environments if each.id in used), parts=parts
            )
        wanted = GlobSet(with_selected(narrowing.environments or ("*",), self.selected), segments=NAME_SEGMENTS)
        return Selection(
            name=set_name,
            environments=tuple(each for each in self.environments if wanted.matches(each.id)),
            scenarios=narrowing.scenarios or self.scenarios,
            formats=narrowing.formats or self.formats,
            pairs=with_selected(narrowing.pairs or self.pairs, self.selected),
        )


def with_selected(patterns: Sequence[str], selected: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Globs on ids, or on pairs of them, in which each selector is replaced by the ids it stands for.

    A pattern with a selector that chose nothing falls away.
    """
    return tuple(
        "/".join(parts)
        for pattern in patterns
        for parts in itertools.product(*(selected.get(part, (part,)) for part in pattern.split("/")))
    )
