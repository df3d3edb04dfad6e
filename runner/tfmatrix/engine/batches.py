"""The unit of every engine: a batch, jobs that one `tfmatrix work` does, self-contained as JSON. All of it is pure.

A batch holds saves of one writer, loads of one reader, or tries of remedies, and all that is needed to do them: the
environments with their locks, the scenarios' text, the declarations of formats, the settings. What it reads and writes
lies in a store, by key and by digest. So it may be done anywhere, twice, or half and again, and comes to the same.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import UsageError
from tfmatrix.core.ids import CellId
from tfmatrix.engine.plan import Plan, Save
from tfmatrix.project.config import Defaults
from tfmatrix.store.keys import digest_of
from tfmatrix.worker.declared import Format

BATCH_SCHEMA = 3

SHORTEST, LONGEST = 20.0, 600.0
"""Seconds of work of a batch: below, its own start would count; above, what a lost worker loses would."""

PER_WORKER = 3
"""Batches for each worker, where there is work for so many: the last ones even out."""

_SIZES = ("memory", "disk", "tmpfs")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """An environment that a batch provides: its lock's text (empty where an image brings all), and the key that it must
    come to (empty where nobody knows yet).
    """

    environment: Environment
    lock: str = ""
    key: str = ""


@dataclass(frozen=True, kw_only=True)
class Described:
    """An environment that was provided elsewhere, as far as it decides keys and verdicts; see `Prepared`."""

    environment: Environment
    key: str
    describe: Mapping[str, Any]
    python_version: str
    packages: Mapping[str, str]
    tensorflow: str
    keras: str
    executor: str
    isolation: str


@dataclass(frozen=True, kw_only=True)
class SentScenario:
    """A scenario: its file's name and text, the digest of the folder of what it imports of its project, and what the
    rest of the code knows of it.
    """

    name: str
    file: str
    text: str
    sources: str
    about: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class SentSquare:
    """Cells of one scenario and format: pairs of writer and reader."""

    scenario: str
    format: str
    saver: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A job as a worker takes it, in one environment, and the key of what comes of it. `variables` are those of the
    worker's process, beside those of the environment.

    A path in the job is `{"folder": DIGEST, "path": INSIDE}` of the store, or `{"scenario": NAME}`.
    """

    environment: str
    key: str
    job: Mapping[str, Any]
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one unit does. `code` has the digests of the code that decides its keys: a worker of another version would
    measure something else. `helpers` maps readers to the environments that their remedies use. `made` has the outcomes
    of the saves that are read, by key: another client at the same work may have put its own into the store, and what
    the cells are to read is what this one has. `seconds` is the work expected, on one core.
    """

    schema: int = BATCH_SCHEMA
    tfmatrix: str
    code: Mapping[str, str]
    executor: str
    defaults: Mapping[str, Any]
    steps: int
    environments: tuple[Wanted, ...]
    described: tuple[Described, ...] = ()
    formats: tuple[Format, ...] = ()
    scenarios: tuple[SentScenario, ...] = ()
    squares: tuple[SentSquare, ...] = ()
    saves: tuple[Save, ...] = ()
    made: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tries: tuple[Trial, ...] = ()
    helpers: Mapping[str, str] = field(default_factory=dict)
    remedies: bool = True
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """By what it holds: the same jobs are the same batch."""
        return digest_of(self.to_json())[:24]

    @property
    def title(self) -> str:
        """For people: the environments that it works in."""
        return ", ".join(each.environment.id for each in self.environments)

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON types."""
        data: dict[str, Any] = _form().dump_python(self, mode="json")
        return data

    @classmethod
    def from_json(cls, data: Any, source: str) -> Batch:
        """The inverse of to_json(). Raises UsageError for what is no batch of this version; `source` names the file."""
        schema = data.get("schema") if isinstance(data, Mapping) else None
        if schema != BATCH_SCHEMA:
            raise UsageError(
                f"{source} is no batch that this tfmatrix does: schema {schema!r}",
                expected=f"schema {BATCH_SCHEMA}, as `tfmatrix run --engine` writes it",
                fix="install the same version of tfmatrix on workers and client",
            )
        try:
            return _form().validate_python(data)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise UsageError(
                f"{source} is no batch: {place}: {first['msg']}",
                expected="a batch as `tfmatrix run --engine` writes it",
            ) from error


@cache
def _form() -> TypeAdapter[Batch]:
    return TypeAdapter(Batch)


def dump_defaults(defaults: Defaults) -> dict[str, Any]:
    """The settings of a run as matrix.yaml would say them."""

    def as_written(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: f"{each // 1024}k" if name in _SIZES else as_written(each) for name, each in value.items()}
        return value

    written: dict[str, Any] = as_written(defaults.model_dump(mode="json"))
    return written


def load_defaults(written: Mapping[str, Any]) -> Defaults:
    """The inverse of `dump_defaults`. Raises UsageError for what are no settings of this version."""
    try:
        # As JSON, in which a list is a tuple.
        return Defaults.model_validate_json(json.dumps(written))
    except ValidationError as error:
        raise UsageError(
            f"a batch has settings that this tfmatrix does not know: {error.errors()[0]['msg']}"
        ) from error


# Splitting work into batches


@dataclass(frozen=True, kw_only=True)
class Part:
    """A job to be measured: a save, a cell to load, or a try, in an environment. `group` is what shares a child with
    it, and so stays with it. `seconds` is what it is expected to take.
    """

    environment: str
    key: str
    what: Save | CellId | Trial
    seconds: float

    @property
    def group(self) -> tuple[str, ...]:
        """Scenario and writer; a try is alone."""
        return (self.key,) if isinstance(self.what, Trial) else (self.what.scenario, self.what.writer)


def target_seconds(total: float, workers: int, *, longest: float = LONGEST) -> float:
    """How much work a batch should hold, of `total` seconds for so many workers."""
    return max(min(SHORTEST, longest), min(longest, LONGEST, total / (PER_WORKER * max(1, workers))))


def split(parts: Iterable[Part], target: float) -> list[list[Part]]:
    """Batches of about `target` seconds, each of one kind in one environment, in the order of the parts.

    What shares a child stays together. The work of an environment is split evenly: no batch is the small rest.
    """
    lanes: dict[tuple[type, str], dict[tuple[str, ...], list[Part]]] = defaultdict(lambda: defaultdict(list))
    for part in parts:
        lanes[type(part.what), part.environment][part.group].append(part)
    batches: list[list[Part]] = []
    for groups in lanes.values():
        total = sum(part.seconds for group in groups.values() for part in group)
        share = total / max(1, math.ceil(total / target - 1e-9))
        current: list[Part] = []
        filled = done = 0.0
        for group in groups.values():
            current += group
            done += sum(part.seconds for part in group)
            if done >= filled + share - 1e-9:
                batches.append(current)
                current, filled = [], done
        if current:
            batches.append(current)
    return batches


def with_work(
    batch: Batch, plan: Plan, parts: Sequence[Part], saves_of: Mapping[tuple[str, str], Sequence[Save]]
) -> Batch:
    """A batch that holds parts of a plan; what all batches of a run share is in `batch` already.

    With a cell come all saves of its scenario and writer: together they tell the writer's noise.
    """
    pairs: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    saves: dict[Save, None] = {}
    tries = []
    for part in parts:
        match part.what:
            case Save():
                saves[part.what] = None
            case CellId() as cell:
                pairs[cell.scenario, cell.format].append((cell.writer, cell.reader))
                saves.update(dict.fromkeys(saves_of[cell.scenario, cell.writer]))
            case Trial():
                tries.append(part.what)
    squares = tuple(
        SentSquare(scenario=scenario, format=name, saver=plan.savers[name], pairs=tuple(each))
        for (scenario, name), each in pairs.items()
    )
    seconds = round(sum(part.seconds for part in parts), 1)
    return replace(batch, squares=squares, saves=tuple(saves), tries=tuple(tries), seconds=seconds)
