"""requirements.txt and its like, read by pip's own grammar (the package pip-requirements-parser).

What is written for another machine (a folder of a build, an address that does not answer) is left out, with a note.
"""

from __future__ import annotations

import os
import re
import tempfile
import urllib.request
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from tfmatrix.core.errors import ConfigError
from tfmatrix.core.files import read_bounded
from tfmatrix.core.packages import TENSORFLOW
from tfmatrix.envs.index import PRERELEASES
from tfmatrix.envs.pins.model import Note, Pin, PinFile, pin_of, version_in
from tfmatrix.envs.pins.text import decode

REMOTE_SECONDS = 10
"""How long another file is waited for that is included by its address."""

MOST_NAMED = 4
"""Of packages that are left out for one reason, those that are named."""

_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")  # pip: "Requirements File Format", "Using environment variables"
_VALUES = {
    "index_url": "--index-url",
    "extra_index_urls": "--extra-index-url",
    "find_links": "--find-links",
}
_SWITCHES = {"no_index": "--no-index", "pre": PRERELEASES}


Follow = Callable[[Path, Sequence[str]], PinFile | None]
"""What the project in a folder asks for, with these extras of it; None where no project lies there."""


def read_requirements(path: Path, text: str, follow: Follow | None = None, *, line: int | None = None) -> PinFile:
    """The pins of a requirements file and of those that it includes; `follow` reads the projects that it names.

    `line` is where all of it stands, for what is no file of its own.
    """
    reading = _Reading(follow=follow, line=line)
    pins = tuple(reading.read(path, text, (path,), is_constraint=False))
    return PinFile(
        path=path,
        kind="requirements.txt",
        pins=pins,
        options=tuple(dict.fromkeys(reading.options)),
        notes=tuple(dict.fromkeys((*reading.notes, *reading.left_out()))),
        reads=tuple(dict.fromkeys(reading.reads)),
    )


@dataclass
class _Reading:
    follow: Follow | None = None
    line: int | None = None
    options: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    reads: list[Path] = field(default_factory=list)
    included: set[tuple[Path, bool]] = field(default_factory=set)
    elsewhere: dict[tuple[Path, str], list[tuple[int, str]]] = field(default_factory=dict)

    def left_out(self) -> Iterator[Note]:
        """One note for each kind of place: a list frozen by conda has a hundred packages of folders."""
        for (path, where), listed in self.elsewhere.items():
            if len(listed) == 1:
                number, shown = listed[0]
                yield Note(
                    file=path, line=number, what=f"{shown} comes from {where}, not from a package index: left out"
                )
            else:
                shown = ", ".join(name for _, name in listed[:MOST_NAMED])
                more = f" and {len(listed) - MOST_NAMED} more" if len(listed) > MOST_NAMED else ""
                yield Note(file=path, what=f"{shown}{more} come from {where}, not from a package index: left out")

    def read(self, path: Path, text: str, seen: tuple[Path, ...], *, is_constraint: bool) -> Iterator[Pin]:
        parsed = _parse(_with_variables(text))
        entries: list[tuple[int, Any]] = [(each.requirement_line.line_number, each) for each in parsed.requirements]
        entries += [(each.line_number, each) for each in (*parsed.options, *parsed.invalid_lines)]
        for place, entry in sorted(entries, key=lambda each: each[0]):
            number = self.line if self.line is not None and len(seen) == 1 else place
            if hasattr(entry, "options"):
                yield from self._option(path, number, entry.options, seen, is_constraint=is_constraint)
            elif hasattr(entry, "error_message"):
                yield from self._invalid(path, number, entry.line, is_constraint=is_constraint)
            else:
                yield from self._pins(path, number, entry, is_constraint=is_constraint)

    def _option(
        self, path: Path, number: int, options: dict[str, Any], seen: tuple[Path, ...], *, is_constraint: bool
    ) -> Iterator[Pin]:
        for name, value in options.items():
            if name in ("requirements", "constraints"):
                for each in value:
                    limits = is_constraint or name == "constraints"
                    yield from self._included(path, number, each, seen, is_constraint=limits)
            elif name in _VALUES:
                for each in value if isinstance(value, list) else [value]:
                    self._index(path, number, _VALUES[name], each)
            elif name in _SWITCHES:
                self.options.append(_SWITCHES[name])

    def _index(self, path: Path, number: int, option: str, value: str) -> None:
        if "://" in value:
            self.options.append(f"{option} {value}")
            return
        folder = path.parent / value
        if folder.exists():
            self.options.append(f"{option} {folder.resolve()}")
        else:
            self.notes.append(Note(file=path, line=number, what=f"there is no {value}: left out"))

    def _included(
        self, path: Path, number: int, name: str, seen: tuple[Path, ...], *, is_constraint: bool
    ) -> Iterator[Pin]:
        if "://" in name and not name.startswith("file:"):
            try:
                text = _fetch(name)
            except (OSError, URLError) as error:
                why = getattr(error, "reason", None) or error
                self.notes.append(Note(file=path, line=number, what=f"{_public(name)} cannot be had ({why}): left out"))
                return
            yield from self.read(Path(name), text, (*seen, Path(name)), is_constraint=is_constraint)
            return
        other = path.parent / (unquote(urlsplit(name).path) if name.startswith("file:") else name)
        other = Path(os.path.normpath(other))
        if other in seen:
            chain = " → ".join(os.path.relpath(each, seen[0].parent) for each in (*seen[seen.index(other) :], other))
            raise ConfigError(f"{other.name} includes itself: {chain}", file=path, line=number, fix="remove this line")
        if (other, is_constraint) in self.included:
            return  # a file that several others include says the same again
        self.included.add((other, is_constraint))
        try:
            content = read_bounded(other)
        except OSError as error:
            raise ConfigError(
                f"includes {name}, which cannot be read: {error.strerror or error}", file=path, line=number
            ) from error
        self.reads.append(other)
        if content.strip():
            yield from self.read(other, decode(other, content), (*seen, other), is_constraint=is_constraint)

    def _invalid(self, path: Path, number: int, line: str, *, is_constraint: bool) -> Iterator[Pin]:
        """A line that the parser does not take: one with an option that it does not know is a requirement for pip."""
        if (missing := _VARIABLE.search(line)) is not None:
            raise ConfigError(
                f"the environment variable {missing[1]} is not set",
                file=path,
                line=number,
                expected="its value, as where the project is installed",
                fix=f"set it: {missing[1]}=… tfmatrix …",
            )
        if line.lstrip().startswith("-"):
            # A switch of another version of pip pins nothing.
            self.notes.append(
                Note(file=path, line=number, what=f"{line.strip()[:60]} is no option that is known: left out")
            )
            return
        yield pin_of(line, path, number, is_constraint=is_constraint)

    def _pins(self, path: Path, number: int, entry: Any, *, is_constraint: bool) -> Iterator[Pin]:
        if entry.link is None:
            yield pin_of(entry.requirement_line.line, path, number, is_constraint=is_constraint)
            return
        address = entry.link.url
        version = version_in(address)
        name = canonicalize_name(entry.name) if entry.name else ""
        where = "a repository" if entry.is_vcs_url else "a folder" if "://" not in address else _where(address)
        if not name or not version:
            if name in TENSORFLOW:
                raise from_elsewhere(name, path, number)
            if where == "a folder" or address.startswith("file:"):
                found = self._of_project(path, number, unquote(urlsplit(address).path), entry.extras)
                if found is not None:
                    yield from found
                    return
            self.elsewhere.setdefault((path, where), []).append((number, entry.name or _public(address)))
            return
        self.notes.append(
            Note(file=path, line=number, what=f"{name} comes from {where}: {version} of the package index is taken")
        )
        yield pin_of(f"{name}=={version}", path, number, is_constraint=is_constraint, marker=str(entry.marker or ""))

    def _of_project(self, path: Path, number: int, name: str, extras: Collection[str]) -> tuple[Pin, ...] | None:
        """What a project of this machine asks for; None where there is none, () with a note where it is not read."""
        if self.follow is None:
            return ()
        # For pip it lies below the folder where pip is run: that of the file, or the one above (requirements/dev.txt).
        for base in (path.parent, path.parent.parent):
            try:
                found = self.follow(Path(os.path.normpath(base / name)), tuple(extras))
            except ConfigError as error:
                self.notes.append(
                    Note(file=path, line=number, what=f"what {name} asks for is left out: {error.what.splitlines()[0]}")
                )
                return ()
            if found is not None:
                self.options += found.options
                self.notes += found.notes
                self.reads += [found.path, *found.reads]
                return tuple(pin for pin in found.pins if pin.is_production)
        return None


def _public(address: str) -> str:
    """An address without the name and password that may stand in it."""
    return re.sub(r"(://)[^/@]+@", r"\1", address)


def _where(address: str) -> str:
    return "a folder of the machine that wrote it" if address.startswith("file:") else "an address"


def from_elsewhere(name: str, file: Path, line: int | None) -> ConfigError:
    """The error for a TensorFlow that does not come from a package index."""
    return ConfigError(
        f"{name} comes from an address or a folder, and its version is not known",
        file=file,
        line=line,
        expected=f"a version of the package index, such as {name}==2.15.1",
        fix="give --from and --to as versions instead",
    )


def _parse(text: str) -> Any:
    from pip_requirements_parser import RequirementsFile

    # Its `from_string` is broken in 32.0.1 (Path is not imported there): a file of its own.
    with tempfile.TemporaryDirectory(prefix="tfmatrix-pins-") as folder:
        file = Path(folder, "requirements.txt")
        file.write_text(text, encoding="utf-8")
        return RequirementsFile.from_file(str(file), include_nested=False)


def _with_variables(text: str) -> str:
    return _VARIABLE.sub(lambda match: os.environ.get(match[1]) or match[0], text)


def _fetch(address: str) -> str:
    with urllib.request.urlopen(address, timeout=REMOTE_SECONDS) as answer:
        content: bytes = answer.read()
    return content.decode("utf-8", "replace")
