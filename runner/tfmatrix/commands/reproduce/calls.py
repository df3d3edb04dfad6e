"""The plain call of a format, taken from its module: what stands in `save` or `load` there, as statements of a script.

A format contains a user's plain call (see runner/tfmatrix/worker/formats/contract.py). The body of that function
becomes part of a script: without docstrings, assertions and annotations, with imports at the top, the name of the
artifact in place of `path`, the scenario's own functions in place of `scenario.…`, and `model = …` in place of
`return …`.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfmatrix.commands.reproduce.source import Edits, Piece, chunks, defined, free_names, needed, piece_of

MODEL = "model"
"""The variable of the scripts that holds the model; what formats call it too."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """What saves or loads: `statements`, the definitions that they need, and imports, some of which they use."""

    statements: str
    definitions: tuple[Piece, ...]
    imports: tuple[str, ...]

    @property
    def uses(self) -> set[str]:
        """The names that the statements and their definitions read."""
        return free_names(self.statements).union(*(piece.uses for piece in self.definitions))


def inlined(function: Callable[..., Any], artifact: str, *, has_custom_objects: bool = False) -> Call:
    """The call of a format's `save` or `load` on the artifact of that name.

    `has_custom_objects` says whether the scenario has a function custom_objects, whose result a user would pass.
    Raises ValueError where the function needs what a script does not have: another module of the formats' package, or
    its scenario as a whole.
    """
    source = Path(inspect.getfile(function)).read_text(encoding="utf-8")
    module = ast.parse(source)
    own = [_clean(text) for text, node in chunks(source, module.body) if not _is_left_out(node)]
    text = next(piece.text for piece in own if function.__name__ in piece.defines)
    arguments = {"path": f'"{artifact}"', "custom_objects": "custom_objects()" if has_custom_objects else "None"}
    node = _function(text)
    if _returns_only_at_its_end(node):
        statements = _body(text, node, arguments)
    else:
        statements = _call_of(node, arguments)
    definitions = needed(own, free_names(statements))
    call = Call(statements=statements, definitions=tuple(definitions), imports=tuple(_imports(source, module)))
    foreign = {
        name for each in module.body if isinstance(each, ast.ImportFrom) and each.level for name in defined(each)
    }
    unfit = call.uses & {*foreign, "scenario"}
    if unfit:
        raise ValueError(
            f"{function.__module__}.{function.__name__} needs {', '.join(sorted(unfit))}: no script has it"
        )
    return call


def _is_left_out(node: ast.stmt) -> bool:
    """Docstrings, assertions, and imports, which a script has at its top."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    return isinstance(node, ast.Assert | ast.Import | ast.ImportFrom)


def _clean(text: str) -> Piece:
    """A definition of a format's module for a script."""
    text = text.strip("\n")
    edits = Edits(text)
    tree = ast.parse(text)
    for each in ast.walk(tree):
        match each:
            case ast.FunctionDef(body=body) | ast.ClassDef(body=body) if not all(map(_is_left_out, body)):
                for statement in filter(_is_left_out, body):
                    edits.drop_lines(statement)
        match each:
            case ast.FunctionDef():
                edits.drop_annotations(each)
            case ast.Attribute(value=ast.Name(id="scenario"), attr=name):
                edits.replace(each, name)
    cleaned = edits.apply()
    return piece_of(cleaned, ast.parse(cleaned).body[0])


def _function(text: str) -> ast.FunctionDef:
    node = ast.parse(text).body[0]
    assert isinstance(node, ast.FunctionDef)
    return node


def _returns_only_at_its_end(node: ast.FunctionDef) -> bool:
    """Whether the body can stand at the top level of a script."""
    inner = [each for statement in node.body for each in ast.walk(statement)]
    return all(each is node.body[-1] for each in inner if isinstance(each, ast.Return)) and not any(
        isinstance(each, ast.Nonlocal | ast.Global | ast.Yield) for each in inner
    )


def _body(text: str, node: ast.FunctionDef, arguments: Mapping[str, str]) -> str:
    """The statements of a function for the top level of a script."""
    edited = [
        _at_top_level(textwrap.dedent(chunk), arguments) for chunk, _ in chunks(text, node.body, _header(text, node))
    ]
    return "\n".join(chunk for chunk in edited if chunk.strip()).strip("\n")


def _header(text: str, node: ast.FunctionDef) -> int:
    """The line on which the colon of a `def` stands."""
    lines = text.split("\n")
    first = max((argument.end_lineno or 0 for argument in node.args.args), default=node.lineno)
    return next(
        number for number in range(first, len(lines) + 1) if lines[number - 1].split("#")[0].rstrip()[-1:] == ":"
    )


def _at_top_level(text: str, arguments: Mapping[str, str]) -> str:
    """One statement of a function, with its parameters replaced and its result in `model`."""
    edits = Edits(text)
    dropped = set()
    for each in ast.walk(ast.parse(text)):
        match each:
            case ast.Call(keywords=keywords):
                for keyword in keywords:
                    if isinstance(keyword.value, ast.Name) and arguments.get(keyword.value.id) == "None":
                        edits.drop_keyword(each, keyword)
                        dropped.add(keyword.value)
            case ast.Name(id=name) if name in arguments and each not in dropped:
                edits.replace(each, arguments[name])
            case ast.Return(value=None) | ast.Return(value=ast.Name(id="model")):
                edits.drop_lines(each)
            case ast.Return(value=ast.expr() as value):
                edits.replace_range((each.lineno, each.col_offset), (value.lineno, value.col_offset), f"{MODEL} = ")
    return edits.apply()


def _call_of(node: ast.FunctionDef, arguments: Mapping[str, str]) -> str:
    """A call of the function itself, with those arguments that it uses."""
    used = {each.id for statement in node.body for each in ast.walk(statement) if isinstance(each, ast.Name)}
    given = [f"{each.arg}={arguments.get(each.arg, each.arg)}" for each in node.args.args if each.arg in used]
    has_result = any(isinstance(each, ast.Return) and each.value is not None for each in ast.walk(node))
    return f"{f'{MODEL} = ' if has_result else ''}{node.name}({', '.join(given)})"


def _imports(source: str, module: ast.Module) -> list[str]:
    """Every absolute import of the module, also those inside its functions."""
    found = []
    for node in ast.walk(module):
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and not node.level):
            found.append(ast.get_source_segment(source, node) or "")
    return [statement for statement in found if not statement.startswith("from __future__")]
