"""A model made again from its neutral form, in another environment, and saved there.

The neutral form comes in this environment's terms: the host has put the adapters between. Variables and slots come by
name from the writer's observation, never by position where names tell.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
import observe
from capture import Recorder
from declared import Format
from loading import Loading
from observe import calls, layers, optimizer
from observe.arrays import Reference, to_numpy
from protocol import ARTIFACT
from steps import Unsupported, custom_objects, import_file, rng, see_sources, step
from switches import enable_unsafe_deserialization
from versions import versions

from . import bfloat16, neutral
from . import inputs as inputs_of

BUILDER_SEED = 0x0B51D
"""Bits that tell the initializers' draws from the writer's: a weight that is not set must not come out right."""


def rebuild(job: Mapping[str, Any], recorder: Recorder) -> Dict[str, Any]:
    """Builds, fills, compiles and saves; the result has an artifact and no observation."""
    target = Format.of_job(job["format"])
    reason = target.unsupported(versions())
    if reason:
        raise Unsupported(reason)
    scenario, given, inputs = _begin(job, recorder, job["seed"] ^ BUILDER_SEED)
    with open(job["neutral"], encoding="utf-8") as file:
        form = json.load(file)
    reference = Reference(job["reference"])
    model = step(recorder, "build", _build, form, given)
    step(recorder, "build", _set_assets, model, form["assets"])
    step(recorder, "build", calls.call, model, inputs, "keras")
    pairs = step(recorder, "weights", _set_weights, model, reference)
    if form["compile"] is not None:
        step(recorder, "compile", _compile, model, form["compile"], given)
        step(recorder, "compile", _set_state, model.optimizer, pairs, reference)
    _save(recorder, target, model, scenario)
    return {"artifact": True}


def resave(job: Mapping[str, Any], recorder: Recorder) -> Dict[str, Any]:
    """Loads a file in the environment that wrote it, and saves it there in another format."""
    model, scenario = _loaded(job, recorder)
    _save(recorder, Format.of_job(job["target"]), model, scenario)
    return {"artifact": True}


def dismantle(job: Mapping[str, Any], recorder: Recorder) -> Dict[str, Any]:
    """Loads a file in the environment that wrote it, and leaves its neutral form there; what it is was observed."""
    model, _ = _loaded(job, recorder)
    step(recorder, "load", neutral.write, model, ARTIFACT)
    return {"artifact": True}


def _begin(job: Mapping[str, Any], recorder: Recorder, seed: int) -> Tuple[Any, Any, Any]:
    """The code that belongs to the model, its custom objects, and the inputs: of a file as they were observed."""
    adopted = bool(job.get("adopted"))
    if adopted:
        inputs_of.cut_network()
    observe.fresh_start(seed)
    if adopted:
        scenario = step(recorder, "import", inputs_of.code, job)
        inputs = inputs_of.given(job["reference"]).inputs
    else:
        see_sources(job)
        scenario = step(recorder, "import", import_file, job["scenario"])
        inputs = step(recorder, "import", scenario.inputs, rng(job))
    return scenario, custom_objects(recorder, scenario), inputs


def _loaded(job: Mapping[str, Any], recorder: Recorder) -> Tuple[Any, Any]:
    """The model of a file, built, and its code; loaded in the way that its writer found for the reference."""
    loader = Format.of_job(job["format"])
    scenario, given, inputs = _begin(job, recorder, job["seed"])
    way = (Reference(job["reference"]).json.get("given") or {}).get("way") or {}
    path = job["artifact"]
    if way.get("widened"):
        path = os.path.abspath(os.path.join("widened", os.path.basename(path)))
        bfloat16.widened(job["artifact"], path)
    loading = Loading(loader, path, given, _nothing, scenario)
    loading.arguments.update(way.get("arguments") or {})
    if way.get("unsafe"):
        step(recorder, "load", enable_unsafe_deserialization)
    model = step(recorder, "load", loading.run, ["built_in_objects"] if way.get("named") else [])
    step(recorder, "load", calls.call, model, inputs, observe.kind_of(model, loader.kind))
    return model, scenario


def _nothing() -> None:
    """In place of what builds a model for weights: here the file holds all of it."""


def _save(recorder: Recorder, target: Format, model: Any, scenario: Any) -> None:
    os.makedirs(ARTIFACT, exist_ok=True)
    path = os.path.abspath(os.path.join(ARTIFACT, target.artifact))
    step(recorder, "save", target.write, model, path, scenario)
    if versions()["keras"].startswith("2.") or not zipfile.is_zipfile(path):
        # Keras 3 reads its own bfloat16 in a `.keras` file.
        copy = os.path.abspath(os.path.join("widened", target.artifact))
        if bfloat16.widened(path, copy):
            os.replace(copy, path)


def _build(form: Mapping[str, Any], given: Optional[Mapping[str, Any]]) -> Any:
    import tensorflow as tf

    for layer, function in neutral.named_functions(form["model"]):
        if tf.keras.utils.get_registered_object(function, custom_objects=given) is None:
            raise LookupError(
                "its Lambda %s holds code of another version's Python: give a function of the name %r (no lambda) with "
                "--custom-objects" % (layer, function)
            )
    return tf.keras.models.model_from_json(json.dumps(form["model"]), custom_objects=given)


def _set_assets(model: Any, assets: Mapping[str, Mapping[str, Any]]) -> None:
    """Gives layers back what they know beside their variables."""
    found = dict(layers.walk(model))
    for path, values in assets.items():
        layer = getattr(found[path], "layer", None) or found[path]
        # One that was given as an argument is there already.
        if "vocabulary" in values and not layer.get_config().get("vocabulary"):
            if "idf_weights" in values:
                layer.set_vocabulary(values["vocabulary"], idf_weights=values["idf_weights"])
            else:
                layer.set_vocabulary(values["vocabulary"])


def _set_weights(model: Any, reference: Reference) -> List[Tuple[layers.Weight, Dict[str, Any]]]:
    """Sets every variable to the writer's; returns the pairs. Raises ValueError where they do not fit."""
    there = reference.json["weights"]
    if not isinstance(there, list):
        raise ValueError("the writer's weights were not observed")
    pairs: List[Tuple[layers.Weight, Dict[str, Any]]] = observe.paired(layers.weights(model), there)
    for weight, entry in pairs:
        weight.variable.assign(reference.array(entry["array"]))
    for _, layer in layers.walk(model):
        # These compute with what they made of their variables.
        adapted = {"Normalization": "adapt_mean", "Discretization": "summary"}.get(type(layer).__name__)
        if adapted is not None and getattr(layer, adapted, None) is not None:
            layer.finalize_state()
    return pairs


def _compile(model: Any, compiled: Mapping[str, Any], given: Optional[Mapping[str, Any]]) -> None:
    import tensorflow as tf

    objects = dict(given or {})

    def loss(value: Any) -> Any:
        return tf.keras.losses.deserialize(value, custom_objects=objects)

    def metric(value: Any) -> Any:
        if isinstance(value, Mapping) and "wrapped" in value:
            function = tf.keras.metrics.get(value["wrapped"])
            if isinstance(function, tf.keras.metrics.Metric):  # Keras 3 makes an object of every name
                return type(function)(name=value["name"])
            return tf.keras.metrics.MeanMetricWrapper(function, name=value["name"])
        return tf.keras.metrics.deserialize(value, custom_objects=objects)

    chosen = tf.keras.optimizers.deserialize(compiled["optimizer"], custom_objects=objects)
    if isinstance(chosen, str):
        # Keras 2.15 has a list of its optimizers, and gives back the name of one that is not on it (AdamW).
        chosen = tf.keras.saving.deserialize_keras_object(compiled["optimizer"], custom_objects=objects)
    with tf.keras.utils.custom_object_scope(objects):
        model.compile(
            optimizer=chosen,
            loss=_each(compiled["loss"], loss),
            loss_weights=compiled["loss_weights"],
            metrics=_each(compiled["metrics"], metric),
            weighted_metrics=_each(compiled["weighted_metrics"], metric),
            **compiled.get("arguments") or {},
        )


def _each(value: Any, make: Any) -> Any:
    """A structure with what its serialized objects are."""
    if isinstance(value, list):
        return [_each(item, make) for item in value]
    if isinstance(value, Mapping) and not {"class_name", "wrapped"} & set(value):
        return {name: _each(item, make) for name, item in value.items()}
    return make(value) if isinstance(value, Mapping) else value


def _set_state(chosen: Any, pairs: List[Tuple[layers.Weight, Dict[str, Any]]], reference: Reference) -> None:
    """Gives the optimizer its iterations, slots and scalars."""
    there = reference.json["optimizer"]
    if not isinstance(there, Mapping) or "error" in there:
        raise ValueError("the writer's optimizer was not observed")
    places = {entry["path"]: index for index, (_, entry) in enumerate(pairs)}
    values = {(entry["slot"], places[entry["path"]]): reference.array(entry["array"]) for entry in there["slots"]}
    # The scalars beside them follow below: here both implementations keep them alike.
    optimizer.take_over(chosen, [weight for weight, _ in pairs], there["iterations"], values, {})
    for name, variable in optimizer.scalars(chosen).items():
        if name in there["state"] and hasattr(variable, "assign"):
            # Counters are floats in the observation.
            variable.assign(np.asarray(there["state"][name]).astype(to_numpy(variable).dtype))
