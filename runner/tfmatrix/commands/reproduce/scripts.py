"""The two scripts of a cell: templates filled, what they do not use left out, everything in one plain module each."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import jinja2

from tfmatrix.commands.reproduce.calls import Call, call_of
from tfmatrix.commands.reproduce.comparison import comparison_of
from tfmatrix.commands.reproduce.scenario_code import ScenarioCode
from tfmatrix.commands.reproduce.source import free_names, imports_for, joined, needed, pieces, renamed
from tfmatrix.core.records import CellRecord
from tfmatrix.core.scenario import Scenario
from tfmatrix.worker.declared import Format

TRAIN_STEPS = 3
"""Training steps before the save: as many as runner/tfmatrix/worker/saving.py makes."""

_WIDTH = 88
_IMPORTS = ("import json", "import random", "import numpy as np", "import tensorflow as tf")


@dataclass(frozen=True, kw_only=True)
class Scripts:
    """Source of the scripts, without the comment at their head, and the statements in them that save and load."""

    save: str
    load: str
    save_call: str
    load_call: str


def make_scripts(
    record: CellRecord, scenario: Scenario, source: str, chosen: Format, *, settings: Mapping[str, Any]
) -> Scripts:
    """The scripts for a record. `source` is the scenario's file, `settings` those of run.json (seed, steps)."""
    save = call_of(chosen.save, chosen.artifact)
    load = call_of(chosen.load, chosen.artifact, has_custom_objects="custom_objects" in scenario.functions)
    code = ScenarioCode.read(source)
    comparison = comparison_of(record, scenario, chosen, rebuilds="build" in load.uses)
    context = {
        "comparison": comparison,
        "artifact": chosen.artifact,
        "save": save.statements,
        "plants": "plant" in scenario.functions,
        "executed": "executed" in scenario.functions,
        "load": load.statements,
        "seed": int(settings.get("seed", 0)),
        "steps": int(settings.get("steps", TRAIN_STEPS)),
        "train_steps": TRAIN_STEPS,
        "training": scenario.has_training,
        "random_layers": code.draws_random_numbers,
        "has_raw_variables": code.has_raw_variables,
        "has_bfloat16": "bfloat16" in source,
        "has_composites": any(word in source.casefold() for word in ("ragged", "sparsetensor")),
        "input_prefix": code.input_prefix,
        "imports_raise": (record.error or {}).get("phase") == "import",
    }
    return Scripts(
        save=_script("save.py.j2", save, code, context | {"kind": comparison.writer, "is_reader": False}),
        load=_script(
            "load.py.j2", load, code, context | {"kind": comparison.reader, "is_reader": "build" not in load.uses}
        ),
        save_call=save.statements,
        load_call=load.statements,
    )


def commented(lines: Iterable[str]) -> str:
    """Lines of text as a comment, wrapped."""
    wrapped = [part for line in lines for part in textwrap.wrap(line, _WIDTH - 2, break_on_hyphens=False) or [""]]
    return "\n".join(f"# {line}".rstrip() for line in wrapped) + "\n"


def render(template: str, context: Mapping[str, Any]) -> str:
    """A template of this package, filled."""
    return _templates().get_template(template).render(context)


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("tfmatrix.commands.reproduce"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        # Python, shell and Markdown: what comes from elsewhere is quoted where it is put in.
        autoescape=False,
    )


def _script(template: str, call: Call, code: ScenarioCode, context: Mapping[str, Any]) -> str:
    """One script: imports, constants, the scenario, functions, and the statements of the template."""
    main = render(template, context)
    functions = [*call.definitions, *pieces(render("functions.py.j2", context))]
    ours = needed(functions, free_names(main))
    definitions = [piece for piece in ours if piece.is_definition]
    constants = [piece for piece in ours if not piece.is_definition]
    kept = needed(code.pieces, free_names(main).union(*(piece.uses for piece in ours)))
    # What the scenario calls its own things must not be taken from it.
    own = free_names(main).union(*(piece.defines for piece in [*ours, *pieces(main)]))
    clashes = {name: f"{name}_" for name in own & code.names}
    head = renamed(joined(constants), clashes)
    body = [joined(kept), renamed(joined(definitions), clashes), renamed(main, clashes)]
    text = "\n\n\n".join(part.strip("\n") for part in (head, *body) if part.strip())
    imports = imports_for((*_IMPORTS, *call.imports, *code.imports), free_names(text))
    starts_with_definition = not constants and [*kept, *definitions][:1] and [*kept, *definitions][0].is_definition
    gap = "\n\n\n" if starts_with_definition else "\n\n"
    return f"{imports}{gap}{text}\n"
