"""Keys of the store: what a result depends on, as one hash. Equal keys mean that the work need not be done again.

A key covers what decides that one measurement: the code that every measurement goes through, the calls of the one
format, the one remedy, and for a model file the code that handles model files. Code counts by its syntax tree: neither
comments nor docstrings nor layout change what was measured.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, wraps
from pathlib import Path
from typing import Any

import tfmatrix.worker
from tfmatrix.worker.declared import Format
from tfmatrix.worker.retraining import is_trained

_WORKER = Path(tfmatrix.worker.__path__[0])

_RETRAINING = "retraining"
_PARTS = ("formats", "remedies", "files", _RETRAINING)
"""Folders of the worker whose code decides some measurements only; everything else is the core."""


def digest_of(value: Any) -> str:
    """SHA-256 (hex) of a JSON value in its canonical form."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def canonical(value: Any) -> str:
    """A JSON value in the form that its digest is made of. ValueError for a figure that is not finite."""
    return _CANONICAL.encode(value)


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
"""One for all: json.dumps would make an encoder for every value."""


def digest_of_tree(root: Path, pattern: str = "*") -> str:
    """SHA-256 (hex) over the relative paths and contents of the files under a folder, in sorted order."""
    hasher = hashlib.sha256()
    for path in sorted(file for file in root.rglob(pattern) if file.is_file() and "__pycache__" not in file.parts):
        name = path.relative_to(root).as_posix().encode()
        with path.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").digest()
        hasher.update(len(name).to_bytes(4, "big") + name + content)
    return hasher.hexdigest()


def digest_of_code(paths: Iterable[Path], root: Path) -> str:
    """SHA-256 (hex) over what Python files do, and their paths under `root`."""
    return digest_of({path.relative_to(root).as_posix(): _syntax(path.read_text("utf-8")) for path in paths})


@cache
def _syntax(source: str) -> str:
    """A digest of the syntax tree without docstrings; the same for every Python that parses the source alike.

    Where the core hands a job over to a part of it, it only says so: what that is counts for the part alone.
    """
    tree: ast.AST = ast.parse(source)
    return digest_of(_plain(_WithoutPart().visit(tree) if _RETRAINING in source else tree))


class _WithoutPart(ast.NodeTransformer):
    """Takes out the import of `retraining` and what a table has of it."""

    def visit_Import(self, node: ast.Import) -> ast.Import | None:
        return None if [alias.name for alias in node.names] == [_RETRAINING] else node

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        kept = [(key, value) for key, value in zip(node.keys, node.values, strict=True) if not _is_of_part(value)]
        node.keys, node.values = [key for key, _ in kept], [value for _, value in kept]
        return self.generic_visit(node)


def _is_of_part(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == _RETRAINING


@cache
def module_digest(function: Callable[..., Any]) -> str:
    """Hash of the module that a function is defined in."""
    module = inspect.getmodule(function)
    assert module is not None, "a function of ours is in a module"
    return _syntax(inspect.getsource(module))


def _plain(node: Any) -> Any:
    if isinstance(node, ast.AST):
        fields = {}
        for name in node._fields:
            value = getattr(node, name, None)
            # Python 3.12 and later know fields that are empty in everything that was written before.
            if value is not None and value != [] and name != "ctx":
                fields[name] = value if type(value) is str else _plain(value)
        return [type(node).__name__, fields]
    if isinstance(node, list):
        return [_plain(each) for each in node if not _is_docstring(each)]
    return node if isinstance(node, str | int | bool | None) else repr(node)


def _is_docstring(node: Any) -> bool:
    """Whether it is a string that stands for itself: that of a module, function or class, or the one of a constant."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


@cache
def core_digest() -> str:
    """What every measurement goes through: server, protocol, jobs, capture, observations."""
    paths = (path for path in _WORKER.rglob("*.py") if path.relative_to(_WORKER).parts[0] not in _PARTS)
    return digest_of_code(sorted(paths), _WORKER)


@cache
def files_digest() -> str:
    """What only model files go through."""
    return digest_of_code(sorted((_WORKER / "files").rglob("*.py")), _WORKER)


@cache
def retraining_digest() -> str:
    """What only formats go through that train."""
    return digest_of_code(sorted((_WORKER / _RETRAINING).rglob("*.py")), _WORKER)


@cache
def remedy_digest(module: str) -> str:
    """A remedy, a module of the worker's folder `remedies`, and what it imports there; not the words about it."""
    folder = _WORKER / "remedies"
    found: dict[Path, str] = {}
    waiting = [folder / f"{module}.py"]
    while waiting:
        path = waiting.pop()
        if path not in found and path.is_file():
            tree = ast.parse(path.read_text("utf-8"))
            tree.body = [node for node in tree.body if not _is_description(node)]
            found[path] = digest_of(_plain(tree))
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and node.level == 1:
                    names = [node.module] if node.module else [alias.name for alias in node.names]
                    waiting += [folder / f"{name}.py" for name in names]
    return digest_of({path.name: found[path] for path in sorted(found)})


def _is_description(node: ast.stmt) -> bool:
    """Whether it is one of the words about a remedy, or its place among the others."""
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("NAME", "ORDER", "PRICE", "ADVICE")


def _once(function: Callable[[Format], str]) -> Callable[[Format], str]:
    """The function, called once for each format: every cell asks."""
    known: dict[int, tuple[Format, str]] = {}

    @wraps(function)
    def remembered(chosen: Format) -> str:
        # With the format, so that nothing else gets its address.
        if id(chosen) not in known:
            known[id(chosen)] = (chosen, function(chosen))
        return known[id(chosen)][1]

    return remembered


@_once
def saving_digest(chosen: Format) -> str:
    """What a format does to write, and to read back where the writer does so too."""
    reading = [_syntax(chosen.load), chosen.loads] if chosen.reading else []
    return digest_of(
        [
            *("saving", chosen.artifact, _syntax(chosen.save), dict(chosen.requires), chosen.reading, *reading),
            *_of_training(chosen),
        ],
    )


@_once
def loading_digest(chosen: Format) -> str:
    """What a format does to read, and what is looked at of what it returns."""
    call = ["loading", _syntax(chosen.load), chosen.loads, list(chosen.checks), chosen.reading]
    return digest_of([*call, *_of_training(chosen)])


def _of_training(chosen: Format) -> list[str]:
    return [retraining_digest()] if is_trained(chosen.checks) else []


def code_digests(formats: Iterable[Format]) -> dict[str, str]:
    """The parts of the code by name, for run.json: by these `tfmatrix diff` tells that a verdict changed with us."""
    remedies = sorted(path.stem for path in (_WORKER / "remedies").glob("[!_]*.py"))
    return {
        "worker": core_digest(),
        "formats": digest_of({each.id: [saving_digest(each), loading_digest(each)] for each in formats}),
        "remedies": digest_of({name: remedy_digest(name) for name in remedies}),
        "files": files_digest(),
    }


def save_key(*, scenario: str, saver: Format, settings: Mapping[str, Any], environment: str) -> str:
    """Key of a save: `scenario` is the file's digest, `environment` the key of the writer's lock and base."""
    return digest_of(["save", scenario, core_digest(), saving_digest(saver), dict(settings), environment])


def adoption_key(*, scenario: str, loader: Format, settings: Mapping[str, Any], environment: str) -> str:
    """Key of what the writer makes of a model file, which stands where a save would be."""
    code = [core_digest(), files_digest(), loading_digest(loader)]
    return digest_of(["adopt", scenario, *code, dict(settings), environment])


def load_key(
    *,
    artifact: str,
    reference: str,
    scenario: str,
    loader: Format,
    settings: Mapping[str, Any],
    environment: str,
    remedies: Sequence[str] = (),
    is_file: bool = False,
) -> str:
    """Key of a load: digests of artifact, writer's observation and scenario file, and the reader's environment key.

    `remedies` are the modules of those that change the call. `is_file`: the artifact is a model file.
    """
    code = [core_digest(), loading_digest(loader), [remedy_digest(name) for name in remedies]]
    if is_file:
        code.append(files_digest())
    return digest_of(["load", artifact, reference, scenario, *code, dict(settings), environment])
