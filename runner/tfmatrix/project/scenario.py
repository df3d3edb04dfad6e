"""Scenario files, read by AST: without importing them, and so without TensorFlow. See scenarios/README.md.

What a file gets wrong is an error with its line before anything runs. A name that is nearly one of the
contract's is an error too: `training_dat` would otherwise silently leave out every check of training.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement

from tfmatrix.core.errors import ConfigError
from tfmatrix.core.files import read_bounded
from tfmatrix.core.ids import ID_PATTERN
from tfmatrix.core.scenario import Scenario
from tfmatrix.project.source import parse_file
from tfmatrix.project.sources import Sources, find_sources, imports_of
from tfmatrix.worker.declared import Format

_PARAMETERS: Final = {
    "build_model": (),
    "inputs": ("rng",),
    "training_data": ("rng",),
    "custom_objects": (),
    "save_model": ("model", "path"),
    "load_model": ("path",),
    "plant": ("path",),
    "executed": (),
}
_REQUIRED: Final = ("build_model", "inputs")
_CONSTANTS: Final = ("FORMATS", "REQUIRES", "TAGS", "CHECKS")
_CHECKS: Final = ("outputs", "weights", "config", "compile", "optimizer", "resume", "signatures")
"""What a scenario's own format may promise; that it loads is never left out."""

_NEAR: Final = 0.85
"""Likeness from which a name counts as a slip: `train_data` for `training_data`, not `make_model` for `save_model`."""


def read_scenarios(
    folder: Path, *, formats: Mapping[str, Format] | None = None, sources: Sequence[Path] = ()
) -> tuple[Scenario, ...]:
    """The scenarios of a folder (not of its subfolders), by name; files whose names begin with `_` or `.` are none.

    `formats` are those that FORMATS may name, where they are known; `sources` the folders whose packages scenarios may
    import. Raises ConfigError for the first file with a mistake, and where there is no scenario.
    """
    if not folder.is_dir():
        raise ConfigError(
            "there is no such folder",
            file=folder,
            expected="a folder of scenarios",
            fix="make it, then run `tfmatrix new-scenario NAME`; a project from the start: `tfmatrix init`",
        )
    paths = sorted(path for path in folder.glob("*.py") if path.is_file() and path.name[0] not in "_.")
    if not paths:
        raise ConfigError(
            "there is no scenario in this folder",
            file=folder,
            expected="one file NAME.py per scenario; names that begin with _ do not count",
            fix="run `tfmatrix new-scenario NAME`",
        )
    seen: dict[str, Path] = {}
    for path in paths:
        # Names become folders: two that differ only in case are one on some file systems.
        first = seen.setdefault(path.stem.casefold(), path)
        if first != path:
            raise ConfigError(
                f"the name differs from that of {first.name} only in case",
                file=path,
                expected="a name of its own for each scenario",
                fix="rename one of the two files",
            )
    return tuple(read_scenario(path, formats=formats, sources=sources) for path in paths)


def read_scenario(
    path: Path,
    *,
    formats: Mapping[str, Format] | None = None,
    sources: Sequence[Path] = (),
    packages: Sequence[Path] = (),
) -> Scenario:
    """Reads one scenario file; raises ConfigError with its first mistake and the number of the others."""
    if not ID_PATTERN.fullmatch(path.stem):
        raise ConfigError(
            f'"{path.stem}" cannot be the name of a scenario',
            file=path,
            expected="a letter or digit, then letters, digits and any of . _ + @ -",
            fix="rename the file",
        )
    try:
        content = read_bounded(path)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=path) from error
    file = _File(parse_file(path, content), formats)
    file.raise_first(path)
    title, _, description = file.docstring.partition("\n")
    reached = find_sources(sources, file.imports, beside=path.parent, packages=packages)
    digest = hashlib.sha256(content).hexdigest()
    if reached.digest:
        digest = hashlib.sha256(f"{digest} {reached.digest}".encode()).hexdigest()
    return Scenario(
        name=path.stem,
        path=str(path),
        title=title.strip(),
        description=description.strip(),
        digest=digest,
        formats=file.constants.get("FORMATS"),
        requires=file.constants.get("REQUIRES", ()),
        tags=file.constants.get("TAGS", ()),
        has_training="training_data" in file.functions,
        uses_keras=file.uses_keras or reached.mentions_keras or file.needs_others(reached),
        checks=file.constants.get("CHECKS"),
        sources=reached.files,
        functions=tuple(name for name in _PARAMETERS if name in file.functions),
        has_definitions=file.has_definitions,
    )


@dataclass(frozen=True, kw_only=True)
class _Problem:
    line: int
    what: str
    expected: str = ""
    fix: str = ""


class _File:
    """What the syntax tree of a scenario says, and its mistakes."""

    def __init__(self, tree: ast.Module, formats: Mapping[str, Format] | None) -> None:
        self.functions: dict[str, int] = {}
        self.constants: dict[str, tuple[str, ...]] = {}
        self.problems: list[_Problem] = []
        self.uses_keras = any(map(_mentions_keras, ast.walk(tree)))
        self.docstring = inspect.cleandoc(ast.get_docstring(tree, clean=False) or "")
        self.has_definitions = any(
            isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name not in _PARAMETERS
            for node, _ in _module_scope(tree)
        )
        self._constant_lines: dict[str, int] = {}
        self._formats = formats
        if not self.docstring:
            self._add(1, "the docstring is missing", 'a docstring at the top: """One line: what this is about.', "")
        others: list[tuple[str, int]] = []
        for node, top_level in _module_scope(tree):
            for name, line in _defined(node):
                if name in _PARAMETERS:
                    self._function(name, line, node, top_level)
                elif name in _CONSTANTS:
                    self._constant(name, line, node, top_level)
                else:
                    others.append((name, line))
        self._near_misses(others)
        for each in ast.walk(tree):
            self._relative_import(each)
        self.imports = tuple(dict.fromkeys(imports_of(tree)))
        self._pair_of_functions()
        self._functions_of_formats()

    def raise_first(self, path: Path) -> None:
        """Raises the first problem as a ConfigError that counts the others; none: returns."""
        if not self.problems:
            return
        first, *others = sorted(self.problems, key=lambda problem: problem.line)
        more = f" ({len(others)} more {'mistake' if len(others) == 1 else 'mistakes'} in this file)" if others else ""
        raise ConfigError(first.what + more, file=path, line=first.line, expected=first.expected, fix=first.fix)

    def _add(self, line: int, what: str, expected: str, fix: str) -> None:
        self.problems.append(_Problem(line=line, what=what, expected=expected, fix=fix))

    def _function(self, name: str, line: int, node: ast.stmt, top_level: bool) -> None:
        """A name of the contract's functions that is defined in the file."""
        expected = f"def {name}({', '.join(_PARAMETERS[name])}) at the top level"
        if name in self.functions:
            self._add(line, f"{name} stands in line {self.functions[name]} as well", "each function once", "")
            return
        self.functions[name] = line
        if not isinstance(node, ast.FunctionDef) or not top_level:
            self._add(line, f"{name} is not a plain function", expected, "")
        elif not _takes(node.args, len(_PARAMETERS[name])):
            shown = f"{name}({ast.unparse(node.args)})"
            self._add(line, f"{shown} cannot be called with {len(_PARAMETERS[name])} arguments", expected, "")

    def _constant(self, name: str, line: int, node: ast.stmt, top_level: bool) -> None:
        """FORMATS, REQUIRES or TAGS."""
        expected = f'a literal at the top level, such as {name} = ("…",): the file is read without being run'
        if name in self._constant_lines:
            self._add(line, f"{name} stands in line {self._constant_lines[name]} as well", f"{name} once", "")
            return
        self._constant_lines[name] = line
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) and top_level else None
        items: list[ast.expr] | list[ast.expr | None] = (
            value.elts if isinstance(value, ast.Tuple | ast.List) else [value]
        )
        texts: list[str] = []
        for item in items:
            if not isinstance(item, ast.Constant) or not isinstance(item.value, str):
                self._add(item.lineno if item else line, f"{name} is not a literal of strings", expected, "")
                return
            texts.append(item.value)
            self._item(name, item.value, item.lineno)
        if not texts:
            self._add(line, f"{name} is empty", "at least one entry", f"remove {name}: it is optional")
        self.constants[name] = tuple(dict.fromkeys(texts))

    def _item(self, name: str, text: str, line: int) -> None:
        """One string of a constant."""
        match name:
            case "FORMATS" if self._formats is not None and text not in self._formats:
                known = f"one of: {', '.join(self._formats)}"
                self._add(line, f'unknown format "{text}"', known, _did_you_mean(text, self._formats))
            case "TAGS" if not ID_PATTERN.fullmatch(text):
                self._add(line, f'"{text}" is not a tag', "letters, digits and any of . _ + @ -", "")
            case "CHECKS" if text not in _CHECKS:
                self._add(
                    line, f'unknown check "{text}"', f"one of: {', '.join(_CHECKS)}", _did_you_mean(text, _CHECKS)
                )
            case "REQUIRES":
                try:
                    requirement = Requirement(text)
                except InvalidRequirement:
                    requirement = None
                if requirement is None or requirement.marker or requirement.url or requirement.extras:
                    wanted = 'a package and its versions, such as "tensorflow>=2.9" or "python>=3.9"'
                    self._add(line, f'"{text}" is not a requirement', wanted, "")

    def _near_misses(self, names: Iterable[tuple[str, int]]) -> None:
        """Names that were probably meant to be one of the contract's, and required ones that are missing."""
        missing = [name for name in _PARAMETERS if name not in self.functions]
        absent = [name for name in _CONSTANTS if name not in self._constant_lines]
        slips = set()
        for name, line in names:
            is_constant = name.isupper() or name.upper() in _CONSTANTS
            wanted = _closest(name, absent if is_constant else missing, _NEAR)
            if wanted and not name.startswith("_"):
                slips.add(wanted)
                contract = ", ".join(_CONSTANTS if is_constant else _PARAMETERS)
                self._add(line, f'unknown name "{name}"', f"one of: {contract}", f'did you mean "{wanted}"?')
        for name in _REQUIRED:
            if name in missing and name not in slips:
                parameters = ", ".join(_PARAMETERS[name])
                self._add(1, f"the function {name}({parameters}) is missing", f"def {name}({parameters}): …", "")

    def _relative_import(self, node: ast.AST) -> None:
        """A scenario is in no package."""
        if isinstance(node, ast.ImportFrom) and node.level:
            module = "." * node.level + (node.module or "")
            self._add(
                node.lineno,
                f'imports "{module}", but a scenario is in no package',
                "imports by whole names: the project's packages, files _NAME.py beside this one, installed packages",
                "",
            )

    def needs_others(self, reached: Sources) -> bool:
        """Whether it imports packages whose code is not looked at: they may be about Keras."""
        own = {name.partition("/")[0].removesuffix(".py") for name in reached.files}
        names = {each.partition(".")[0] for each in self.imports}
        return bool(names - own - {"tensorflow", "numpy"} - sys.stdlib_module_names)

    def _pair_of_functions(self) -> None:
        """save_model and load_model make the format `custom` together; whoever plants code says whether it ran."""
        both = {name: self.functions[name] for name in ("save_model", "load_model") if name in self.functions}
        if len(both) == 1:
            ((name, line),) = both.items()
            self._add(line, f"{name} stands alone", "save_model(model, path) and load_model(path), or neither", "")
        if "plant" in self.functions and "executed" not in self.functions:
            line = self.functions["plant"]
            self._add(line, "plant stands alone", "executed() beside it, which says whether what it planted ran", "")

    def _functions_of_formats(self) -> None:
        """What the formats call that FORMATS names: `custom` is the scenario's own save_model and load_model."""
        for name in self.constants.get("FORMATS", ()):
            called = self._formats[name].functions if self._formats and name in self._formats else ()
            lacking = [each for each in called if each not in self.functions]
            if lacking and not set(lacking) & set(_REQUIRED):
                signatures = " and ".join(f"{each}({', '.join(_PARAMETERS[each])})" for each in called)
                self._add(self._constant_lines["FORMATS"], f'the format "{name}" has no functions', signatures, "")


def _module_scope(tree: ast.Module) -> Iterator[tuple[ast.stmt, bool]]:
    """Every statement of the module's own scope, with whether it stands at the top level and not in an `if` or so."""
    stack: list[tuple[ast.AST, bool]] = [(statement, True) for statement in reversed(tree.body)]
    while stack:
        node, top_level = stack.pop()
        if isinstance(node, ast.stmt):
            yield node, top_level
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.expr):
            stack += [(child, False) for child in reversed(list(ast.iter_child_nodes(node)))]


def _defined(node: ast.stmt) -> Iterator[tuple[str, int]]:
    """The names that a statement defines, with their lines; not those of imports."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield node.name, node.lineno
        case ast.Assign(targets=targets):
            for target in targets:
                for part in ast.walk(target):
                    if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                        yield part.id, part.lineno
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.AugAssign(target=ast.Name(id=name)):
            yield name, node.lineno


def _takes(arguments: ast.arguments, count: int) -> bool:
    """Whether a function can be called with `count` arguments by position."""
    positional = len(arguments.posonlyargs) + len(arguments.args)
    enough = count <= positional or arguments.vararg is not None
    return positional - len(arguments.defaults) <= count and enough and None not in arguments.kw_defaults


def _mentions_keras(node: ast.AST) -> bool:
    """Whether a node of the syntax tree names Keras: an import, an attribute (`tf.keras`) or a variable."""
    match node:
        case ast.Import(names=names):
            parts = [part for alias in names for part in alias.name.split(".")]
        case ast.ImportFrom(module=module, names=names):
            parts = [*(module or "").split("."), *(alias.name for alias in names)]
        case ast.Attribute(attr=name) | ast.Name(id=name):
            parts = [name]
        case _:
            return False
    return "keras" in parts or "tf_keras" in parts


def _closest(word: str, options: Iterable[str], cutoff: float) -> str | None:
    """The option most like the word, upper and lower case apart."""
    by_folded = {option.casefold(): option for option in options}
    found = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=cutoff)
    return by_folded[found[0]] if found else None


def _did_you_mean(word: str, options: Iterable[str]) -> str:
    option = _closest(word, options, 0.6)
    return f'did you mean "{option}"?' if option else ""
