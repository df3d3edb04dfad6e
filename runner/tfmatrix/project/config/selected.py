"""locks/selected.json: which releases the selectors of matrix.yaml chose, and when.

Committed beside the locks, so that a plan needs no package index and is the same everywhere until somebody renews it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from tfmatrix.core.data import parse_json
from tfmatrix.core.errors import ConfigError
from tfmatrix.core.files import read_bounded

SELECTED_SCHEMA: Final = 1

SELECTED_FILE: Final = Path("locks", "selected.json")
"""Below the project's folder."""

DISTRIBUTION: Final = "tensorflow"
"""Whose releases are looked at where an environment names no other package."""


@dataclass(frozen=True, kw_only=True)
class Selected:
    """What a selector chose of a package's releases, oldest first, and on which day."""

    package: str
    selector: str
    versions: tuple[str, ...]
    date: str

    @property
    def key(self) -> tuple[str, str]:
        """What it is the answer to."""
        return (self.package, self.selector)


def read_selected(path: Path) -> dict[tuple[str, str], Selected]:
    """The choices by package and selector; none where there is no file. ConfigError on a damaged one."""
    try:
        text = read_bounded(path).decode("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(path, 1, str(error)) from error
    try:
        data = parse_json(text)
    except ValueError as error:
        raise _damaged(path, getattr(error, "lineno", 1), "it is not JSON") from error
    if not isinstance(data, dict) or not isinstance(data.get("selected"), list):
        raise _damaged(path, 1, 'it has no list "selected"')
    if data.get("schema") != SELECTED_SCHEMA:
        raise ConfigError(
            f"schema {data.get('schema')!r} is not one that this tfmatrix reads",
            file=path,
            line=1,
            expected=f"schema {SELECTED_SCHEMA}",
            fix="upgrade tfmatrix, or renew the file: tfmatrix lock --upgrade",
        )
    found = [_entry(path, text, number, each) for number, each in enumerate(data["selected"], start=1)]
    return {each.key: each for each in found}


def selected_text(choices: Iterable[Selected]) -> str:
    """The file for these choices: one line each, in a fixed order, so that a renewal is a small diff."""
    lines = [
        json.dumps(
            {"selector": each.selector, "package": each.package, "date": each.date, "versions": list(each.versions)}
        )
        for each in sorted(choices, key=lambda each: each.key)
    ]
    body = ",\n".join(f"  {line}" for line in lines)
    note = "What the selectors of matrix.yaml chose. Made by tfmatrix; renew it with: tfmatrix lock --upgrade"
    head = f'{{\n "schema": {SELECTED_SCHEMA},\n "about": {json.dumps(note)},\n "selected": ['
    return f"{head}\n{body}\n ]\n}}\n" if lines else f"{head}]\n}}\n"


def _entry(path: Path, text: str, number: int, data: Any) -> Selected:
    fields: Mapping[str, Any] = data if isinstance(data, dict) else {}
    line = next((at for at, each in enumerate(text.splitlines(), start=1) if f'"{fields.get("selector")}"' in each), 1)
    try:
        versions = tuple(fields["versions"])
        made = Selected(
            package=fields["package"],
            selector=fields["selector"],
            versions=versions,
            date=date.fromisoformat(fields["date"]).isoformat(),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, line, f"entry {number} is not whole: {error}") from error
    if not all(isinstance(each, str) for each in (made.package, made.selector, *versions)):
        raise _damaged(path, line, f"entry {number} holds something else than texts")
    return made


def _damaged(path: Path, line: int, what: str) -> ConfigError:
    return ConfigError(
        f"this file is damaged: {what}",
        file=path,
        line=line,
        expected="the file as `tfmatrix lock` wrote it",
        fix="restore it from version control, or remove it and run `tfmatrix lock`",
    )
