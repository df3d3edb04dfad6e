"""What each `--json` prints, as types: the JSON Schemas under docs/schemas/ are made of them.

A key is added freely; one that is removed or changes its meaning raises the answer's `schema`. Records and
run.json have versions of their own: here they are objects.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Annotated, Any, Final, Literal, NotRequired

from pydantic import ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict

from tfmatrix.commands.migrate.proof import Proof
from tfmatrix.core.errors import UsageError
from tfmatrix.core.hints import did_you_mean
from tfmatrix.store.runs import strict_json

Record = dict[str, Any]
"""A record of cells.jsonl."""

_CLOSED = ConfigDict(extra="forbid")
"""An answer has these keys and no others: a typo in a program's lookup is then seen against the schema."""


@with_config(_CLOSED)
class Missing(TypedDict):
    """What a run would measure, as far as the newest run's `executor` tells how."""

    saves: list[str]
    cells: list[str]
    executor: str


@with_config(_CLOSED)
class Estimate(TypedDict):
    """What measuring that takes: seconds with `jobs` at once, bytes in the store. `basis` says what tells so."""

    saves: int
    loads: int
    inferred: int
    seconds: float
    bytes: float
    jobs: int
    basis: str


@with_config(_CLOSED)
class Cost(TypedDict):
    """What it takes on workers of an engine: until it is done, of all workers, in the store, to and from workers."""

    workers: int
    batches: int
    seconds: float
    cpu_hours: float
    bytes: float
    moved: float
    per_hour: float | None
    price: float | None


@with_config(_CLOSED)
class Plan(TypedDict):
    """`tfmatrix plan --json`. `cost` is null without `--workers`."""

    counts: dict[str, int]
    environments: list[str]
    scenarios: list[str]
    formats: list[str]
    saves: list[str]
    cells: list[str]
    unsupported: dict[str, str]
    missing: Missing
    estimate: Estimate
    cost: Cost | None


@with_config(_CLOSED)
class Report(TypedDict):
    """`tfmatrix report --format json` and `tfmatrix run --json`: run.json, and the records by cell id."""

    schema: Literal[1]
    run: dict[str, Any]
    cells: list[Record]


@with_config(_CLOSED)
class Link(TypedDict):
    """Where upstream speaks of it."""

    url: str
    about: str


@with_config(_CLOSED)
class CauseRemedy(TypedDict):
    """The workaround that helped most cells of a cause."""

    name: str
    cells: int
    complete: int
    detail: str


@with_config(_CLOSED)
class Cause(TypedDict):
    """What failing cells have in common."""

    id: str
    title: str
    status: str
    phase: str
    where: str
    formats: list[str]
    scenarios: list[str]
    writers: list[str]
    readers: list[str]
    first_writer: str
    first_reader: str
    good_again: str | None
    saves: int
    known: int
    reasons: list[str]
    promised: int
    remedy: CauseRemedy | None
    tried: int
    links: list[Link]
    also_failed: dict[str, int]
    example: str
    text: str
    cells: list[str]


@with_config(_CLOSED)
class CatalogueEntry(TypedDict):
    """A warning, where it comes up, and how often a cell that had it failed."""

    id: str
    side: str
    category: str
    channel: str
    text: str
    example: str
    phases: list[str]
    fingerprints: list[str]
    environments: list[str]
    scenarios: list[str]
    formats: list[str]
    first_version: str
    last_version: str
    first_environment: str
    last_environment: str
    times: int
    issued: int
    of: int
    cells: int
    failed: int


@with_config(_CLOSED)
class Tally(TypedDict):
    """Of so many cells, so many failed or drifted."""

    cells: int
    failed: int


@with_config(_CLOSED)
class BySave(TypedDict):
    """Cells by whether their save warned."""

    warned: Tally
    not_warned: Tally


@with_config(_CLOSED)
class WithoutWarning(TypedDict):
    """Failing cells that nothing announced."""

    at_save: int
    at_load: int
    at_either: int


@with_config(_CLOSED)
class Warnings(TypedDict):
    """`tfmatrix warnings --format json`."""

    schema: int
    run: str
    answer: str
    saves: int
    warned_saves: int
    loads: int
    warned_loads: int
    cells: int
    failed: int
    failed_without_warning: WithoutWarning
    by_save: BySave
    warnings: list[CatalogueEntry]


@with_config(_CLOSED)
class CauseName(TypedDict):
    """A cause of a cell."""

    id: str
    title: str
    cells: int


@with_config(_CLOSED)
class ExplainedCell(TypedDict):
    """`tfmatrix explain CELL --format json`."""

    schema: int
    kind: Literal["cell"]
    record: Record
    scenario: dict[str, Any]
    causes: list[CauseName]
    promised: list[str]
    broken_promises: list[str]
    environments: dict[str, dict[str, Any]]
    different_packages: list[str]
    commands: list[str]


@with_config(_CLOSED)
class CellStatus(TypedDict):
    """A cell and how it ended."""

    cell: str
    status: str


@with_config(_CLOSED)
class ExplainedCells(TypedDict):
    """`tfmatrix explain GLOB --format json`."""

    schema: int
    kind: Literal["cells"]
    cells: list[CellStatus]
    causes: list[Cause]


@with_config(_CLOSED)
class ExplainedCause(TypedDict):
    """`tfmatrix explain C-… --format json`."""

    schema: int
    kind: Literal["cause"]
    cause: Cause


@with_config(_CLOSED)
class ExplainedWarning(TypedDict):
    """`tfmatrix explain W-… --format json`."""

    schema: int
    kind: Literal["warning"]
    warning: CatalogueEntry


@with_config(_CLOSED)
class DiffRun(TypedDict):
    """One of the two runs."""

    run: str
    started: str | None
    finished: str | None
    set: str | None
    complete: bool
    counts: dict[str, int]
    published: bool


@with_config(_CLOSED)
class DiffOutcome(TypedDict):
    """A cell in one of the runs; no causes where a published matrix does not tell them."""

    status: str
    causes: list[str] | None
    difference: float | None
    known: bool


@with_config(_CLOSED)
class DiffChange(TypedDict):
    """A cell that differs; null where the run has no such cell."""

    cell: str
    before: DiffOutcome | None
    after: DiffOutcome | None


@with_config(_CLOSED)
class DiffGroup(TypedDict):
    """Cells that changed alike."""

    kind: str
    before: str
    after: str
    title: str
    cells: int
    not_known: int
    meanwhile: list[str]
    judged_anew: bool
    example: str


@with_config(_CLOSED)
class DiffWarning(TypedDict):
    """A warning that came or went."""

    change: Literal["new", "gone"]
    id: str
    side: str
    category: str
    text: str
    cells: list[str]


@with_config(_CLOSED)
class DiffDifference(TypedDict):
    """What else differs between the runs: packages, scenarios, machines."""

    kind: str
    names: list[str]
    text: str


@with_config(_CLOSED)
class Diff(TypedDict):
    """`tfmatrix diff --json`."""

    schema: Literal[1]
    before: DiffRun
    after: DiffRun
    exit_code: int
    counts: dict[str, int]
    changes: dict[str, list[DiffChange]]
    groups: list[DiffGroup]
    warnings: list[DiffWarning]
    also_different: list[DiffDifference]
    notes: list[str]


@with_config(_CLOSED)
class DoctorFinding(TypedDict):
    """One thing that was looked at."""

    name: str
    state: str
    found: str
    fix: str


@with_config(_CLOSED)
class Doctor(TypedDict):
    """`tfmatrix doctor --json`."""

    schema: int
    tfmatrix: str
    ok: bool
    executor: str | None
    reason: str
    findings: list[DoctorFinding]


@with_config(_CLOSED)
class ListedEnvironment(TypedDict):
    """A row of `tfmatrix env list --json`; `--brief` has the first five keys only. `projects` ask for it."""

    environment: str
    python: str
    tensorflow: str
    keras: str
    locked: str
    provided: NotRequired[Literal["yes", "no"]]
    MB: NotRequired[int | None]
    last_used: NotRequired[str]
    projects: NotRequired[list[str]]
    path: NotRequired[str]


@with_config(_CLOSED)
class CheckedModel(TypedDict):
    """The file, as it was found and left."""

    path: str
    what: str
    sha256: str
    unchanged: Literal[True]
    keras: str
    tensorflow: str
    runtime: str


@with_config(_CLOSED)
class CheckWriter(TypedDict):
    """What the readers are compared with, and how it is known."""

    id: str
    known_by: str


@with_config(_CLOSED)
class Check(TypedDict):
    """`tfmatrix check --json`."""

    schema: Literal[1]
    model: CheckedModel
    writer: CheckWriter
    inputs: list[Any]
    network: str
    not_compared: dict[str, str]
    unknown: str
    exit_code: int
    run: str
    cells: list[Record]


@with_config(_CLOSED)
class MigratedFile(TypedDict):
    """One file; `result` is proven, proven for inference, refused or not measured."""

    file: str
    saved_with: str
    result: Literal["proven", "proven for inference", "refused", "not measured"]
    way: Literal["", "native", "savedmodel", "tf-keras", "inference"]
    new_file: str
    proof: str
    lost: list[str]
    notes: list[str]
    checks: dict[str, str]
    reason: str
    fix: str
    done_before: bool
    readable: bool


@with_config(_CLOSED)
class Migrate(TypedDict):
    """`tfmatrix migrate --json`."""

    schema: Literal[1]
    to: str
    exit_code: int
    files: list[MigratedFile]


@with_config(_CLOSED)
class MigrateVerified(TypedDict):
    """`tfmatrix migrate --verify --json`."""

    schema: Literal[1]
    proof: str
    result: str
    holds: bool
    differences: list[str]
    exit_code: int


@with_config(_CLOSED)
class Inspect(TypedDict):
    """`tfmatrix inspect --json`; `runs_code` says in words what loading the file runs, `runtime` the least TensorFlow
    that a TFLite file names.
    """

    schema: Literal[1]
    path: str
    what: str
    formats: list[str]
    keras: str
    tensorflow: str
    runtime: str
    model_class: str
    layers: dict[str, int]
    custom: list[str]
    optimizer: str
    bytes: int
    weights_bytes: int | None
    parameters: int | None
    operators: int | None
    runs_code: list[str]


@with_config(_CLOSED)
class BisectReading(TypedDict):
    """A cell in one version."""

    status: str
    causes: list[str]
    figure: str | float | None
    raised_in: str | None
    cached: bool


@with_config(_CLOSED)
class BisectTried(TypedDict):
    """A version that was asked for."""

    version: str
    released: str | None
    skipped: str | None
    seconds: float
    cells: dict[str, BisectReading]


@with_config(_CLOSED)
class BisectChange(TypedDict):
    """Where a cell changes."""

    cell: str
    level: str
    before: str
    after: str
    released: str | None
    exact: bool
    cannot_be_measured: list[str]
    old: BisectReading
    new: BisectReading


@with_config(_CLOSED)
class BisectTrial(TypedDict):
    """A package put back, and what became of the cell."""

    suspect: str
    put_back: bool
    name: str
    changed: bool | None
    skipped: str | None
    reading: BisectReading | None


@with_config(_CLOSED)
class BisectPackages(TypedDict):
    """Packages that moved together, told apart."""

    before: str
    after: str
    moved: dict[str, list[str]]
    package: str | None
    sentence: str
    trials: list[BisectTrial]


@with_config(_CLOSED)
class Bisect(TypedDict):
    """`tfmatrix bisect --json`."""

    schema: Literal[1]
    axis: str
    good: str
    bad: str
    tensorflow: str
    python: str
    scenario: str
    format: str
    side: str
    fixed: str
    versions: list[str]
    left_out: list[str]
    notes: list[str]
    tried: list[BisectTried]
    measured: int
    bound: int
    changes: list[BisectChange]
    packages: list[BisectPackages]
    unchanged: list[str]
    unmeasured: list[str]
    contradictions: list[str]
    runs: list[str]
    seconds: float


@with_config(_CLOSED)
class SideName(TypedDict):
    """An environment, and what named it."""

    id: str
    source: str


@with_config(_CLOSED)
class UpgradePin(TypedDict):
    """A line of a pin file."""

    package: str
    version: str
    specifier: str
    line: int


@with_config(_CLOSED)
class UpgradeSide(TypedDict):
    """An environment, what named it, and its versions."""

    id: str
    source: str
    file: str | None
    pins: list[UpgradePin]
    packages: dict[str, str]


@with_config(_CLOSED)
class Failure(TypedDict):
    """A cell that failed before as well, or was not measured, and what was said."""

    cell: str
    status: str
    said: str


@with_config(_CLOSED)
class UpgradeJudged(TypedDict):
    """One of the two ways: cell ids by what becomes of them."""

    verdict: str
    sentence: str
    tested: int
    breaks: list[str]
    untried: int
    changes: list[str]
    gone: list[str]
    failed_before: list[str]
    not_measured: list[str]
    failures: list[Failure]
    causes: list[Cause]


@with_config(_CLOSED)
class UpgradeChange(TypedDict):
    """What has to be changed, and what it costs."""

    name: str
    todo: str
    when: str
    costs: list[str]
    price: str
    scenarios: list[str]
    formats: list[str]
    cells: list[str]


@with_config(_CLOSED)
class UpgradeTried(TypedDict):
    """A version that was looked at instead."""

    version: str
    verdict: str
    sentence: str
    complete: bool


@with_config(_CLOSED)
class UpgradeAlternative(TypedDict):
    """The newest version that is safe, if one is."""

    version: str | None
    tried: list[UpgradeTried]
    not_tried: list[str]
    note: str


@with_config(_CLOSED)
class UpgradeNumerics(TypedDict):
    """How far a scenario's numbers move."""

    scenario: str
    formats: list[str]
    max_abs: float | None
    max_ulp: float | None
    argmax_flips: int | None
    within_tolerance: bool
    by_kernels: bool | None


@with_config(_CLOSED)
class Unchanged(TypedDict):
    """`tfmatrix upgrade --json` where both sides pin the same: nothing was measured."""

    schema: Literal[1]
    verdict: None
    exit_code: Literal[0]
    unchanged: Literal[True]
    sentence: str
    from_: Annotated[SideName, Field(alias="from")]
    to: SideName


@with_config(_CLOSED)
class NotInstallable(TypedDict):
    """The side that no set of packages is: `from` or `to`, its file, and the resolver's own words."""

    side: Literal["from", "to"]
    source: str
    file: str
    line: int | None
    reason: list[str]


@with_config(_CLOSED)
class Refused(TypedDict):
    """`tfmatrix upgrade --json` where a side cannot be installed: nothing was measured."""

    schema: Literal[1]
    verdict: Literal["NOT INSTALLABLE"]
    exit_code: Literal[2]
    unchanged: Literal[False]
    sentence: str
    not_installable: NotInstallable


@with_config(_CLOSED)
class Answered(TypedDict):
    """`tfmatrix upgrade --json`."""

    schema: Literal[1]
    verdict: str
    exit_code: int
    unchanged: Literal[False]
    sentence: str
    from_: Annotated[UpgradeSide, Field(alias="from")]
    to: UpgradeSide
    tested_with: str
    upgrade: UpgradeJudged
    changes: list[UpgradeChange]
    training: UpgradeJudged | None
    rollback: UpgradeJudged
    alternative: UpgradeAlternative | None
    new_warnings: list[CatalogueEntry]
    numerics: list[UpgradeNumerics]
    flaky: list[str]
    notes: list[str]
    runs: list[str]


@with_config(_CLOSED)
class NotChecked(TypedDict):
    """A model of a folder that could not be checked."""

    path: str
    error: str


@with_config(_CLOSED)
class CheckedFolder(TypedDict):
    """`tfmatrix check --all --json`."""

    schema: Literal[1]
    models: list[Check | NotChecked]


@with_config(_CLOSED)
class StoreVerified(TypedDict):
    """How many entries of the store were read, and the keys of those that were damaged and are removed."""

    folders: int
    outcomes: int
    damaged_folders: list[str]
    damaged_outcomes: list[str]


ANSWERS: Final[dict[str, tuple[str, Any]]] = {
    "bisect": ("tfmatrix bisect --json", Bisect),
    "check": ("tfmatrix check --json, tfmatrix check --all --json", Check | CheckedFolder),
    "diff": ("tfmatrix diff --json", Diff),
    "doctor": ("tfmatrix doctor --json", Doctor),
    "env-list": ("tfmatrix env list --json", list[ListedEnvironment]),
    "explain": (
        "tfmatrix explain --format json",
        ExplainedCell | ExplainedCells | ExplainedCause | ExplainedWarning,
    ),
    "inspect": ("tfmatrix inspect --json", Inspect),
    "migrate": ("tfmatrix migrate --json", Migrate | MigrateVerified),
    "migrate-proof": ("NAME.proof.json, which tfmatrix migrate writes", Proof),
    "plan": ("tfmatrix plan --json", Plan),
    "report": ("tfmatrix report --format json, tfmatrix run --json", Report),
    "store-verify": ("tfmatrix store verify --json", StoreVerified),
    "upgrade": ("tfmatrix upgrade --json", Unchanged | Refused | Answered),
    "warnings": ("tfmatrix warnings --format json", Warnings),
}
"""Name of the schema to the commands that print such an answer, and its type."""


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(ANSWERS[name][1])


def answer_json(name: str, answer: Any) -> str:
    """An answer as it is printed, by the type that its schema is made of: every parser takes it."""
    return strict_json(_adapter(name).dump_python(answer, mode="json", warnings=False), indent=1) + "\n"


def answer_schema(name: str) -> dict[str, Any]:
    """The JSON Schema of an answer. Raises UsageError for a name that there is not."""
    if name not in ANSWERS:
        raise UsageError(f'there is no schema "{name}"', expected=", ".join(ANSWERS), fix=did_you_mean(name, ANSWERS))
    schema = _adapter(name).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema | {"title": ANSWERS[name][0]}


def answer_schema_text(name: str) -> str:
    """The same as the file docs/schemas/NAME.json has it."""
    return json.dumps(answer_schema(name), indent=1, ensure_ascii=False) + "\n"
