"""The calls of a format as statements of a script: its text, with what stands for the artifact filled in."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from tfmatrix.commands.reproduce.source import Edits, Piece, free_names, pieces

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


def call_of(text: str, artifact: str, *, has_custom_objects: bool = False) -> Call:
    """The text of a format's SAVE or LOAD, on the artifact of that name.

    `has_custom_objects` says whether the scenario has a function custom_objects, whose result a user would pass.
    """
    given = {"PATH": f'"{artifact}"', "CUSTOM_OBJECTS": "custom_objects()" if has_custom_objects else "None"}
    edits = Edits(text)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name) and node.id in given:
            edits.replace(node, given[node.id])
        elif isinstance(node, ast.Call):
            for keyword in node.keywords:
                # Nobody passes a None that is the default.
                if isinstance(keyword.value, ast.Name) and given.get(keyword.value.id) == "None":
                    edits.drop_keyword(node, keyword)
    parts = pieces(edits.apply())
    imports = [piece for piece in parts if piece.is_import]
    definitions = [piece for piece in parts if piece.is_definition]
    statements = [piece.text for piece in parts if piece not in imports and piece not in definitions]
    return Call(
        statements="\n".join(statements),
        definitions=tuple(definitions),
        imports=tuple(piece.text for piece in imports),
    )
