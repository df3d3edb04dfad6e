"""Shell commands that get the environments of a cell, and run its scripts in them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from tfmatrix.commands.reproduce.side import Side

Installations = Mapping[str, "Installation"]


@dataclass(frozen=True, kw_only=True)
class Installation:
    """A virtual environment to make: its folder, the Python for it ("3.11"), and a requirements file."""

    folder: str
    python: str
    requirements: str

    @property
    def with_uv(self) -> list[str]:
        """Commands for uv, which fetches the Python too."""
        return [
            f"uv venv --python {self.python} {self.folder}",
            f"uv pip install --python {self.folder}/bin/python --no-deps -r {self.requirements}",
        ]

    @property
    def with_venv(self) -> list[str]:
        """Commands for the standard library, where that Python is installed."""
        return [
            f"python{self.python} -m venv {self.folder}",
            f"{self.folder}/bin/python -m pip install --no-deps -r {self.requirements}",
        ]


def installations(writer: Side, reader: Side) -> dict[str, Installation]:
    """What to install by environment, each once; nothing for one that is an image."""
    found: dict[str, Installation] = {}
    for side, name in ((writer, "save"), (reader, "load")):
        if not side.image and side.environment not in found:
            python = shlex.quote(side.python_minor or "3")
            found[side.environment] = Installation(
                folder=f"env-{name}", python=python, requirements=f"requirements-{name}.txt"
            )
    return found


def run_script(script: str, side: Side, needs: Installations) -> str:
    """The command that runs a script on its side."""
    variables = [f"{name}={shlex.quote(value)}" for name, value in side.variables.items()]
    if side.image:
        options = "".join(f" -e {variable}" for variable in variables)
        return f'docker run --rm -v "$PWD:/repro" -w /repro{options} {shlex.quote(side.image)} python3 {script}'
    return " ".join([*variables, f"{needs[side.environment].folder}/bin/python", script])
