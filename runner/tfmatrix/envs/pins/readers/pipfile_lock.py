"""Pipfile.lock, by its format: JSON with the categories `default`, `develop` and others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tfmatrix.envs.pins.model import Note, PinFile, line_with
from tfmatrix.envs.pins.pipenv import pin_of_entry, python_of, sources
from tfmatrix.envs.pins.readers import Rank
from tfmatrix.envs.pins.text import read_json
from tfmatrix.envs.uv import Uv

KIND = "Pipfile.lock"
NAMES = ("Pipfile.lock",)
RANK = Rank.LOCK
MADE_OF = ("Pipfile",)


def read(path: Path, text: str, uv: Uv) -> PinFile:
    """What `pipenv sync` installs; what `--dev` and other categories add is marked as such."""
    data = read_json(path, text)
    meta: dict[str, Any] = data.get("_meta") or {}
    notes: list[Note] = []
    pins = []
    for category, entries in data.items():
        if category == "_meta" or not isinstance(entries, dict):
            continue
        group = {"default": "", "develop": "dev"}.get(category, category)
        for name, entry in entries.items():
            line = line_with(text, f'"{name}": {{')
            pin = pin_of_entry(path, line, name, entry, group, notes)
            if pin is not None:
                pins.append(pin)
    return PinFile(
        path=path,
        kind=KIND,
        pins=tuple(pins),
        python=python_of(meta.get("requires") or {}),
        python_line=line_with(text, "python_full_version", "python_version"),
        options=sources(meta.get("sources") or ()),
        notes=tuple(notes),
        groups=tuple(dict.fromkeys(pin.group for pin in pins if pin.group)),
    )
