"""Measures what a verdict needs: the scenarios in both environments, the given files, and releases between the two."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

import tfmatrix
from tfmatrix.analysis.training import CODE, is_of_training
from tfmatrix.analysis.upgrades import Upgrade, UpgradeVerdict, judge_upgrade, pairs_of
from tfmatrix.commands.upgrade.sides import Side, plain_environment, written_environments
from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import ConfigError, InfrastructureError, NothingSelectedError, TfmatrixError, UsageError
from tfmatrix.core.ids import identified
from tfmatrix.core.records import CellRecord
from tfmatrix.core.selection import Selector
from tfmatrix.engine.files import FileRequest, measure_file
from tfmatrix.engine.run import RunOptions, run_project
from tfmatrix.envs.lock import NIGHTLY, ensure_lock, lock_path
from tfmatrix.project.project import Project
from tfmatrix.project.sources import helpers_in
from tfmatrix.store.runs import Run

if TYPE_CHECKING:
    from tfmatrix.envs.releases import Index
    from tfmatrix.envs.uv import Uv

MOST_TRIED = 6
"""Releases between the two that are tried at most, newest first."""

SCENARIO_ENDING = ".py"


@dataclass(frozen=True, kw_only=True)
class Material:
    """What is tested: a folder of scenarios (None: the project's, or only files), and saved models without code.

    `loader` is what production reads the models with, where that is said.
    """

    scenarios: Path | None
    models: tuple[Path, ...]
    origin: str
    loader: str | None = None
    is_shipped: bool = False
    is_project: bool = False

    @property
    def has_scenarios(self) -> bool:
        """Whether there are scenarios, and not only files."""
        return self.is_project or self.scenarios is not None


REPRESENTATIVE = (
    "dense", "conv_batchnorm", "lstm", "embedding", "multi_head_attention", "normalization_adapted",
    "functional_two_inputs", "custom_layer_registered", "custom_layer_add_weight", "subclassed_with_config",
    "optimizer_state", "tf_module",
)  # fmt: skip
"""Of the shipped scenarios those that stand for what most models are made of."""

USUAL_FORMATS = ("keras", "h5", "savedmodel", "savedmodel-raw", "tf-savedmodel-raw", "weights-h5", "checkpoint")
"""The formats that most people save in."""


def representative(material: Material, selector: Selector) -> tuple[Material, Selector]:
    """A dozen of the shipped scenarios in the usual formats, where nobody said which: minutes instead of hours."""
    if not material.is_shipped or selector != Selector():
        return material, selector
    origin = (
        f"{len(REPRESENTATIVE)} of the scenarios shipped with tfmatrix in {len(USUAL_FORMATS)} formats (--all: all)"
    )
    return replace(material, origin=origin), Selector(scenario=REPRESENTATIVE, format=USUAL_FORMATS)


def find_material(project: Project, models: Sequence[Path], scenarios: Path | None) -> Material:
    """What the command line names; without any the project's scenarios, and where it has none the shipped ones."""
    for path in models:
        if not path.exists():
            raise UsageError(f"there is no {path}", expected="a scenario (.py) or a saved model")
    codes = [path for path in models if path.suffix == SCENARIO_ENDING]
    files = tuple(path.resolve() for path in models if path.suffix != SCENARIO_ENDING)
    if scenarios is not None and not scenarios.is_dir():
        raise UsageError(f"{scenarios} is not a folder", expected="--scenarios DIR, a folder of scenario files")
    if codes:
        given = [*codes, *(sorted(scenarios.glob("*.py")) if scenarios else ())]
        return Material(
            scenarios=_collected(project, given), models=files, origin=", ".join(str(path) for path in codes)
        )
    if scenarios is not None:
        return Material(scenarios=scenarios.resolve(), models=files, origin=str(scenarios))
    if files:
        return Material(scenarios=None, models=files, origin=", ".join(str(path) for path in files))
    if project.has_scenarios:
        return Material(scenarios=None, models=(), origin="the project's scenarios", is_project=True)
    origin = "the scenarios shipped with tfmatrix"
    return Material(scenarios=shipped_scenarios(), models=(), origin=origin, is_shipped=True)


def shipped_scenarios() -> Path:
    """The scenarios that come with tfmatrix: in its package, or beside it in a checkout."""
    package = Path(tfmatrix.__file__).resolve().parent
    found = next(
        (each for each in (package / "shipped_scenarios", package.parent.parent / "scenarios") if each.is_dir()), None
    )
    if found is None:
        raise UsageError("this tfmatrix comes without scenarios", fix="give --scenarios DIR, or a scenario file")
    return found


def _collected(project: Project, files: Sequence[Path]) -> Path:
    """A folder with copies of scenario files from anywhere; the same files, the same folder."""
    by_name: dict[str, Path] = {}
    listed = [(path.name, path) for path in files]
    for helper in dict.fromkeys(each for path in files for each in helpers_in(path.parent)):
        found = [helper] if helper.is_file() else sorted(each for each in helper.rglob("*.*") if each.is_file())
        listed += [(each.relative_to(helper.parent).as_posix(), each) for each in found if each.suffix != ".pyc"]
    for name, path in listed:
        other = by_name.setdefault(name, path)
        if other.resolve() != path.resolve():
            raise UsageError(f"two scenarios have one name: {other} and {path}", fix="rename one of them")
    contents = {name: path.read_bytes() for name, path in sorted(by_name.items())}
    digest = hashlib.sha256(b"\0".join([name.encode() + b"\0" + each for name, each in contents.items()]))
    folder = project.root / "results" / "adhoc" / "scenarios" / digest.hexdigest()[:12]
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def _measured(records: Iterable[CellRecord]) -> Iterator[CellRecord]:
    """Without what was only inferred: nothing is called safe that nobody measured."""
    return (record for record in records if record.inferred is None)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """All that was measured of both sides, as one run. `files_only` names its scenarios that are files."""

    run: Run
    files_only: frozenset[str]
    folders: tuple[Path, ...]

    def judge(self, before: str, after: str, *, rollback: bool = False, training: bool = False) -> Upgrade:
        """The verdict from one side to the other; with `training` that on the code, trained anew."""
        return judge_upgrade(
            pairs_of(_measured(self.run.records)),
            before,
            after,
            rollback=rollback,
            files_only=self.files_only,
            training=training,
        )


def measure(
    project: Project,
    before: Side,
    after: Side,
    material: Material,
    selector: Selector,
    options: RunOptions,
    uv: Uv,
    *,
    training: bool = False,
) -> Measured:
    """Runs scenarios and files in both environments, all four ways; what is in the store is not measured again.

    With `training` the scenarios' code is trained anew on both sides, too.
    """
    environments = [before.environment, after.environment]
    _forget_older_days(project, environments)
    both = project.with_environments(environments, scenarios=material.scenarios)
    for side in (before, after):
        _lock(both, side, uv)
    runs = []
    if material.has_scenarios:
        asked = replace(options, migrates=True, baseline=before.environment.id)
        runs.append(run_project(both, selector=selector, options=asked)[0])
        if training and CODE not in selector.format:
            runs.append(run_project(both, selector=replace(selector, format=(CODE,)), options=asked)[0])
    files_only: set[str] = set()
    for model in material.models:
        run = _checked(both, model, material.loader, environments, options)
        files_only.update(record.scenario for record in run.records)
        runs.append(run)
    if not runs:
        raise NothingSelectedError("there is nothing to test", expected="a scenario or a saved model")
    return Measured(run=_joined(runs), files_only=frozenset(files_only), folders=tuple(run.folder for run in runs))


def _checked(
    project: Project, model: Path, loader: str | None, environments: Sequence[Environment], options: RunOptions
) -> Run:
    """The cells of a saved model without its code: the old environment reads it, and the new one."""
    writer, reader = environments
    return measure_file(project, FileRequest(model=model, writer=writer, readers=(reader,), loader=loader), options).run


def _joined(runs: Sequence[Run]) -> Run:
    """Several runs over the same environments as one."""
    first, *others = runs
    records = {record.cell: record for run in runs for record in run.records}
    formats = dict.fromkeys(name for run in runs for name in run.header.get("formats") or ())
    scenarios = {name: about for run in runs for name, about in (run.header.get("scenarios") or {}).items()}
    header = {**first.header, "formats": list(formats), "scenarios": scenarios}
    if not others:
        return first
    return replace(first, header=header, records=tuple(records[cell] for cell in sorted(records)))


def _lock(project: Project, side: Side, uv: Uv) -> None:
    """Locks a side now, so that pins which fit no environment are told as what they are: a matter of that file."""
    if side.environment.image:
        return
    try:
        ensure_lock(project.locks, side.environment, uv)
    except ConfigError as error:
        if not error.key.startswith("environments["):
            raise
        said = str(error.what).partition(": ")[2].partition(": ")[2] or error.what
        pins = ", ".join(str(pin) for pin in side.pins)
        raise ConfigError(
            f"no environment can be made of {pins or side.source}: {said}",
            file=side.file or "--from/--to",
            line=side.pins[0].line if side.pins else None,
            expected=error.expected,
            fix="change the pins, or try another --python" if side.pins else "another version, or another --python",
        ) from error


def _forget_older_days(project: Project, environments: Iterable[Environment]) -> None:
    """Removes our own locks that were resolved as of another "today": a file without pins means the newest now."""
    today = f"# resolved: {datetime.now(UTC).date().isoformat()}"
    for environment in environments:
        path = lock_path(project.root / "results" / "adhoc" / "locks", environment.id)
        if (
            environment.as_of == "today"
            and path.exists()
            and today not in path.read_text(encoding="utf-8").splitlines()
        ):
            path.unlink()


# The newest release that is safe


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A release between the two, and what it came to. `is_complete`: all was measured, not only what had failed."""

    version: str
    verdict: UpgradeVerdict
    sentence: str
    is_complete: bool = True


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """The search for the newest release that is safe. `untried` are releases that nobody looked at."""

    tried: tuple[Tried, ...]
    untried: tuple[str, ...]
    note: str = ""

    @property
    def version(self) -> str | None:
        """The newest that is SAFE, of those that were tried."""
        return next((each.version for each in self.tried if each.verdict is UpgradeVerdict.SAFE), None)


def find_alternative(
    project: Project,
    before: Side,
    after: Side,
    measured: Measured,
    upgrade: Upgrade,
    material: Material,
    options: RunOptions,
    index: Index,
    say: Callable[[str], None],
) -> Alternative:
    """Tries the newest patch of each minor between the two sides, newest first, until one is SAFE.

    The scenarios that failed on the way to the new side are tried first: a release that fails there needs no more.
    """
    candidates, note = _between(project, before.environment, after.environment, index)
    tried: list[Tried] = []
    keys = _keys(measured)
    # In all formats: what a scenario can be saved as instead is a remedy.
    trouble = {record.scenario for record in (*upgrade.breaks, *upgrade.changes, *upgrade.gone)}
    suspects = [key for key in keys if key[0] in trouble]
    for environment in candidates[:MOST_TRIED]:
        say(f"is {environment.tensorflow} safe?")
        one = _try(project, before, environment, material, options, suspects or keys, measured)
        if one.verdict is UpgradeVerdict.SAFE and len(suspects) < len(keys) and suspects:
            one = _try(project, before, environment, material, options, keys, measured)
        elif suspects and len(suspects) < len(keys):
            one = replace(one, is_complete=False)
        tried.append(one)
        if one.verdict is UpgradeVerdict.SAFE:
            break
    untried = tuple(each.tensorflow for each in candidates[len(tried) :])
    return Alternative(tried=tuple(tried), untried=untried, note=note)


def share_of_python(
    project: Project,
    before: Side,
    after: Side,
    measured: Measured,
    upgrade: Upgrade,
    material: Material,
    options: RunOptions,
    say: Callable[[str], None],
) -> str:
    """Where Python moves, what that brings by itself: the old packages under the new Python, on what failed.

    Empty where it does not move, or nothing failed.
    """
    old, python = before.environment, after.environment.python
    failed = (*upgrade.breaks, *upgrade.changes)
    keys = list(dict.fromkeys((record.scenario, record.format) for record in failed))
    if not keys or not python or python == old.python or old.image:
        return ""
    say(f"what does Python {python} bring by itself?")
    bridge = identified(replace(old, id="", python=python))
    one = _try(project, before, bridge, material, options, keys, measured)
    moved = f"Python {old.python} → {python} alone"
    if one.verdict is UpgradeVerdict.SAFE:
        return f"{moved} ({old.tensorflow} with its packages under both) brings none of it: what failed was asked again"
    if one.verdict is UpgradeVerdict.UNKNOWN:
        return f"{moved} cannot be told apart from the rest: {one.sentence}"
    return f"{moved} ({old.tensorflow} with its packages under both), on what failed: {one.sentence}"


def _keys(measured: Measured) -> list[tuple[str, str]]:
    files = (record for record in measured.run.records if not is_of_training(record))
    return list(dict.fromkeys((record.scenario, record.format) for record in files))


def _try(
    project: Project,
    before: Side,
    environment: Environment,
    material: Material,
    options: RunOptions,
    keys: Sequence[tuple[str, str]],
    measured: Measured,
) -> Tried:
    """One release: what the old side wrote, and everything made anew."""
    environments = [before.environment, environment]
    pairs = [(environments[0].id,) * 2, (environments[0].id, environment.id), (environment.id,) * 2]
    globs = [
        f"{scenario}/{fmt}/{writer}/{reader}"
        for scenario, fmt in keys
        if scenario not in measured.files_only
        for writer, reader in pairs
    ]
    records: list[CellRecord] = []
    try:
        other = project.with_environments(environments, scenarios=material.scenarios)
        if globs:
            asked = replace(options, baseline=before.environment.id)
            found, _ = run_project(other, selector=Selector(only=tuple(globs)), options=asked)
            records += found.records
        for model in material.models:
            records += _checked(other, model, material.loader, environments, options).records
    except (ConfigError, InfrastructureError) as error:
        # No wheel for this Python, or an index that does not answer: of this release nothing is known.
        return Tried(version=environment.tensorflow, verdict=UpgradeVerdict.UNKNOWN, sentence=_first_line(error))
    verdict = judge_upgrade(
        pairs_of(_measured(records)), before.environment.id, environment.id, files_only=measured.files_only
    )
    return Tried(version=environment.tensorflow, verdict=verdict.verdict, sentence=verdict.sentence)


def _first_line(error: TfmatrixError) -> str:
    return error.what.splitlines()[0]


def _between(project: Project, before: Environment, after: Environment, index: Index) -> tuple[list[Environment], str]:
    """The newest patch of each minor between two versions, newest first, and a note where that is not all."""
    low, high = _number(before.tensorflow), _number(after.tensorflow)
    if low is None or (high is None and after.tensorflow != NIGHTLY):
        return [], "between these two there is no order of releases"
    if high is not None and high <= low:
        return [], "no newer release is asked for"
    note = ""
    try:
        from tfmatrix.envs.releases import releases

        found = [each.version for each in releases("tensorflow", index) if each.is_choosable]
    except InfrastructureError:
        found = [each.tensorflow for each in written_environments(project) if each.tensorflow == each.id]
        note = "the package index does not answer: only versions of matrix.yaml are tried"
    newest: dict[tuple[int, ...], Version] = {}
    for version in sorted(number for text in found if (number := _number(text)) is not None):
        # An older patch of the very minor that was asked for is nobody's wish.
        is_between = low < version and (high is None or version.release[:2] < high.release[:2])
        if is_between and not version.is_prerelease:
            newest[version.release[:2]] = version
    versions = sorted(newest.values(), reverse=True)
    return [_environment(project, str(version), before, after) for version in versions], note


def _environment(project: Project, version: str, before: Environment, after: Environment) -> Environment:
    """A release between: as matrix.yaml has it, else with the packages of its own days."""
    written = written_environments(project)
    known = next((each for each in written if each.id == version == each.tensorflow), None)
    if known is not None:
        return known
    plain = plain_environment(version)
    # The Python of a side, where that was chosen, is kept if this release has it, too: it has where both have.
    return replace(plain, python=before.python) if before.python == after.python else plain


def _number(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None
