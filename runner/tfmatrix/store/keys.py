"""Keys of the store: what a result depends on, as one hash. Equal keys mean that the work need not be done again."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import tfmatrix.worker


def digest_of(value: Any) -> str:
    """SHA-256 (hex) of a JSON value in its canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of_tree(root: Path, pattern: str = "*") -> str:
    """SHA-256 (hex) over the relative paths and contents of the files under a folder, in sorted order."""
    hasher = hashlib.sha256()
    for path in sorted(file for file in root.rglob(pattern) if file.is_file() and "__pycache__" not in file.parts):
        name = path.relative_to(root).as_posix().encode()
        with path.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").digest()
        hasher.update(len(name).to_bytes(4, "big") + name + content)
    return hasher.hexdigest()


@cache
def worker_code_digest() -> str:
    """Hash of the worker's code: whoever changes what is observed must observe again."""
    return digest_of_tree(Path(tfmatrix.worker.__path__[0]), "*.py")


@cache
def module_digest(function: Callable[..., Any]) -> str:
    """Hash of the module that a function is defined in."""
    module = inspect.getmodule(function)
    assert module is not None, "a function of ours is in a module"
    return digest_of(inspect.getsource(module))


def save_key(*, scenario: str, saver: str, settings: Mapping[str, Any], environment: str) -> str:
    """Key of a save: `scenario` is the file's digest, `environment` the key of the writer's lock and base."""
    return digest_of(["save", scenario, worker_code_digest(), saver, dict(settings), environment])


def load_key(
    *,
    artifact: str,
    reference: str,
    scenario: str,
    format_id: str,
    settings: Mapping[str, Any],
    environment: str,
    workaround: Mapping[str, Any] | None = None,
) -> str:
    """Key of a load: digests of artifact, writer's observation and scenario file, and the reader's environment key."""
    parts: list[Any] = [artifact, reference, scenario, worker_code_digest(), format_id, dict(settings), environment]
    if workaround is not None:
        parts.append(dict(workaround))
    return digest_of(["load", *parts])
