"""From a YAML document to a pydantic model: each error of pydantic becomes a Problem in the user's words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tfmatrix.core.errors import ConfigError
from tfmatrix.core.hints import did_you_mean, one_of
from tfmatrix.project.config.model import StrictModel
from tfmatrix.project.config.schema import model_schema
from tfmatrix.project.config.yamlfile import Document, Location, Problem

Model = TypeVar("Model", bound=StrictModel)

_KINDS = {
    "string_type": "a string",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "model_type": "a mapping",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
}
_BOUNDS = {
    "greater_than": ("gt", "a number above {}"),
    "greater_than_equal": ("ge", "a number from {}"),
    "less_than_equal": ("le", "a number up to {}"),
}


def validate(document: Document, model: type[Model], *, version: int) -> Model:
    """The document as the model; ConfigError with the first mistake in the file otherwise.

    `version` is the newest `schema:` that is known: looked at first, for a newer file may hold anything.
    """
    _check_version(document, version)
    problems = list(document.problems)
    try:
        # As JSON, because strict models take JSON's arrays for tuples but no Python lists.
        result = model.model_validate_json(json.dumps(document.data))
    except ValidationError as error:
        told = {problem.location for problem in problems}
        schema = model_schema(model)
        errors = error.errors(include_url=False)
        found = [_problem(details, document, schema) for details in errors if not _is_echo(details, errors)]
        problems += [problem for problem in found if problem.location not in told]
        document.raise_first(problems)
        raise  # not reached: pydantic raises with at least one error
    document.raise_first(problems)
    return result


def _is_echo(details: ErrorDetails, errors: Sequence[ErrorDetails]) -> bool:
    """Whether an error only follows from another one, so that to tell both would count one mistake twice."""
    location = details["loc"]
    match details["type"]:
        case "too_short":  # only the right entries of a list were counted
            return any(each["loc"][: len(location)] == location and each["loc"] != location for each in errors)
        case "missing":  # the key is there, misspelt
            return any(
                each["type"] == "extra_forbidden"
                and each["loc"][:-1] == location[:-1]
                and did_you_mean(str(each["loc"][-1]), [str(location[-1])])
                for each in errors
            )
        case _:
            return False


def _check_version(document: Document, newest: int) -> None:
    """Whether the file is of a schema that this tfmatrix reads."""
    found = document.data.get("schema")
    place: dict[str, Any] = {"file": document.path, "key": "schema"}
    if ("schema",) not in document.lines:
        raise ConfigError(
            'the key "schema" is missing',
            **place,
            line=1,
            expected=f"schema: {newest}",
            fix=did_you_mean_key("schema", document.data) or f"add schema: {newest} at the top",
        )
    place["line"] = document.lines[("schema",)]
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise ConfigError(f"{_shown(found)} is no schema version", **place, expected=f"schema: {newest}")
    if found > newest:
        raise ConfigError(
            f"schema {found} is newer than this tfmatrix reads",
            **place,
            expected=f"schema: {newest}",
            fix="upgrade tfmatrix",
        )


def did_you_mean_key(key: str, data: dict[str, Any]) -> str:
    """For a missing key: whether one of the keys that stand there was meant to be it."""
    return next((f'rename "{other}" to "{key}"' for other in data if did_you_mean(other, [key])), "")


def _problem(details: ErrorDetails, document: Document, schema: dict[str, Any]) -> Problem:
    """One error of pydantic as a problem."""
    full: Location = details["loc"]
    on_key = full[-1:] == ("[key]",)
    location = full[:-1] if on_key else full
    kind = details["type"]
    value = details["input"]
    context = details.get("ctx", {})
    match kind:
        case "tfmatrix":
            problem = _make(location, context["what"], context["expected"], context["fix"])
        case "extra_forbidden":
            parent = _schema_at(schema, location[:-1])
            keys = list(parent.get("properties", {}))
            key = str(location[-1])
            problem = _make(location, f'unknown key "{key}"', one_of(keys), did_you_mean(key, keys))
            on_key = True
        case "missing":
            key = str(location[-1])
            problem = _make(location, f'the key "{key}" is missing', f"{key}: …", "")
        case "literal_error":
            node = _schema_at(schema, location)
            options = [str(option) for option in node.get("enum", [node.get("const")])]
            problem = _make(
                location,
                f"{_shown(value)} is not allowed here",
                one_of(options),
                did_you_mean(str(value), options),
            )
        case "too_short" | "string_too_short":
            empty = "an empty text" if kind == "string_too_short" else "an empty list"
            problem = _make(location, empty, "at least one entry" if kind == "too_short" else "a text", "")
        case _ if kind in _BOUNDS:
            bound, expected = _BOUNDS[kind]
            limit = context[bound]
            shown = int(limit) if limit == int(limit) else limit
            problem = _make(location, f"{value} is out of range", expected.format(shown), "")
        case _ if kind in _KINDS:
            problem = _wrong_type(location, _KINDS[kind], value, document, _schema_at(schema, location))
        case _:
            problem = _make(location, details["msg"], "", "")
    # A list may have been written as one string, and a missing key has no place of its own.
    location = problem.location if kind in ("missing", "extra_forbidden") else document.known(problem.location)
    line = document.key_lines.get(location) if on_key else None
    return Problem(location=location, what=problem.what, expected=problem.expected, fix=problem.fix, line=line)


def _make(location: Location, what: str, expected: str, fix: str) -> Problem:
    return Problem(location=location, what=what, expected=expected, fix=fix)


def _wrong_type(location: Location, kind: str, value: Any, document: Document, node: dict[str, Any]) -> Problem:
    """A value of another type than wanted; above all a version without quotes."""
    text = document.texts.get(location, "")
    examples = [example for example in node.get("examples", []) if isinstance(example, str)]
    expected = f'{kind}, such as "{examples[0]}"' if kind == "a string" and examples else kind
    if kind == "a list" and node.get("anyOf"):
        kind = expected = "a string or a list of strings"
    what = f"{_shown(value)} where {kind} is expected"
    fix = ""
    match value:
        case bool() if kind == "a string":
            what, fix = f"YAML reads {text} as a truth value", f'write "{text}" in quotes'
        case int() | float() if kind == "a string":
            what, fix = f"YAML reads {text} as the number {value}", f'write "{text}" in quotes'
        case str() if kind == "a list":
            fix = f'write ["{value}"]'
        case str() if kind in ("a whole number", "a number") and value.strip("-").isdigit():
            fix = f"write {value} without quotes"
        case str() if "tensorflow" in node.get("properties", {}):
            fix = f'write {{tensorflow: "{value}"}}'
    return _make(location, what, expected, fix)


def _shown(value: Any) -> str:
    """A value of the file in a message."""
    match value:
        case str():
            return f'"{value}"'
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case bool():
            return "true" if value else "false"
        case None:
            return "nothing"
        case _:
            return f"the number {value}"


def _schema_at(schema: dict[str, Any], location: Location) -> dict[str, Any]:
    """The part of a JSON Schema that describes a location; {} where it describes none."""
    node = _resolved(schema, schema)
    for part in location:
        if isinstance(part, int):
            lists = (node, *node.get("anyOf", []))  # the second: one string or a list of them
            node = next((each["items"] for each in lists if "items" in each), {})
        else:
            node = node.get("properties", {}).get(part) or node.get("additionalProperties") or {}
        node = _resolved(schema, node)
    return node


def _resolved(schema: dict[str, Any], node: Any) -> dict[str, Any]:
    """The node, or what its `$ref` names."""
    if not isinstance(node, dict):
        return {}
    if "$ref" in node:
        return _resolved(schema, schema["$defs"][node["$ref"].rpartition("/")[2]])
    return node
