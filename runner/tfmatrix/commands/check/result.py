"""What a check found: the cells of the file, and why nothing can be said where that is so."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import ExitCode, UsageError
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.engine.file_environments import reader_environments, writer_environment
from tfmatrix.engine.files import FileRequest, FileRun, abridged, measure_file
from tfmatrix.engine.run import RunOptions
from tfmatrix.project.modelfiles.modelfile import ModelFile, read_model
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
    options: RunOptions,
) -> CheckResult:
    """Finds the environments that the file and the names of readers mean, and measures the file in them."""
    if not readers:
        raise UsageError("--readers names nobody", expected="versions, such as --readers 2.15.1,latest")
    found = read_model(model)
    index = package_index(project, offline=options.offline)
    writer, known_by = writer_environment(project, found, saved_with, index)
    request = FileRequest(
        model=model,
        writer=writer,
        readers=reader_environments(project, readers, index),
        inputs=inputs,
        custom_objects=custom_objects,
        builder=builder,
        writer_known_by=known_by,
    )
    return check_model(project, request, options)


def _unknown(found: FileRun, writer: Environment) -> str:
    """Why nothing can be said about readers."""
    records, model = found.run.records, found.model
    unsupported = [record for record in records if record.status is Status.UNSUPPORTED]
    if unsupported and len(unsupported) == len(records):
        why = str((unsupported[0].error or {}).get("message") or "")
        return f"{writer.id} cannot have saved {model.shown} ({model.what}): {why}"
    problem = found.account.get("problem")
    if not problem or any(record.status is Status.INFRA_ERROR for record in records):
        return ""
    error = problem.get("error") or {}
    kind = str(error.get("type") or "failure")
    message = abridged(str(error.get("message") or problem.get("reason") or ""))
    return f"{writer.id} itself cannot load {model.shown}: {kind}: {message}"


_OWN_CLASSES = re.compile(
    r"Unknown (layer|object|metric|loss|optimizer)|custom_objects|register_keras_serializable|locate class"
)


def advice(result: CheckResult) -> str:
    """What to do where nothing can be said."""
    error = (result.account.get("problem") or {}).get("error") or {}
    message = str(error.get("message") or "")
    if _OWN_CLASSES.search(message):
        return "give the model's own classes with --custom-objects FILE.py; if it has none, try another --saved-with"
    if "checkpoint" in message:
        return "--builder FILE.py:FUNCTION has to build the model that was saved, with the same attribute names"
    return f"try another --saved-with; the file is one {result.model.said}, and damaged if no version can load it"
