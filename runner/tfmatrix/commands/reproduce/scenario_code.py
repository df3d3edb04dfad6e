"""A scenario's own code for a script: without what only tfmatrix reads, and in pieces that can be left out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from tfmatrix.commands.reproduce.source import Piece, chunks, defined, piece_of

_CONTRACT = {
    "build_model",
    "inputs",
    "training_data",
    "custom_objects",
    "save_model",
    "load_model",
    "plant",
    "executed",
}
_CONSTANTS = {"FORMATS", "REQUIRES", "TAGS"}


@dataclass(frozen=True, kw_only=True)
class ScenarioCode:
    """The code of a scenario file: `pieces` in their order, and its import statements.

    Functions of the contract, and constants, are only kept where they are used. Everything else stays: a class may
    register itself, and a loader may look a function up by its name.
    """

    source: str
    pieces: tuple[Piece, ...]
    imports: tuple[str, ...]

    @classmethod
    def read(cls, source: str) -> ScenarioCode:
        """The code of a file that `tfmatrix.project.scenario.read_scenario` has accepted."""
        body = ast.parse(source).body
        own = [(text, node) for text, node in chunks(source, body) if not _is_for_tfmatrix(node)]
        parts = [
            piece_of(text, node, lasting=not _can_go(node))
            for text, node in own
            if not isinstance(node, ast.Import | ast.ImportFrom)
        ]
        behind = "\n".join(source.split("\n")[body[-1].end_lineno :]).rstrip()
        if behind and parts:
            parts[-1] = replace(parts[-1], text=f"{parts[-1].text}\n{behind}")
        imports = [
            ast.get_source_segment(source, node) or "" for node in body if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        return cls(source=source, pieces=tuple(parts), imports=tuple(imports))

    @cached_property
    def _tree(self) -> ast.Module:
        return ast.parse(self.source)

    @property
    def names(self) -> set[str]:
        """What the code defines at its top level beside the functions of the contract."""
        return set().union(*(piece.defines for piece in self.pieces)) - _CONTRACT

    @property
    def input_prefix(self) -> str:
        """What stands before the inputs when a tf.Module is called: "*" for a list, "**" for a dictionary.

        Told by what `inputs` returns, as far as that is written out there.
        """
        for node in ast.walk(self._function("inputs")):
            match node:
                case ast.Return(value=ast.Dict() | ast.DictComp() | ast.Call(func=ast.Name(id="dict"))):
                    return "**"
                case ast.Return(value=ast.List() | ast.ListComp() | ast.Tuple()):
                    return "*"
        return ""

    @property
    def draws_random_numbers(self) -> bool:
        """Whether a training step may draw random numbers: a layer such as Dropout, or a `call` that uses tf.random."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.FunctionDef) and node.name in ("call", "__call__"):
                if any(isinstance(each, ast.Attribute) and each.attr == "random" for each in ast.walk(node)):
                    return True
            elif any(_RANDOM_LAYER.search(name) for name in _names(node)):
                return True
        return False

    @property
    def has_raw_variables(self) -> bool:
        """Whether the code makes a tf.Variable itself, of which Keras 3 may know nothing."""
        return any("Variable" in _names(node) for node in ast.walk(self._tree))

    def _function(self, name: str) -> ast.FunctionDef:
        return next(node for node in self._tree.body if isinstance(node, ast.FunctionDef) and node.name == name)


_RANDOM_LAYER = re.compile(r"(?i:dropout|noise)|^Random(?!Normal|Uniform|State)")


def _names(node: ast.AST) -> Iterator[str]:
    """The name that a node of the tree itself carries."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
            yield name


def _is_for_tfmatrix(node: ast.stmt) -> bool:
    """The docstring, and the constants that select formats and environments."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    return isinstance(node, ast.Assign | ast.AnnAssign) and bool(defined(node) & _CONSTANTS)


def _can_go(node: ast.stmt) -> bool:
    """Whether a script without the names that the statement defines is the same without it."""
    if isinstance(node, ast.FunctionDef):
        return node.name in _CONTRACT
    if isinstance(node, ast.Assign):
        plain = all(isinstance(target, ast.Name) for target in node.targets)
        return plain and not any(isinstance(each, ast.Call) for each in ast.walk(node.value))
    return False
