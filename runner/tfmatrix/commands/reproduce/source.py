"""Pieces of Python source: cut out by the syntax tree and edited in place, so that comments and layout stay."""

from __future__ import annotations

import ast
import re
import symtable
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One statement of a module with the comments before it, dedented.

    `defines` are the names it binds, `uses` those it reads. A piece that is not `lasting` is left out of a script
    that does not use what it defines. `apart` says that an empty line stood before it.
    """

    text: str
    apart: bool
    defines: frozenset[str]
    uses: frozenset[str]
    is_definition: bool
    is_import: bool = False
    lasting: bool = False


def pieces(source: str) -> list[Piece]:
    """The statements of a module one by one, none of them lasting. Raises SyntaxError."""
    return [piece_of(text, node) for text, node in chunks(source, ast.parse(source).body)]


def piece_of(text: str, node: ast.stmt, *, lasting: bool = False) -> Piece:
    """A statement and its text as a piece."""
    return Piece(
        text=text.strip("\n"),
        apart=text.startswith("\n"),
        defines=frozenset(defined(node)),
        uses=frozenset(free_names(text)),
        is_definition=isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef),
        is_import=isinstance(node, ast.Import | ast.ImportFrom),
        lasting=lasting,
    )


def chunks(source: str, body: Sequence[ast.stmt]) -> list[tuple[str, ast.stmt]]:
    """Each statement of a block with its lines, and with comments and empty lines since the statement before it.

    Statements that share a line with the one before them
    (`a = 1; b = 2`) are in its text.
    """
    lines = source.split("\n")
    found = []
    end = 0
    for node in body:
        last = node.end_lineno or node.lineno
        if node.lineno > end:
            found.append(("\n".join(lines[end:last]), node))
        end = max(end, last)
    return found


def joined(parts: Iterable[Piece]) -> str:
    """Pieces as a module: two empty lines around definitions, elsewhere one where there was one."""
    text = ""
    before: Piece | None = None
    for part in parts:
        if before is not None:
            text += "\n\n\n" if part.is_definition or before.is_definition else "\n\n" if part.apart else "\n"
        text += part.text
        before = part
    return text


def needed(parts: Sequence[Piece], roots: Collection[str]) -> list[Piece]:
    """The pieces that `roots` (names) make use of, directly or through others, and those that are lasting; in order."""
    wanted = set(roots)
    kept: set[int] = set()
    grown = True
    while grown:
        grown = False
        for number, part in enumerate(parts):
            if number not in kept and (part.lasting or part.defines & wanted):
                kept.add(number)
                wanted |= part.uses
                grown = True
    return [part for number, part in enumerate(parts) if number in kept]


def defined(node: ast.stmt) -> set[str]:
    """The names that a statement binds in its own scope."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return {node.name}
        case ast.Import() | ast.ImportFrom():
            return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}


def free_names(source: str) -> set[str]:
    """The names that a piece of a module reads from the module: not those of its functions' own variables."""
    table = symtable.symtable(source, "<piece>", "exec")
    found = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced()}
    inner = table.get_children()
    while inner:
        scope = inner.pop()
        found |= {symbol.get_name() for symbol in scope.get_symbols() if symbol.is_global() and symbol.is_referenced()}
        inner += scope.get_children()
    return found


def imports_for(statements: Iterable[str], names: Collection[str]) -> str:
    """The imports of those names that the statements bind: standard library first, each once, sorted."""
    groups: dict[int, set[str]] = {0: set(), 1: set(), 2: set()}
    members: dict[str, set[str]] = {}
    for statement in statements:
        match ast.parse(statement).body[0]:
            case ast.ImportFrom(module="__future__"):
                groups[0].add(statement)
            case ast.ImportFrom(module=str(module), names=aliases):
                used = {ast.unparse(alias) for alias in aliases if (alias.asname or alias.name) in names}
                members.setdefault(module, set()).update(used)
            case ast.Import(names=[alias]) as node if defined(node) & set(names):
                groups[_import_group(alias.name)].add(statement)
    for module, used in members.items():
        if used:
            listed = ", ".join(sorted(used, key=_member_order))
            groups[_import_group(module)].add(f"from {module} import {listed}")
    return "\n\n".join("\n".join(sorted(group, key=_import_order)) for group in groups.values() if group)


def _import_group(module: str) -> int:
    return 1 if module.partition(".")[0] in sys.stdlib_module_names else 2


def _member_order(name: str) -> tuple[bool, bool, str]:
    """Constants, then classes, then functions."""
    return not name.isupper(), not name[:1].isupper(), name


def _import_order(statement: str) -> tuple[bool, str]:
    return statement.startswith("from "), statement.casefold()


def renamed(source: str, names: Mapping[str, str]) -> str:
    """The module with variables and functions renamed; attributes, keyword arguments and comments stay."""
    edits = Edits(source)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and node.id in names:
            edits.replace(node, names[node.id])
        elif isinstance(node, ast.FunctionDef) and node.name in names:
            column = node.col_offset + len("def ")
            edits.replace_range((node.lineno, column), (node.lineno, column + len(node.name)), names[node.name])
        elif isinstance(node, ast.arg) and node.arg in names:
            edits.replace(node, names[node.arg])
    return edits.apply()


class Edits:
    """Replacements in a text, at positions of its syntax tree: line from 1, column in bytes of UTF-8."""

    def __init__(self, source: str) -> None:
        self._source = source.encode("utf-8")
        self._starts = [0, *accumulate(len(line) + 1 for line in self._source.split(b"\n"))]
        self._edits: list[tuple[int, int, bytes]] = []

    def replace(self, node: ast.expr | ast.stmt | ast.keyword | ast.arg, text: str) -> None:
        """Puts a text in place of a node."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        self.replace_range((node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset), text)

    def replace_range(self, start: tuple[int, int], end: tuple[int, int], text: str) -> None:
        """Puts a text in place of what stands between two positions (line, column)."""
        self._edits.append((self._offset(start), self._offset(end), text.encode("utf-8")))

    def drop_keyword(self, call: ast.Call, keyword: ast.keyword) -> None:
        """Takes a keyword argument out of a call, with the comma that is too many then."""
        begin, end = self._offset((keyword.lineno, keyword.col_offset)), self._end(keyword)
        before = re.search(rb",\s*$", self._source[self._end(call.func) : begin])
        if before is not None:
            self._edits.append((self._end(call.func) + before.start(), end, b""))
        else:
            behind = re.compile(rb"\s*,\s*").match(self._source, end)
            self._edits.append((begin, behind.end() if behind else end, b""))

    def _end(self, node: ast.expr | ast.keyword) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._offset((node.end_lineno, node.end_col_offset))

    def _offset(self, position: tuple[int, int]) -> int:
        return self._starts[position[0] - 1] + position[1]

    def apply(self) -> str:
        """The text with all replacements; one inside another is part of the outer one and left out."""
        result, end = b"", 0
        for begin, stop, text in sorted(self._edits, key=lambda edit: (edit[0], -edit[1])):
            if begin >= end:
                result += self._source[end:begin] + text
                end = stop
        return (result + self._source[end:]).decode("utf-8")
