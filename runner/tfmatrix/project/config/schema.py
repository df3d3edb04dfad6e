"""The JSON Schema of matrix.yaml, for editors. Committed; `tfmatrix schema` writes it anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core.core_schema import NullableSchema, WithDefaultSchema

from tfmatrix.project.config.model import MatrixFile

SCHEMA_FILE: Final = Path(__file__).with_name("matrix.schema.json")
"""The committed schema, as matrix.yaml's first line names it."""


class _Generator(GenerateJsonSchema):
    """Says what the file may hold, without what pydantic adds about Python."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        """Never: a title that repeats the key is noise in an editor's tooltip."""
        return False

    def nullable_schema(self, schema: NullableSchema) -> dict[str, Any]:
        """A key without a value is refused by the reader: None only means that the key is absent."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: WithDefaultSchema) -> dict[str, Any]:
        """A default is shown where it is a plain value; that of a mapping stands at its own keys."""
        inner = self.generate_inner(schema["schema"])
        default = schema.get("default")
        return inner if default is None or isinstance(default, BaseModel) else super().default_schema(schema)


def model_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of one kind of file."""
    schema = model.model_json_schema(schema_generator=_Generator)
    for each in (schema, *schema.get("$defs", {}).values()):
        each.pop("title", None)
    return schema


def json_schema() -> dict[str, Any]:
    """The JSON Schema of matrix.yaml, as a dict of JSON types."""
    head = {"$schema": GenerateJsonSchema.schema_dialect, "title": "matrix.yaml of tfmatrix"}
    return {**head, **model_schema(MatrixFile)}


def schema_text() -> str:
    """The text of the committed file."""
    return json.dumps(json_schema(), indent=2) + "\n"
