"""A model that came as a file, measured: the writer loads it for the reference, every reader is compared with that."""

from __future__ import annotations

import ast
import hashlib
import re
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfmatrix.core.environment import Environment, has_keras_3
from tfmatrix.core.errors import ExitCode, UsageError
from tfmatrix.core.hints import did_you_mean, one_of
from tfmatrix.core.scenario import Subject
from tfmatrix.core.selection import Selector
from tfmatrix.engine.run import RunOptions, run_project
from tfmatrix.engine.subjects import GivenFile
from tfmatrix.executors.intake import Quota, copy_folder
from tfmatrix.executors.replies import RefusedError
from tfmatrix.project.modelfiles.modelfile import ModelFile, read_model
from tfmatrix.project.project import Project
from tfmatrix.store.budget import bytes_of
from tfmatrix.store.content import Store
from tfmatrix.store.keys import digest_of
from tfmatrix.store.runs import Run
from tfmatrix.worker.declared import Format
from tfmatrix.worker.protocol import THREADS

_KINDS = {"hdf5": "hdf5", "weights": "hdf5", "zip": "zip", "tflite": "tflite"}
"""What an artifact is called (`tfmatrix.worker.declared.artifact_kind`); all others are folders."""


LOADERS: Mapping[str, Mapping[str, str]] = {
    "load_model": {
        "keras-savedmodel": "savedmodel",
        "savedmodel": "tf-savedmodel",
        "hdf5": "h5",
        "zip": "keras",
    },
    "saved-model": {"keras-savedmodel": "savedmodel-raw", "savedmodel": "tf-savedmodel-raw"},
    "tfsm": dict.fromkeys(("keras-savedmodel", "savedmodel"), "savedmodel-tfsm"),
    "serving-signature": dict.fromkeys(("keras-savedmodel", "savedmodel"), "savedmodel-signature"),
}
"""What production may call to read a model, and the format of that call by what the file is."""

_TFSM = "savedmodel-tfsm"
_SIGNATURE = "savedmodel-signature"


MAX_INPUT_BYTES = 1 << 30
"""Of the arrays of `--inputs`, unpacked."""


@dataclass(frozen=True, kw_only=True)
class FileRequest:
    """What to measure: the file, who wrote it, who is to read it, and what belongs to it.

    `inputs` is an .npz file, `custom_objects` a Python file with the model's own classes, `builder` is FILE.py:FUNCTION
    and builds the model that weights go into. `loader` is one of LOADERS, or None for all that people use.
    `writer_known_by` says in words where the writer comes from.
    """

    model: Path
    writer: Environment
    readers: tuple[Environment, ...]
    inputs: Path | None = None
    custom_objects: Path | None = None
    builder: str | None = None
    loader: str | None = None
    writer_known_by: str = ""


@dataclass(frozen=True, kw_only=True)
class FileRun:
    """The finished run. `account` is what run.json says of the file, its inputs, and what could not be compared.

    `promised` are the checks of the formats that the file was read with.
    """

    run: Run
    exit_code: ExitCode
    model: ModelFile
    sha256: str
    account: Mapping[str, Any]
    promised: frozenset[str]


def measure_file(project: Project, request: FileRequest, options: RunOptions | None = None) -> FileRun:
    """Measures the file, which is read and never written.

    Raises UsageError for a file that is no model, for inputs that do not fit it, and for code that cannot be imported.
    """
    model = with_loader(read_model(request.model, project.formats), request.loader)
    # Keras 2 has no TFSMLayer: what it does is to call this signature.
    reference = _SIGNATURE if model.loader == _TFSM and not has_keras_3(request.writer) else model.loader
    before = sha256_of(model)
    subject, folder = given_file(Store(project.store), request, model, project.formats[reference], sha256=before)
    name = subject.about.name
    environments = list({each.id: each for each in (request.writer, *request.readers)}.values())
    run, code = run_project(
        project.with_environments(environments, scenarios=folder),
        selector=Selector.from_options(only=_cells(name, model, request.writer, environments)),
        options=options,
        subjects=[subject],
    )
    if sha256_of(model) != before:
        raise UsageError(
            f"{model.path} was changed by somebody while it was checked: the result is of the file as it was",
            fix="check it again",
        )
    account = dict((run.header.get("files") or {}).get(name) or {})
    _refuse_what_does_not_fit(model, account)
    promised = frozenset(check for each in model.formats for check in project.formats[each].checks)
    return FileRun(run=run, exit_code=code, model=model, sha256=before, account=account, promised=promised)


def _cells(name: str, model: ModelFile, writer: Environment, readers: Sequence[Environment]) -> list[str]:
    """The cells to measure: every format of the file in every reader that knows what it is read with.

    TFSMLayer came with Keras 3, as its way to a SavedModel: where Keras 2 is, nobody would use it. A writer with Keras
    2 calls the signature in its place.
    """
    cells = [
        f"{name}/{each}/{writer.id}/{reader.id}"
        for reader in readers
        for each in model.formats
        if each != _TFSM or has_keras_3(reader)
    ]
    if _calls_signature(model, writer):
        cells.append(f"{name}/{_SIGNATURE}/{writer.id}/{writer.id}")
    return cells


def _calls_signature(model: ModelFile, writer: Environment) -> bool:
    return _TFSM in model.formats and not has_keras_3(writer)


def with_loader(model: ModelFile, loader: str | None) -> ModelFile:
    """The model file, read by one of LOADERS only. Raises UsageError where that does not read such a file."""
    if loader is None:
        return model
    if loader not in LOADERS:
        raise UsageError(f'there is no loader "{loader}"', expected=one_of(LOADERS), fix=did_you_mean(loader, LOADERS))
    chosen = LOADERS[loader].get(model.layout)
    if chosen is None:
        fitting = [name for name, layouts in LOADERS.items() if model.layout in layouts]
        raise UsageError(
            f"--loader {loader} does not read {model.shown}: it is {model.what}",
            expected=one_of(fitting) if fitting else "no --loader: there is one way to read it",
        )
    if model.kind != "directory":
        return model
    return replace(model, formats=(chosen,), loader=chosen)


def sha256_of(model: ModelFile) -> str:
    """sha256 of the file; of a folder, over the names and contents of its files."""
    hasher = hashlib.sha256()
    for path in model.files:
        if path != model.path:
            hasher.update(f"{path.relative_to(model.path if model.path.is_dir() else model.path.parent)}\0".encode())
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                hasher.update(chunk)
    return hasher.hexdigest()


def subject_name(model: ModelFile) -> str:
    """The file's name as that of a scenario: without its ending, and without what paths of cells cannot hold."""
    name = model.path.name
    for ending in (".weights.h5", ".h5", ".hdf5", ".hdf", ".keras", ".tflite"):
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


def given_file(
    store: Store, request: FileRequest, model: ModelFile, loader: Format, *, sha256: str
) -> tuple[GivenFile, Path]:
    """The file as a subject, and the folder (in the store) of the code and inputs that belong to it.

    Raises UsageError for weights without a builder, and for code or inputs that are none.
    """
    builder, function = _builder(request.builder)
    if model.needs_builder and builder is None:
        raise UsageError(
            f"{model.shown} is {model.what}: it has values and no model",
            expected="--builder FILE.py:FUNCTION, a function that returns the model they belong to",
            fix="such as --builder model.py:build_model",
        )
    name = subject_name(model)
    given = {"custom": request.custom_objects, "builder": builder, "inputs": request.inputs}
    parts = {part: path for part, path in given.items() if path is not None}
    contents = {part: _content(part, path) for part, path in parts.items()}
    if builder is not None and not _defines(contents["builder"], function):
        raise UsageError(
            f"--builder: {builder} defines no {function}",
            expected="a function without arguments that returns the model",
        )
    digest, size = _add_model(store, model)
    folder, copies = _add_parts(store, parts, contents)
    about = Subject(
        name=name,
        title=f"{name}, as it is.",
        description=f"A model file: {model.what} {model.said}.",
        digest=digest_of(
            {
                "file": digest,
                "loader": model.loader,
                "writer": request.writer.id,
                "parts": {part: hashlib.sha256(data).hexdigest() for part, data in contents.items()},
                "names": {part: path.name for part, path in parts.items()},
                "function": function,
            }
        ),
        formats=(*model.formats, *([_SIGNATURE] if _calls_signature(model, request.writer) else [])),
        tags=("checked",),
        has_definitions=any(_has_definitions(contents[part]) for part in ("custom", "builder") if part in contents),
    )
    subject = GivenFile(
        about=about,
        path=store.folder(digest) / model.name,
        artifact={
            "name": model.name,
            "kind": _KINDS.get(model.kind, "directory"),
            "bytes": size,
            "digest": digest,
            **({"runtime": model.runtime} if model.runtime else {}),
        },
        loader=loader,
        custom=copies.get("custom"),
        builder=copies.get("builder"),
        function=function,
        inputs=copies.get("inputs"),
        facts={
            "file": model.shown,
            "path": str(model.path),
            "what": model.what,
            "said": model.said,
            "remark": model.remark,
            "sha256": sha256,
            "writer": request.writer.id,
            "tensorflow": request.writer.tensorflow,
            "writer_known_by": request.writer_known_by,
            "options": _options(request),
        },
    )
    return subject, folder


def _options(request: FileRequest) -> list[str]:
    """What the command line has to say for the same measurement, beside the file, its writer and its readers.

    Trust in the file is not among it: whoever repeats the command says that anew.
    """
    given = {
        "--inputs": request.inputs,
        "--custom-objects": request.custom_objects,
        "--builder": request.builder,
        "--loader": request.loader,
        "--threads": "default" if request.writer.env.get(THREADS) == "0" else None,
    }
    return [part for option, value in given.items() if value is not None for part in (option, str(value))]


def _add_model(store: Store, model: ModelFile) -> tuple[str, int]:
    """A copy of the file in the store, under the name that its loaders want; its digest and size."""
    with store.incoming() as folder:
        target = folder / model.name
        if model.kind == "checkpoint":
            target.mkdir()
            for path in model.files:
                shutil.copyfile(path, target / f"ckpt{path.name.removeprefix(model.prefix)}")
        elif model.path.is_dir():
            target.mkdir()
            quota = Quota(bytes=shutil.disk_usage(store.root).free)
            try:
                copy_folder(model.path.resolve(), target, what=f"folder {model.path}", quota=quota)
            except RefusedError as error:
                raise UsageError(
                    str(error),
                    expected="a model's folder of plain files, as its writer left it",
                    fix=f"where you trust it: cp -rL {model.path} COPY, and check the copy",
                ) from error
        else:
            shutil.copyfile(model.path, target)
        size = bytes_of(folder)
        return store.keep(folder), size


def _add_parts(store: Store, parts: Mapping[str, Path], contents: Mapping[str, bytes]) -> tuple[Path, dict[str, Path]]:
    """Copies in the store of what belongs to the file: their folder, and each of them.

    Each keeps its name, by which a saved model may know the module of its classes; a file that is given twice stays one
    module.
    """
    sources = list(dict.fromkeys(path.resolve() for path in parts.values()))
    places = {part: Path(str(sources.index(path.resolve())), path.name) for part, path in parts.items()}
    with store.incoming() as folder:
        for part, place in places.items():
            (folder / place).parent.mkdir(exist_ok=True)
            (folder / place).write_bytes(contents[part])
        kept = store.folder(store.keep(folder))
    return kept, {part: kept / place for part, place in places.items()}


def _content(part: str, path: Path) -> bytes:
    option = {"custom": "--custom-objects", "builder": "--builder", "inputs": "--inputs"}[part]
    try:
        # A pipe would be waited for, and a device has no end.
        if path.exists() and not path.is_file():
            raise UsageError(f"{option}: {path} is no file of bytes", expected="a regular file, or a link to one")
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{option}: {path} cannot be read: {error.strerror}") from error
    if part == "inputs":
        if not content.startswith(b"PK"):
            raise UsageError(
                f"{option}: {path} is no .npz file", expected="what numpy.savez writes: an array for each input"
            )
        try:
            with zipfile.ZipFile(path) as archive:
                size = sum(entry.file_size for entry in archive.infolist())
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise UsageError(f"{option}: the inputs in {path} cannot be read: {error}") from error
        # Unpacked by a worker, whose memory has a limit: what swells beyond it would pass for a crash of the model.
        if size > MAX_INPUT_BYTES:
            raise UsageError(
                f"{option}: the inputs in {path} are {size / 2**20:.0f} MB unpacked",
                expected=f"at most {MAX_INPUT_BYTES >> 20} MB: a batch of a few examples",
            )
        return content
    if path.suffix != ".py":
        raise UsageError(f"{option}: {path} is no Python file", expected="a file that ends in .py")
    try:
        ast.parse(content, filename=str(path))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise UsageError(f"{option}: {path}{f':{line}' if line else ''} is not Python: {error}") from error
    except (RecursionError, MemoryError) as error:
        raise UsageError(f"{option}: {path} is nested too deep for Python to read it") from error
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


def _refuse_what_does_not_fit(model: ModelFile, account: Mapping[str, Any]) -> None:
    """Raises UsageError for faults of what came with the file, which say nothing about the file."""
    problem = account.get("problem") or {}
    phase = problem.get("phase")
    if phase not in _FIX:
        return
    error = problem.get("error") or {}
    said = str(error.get("message") or problem.get("reason") or "")
    kind = str(error.get("type") or "")
    what = {"inputs": "inputs", "import": "custom code", "build": "builder"}[phase]
    prefix = "" if kind == "InputsError" else f"{kind}: "
    raise UsageError(f"{what} of {model.shown}: {prefix}{abridged(said)}", fix=_FIX[phase])


def abridged(text: str, limit: int = 600) -> str:
    """In one line; of a long one the beginning and the end."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit // 2]} […] {line[-limit // 2 :]}"
