"""pyproject.toml: `[project]` (PEP 621), dependency groups (PEP 735), Poetry, and what setuptools reads elsewhere.

In a workspace of uv the lock lies in a folder above: then it is what is read.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tfmatrix.envs.pins.declared import read_declared
from tfmatrix.envs.pins.model import PinFile
from tfmatrix.envs.pins.readers import Rank, uv_lock
from tfmatrix.envs.pins.text import read_text, read_toml, table
from tfmatrix.envs.uv import Uv

KIND = "pyproject.toml"
NAMES = ("pyproject.toml",)
RANK = Rank.DECLARATION
MADE_OF = ()


def read(path: Path, text: str, uv: Uv) -> PinFile:
    """The dependencies, those of optional parts marked as such, and `requires-python`."""
    lock = _lock_of_workspace(path)
    if lock is not None:
        found = uv_lock.read_project(lock, path.parent, read_text(lock), uv)
        # Under its own name: the lock alone stands for the project that lies beside it.
        return replace(found, path=path, kind=KIND, reads=(lock, *found.reads))
    return read_declared(path, text, uv)


def _lock_of_workspace(path: Path) -> Path | None:
    for folder in path.parent.resolve().parents:
        above = folder / "pyproject.toml"
        if (folder / "uv.lock").is_file() and above.is_file():
            members = table(read_toml(above, read_text(above)), "tool", "uv", "workspace", file=above).get("members")
            inside = path.parent.resolve()
            if any(inside in folder.glob(str(each)) for each in members or ()):
                return folder / "uv.lock"
        if (folder / ".git").exists():
            return None
    return None
