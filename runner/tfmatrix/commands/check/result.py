"""What a check found: the cells of the file, and why nothing can be said where that is so."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfmatrix.checks.verdict import NOTHING_COMPARED
from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import ExitCode, TfmatrixError, UsageError
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.engine.file_environments import reader_environments, with_own_threads, writer_environment
from tfmatrix.engine.files import FileRequest, FileRun, abridged, measure_file, with_loader
from tfmatrix.engine.run import RunOptions
from tfmatrix.project.modelfiles.modelfile import ModelFile, models_in, read_model
from tfmatrix.project.network import package_index
from tfmatrix.project.project import Project
from tfmatrix.store.runs import Run


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What came of it. `unknown` says why nothing can be said, and is empty where something can.

    `account` is the run's own: the file, the inputs with their origin, what could not be compared. `promised` are the
    checks of the formats that the file was read with.
    """

    run: Run
    exit_code: ExitCode
    model: ModelFile
    writer: Environment
    sha256: str
    account: Mapping[str, Any]
    promised: frozenset[str]
    unknown: str = ""

    @property
    def own(self) -> tuple[CellRecord, ...]:
        """The cells of the writer itself: does it load what it wrote, always the same?"""
        return tuple(record for record in self.run.records if record.reader == self.writer.id)

    @property
    def others(self) -> tuple[CellRecord, ...]:
        """The cells of the readers, in the order in which they were named."""
        order = list(self.run.header["environments"])
        found = [record for record in self.run.records if record.reader != self.writer.id]
        return tuple(
            sorted(found, key=lambda record: (order.index(record.reader), self.model.formats.index(record.format)))
        )


def check_model(project: Project, request: FileRequest, options: RunOptions | None = None) -> CheckResult:
    """Measures a file. Raises UsageError as `measure_file` does."""
    found = measure_file(project, request, options)
    unknown = _unknown(found, request.writer)
    return CheckResult(
        run=found.run,
        exit_code=ExitCode.USAGE if unknown else found.exit_code,
        model=found.model,
        writer=request.writer,
        sha256=found.sha256,
        account=found.account,
        promised=found.promised,
        unknown=unknown,
    )


def check_file(
    project: Project,
    model: Path,
    readers: Sequence[str],
    *,
    saved_with: str | None = None,
    inputs: Path | None = None,
    custom_objects: Path | None = None,
    builder: str | None = None,
    loader: str | None = None,
    own_threads: bool = False,
    options: RunOptions,
) -> CheckResult:
    """Finds the environments that the file and the names of readers mean, and measures the file in them.

    With `own_threads` every worker computes with TensorFlow's own number of threads. Raises UsageError that names all
    that is missing.
    """
    if not readers:
        raise UsageError("--readers names nobody", expected="versions, such as --readers 2.15.1,latest")
    found = with_loader(read_model(model, project.formats), loader)
    index = package_index(project, offline=options.offline)
    try:
        writer, known_by = writer_environment(project, found, saved_with, index)
    except UsageError as error:
        raise _together([error, *_missing(found, builder, custom_objects)], found) from error
    environments = reader_environments(project, readers, index)
    if own_threads:
        writer, environments = with_own_threads(writer), tuple(map(with_own_threads, environments))
    request = FileRequest(
        model=model,
        writer=writer,
        readers=environments,
        inputs=inputs,
        custom_objects=custom_objects,
        builder=builder,
        loader=loader,
        writer_known_by=known_by,
    )
    return check_model(project, request, options)


def _missing(model: ModelFile, builder: str | None, custom_objects: Path | None) -> list[UsageError]:
    """What a file of its kind needs beside its writer, and was not given.

    Alone, a builder is asked for by `measure_file`, and classes nowhere: they may be in a package that is installed.
    """
    missing = []
    if model.needs_builder and builder is None:
        missing.append(
            UsageError(
                f"{model.shown} has values and no model",
                expected="--builder FILE.py:FUNCTION, a function that returns the model they belong to",
                fix="--builder model.py:build_model",
            )
        )
    if model.own_classes and custom_objects is None and builder is None:
        missing.append(
            UsageError(
                f"{model.shown} has classes of its own: {', '.join(model.own_classes)}",
                expected="--custom-objects FILE.py, which defines them",
                fix="--custom-objects layers.py",
            )
        )
    return missing


def _together(errors: Sequence[UsageError], model: ModelFile) -> UsageError:
    """All that is missing as one error, with the whole command."""
    options = [error.fix for error in errors]
    if len(errors) == 1 or not all(option.startswith("--") for option in options):
        return errors[0]
    return UsageError(
        "; ".join(dict.fromkeys(error.what for error in errors)),
        expected="; ".join(error.expected for error in errors),
        fix=f"such as: tfmatrix check {shlex.quote(str(model.path))} {' '.join(options)}",
    )


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A model of a folder that could not be checked, and why."""

    path: Path
    error: TfmatrixError


def check_folder(folder: Path, check: Callable[[Path], CheckResult]) -> Iterator[CheckResult | Refused]:
    """Checks every model in a folder, in order; what cannot be checked stops no other.

    Raises UsageError where there is none.
    """
    models = models_in(folder) if folder.is_dir() else ()
    if not models:
        raise UsageError(f"--all: {folder} is no folder with models in it", expected="a folder that holds models")
    for path in models:
        try:
            yield check(path)
        except TfmatrixError as error:
            yield Refused(path=path, error=error)


def exit_code_of(results: Sequence[CheckResult | Refused]) -> ExitCode:
    """Of several files: an incompatibility first, then what could not be measured."""
    codes = [result.error.exit_code if isinstance(result, Refused) else result.exit_code for result in results]
    order = (ExitCode.INCOMPATIBLE, ExitCode.INFRASTRUCTURE)
    return next((code for code in order if code in codes), max(codes, default=ExitCode.OK))


def _unknown(found: FileRun, writer: Environment) -> str:
    """Why nothing can be said about readers."""
    records, model = found.run.records, found.model
    unsupported = [record for record in records if record.status is Status.UNSUPPORTED]
    if unsupported and len(unsupported) == len(records):
        why = str((unsupported[0].error or {}).get("message") or "")
        return f"{writer.id} cannot have saved {model.shown} ({model.what}): {why}"
    if records and all((record.error or {}).get("type") == NOTHING_COMPARED for record in records):
        own = next(record for record in records if record.reader == writer.id)
        differs = [" ".join(check.get("detail") or ()) for check in own.checks.values() if is_unsteady(check)]
        return f"nothing of {model.shown} can be compared: {'; '.join(differs)}"
    problem = found.account.get("problem")
    if not problem and all(record.status is Status.SKIPPED for record in records):
        return str((records[0].error or {}).get("message") or "")
    if not problem or any(record.status is Status.INFRA_ERROR for record in records):
        return ""
    error = problem.get("error") or {}
    kind = str(error.get("type") or "failure")
    message = abridged(str(error.get("message") or problem.get("reason") or ""))
    if model.needs_builder:
        return f"the model of --builder does not take what {model.shown} holds, in {writer.id}: {kind}: {message}"
    return f"{writer.id} itself cannot load {model.shown}: {kind}: {message}"


def is_unsteady(check: Mapping[str, Any]) -> bool:
    """Whether a check was not compared because it differs in the writer itself, from one load to the next."""
    return any(finding["code"] == "unsteady" for finding in check.get("findings") or ())


_OWN_CLASSES = re.compile(
    r"Unknown (layer|object|metric|loss|optimizer)|custom_objects|register_keras_serializable|locate class"
)


def advice(result: CheckResult) -> str:
    """What to do where nothing can be said."""
    error = (result.account.get("problem") or {}).get("error") or {}
    message = str(error.get("message") or "")
    if _OWN_CLASSES.search(message):
        return "give the model's own classes with --custom-objects FILE.py; if it has none, try another --saved-with"
    if "unresolved custom op" in message:
        return "nothing: the file has ops that TensorFlow's interpreter lacks; what it was made for brings them along"
    if result.model.needs_builder:
        return (
            "first --builder FILE.py:FUNCTION: it has to build the model that was saved, with the same layers, sizes "
            "and attribute names; only then another --saved-with"
        )
    return f"try another --saved-with; the file is one {result.model.said}, and damaged if no version can load it"
