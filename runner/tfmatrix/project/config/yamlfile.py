"""A YAML file as plain data that remembers where each value stands, so that every mistake can name its line.

The nodes are turned into data here and not by a YAML constructor: that keeps the text as written (`2.10`,
which YAML reads as the number 2.1), finds every duplicate key, and lets an unquoted date stay the text that
it is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.composer import MaxDepthExceededError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from tfmatrix.core.errors import ConfigError
from tfmatrix.core.files import read_bounded

Location = tuple[str | int, ...]
"""Where a value stands: `("environments", 0, "tensorflow")`."""

MAX_BYTES = 1 << 20
MAX_VALUES = 100_000
MAX_DEPTH = 50
"""Of a file: far more than anybody writes by hand. Aliases count as often as they are used."""

_CORE = "tag:yaml.org,2002:"
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
"""What YAML can spell (`"\\0"`) and no program, variable or file can be given."""

_STRINGS = {"str", "timestamp", "merge"}  # a date stays text; `<<` is then an unknown key like any other
_SCALARS = {"int", "float", "bool", "null"}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One mistake in a file: at `location`, or at the line given where the location has none of its own."""

    location: Location
    what: str
    expected: str = ""
    fix: str = ""
    line: int | None = None


@dataclass(frozen=True, kw_only=True)
class Document:
    """A file's data; by location, the line (1-based) of each value and key, and the text of each scalar."""

    path: Path
    data: Any
    lines: dict[Location, int] = field(default_factory=dict)
    key_lines: dict[Location, int] = field(default_factory=dict)
    texts: dict[Location, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def known(self, location: Location) -> Location:
        """The location itself, or its nearest ancestor that stands in the file."""
        while location and location not in self.lines:
            location = location[:-1]
        return location

    def line(self, problem: Problem) -> int:
        """The line a problem is reported at."""
        return problem.line or self.lines[self.known(problem.location)]

    def raise_first(self, problems: Iterable[Problem]) -> None:
        """Raises the first problem in the file as a ConfigError that counts the others; none: returns."""
        ordered = sorted(problems, key=self.line)
        if not ordered:
            return
        first, others = ordered[0], len(ordered) - 1
        more = f" ({others} more {'mistake' if others == 1 else 'mistakes'} in this file)" if others else ""
        raise ConfigError(
            first.what + more,
            file=self.path,
            line=self.line(first),
            key=key_path(first.location),
            expected=first.expected,
            fix=first.fix,
        )


def key_path(location: Location) -> str:
    """`environments[0].tensorflow`."""
    return re.sub(r"^\.", "", "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location))


def read_yaml(path: Path, nullable: Collection[str] = ()) -> Document:
    """Reads a file that must hold one mapping; ConfigError where it is no such file.

    Raises FileNotFoundError where there is none: what that means differs by file. Duplicate keys, keys that
    are no strings and keys without a value are left in `problems`, to be reported with what else is wrong. A key of
    `nullable` may have the value null, spelled out.
    """
    try:
        content = read_bounded(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=path) from error
    if len(content) > MAX_BYTES:
        raise ConfigError(
            f"the file has {len(content) >> 10} KB",
            file=path,
            expected=f"at most {MAX_BYTES >> 10} KB, written by hand",
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"byte 0x{content[error.start]:02x} is not UTF-8",
            file=path,
            line=content.count(b"\n", 0, error.start) + 1,
            expected="text in UTF-8",
            fix="save the file as UTF-8 in your editor",
        ) from error
    yaml = YAML(typ="safe", pure=True)
    yaml.max_depth = MAX_DEPTH  # each open bracket makes its scanner slower
    try:
        node = yaml.compose(text)
    except MaxDepthExceededError as error:
        raise _too_deep(path, error.problem_mark.line + 1) from error
    except MarkedYAMLError as error:
        _raise_syntax(path, error)
    except ReaderError as error:
        raise ConfigError(
            f"character U+{error.character:04X} is not allowed in YAML",
            file=path,
            line=text.count("\n", 0, error.position) + 1,
            fix="remove the character",
        ) from error
    except YAMLError as error:
        raise ConfigError(f"is not YAML: {error}", file=path) from error
    if node is None:
        raise ConfigError("the file is empty", file=path, line=1, expected="a mapping that begins with schema: 1")
    if not isinstance(node, MappingNode):
        kind = "a list" if isinstance(node, SequenceNode) else "a single value"
        raise ConfigError(
            f"the file holds {kind}",
            file=path,
            line=_line(node),
            expected="a mapping (key: value) that begins with schema: 1",
        )
    document = Document(path=path, data={})
    document.data.update(_Reader(document, nullable).plain(node, ()))
    return document


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _too_deep(path: Path, line: int) -> ConfigError:
    return ConfigError(
        f"more than {MAX_DEPTH} levels of lists and mappings", file=path, line=line, fix="write it with fewer levels"
    )


def _raise_syntax(path: Path, error: MarkedYAMLError) -> NoReturn:
    """One clear error for text that is not YAML, with a fix for the mistakes that people make."""
    mark = error.problem_mark or error.context_mark
    problem = " ".join(part for part in (error.context, error.problem) if part)
    if "'\\t'" in problem:
        what, fix = "a tab where YAML wants spaces", "indent with spaces"
    elif "scanning an alias" in problem:
        what, fix = (
            '"*" at the beginning of a value names a YAML alias',
            'write a glob in quotes, such as "*"',
        )
    elif "cannot start any token" in problem:
        what, fix = f"is not YAML: {error.problem}", "write the value in quotes"
    elif "single document" in problem:
        what, fix = "a second YAML document begins here", 'remove the line "---"'
    elif "mapping values are not allowed here" in problem:
        what, fix = (
            'is not YAML: a ":" where no key can stand',
            "check the indentation, or write the value in quotes",
        )
    else:
        what, fix = (
            f"is not YAML: {problem}",
            "check the indentation, brackets and quotes in and above this line",
        )
    raise ConfigError(what, file=path, line=mark.line + 1 if mark else None, fix=fix) from error


class _Reader:
    """Turns nodes into plain data and notes their places in the document."""

    def __init__(self, document: Document, nullable: Collection[str]) -> None:
        self._document = document
        self._nullable = nullable
        self._open: list[int] = []
        self._values = 0
        self._constructor = YAML(typ="safe", pure=True).constructor

    def plain(self, node: Node, location: Location) -> Any:
        """The data of a node: dict, list, str, int, float, bool or None."""
        document = self._document
        document.lines[location] = _line(node)
        if id(node) in self._open:
            raise ConfigError("an alias that contains itself", file=document.path, line=_line(node))
        self._values += 1
        if len(self._open) >= MAX_DEPTH:  # aliases within aliases
            raise _too_deep(document.path, _line(node))
        if self._values > MAX_VALUES:
            raise ConfigError(
                f"more than {MAX_VALUES} values (aliases count as often as they are used)",
                file=document.path,
                line=_line(node),
                fix="write it out, with fewer aliases",
            )
        kind = str(node.tag).removeprefix(_CORE)
        self._open.append(id(node))
        try:
            match node:
                case MappingNode() if kind == "map":
                    return self._mapping(node, location)
                case SequenceNode() if kind == "seq":
                    return [self.plain(item, (*location, index)) for index, item in enumerate(node.value)]
                case ScalarNode() if kind in _STRINGS | _SCALARS:
                    document.texts[location] = node.value
                    if (bad := _NO_TEXT.search(node.value)) is not None:
                        raise ConfigError(
                            f"character U+{ord(bad[0]):04X} in a value",
                            file=document.path,
                            line=_line(node),
                            key=key_path(location),
                            fix="remove the character",
                        )
                    return node.value if kind in _STRINGS else self._scalar(node, kind, location)
        finally:
            self._open.pop()
        raise ConfigError(
            f"the YAML tag {node.tag} is not known here",
            file=document.path,
            line=_line(node),
            key=key_path(location),
            expected="plain YAML: mappings, lists, strings, numbers, true, false",
        )

    def _scalar(self, node: ScalarNode, kind: str, location: Location) -> Any:
        if kind == "null" and not (node.value and location and location[-1] in self._nullable):
            what = "no value stands here"
            fix = "write a value ([] and {} are empty ones), or remove the key"
            line = self._document.key_lines.get(location)  # the value itself begins only where the next key does
            self._document.problems.append(Problem(location=location, what=what, fix=fix, line=line))
        try:
            return self._constructor.construct_object(node)
        except (ValueError, YAMLError) as error:  # "!!int abc"
            raise ConfigError(
                f'"{node.value[:80]}" is not of the type {kind}', file=self._document.path, line=_line(node)
            ) from error

    def _mapping(self, node: MappingNode, location: Location) -> dict[str, Any]:
        document = self._document
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = _line(key_node)
            text = str(key_node.value) if isinstance(key_node, ScalarNode) else "a list or a mapping"
            if not isinstance(key_node, ScalarNode) or str(key_node.tag).removeprefix(_CORE) not in _STRINGS:
                what = f"YAML does not read the key {text} as a string" if text else "a key is missing before the colon"
                fix = f'write "{text}" in quotes' if isinstance(key_node, ScalarNode) and text else ""
                document.problems.append(Problem(location=location, what=what, expected="a string", fix=fix, line=line))
            elif text in found:
                first = document.key_lines[*location, text]
                document.problems.append(
                    Problem(
                        location=(*location, text),
                        what=f'duplicate key "{text}": it stands in line {first} as well',
                        expected="each key once",
                        fix="remove one of the two, or join them",
                        line=line,
                    )
                )
            else:
                document.key_lines[*location, text] = line
                found[text] = self.plain(value_node, (*location, text))
        return found
