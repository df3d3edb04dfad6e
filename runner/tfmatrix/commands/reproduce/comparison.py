"""What the two scripts of a cell compare: no more than the checks of its record need to be seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tfmatrix.analysis.losses import is_no_keras_model
from tfmatrix.core.records import CellRecord
from tfmatrix.core.scenario import Scenario
from tfmatrix.core.status import CheckStatus, Status
from tfmatrix.worker.declared import Format

Kind = Literal["keras", "module", "object", "signature", "interpreter"]
"""How it is called: a Keras model; a tf.Module; what tf.saved_model.load made of a Keras model; a TFSMLayer; TFLite."""

_SECTIONS = ("outputs", "weights", "settings", "optimizer", "resume", "signatures")
_SECTION_OF = {**{name: name for name in _SECTIONS}, "config": "settings", "compile": "settings"}
"""Check to the part of the scripts that shows it."""

_MOST_SETTINGS = 12


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One value of a model to look at: a name, and how to get it from `model`, or from `layer` at a path of layers."""

    name: str
    expression: str
    layer: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """`sections` in the order in which load.py prints them; what raises comes last. None: loading itself is the point.

    `in_order` says that the weights of both sides can be compared one by one; else they are looked for by value.
    """

    sections: tuple[str, ...]
    writer: Kind
    reader: Kind
    in_order: bool
    optimizer_is_lost: bool
    settings: tuple[Setting, ...]


def comparison_of(record: CellRecord, scenario: Scenario, chosen: Format, *, rebuilds: bool) -> Comparison:
    """What to compare for a record. `rebuilds` says whether the format loads into a model made by the scenario."""
    writer: Kind = "keras" if scenario.uses_keras else "module"
    reader = writer if rebuilds else _kind_of_reader(record, scenario, chosen)
    weights = record.checks.get("weights") or {}
    sections, settings = _sections(record, scenario, chosen), tuple(_settings(record, scenario))
    if chosen.loads == "keras" and is_no_keras_model(record):
        # Nobody can ask it for settings, an optimizer or training: what it is says enough.
        sections = (*(name for name in sections if name in ("outputs", "weights")), "settings")
        settings = (Setting(name="type of the model", expression="type(model).__name__"),)
    return Comparison(
        sections=sections,
        writer=writer,
        reader=reader,
        in_order=reader == "keras" and not any(weights.get(name) for name in ("missing", "extra", "moved")),
        optimizer_is_lost=(record.checks.get("optimizer") or {}).get("iterations_after", 0) is None,
        settings=settings[:_MOST_SETTINGS],
    )


def _kind_of_reader(record: CellRecord, scenario: Scenario, chosen: Format) -> Kind:
    match chosen.loads:
        case "signature":
            return "signature"
        case "interpreter":
            return "interpreter"
    if not scenario.uses_keras:
        return "module"
    if chosen.loads == "module" or is_no_keras_model(record):
        return "object"
    return "keras"


def _sections(record: CellRecord, scenario: Scenario, chosen: Format) -> tuple[str, ...]:
    match record.status:
        case Status.DRIFT:
            checks = record.failed_checks
        case Status.PASS:
            held = [name for name, check in record.checks.items() if check["status"] == CheckStatus.PASS]
            # That settings are the same is not worth a list of them.
            checks = tuple(name for name in held if name in _SECTIONS)
        case Status.CRASH | Status.TIMEOUT if record.save.get("status", "ok") == "ok":
            # The record does not say whether it was the load or what came after it.
            trained = scenario.has_training and "resume" in chosen.checks
            checks = ("outputs", "resume") if trained else ("outputs",)
        case _:
            return ()

    def place(name: str) -> tuple[bool, int]:
        raises = (record.checks.get(name) or {}).get("status") == CheckStatus.ERROR
        return raises, _SECTIONS.index(_SECTION_OF[name])

    # Without data, as in a scenario that was changed since the run, nothing can be trained.
    possible = [name for name in checks if name in _SECTION_OF and (name != "resume" or scenario.has_training)]
    shown = sorted(possible, key=place)
    return tuple(dict.fromkeys(_SECTION_OF[name] for name in shown)) or ("outputs",)


def _settings(record: CellRecord, scenario: Scenario) -> Iterator[Setting]:
    """How to look at what the checks `config` and `compile` found different."""
    found: dict[tuple[tuple[str, ...], str], Setting] = {}
    for check, setting_of in (("config", _of_config), ("compile", _of_compile)):
        if check not in record.failed_checks:
            continue
        result = record.checks.get(check) or {}
        paths = [str(path) for path in result.get("differences") or ()]
        for setting in [setting_of(path, scenario) for path in paths] or [setting_of("", scenario)]:
            found.setdefault((setting.layer, setting.expression), setting)
    return iter(found.values())


def _of_config(path: str, _scenario: Scenario) -> Setting:
    """A path of the check `config`: of the model, of a layer that one side lacks, or `layer.key`."""
    layer, _, keys = path.partition(".")
    whole = {
        "": Setting(name="config", expression="model.get_config()"),
        "class": Setting(name="class", expression="type(model).__name__"),
        "trainable": Setting(name="trainable", expression="model.trainable"),
        "dtype": Setting(name="dtype", expression="model.dtype_policy.name"),
    }
    if path in whole:
        return whole[path]
    if not keys:
        return Setting(name="layers", expression="[layer.name for layer in model.layers]")
    key = keys.partition(".")[0].partition("[")[0]
    own = {
        "class": "type(layer).__name__",
        "trainable": "layer.trainable",
        "dtype": "layer.dtype_policy.name",
        "config": "layer.get_config()",
    }
    expression = own.get(key, f"layer.get_config().get({json.dumps(key)})")
    return Setting(name=f"{layer}.{key}", expression=expression, layer=tuple(layer.split("/")))


def _of_compile(path: str, scenario: Scenario) -> Setting:
    """A path of the check `compile`: the optimizer and its hyperparameters; loss and metrics by what they say."""
    first, _, rest = path.partition(".")
    if first == "compile":
        return Setting(name="compiled", expression='getattr(model, "optimizer", None) is not None')
    if first == "optimizer":
        return Setting(name="optimizer", expression="type(model.optimizer).__name__")
    if first == "hyperparameters":
        key = rest.partition(".")[0].partition("[")[0]
        return Setting(name=key, expression=f"model.optimizer.get_config().get({json.dumps(key)})")
    if scenario.has_training:
        data = "*training_data(np.random.RandomState(SEED))"
        return Setting(name="loss and metrics", expression=f"model.evaluate({data}, verbose=0)")
    return Setting(name="loss", expression="model.loss")
