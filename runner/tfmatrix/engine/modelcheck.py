"""Measures a model file: the writer loads it for the reference, every reader loads it and is compared with that."""

from __future__ import annotations

import ast
import hashlib
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import ExitCode, UsageError
from tfmatrix.core.records import CellRecord
from tfmatrix.core.selection import Selector
from tfmatrix.core.status import Status
from tfmatrix.engine.modelcheck_environments import has_keras_3
from tfmatrix.engine.request import Adopted
from tfmatrix.engine.run import RunOptions, run_project
from tfmatrix.project.modelfiles.modelfile import ModelFile, read_model
from tfmatrix.project.project import Project
from tfmatrix.store.content import Store, size_of_tree, write_atomically
from tfmatrix.store.runs import Run

_KINDS = {"hdf5": "hdf5", "weights": "hdf5", "zip": "zip", "tflite": "tflite"}
"""What an artifact is called (`tfmatrix.worker.formats.artifact_kind`); all others are folders."""


@dataclass(frozen=True, kw_only=True)
class CheckRequest:
    """What to check: the file, who wrote it, who is to read it, and what belongs to it.

    `inputs` is an .npz file, `custom_objects` a Python file with the model's own classes, `builder` is FILE.py:FUNCTION
    and builds the model that weights go into. `writer_known_by` says in words where the writer comes from.
    """

    model: Path
    writer: Environment
    readers: tuple[Environment, ...]
    inputs: Path | None = None
    custom_objects: Path | None = None
    builder: str | None = None
    writer_known_by: str = ""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What came of it. `unknown` says why nothing can be said, and is empty where something can.

    `told` is the run's own account: the file, the inputs with their origin, what could not be compared.
    """

    run: Run
    exit_code: ExitCode
    model: ModelFile
    writer: Environment
    sha256: str
    told: Mapping[str, Any]
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


def check_model(project: Project, request: CheckRequest, options: RunOptions | None = None) -> CheckResult:
    """Measures the file and returns the finished run. The file is read, never written.

    Raises UsageError for a file that is no model, for inputs that do not fit it, and for code that cannot be imported.
    """
    options = options or RunOptions()
    model = read_model(request.model)
    builder, function = _builder(request.builder)
    if model.needs_builder and builder is None:
        raise UsageError(
            f"{model.shown} is {model.what}: it has values and no model",
            expected="--builder FILE.py:FUNCTION, a function that returns the model they belong to",
            fix="such as --builder model.py:build_model",
        )
    before = digest_of(model)
    store = Store(options.results / "store" if options.results else project.store)
    digest, size = _into_store(store, model)
    name = scenario_name(model)
    folder, adopted = _scenario(project, request, model, name, builder, function, digest, before)
    environments = list({each.id: each for each in (request.writer, *request.readers)}.values())
    adopted = replace(adopted, bytes=size)
    own = project.with_environments(environments, scenarios=folder)
    run, code = run_project(
        own,
        selector=Selector.from_options(only=_cells(name, model, request.writer, environments)),
        options=replace(options, adopted={name: adopted}),
    )
    if digest_of(model) != before:
        raise UsageError(
            f"{model.path} was changed by somebody while it was checked: the result is of the file as it was",
            fix="check it again",
        )
    told = dict((run.header.get("adopted") or {}).get(name) or {})
    _refuse_what_does_not_fit(model, told)
    unknown = _unknown(run, request, model, told)
    return CheckResult(
        run=run,
        exit_code=ExitCode.USAGE if unknown else code,
        model=model,
        writer=request.writer,
        sha256=before,
        told=told,
        unknown=unknown,
    )


def _cells(name: str, model: ModelFile, writer: Environment, readers: Sequence[Environment]) -> list[str]:
    """The cells to measure: every format of the file in every reader that knows what it is read with.

    TFSMLayer came with Keras 3, as its way to a SavedModel: where Keras 2 is, nobody would use it.
    """
    return [
        f"{name}/{each}/{writer.id}/{reader.id}"
        for reader in readers
        for each in model.formats
        if each != "savedmodel-tfsm" or has_keras_3(reader)
    ]


def digest_of(model: ModelFile) -> str:
    """sha256 of the file; of a folder, over the names and contents of its files."""
    hasher = hashlib.sha256()
    for path in model.files:
        if path != model.path:
            hasher.update(f"{path.relative_to(model.path if model.path.is_dir() else model.path.parent)}\0".encode())
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                hasher.update(chunk)
    return hasher.hexdigest()


def scenario_name(model: ModelFile) -> str:
    """The file's name as that of a scenario: without its ending, and without what paths of cells cannot hold."""
    name = model.path.name
    for ending in (".weights.h5", ".h5", ".hdf5", ".keras", ".tflite"):
        if model.path.is_file() and name.endswith(ending):
            name = name.removesuffix(ending)
            break
    if model.kind == "checkpoint":
        name = f"{model.path.parent.name}-{name}"
    return re.sub(r"^[^A-Za-z0-9]+", "", re.sub(r"[^A-Za-z0-9._+@-]", "_", name)) or "model"


def _builder(text: str | None) -> tuple[Path | None, str]:
    if text is None:
        return None, ""
    file, _, function = text.rpartition(":")
    if not file or not function.isidentifier():
        raise UsageError(
            f'"{text}" names no function of a file', expected="--builder FILE.py:FUNCTION", fix="such as model.py:build"
        )
    return Path(file), function


def _into_store(store: Store, model: ModelFile) -> tuple[str, int]:
    """A copy of the file in the store, under the name that its loaders want; its digest and size."""
    with tempfile.TemporaryDirectory(dir=store.root, prefix=".checked-") as temporary:
        folder = Path(temporary) / "artifact"
        target = folder / model.name
        folder.mkdir()
        if model.kind == "checkpoint":
            target.mkdir()
            for path in model.files:
                shutil.copyfile(path, target / f"ckpt{path.name.removeprefix(model.path.name)}")
        elif model.path.is_dir():
            shutil.copytree(model.path, target, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(model.path, target)
        size = size_of_tree(folder)
        return store.add_folder(folder), size


_SCENARIO = '''"""{title}

{description}
"""

FORMATS = {formats!r}
TAGS = ("checked",)


def build_model():
    raise NotImplementedError("the model is a file")


def inputs(rng):
    raise NotImplementedError("the writer's observation holds the inputs")
'''


def _scenario(
    project: Project,
    request: CheckRequest,
    model: ModelFile,
    name: str,
    builder: Path | None,
    function: str,
    digest: str,
    sha256: str,
) -> tuple[Path, Adopted]:
    """A folder with the file's stand-in for a scenario and copies of the code and inputs that belong to it."""
    parts = {"custom": request.custom_objects, "builder": builder, "inputs": request.inputs}
    contents = {part: _content(part, path) for part, path in parts.items() if path is not None}
    if builder is not None and not _defines(contents["builder"], function):
        raise UsageError(
            f"--builder: {builder} defines no {function}",
            expected="a function without arguments that returns the model",
        )
    lines = [
        f"A model file: {model.what} {model.said}.",
        f"File {digest}, read by {model.loader}.",
        f"Writer {request.writer.id}.",
        *(f"{part} {hashlib.sha256(data).hexdigest()}" for part, data in contents.items()),
        *([f"function {function}"] if function else []),
    ]
    text = _SCENARIO.format(title=f"{name}, as it is.", description="\n".join(lines), formats=model.formats)
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    folder = project.root / "results" / "adhoc" / "checked" / key
    write_atomically(folder / f"{name}.py", text)
    copies: dict[str, Path] = {}
    for part, data in contents.items():
        source = parts[part]
        assert source is not None, "it has contents"
        # Under its own name: a saved model may name the module of its classes.
        copies[part] = folder / "_with" / source.name
        write_atomically(copies[part], data)
    adopted = Adopted(
        writer=request.writer.id,
        digest=digest,
        name=model.name,
        kind=_KINDS.get(model.kind, "directory"),
        bytes=0,
        loader=model.loader,
        custom=copies.get("custom"),
        builder=copies.get("builder"),
        function=function,
        inputs=copies.get("inputs"),
        has_definitions=any(_has_definitions(contents[part]) for part in ("custom", "builder") if part in contents),
        told={
            "file": model.shown,
            "what": model.what,
            "said": model.said,
            "sha256": sha256,
            "writer": request.writer.id,
            "writer_known_by": request.writer_known_by,
        },
    )
    return folder, adopted


def _content(part: str, path: Path) -> bytes:
    option = {"custom": "--custom-objects", "builder": "--builder", "inputs": "--inputs"}[part]
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{option}: {path} cannot be read: {error.strerror}") from error
    if part == "inputs":
        if not content.startswith(b"PK"):
            raise UsageError(
                f"{option}: {path} is no .npz file", expected="what numpy.savez writes: an array for each input"
            )
        return content
    if path.suffix != ".py":
        raise UsageError(f"{option}: {path} is no Python file", expected="a file that ends in .py")
    try:
        ast.parse(content, filename=str(path))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise UsageError(f"{option}: {path}{f':{line}' if line else ''} is not Python: {error}") from error
    return content


def _has_definitions(content: bytes) -> bool:
    """Whether a file defines classes or functions that a loader could be given."""
    given = {"custom_objects", "build_model"}
    return any(
        isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name not in given for node in ast.parse(content).body
    )


def _defines(content: bytes, name: str) -> bool:
    """Whether a name is bound at the top level of a file."""
    for node in ast.parse(content).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            if node.name == name:
                return True
        elif any(
            (isinstance(each, ast.Name) and each.id == name)
            or (isinstance(each, ast.alias) and (each.asname or each.name) in (name, "*"))
            for each in ast.walk(node)
        ):
            return True
    return False


_FIX = {
    "inputs": "give an array for each input: --inputs FILE.npz, as numpy.savez writes it",
    "import": "--custom-objects and --builder take one file each, which finds the packages of the environments only",
    "build": "--builder FILE.py:FUNCTION names a function without arguments that returns the model",
}


def _refuse_what_does_not_fit(model: ModelFile, told: Mapping[str, Any]) -> None:
    """Raises UsageError for faults of what came with the file, which say nothing about the file."""
    problem = told.get("problem") or {}
    phase = problem.get("phase")
    if phase not in _FIX:
        return
    error = problem.get("error") or {}
    said = str(error.get("message") or problem.get("reason") or "")
    kind = str(error.get("type") or "")
    what = {"inputs": "inputs", "import": "custom code", "build": "builder"}[phase]
    prefix = "" if kind == "InputsError" else f"{kind}: "
    raise UsageError(f"{what} of {model.shown}: {prefix}{_short(said)}", fix=_FIX[phase])


def _unknown(run: Run, request: CheckRequest, model: ModelFile, told: Mapping[str, Any]) -> str:
    """Why nothing can be said about readers."""
    unsupported = [record for record in run.records if record.status is Status.UNSUPPORTED]
    if unsupported and len(unsupported) == len(run.records):
        why = str((unsupported[0].error or {}).get("message") or "")
        return f"{request.writer.id} cannot have saved {model.shown} ({model.what}): {why}"
    problem = told.get("problem")
    if not problem or any(record.status is Status.INFRA_ERROR for record in run.records):
        return ""
    error = problem.get("error") or {}
    kind = str(error.get("type") or "failure")
    message = _short(str(error.get("message") or problem.get("reason") or ""))
    return f"{request.writer.id} itself cannot load {model.shown}: {kind}: {message}"


_OWN_CLASSES = re.compile(
    r"Unknown (layer|object|metric|loss|optimizer)|custom_objects|register_keras_serializable|locate class"
)


def advice(result: CheckResult) -> str:
    """What to do where nothing can be said."""
    error = (result.told.get("problem") or {}).get("error") or {}
    message = str(error.get("message") or "")
    if _OWN_CLASSES.search(message):
        return "give the model's own classes with --custom-objects FILE.py; if it has none, try another --saved-with"
    if "checkpoint" in message:
        return "--builder FILE.py:FUNCTION has to build the model that was saved, with the same attribute names"
    return f"try another --saved-with; the file is one {result.model.said}, and damaged if no version can load it"


def _short(text: str, limit: int = 600) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit // 2]} […] {line[-limit // 2 :]}"
