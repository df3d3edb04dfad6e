"""One side of a cell, the writer or the reader: its versions, and how to get an environment like it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import UsageError
from tfmatrix.core.text import one_line
from tfmatrix.core.versions import Versions, versions_of
from tfmatrix.store.runs import Run

_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9.!+_-]+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Side:
    """An environment as a bug report names it.

    `python` is "3.11.7", or "3.11" where the run does not know more; `packages` maps normalised names to versions.
    `requirements` is the text of a requirements file. `image` is empty where packages are installed.
    """

    environment: str
    versions: Versions
    python: str
    packages: Mapping[str, str]
    variables: Mapping[str, str]
    image: str
    requirements: str

    @property
    def python_minor(self) -> str:
        """What a virtual environment is made with: "3.11"."""
        return ".".join(self.python.split(".")[:2])

    @property
    def label(self) -> str:
        """`TensorFlow 2.15.1, Keras 2.15.0, Python 3.11.7`, as far as it is known."""
        named = (("TensorFlow", self.versions.tensorflow), ("Keras", self.versions.keras), ("Python", self.python))
        return one_line(", ".join(f"{name} {version}" for name, version in named if version) or self.environment)


def side_of(run: Run, environment_id: str, *, locks: Path, environments: Iterable[Environment]) -> Side:
    """The environment of that id, as the run had it.

    The lock is taken where it pins what the run used; one that was renewed since gives way to the versions that the run
    noted. Raises UsageError where neither says what to install.
    """
    described: Mapping[str, Any] = (run.header.get("environments") or {}).get(environment_id) or {}
    entry = next((each for each in environments if each.id == environment_id), Environment(id=environment_id))
    used = _normalised(described.get("packages") or {})
    python = str(described.get("python") or entry.python)
    variables = {str(name): str(value) for name, value in (described.get("env") or entry.env).items()}
    image = _image(described, entry)
    packages = used
    if image:
        requirements = f"# Nothing to install: the environment {environment_id} is the image {image}, used as it is.\n"
    else:
        locked = _locked(locks / f"{environment_id}.txt")
        packages = used or _normalised(dict(_PIN.findall(locked)))
        if not packages:
            raise UsageError(
                f"what the environment {environment_id} consists of is not known",
                expected=f"its lock {locks / f'{environment_id}.txt'}, or its packages in the run {run.id}",
                fix=f"run `tfmatrix lock {environment_id}`",
            )
        requirements = _requirements(environment_id, python, packages, locked)
    return Side(
        environment=environment_id,
        versions=versions_of({**described, "packages": packages, "env": variables}),
        python=python,
        packages=packages,
        variables=variables,
        image=image,
        requirements=requirements,
    )


def _image(described: Mapping[str, Any], entry: Environment) -> str:
    base = described.get("base") or {}
    return entry.image or (one_line(base.get("reference", "")) if base.get("kind") == "image" else "")


def _locked(path: Path) -> str:
    """The text of a lock without its comments; empty where there is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    return "".join(f"{line}\n" for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))


def _requirements(environment_id: str, python: str, packages: Mapping[str, str], locked: str) -> str:
    version = ".".join(python.split(".")[:2])
    title = f"# Every package of the environment {environment_id}" + (f", for Python {version}" if version else "")
    how = "# Install it with --no-deps: nothing is missing.\n"
    if locked and _normalised(dict(_PIN.findall(locked))) == dict(packages):
        return f"{title}.\n{how}{locked}"
    pins = "".join(f"{name}=={version}\n" for name, version in sorted(packages.items()))
    return f"{title}, as the run noted them; no lock has their hashes.\n{how}{pins}"


def _normalised(packages: Mapping[str, Any]) -> dict[str, str]:
    return {re.sub(r"[-_.]+", "-", str(name)).lower(): str(version) for name, version in packages.items()}
