"""Formats are found by themselves: ours, those of installed packages, and a project's own. Read, never run.

A file of a format holds declarations only (tfmatrix/worker/formats/__init__.py says which). Whatever stands in it is a
value or an error with its line; nothing of it is imported, so that a format may speak of packages that only its
environments have.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final

import tfmatrix.worker.formats
from tfmatrix.core.errors import ConfigError
from tfmatrix.core.hints import did_you_mean, one_of
from tfmatrix.core.ids import ID_PATTERN
from tfmatrix.project.source import parse_file
from tfmatrix.worker.declared import FILES, FUNCTIONS, LOADS, MODELS, POLICY, READING, REQUIREMENT, Format

ENTRY_POINTS: Final = "tfmatrix.formats"
"""Entry points of packages that bring formats; each names the module that is one."""

_OWN: Final = Path(tfmatrix.worker.formats.__path__[0])
_OWN_PACKAGE: Final = tfmatrix.worker.formats.__name__

_OF_SAVER: Final = ("ARTIFACT", "MODELS", "SAVE")
_OF_LOADER: Final = ("LOAD", "LOADS", "LOADER", "CHECKS")
_OPTIONAL: Final = ("POLICY", "READING", "FILES", "ORDER", "BY_NAME")
_NAMES: Final = ("ID", "SAVER", "REQUIRES", *_OF_SAVER, *_OF_LOADER, *_OPTIONAL)

_WORDS: Final[Mapping[str, tuple[str, ...]]] = {"MODELS": MODELS, "LOADS": LOADS, "POLICY": POLICY, "READING": READING}


def read_formats(folder: Path | None = None) -> Mapping[str, Format]:
    """Id to format, in the order in which reports name them; `folder` holds a project's own and need not exist.

    Raises ConfigError for a file that is wrong, and where two formats have one id.
    """
    files = [*_own_files(), *_installed_files(), *_files_of(folder)]
    if len(files) == len(_own_files()):
        return own_formats()
    return _table(files)


@cache
def own_formats() -> Mapping[str, Format]:
    """The formats that tfmatrix itself brings."""
    return _table(_own_files())


@cache
def _own_files() -> tuple[Path, ...]:
    return tuple(_files_of(_OWN))


def _files_of(folder: Path | None) -> list[Path]:
    """The files of a folder that may be formats: names that begin with `_` or `.` are none."""
    if folder is None or not folder.is_dir():
        return []
    found = sorted(path for path in folder.glob("*.py") if path.name[0] not in "_." and not path.is_dir())
    for path in found:
        if not path.is_file():
            raise ConfigError("leads nowhere", file=path, expected="a file", fix="mend or remove the link")
    return found


def _installed_files() -> list[Path]:
    return [_file_of(each) for each in sorted(entry_points(group=ENTRY_POINTS), key=lambda each: each.name)]


def _file_of(entry: EntryPoint) -> Path:
    """The file of an entry point's module; no package is imported for it."""
    first, *rest = entry.module.split(".")
    spec = importlib.util.find_spec(first)
    folders = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    if not rest and spec is not None and spec.origin and not folders:
        return Path(spec.origin)
    for folder in folders:
        for candidate in (folder.joinpath(*rest).with_suffix(".py"), folder.joinpath(*rest, "__init__.py")):
            if candidate.is_file():
                return candidate
    raise ConfigError(
        f'the entry point "{entry.name}" of {ENTRY_POINTS} names {entry.module}, and there is no such file',
        file=entry.dist.name if entry.dist else ENTRY_POINTS,
        expected="a module that declares one format",
        fix="repair or remove the package that brings it",
    )


def _table(files: Iterable[Path]) -> dict[str, Format]:
    """The formats of the files, those of a saver completed by it, in order."""
    found = {path: declared for path in files if (declared := _read(path)).is_format}
    by_id: dict[str, _Declared] = {}
    for declared in found.values():
        name = declared.text("ID")
        if not ID_PATTERN.fullmatch(name):
            declared.refuse("ID", f'"{name}" cannot be the id of a format', "letters, digits and any of . _ + @ -")
        first = by_id.setdefault(name, declared)
        if first is not declared:
            declared.refuse("ID", f'there is a format "{name}" already, in {first.path}', "an id of its own")
    formats = [_format(declared, by_id) for declared in by_id.values()]
    return {each.id: each for each in sorted(formats, key=lambda each: (each.order, each.id))}


def _format(declared: _Declared, by_id: Mapping[str, _Declared]) -> Format:
    """A format, its declarations checked."""
    name = declared.text("ID")
    saver = declared
    if (other := declared.text("SAVER", name)) != name:
        given = next((each for each in (*_OF_SAVER, "REQUIRES") if each in declared.values), None)
        if given is not None:
            declared.refuse(given, f"{given} is that of SAVER", f"no {given}, or no SAVER")
        if other not in by_id:
            declared.refuse("SAVER", f'there is no format "{other}"', one_of(by_id), did_you_mean(other, by_id))
        saver = by_id[other]
        if saver.text("SAVER", other) != other:
            declared.refuse("SAVER", f'"{other}" does not write itself', saver.text("SAVER"))
    saver.code("SAVE")
    declared.code("LOAD")
    if not _names(declared.text("LOAD"), "model", ast.Store):
        declared.refuse("LOAD", "LOAD does not say what it loaded", "a call whose result becomes `model`")
    return Format(
        id=name,
        title=declared.title,
        saver=other,
        artifact=saver.text("ARTIFACT"),
        models=saver.word("MODELS"),
        save=saver.text("SAVE"),
        requires=saver.requirements(),
        load=declared.text("LOAD"),
        loads=declared.word("LOADS"),
        loader=declared.text("LOADER"),
        checks=declared.checks(),
        reading=declared.word("READING") if "READING" in declared.values else None,
        files=declared.files(),
        order=declared.number("ORDER", 1000),
        by_name=declared.flag("BY_NAME"),
        policy=declared.word("POLICY") if "POLICY" in declared.values else "",
        functions=tuple(
            each for each in FUNCTIONS if _names(saver.text("SAVE"), each) or _names(declared.text("LOAD"), each)
        ),
    )


def _names(text: str, name: str, context: type[ast.expr_context] = ast.Load) -> bool:
    """Whether a call reads (or binds) a name."""
    return any(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, context)
        for node in ast.walk(ast.parse(text))
    )


@dataclass(frozen=True, kw_only=True)
class _Declared:
    """The values of a file by name, with the lines on which they stand."""

    path: Path
    title: str
    values: Mapping[str, Any]
    lines: Mapping[str, int]

    @property
    def is_format(self) -> bool:
        """Whether it declares anything of a format: a folder called `formats` may hold code of another kind."""
        return any(name in self.values for name in ("ID", "SAVE", "LOAD"))

    def refuse(self, name: str, what: str, expected: str, fix: str = "") -> None:
        """Raises ConfigError at the line of a name."""
        raise ConfigError(what, file=self.path, line=self.lines.get(name), expected=expected, fix=fix)

    def _get(self, name: str, kind: type | tuple[type, ...], expected: str, default: Any = None) -> Any:
        value = self.values.get(name, default)
        if value is None:
            near = did_you_mean(name, [each for each in self.values if each not in _NAMES])
            self.refuse(name, f"{name} is missing", f"{name} = {expected}", near)
        if not isinstance(value, kind) or isinstance(value, bool):
            self.refuse(name, f"{name} is {type(value).__name__}", f"{name} = {expected}")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        """A string that is not empty."""
        value = str(self._get(name, str, '"…"', default))
        if not value.strip():
            self.refuse(name, f"{name} is empty", f'{name} = "…"')
        return value

    def number(self, name: str, default: int) -> int:
        """A whole number."""
        return int(self._get(name, int, "a whole number", default))

    def flag(self, name: str) -> bool:
        """True, or nothing."""
        if self.values.get(name, True) is not True:
            self.refuse(name, f"{name} is {self.values[name]!r}", f"{name} = True, or no {name}")
        return name in self.values

    def word(self, name: str) -> str:
        """One of the words that the name may have."""
        word = self.text(name)
        if word not in _WORDS[name]:
            self.refuse(name, f'{name} is "{word}"', one_of(_WORDS[name]), did_you_mean(word, _WORDS[name]))
        return word

    def strings(self, name: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """A tuple of strings."""
        value = self._get(name, tuple, '("…", …)', default)
        if not all(isinstance(each, str) for each in value):
            self.refuse(name, f"{name} holds something else than strings", f'{name} = ("…", …)')
        return tuple(value)

    def checks(self) -> tuple[str, ...]:
        """CHECKS, each one that there is."""
        found = self.strings("CHECKS")
        if not self.path.is_relative_to(_OWN):
            from tfmatrix.checks.registry import checks  # numpy, which not every command needs

            for each in found:
                if each not in checks():
                    near = did_you_mean(each, checks())
                    self.refuse("CHECKS", f'there is no check "{each}"', one_of(checks()), near)
            for each in ("load", "outputs"):
                if each not in found:
                    self.refuse("CHECKS", f'CHECKS lacks "{each}"', "what every format promises: load and outputs")
        return found

    def requirements(self) -> dict[str, str]:
        """REQUIRES: requirement to the reason that is said."""
        expected = 'REQUIRES = {"keras>=2.13": "why"}, of tensorflow or keras'
        value = self._get("REQUIRES", dict, '{"keras>=2.13": "why"}', {})
        for requirement, reason in value.items():
            if not isinstance(reason, str) or not REQUIREMENT.match(str(requirement)):
                self.refuse("REQUIRES", f"{requirement!r}: {reason!r} is no requirement with its reason", expected)
        return dict(value)

    def files(self) -> dict[str, tuple[str, ...]]:
        """FILES: kind of model file to the endings by which its loader knows it."""
        value = self._get("FILES", dict, '{"zip": (".keras",)}', {})
        for kind, endings in value.items():
            if kind not in FILES:
                self.refuse("FILES", f'"{kind}" is no kind of model file', one_of(FILES), did_you_mean(kind, FILES))
            if not isinstance(endings, tuple) or not all(isinstance(each, str) for each in endings):
                self.refuse("FILES", f"the endings of {kind} are no strings", 'a tuple: (".h5", ".hdf5")')
        return dict(value)

    def code(self, name: str) -> None:
        """Refuses a call that is not Python as every environment has it."""
        try:
            ast.parse(self.text(name), feature_version=(3, 7))
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            at = f" (line {line} of it)" if line else ""
            self.refuse(name, f"{name} is not Python{at}: {getattr(error, 'msg', error)}", "statements of Python 3.7")


def _read(path: Path, readers: tuple[Path, ...] = ()) -> _Declared:
    """The declarations of a file. `readers` are those that import from it."""
    if path in readers:
        raise ConfigError("imports from itself, by way of others", file=path, expected="declarations of its own")
    tree = parse_file(path)
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    problems: list[ConfigError] = []

    def refuse(node: ast.stmt, what: str, expected: str, fix: str = "") -> None:
        problems.append(ConfigError(what, file=path, line=node.lineno, expected=expected, fix=fix))

    for node in tree.body:
        match node:
            case ast.Expr(value=ast.Constant(value=str())) | ast.ImportFrom(module="__future__"):
                continue  # the docstring, and those of constants
            case ast.ImportFrom() if source := _source(path, node):
                imported = _read(source, (*readers, path)).values
                for alias in node.names:
                    if alias.name in imported:
                        values[alias.asname or alias.name] = imported[alias.name]
                        lines[alias.asname or alias.name] = node.lineno
                    else:
                        near = did_you_mean(alias.name, imported)
                        refuse(node, f"{source} declares no {alias.name}", one_of(imported), near)
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                lines[name] = node.lineno
                try:
                    values[name] = _value(value, values)
                except _NoLiteralError as error:
                    values[name] = None
                    refuse(
                        node,
                        f"{name} is not a literal: {error}",
                        "literals, names given before, and sums of them: the file is read, not run",
                    )
            case _:
                refuse(
                    node,
                    f"{ast.unparse(node).partition(chr(10))[0][:60]} is no declaration",
                    "declarations only: what SAVE and LOAD need is imported and defined in their text",
                )
    declared = _Declared(
        path=path,
        title=inspect.cleandoc(ast.get_docstring(tree, clean=False) or "").partition("\n")[0].strip(),
        values=values,
        lines=lines,
    )
    if declared.is_format or readers:
        for problem in problems:
            raise problem
    if declared.is_format:
        _refuse_slips(declared)
    return declared


def _refuse_slips(declared: _Declared) -> None:
    """Refuses a constant whose name is nearly that of a declaration which is missing."""
    missing = [name for name in _NAMES if name not in declared.values]
    for name, line in declared.lines.items():
        near = did_you_mean(name, missing) if re.fullmatch(r"[A-Z]+", name) and name not in _NAMES else ""
        if near:
            raise ConfigError(
                f'unknown name "{name}"', file=declared.path, line=line, expected=one_of(_NAMES), fix=near
            )


class _NoLiteralError(Exception):
    """What of an expression cannot be read."""


def _source(path: Path, node: ast.ImportFrom) -> Path | None:
    """The file that an import names, where it is a format's: one of ours, or one beside it."""
    module = node.module or ""
    if node.level == 1 and module.isidentifier():
        candidate = path.with_name(f"{module}.py")
    elif not node.level and module.startswith(f"{_OWN_PACKAGE}."):
        candidate = _OWN / f"{module.removeprefix(f'{_OWN_PACKAGE}.')}.py"
    else:
        return None
    return candidate if candidate.is_file() else None


def _value(node: ast.expr, known: Mapping[str, Any]) -> Any:
    """The value of an expression. Raises _NoLiteralError."""
    match node:
        case ast.Constant(value=str() | int() | None as value):
            return value
        case ast.Tuple(elts=items) | ast.List(elts=items):
            return tuple(_items(items, known))
        case ast.Dict(keys=keys, values=values) if None not in keys:
            return {
                _value(key, known): _value(value, known)
                for key, value in zip(keys, values, strict=True)
                if key is not None
            }
        case ast.Name(id=name) if name in known:
            return known[name]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            before, after = _value(left, known), _value(right, known)
            if type(before) is type(after) and isinstance(before, str | tuple):
                return before + after
    raise _NoLiteralError(ast.unparse(node)[:60])


def _items(nodes: Iterable[ast.expr], known: Mapping[str, Any]) -> Iterator[Any]:
    for node in nodes:
        if isinstance(node, ast.Starred):
            value = _value(node.value, known)
            if not isinstance(value, tuple):
                raise _NoLiteralError(ast.unparse(node)[:60])
            yield from value
        else:
            yield _value(node, known)
