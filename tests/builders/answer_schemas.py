"""Answers of `--json` against the schemas that are published for them."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jsonschema
from tfmatrix.cli.answers import answer_schema


@cache
def _validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(answer_schema(name))


def hold(name: str, answer: Any) -> None:
    """Raises jsonschema.ValidationError where the answer, as JSON, is not what its schema says."""
    _validator(name).validate(json.loads(json.dumps(answer)))
