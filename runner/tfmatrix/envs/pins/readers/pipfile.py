"""Pipfile: what pipenv is asked for."""

from __future__ import annotations

from pathlib import Path

from tfmatrix.envs.pins.model import Note, PinFile, line_with
from tfmatrix.envs.pins.pipenv import pin_of_entry, prereleases, python_of, sources
from tfmatrix.envs.pins.readers import Rank
from tfmatrix.envs.pins.text import read_toml, table
from tfmatrix.envs.uv import Uv

KIND = "Pipfile"
NAMES = ("Pipfile",)
RANK = Rank.DECLARATION
MADE_OF = ()


def read(path: Path, text: str, uv: Uv) -> PinFile:
    """`[packages]`, and `[dev-packages]` and other categories as groups."""
    data = read_toml(path, text)
    notes: list[Note] = []
    pins = []
    for category, entries in data.items():
        if category in ("source", "requires", "scripts", "pipenv") or not isinstance(entries, dict):
            continue
        group = {"packages": "", "dev-packages": "dev"}.get(category, category)
        for name, entry in entries.items():
            line = line_with(text, f"{name} =", f"{name}=", name)
            pin = pin_of_entry(path, line, name, entry, group, notes)
            if pin is not None:
                pins.append(pin)
    return PinFile(
        path=path,
        kind=KIND,
        pins=tuple(pins),
        python=python_of(table(data, "requires", file=path)),
        python_line=line_with(text, "python_full_version", "python_version"),
        options=(*sources(data.get("source") or ()), *prereleases(table(data, "pipenv", file=path))),
        notes=tuple(notes),
        groups=tuple(dict.fromkeys(pin.group for pin in pins if pin.group)),
    )
