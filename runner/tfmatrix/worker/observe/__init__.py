"""Writes down what a model is, as data: the observation that a reader's is compared with.

    observation = Observation(kind)
    observe_state(observation, model, inputs)            # outputs, weights, optimizer, config, compile
    observe_signatures(observation, loaded, inputs)      # of an object from tf.saved_model.load
    observe_reading(observation, load, inputs, exact)    # writer only: what it reads back from its own artifact
    observe_resume(observation, model, data, …)          # trains on: changes the model
    observe_control(observation, build, inputs, folder)  # reader only: the scenario's code with the writer's weights
    observation.write(folder)

A section that does not apply is null, with the reason in `notes`. A section whose observation raised is
`{"error": {"type", "message"}}`: a loaded model that cannot be called is a finding, not a fault of the worker.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy as np
from protocol import ARRAYS, DOCUMENT

from . import calls, config, layers, optimizer, training
from .arrays import Arrays, Reference
from .plain import error
from .training import ended_in_training, fresh_start, seed_everything, train

__all__ = [
    "Observation",
    "built",
    "ended_in_control",
    "ended_in_training",
    "fresh_start",
    "is_as_written",
    "kind_of",
    "observe_control",
    "observe_reading",
    "observe_resume",
    "observe_signatures",
    "observe_state",
    "saved_model",
    "seed_everything",
    "train",
]

SCHEMA = 1
SECTIONS = ("outputs", "weights", "optimizer", "config", "compile", "resume", "signatures", "control", "reading")


def kind_of(model: Any, declared: str) -> str:
    """What kind of object it really is: "keras" where the format says so and it is a Keras model, else as it behaves.

    `keras.models.load_model` returns something that is no Keras model for a SavedModel of a plain tf.Module.
    """
    if declared == "keras" and not layers.is_keras_model(model):
        return "module"
    return declared


def built(build_model: Callable[[], Any], inputs: Any) -> Any:
    """A model from the scenario's code whose variables exist: it has been called once."""
    model = build_model()
    calls.call(model, inputs, kind_of(model, "keras"))
    return model


class Observation:
    """An observation in the making: sections, notes and arrays."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.arrays = Arrays()
        self.notes: Dict[str, str] = {}
        self._json: Dict[str, Any] = {
            "schema": SCHEMA,
            "kind": kind,
            "model_class": None,
            "interface": None,
            "returns": None,
            "seeds": [],
        }
        for section in SECTIONS:
            self._json[section] = None
        self.weights: List[layers.Weight] = []

    def set(self, name: str, value: Any) -> None:
        """Sets a field."""
        self._json[name] = value

    def get(self, name: str) -> Any:
        """A field as it stands."""
        return self._json[name]

    @property
    def document(self) -> Dict[str, Any]:
        """All fields as they stand."""
        return self._json

    def section(self, name: str, function: Callable[[], Any]) -> None:
        """Sets a section to what the function returns, or to the exception that it raises."""
        try:
            self._json[name] = function()
        except Exception as problem:
            self._json[name] = {"error": error(problem)}

    def absent(self, name: str, reason: str) -> None:
        """Says why a section is null."""
        self.notes[name] = reason

    def present(self, name: str) -> None:
        """Takes back what `absent` said."""
        self.notes.pop(name, None)

    def errors(self) -> Dict[str, Dict[str, str]]:
        """Section to exception, for the sections whose observation raised."""
        return {
            name: value["error"]
            for name, value in self._json.items()
            if name in SECTIONS and isinstance(value, Mapping) and isinstance(value.get("error"), Mapping)
        }

    def copy(self) -> Observation:
        """One that goes on by itself."""
        other = Observation(self.kind)
        other.arrays, other.notes = self.arrays.copy(), dict(self.notes)
        other._json, other.weights = dict(self._json), self.weights
        return other

    def equals(self, other: Observation) -> bool:
        """Whether the two say the same, bit for bit."""
        return self._json == other._json and self.notes == other.notes and self.arrays.same(other.arrays)

    def write(self, folder: str, unfinished: str = "") -> None:
        """Writes observation.json and arrays.npz; the same observation gives the same bytes.

        `unfinished` is the phase that comes next: what the host takes over where the process ends in it. Either file is
        whole at any time.
        """
        os.makedirs(folder, exist_ok=True)
        document = dict(self._json, notes=self.notes)
        if unfinished:
            document["unfinished"] = unfinished
        for name, save in ((ARRAYS, self.arrays.save), (DOCUMENT, functools.partial(_save_json, document))):
            # Beside the folder: what lies in it is taken over. numpy adds the ending where there is another.
            aside = os.path.join(os.path.dirname(os.path.abspath(folder)), "next-" + name)
            save(aside)
            os.replace(aside, os.path.join(folder, name))


def _save_json(document: Dict[str, Any], path: str) -> None:
    with open(path, "w", encoding="utf-8", errors="replace") as file:
        # Lone surrogates (a name that is no UTF-8) become question marks: no reader of JSON takes them.
        json.dump(document, file, allow_nan=False, ensure_ascii=False, indent=1)


def observe_state(observation: Observation, model: Any, inputs: Any, reference: Optional[str] = None) -> None:
    """Outputs, weights, optimizer, config and compile; changes nothing but what is created on first use.

    The outputs come first: a model may restore its weights only when it is called. `reference` is the folder of the
    writer's observation, by which the outputs of a signature get the writer's names.
    """
    writer = Reference(reference).json if reference is not None else None
    arrays, notes = observation.arrays, observation.notes
    keras = layers.is_keras_model(model)
    observation.set("model_class", type(model).__name__)

    def outputs() -> Dict[str, Any]:
        found = calls.call(model, inputs, observation.kind, writer)
        return {path: arrays.add(value) for path, value in found}

    def weights() -> List[Dict[str, Any]]:
        observation.weights = layers.weights(model)
        untracked = [weight.path for weight in observation.weights if not weight.tracked]
        if untracked:
            notes["weights"] = "untracked by Keras: %s" % ", ".join(untracked)
        return [
            {
                "path": weight.path,
                "layer": weight.layer,
                "role": weight.role,
                "index": index,
                "trainable": weight.trainable,
                "tracked": weight.tracked,
                "array": arrays.add(weight.variable),
            }
            for index, weight in enumerate(observation.weights)
        ]

    observation.section("outputs", outputs)
    observation.set("interface", calls.interface(model) if keras else None)
    observation.section("weights", weights)
    if not keras:
        for section in ("optimizer", "config", "compile"):
            observation.absent(section, "not a Keras model")
        return
    observation.set("seeds", layers.seeds(model))
    observation.section("config", lambda: config.observe(model, notes))
    if not config.is_compiled(model):
        for section in ("optimizer", "compile"):
            observation.absent(section, "the model is not compiled")
        return
    observation.section("compile", lambda: config.observe_compile(model))
    observation.section("optimizer", lambda: optimizer.observe(model.optimizer, observation.weights, arrays))


def observe_signatures(observation: Observation, loaded: Any, inputs: Any, reference: Optional[str] = None) -> None:
    """Names, specs and results of the signatures of an object from tf.saved_model.load, or of a TFLite file.

    Inputs get their names by the writer's interface: that of `reference`, or in the writer its own.
    """
    if not hasattr(loaded, "signatures"):
        observation.absent("signatures", "a %s has no signatures" % type(loaded).__name__)
        return
    writer = Reference(reference).json if reference is not None else observation.document

    def one(function: Any) -> Dict[str, Any]:
        result: Dict[str, Any] = {
            "inputs": calls.spec_json(function.structured_input_signature[1]),
            "outputs": calls.spec_json(function.structured_outputs),
            "results": None,
        }
        try:
            values = calls.call_signature(function, inputs, writer)
            result["results"] = {name: observation.arrays.add(values[name]) for name in sorted(values)}
        except Exception as problem:
            result["error"] = error(problem)
        return result

    observation.section(
        "signatures", lambda: {name: one(function) for name, function in sorted(loaded.signatures.items())}
    )


def saved_model(path: str) -> Any:
    """What a folder holds for TensorFlow itself, whichever loader it is for."""
    import tensorflow as tf

    return tf.saved_model.load(path)


def observe_reading(observation: Observation, load: Callable[[], Any], inputs: Any, exact: bool) -> None:
    """The outputs of what the writer itself reads back from its artifact, with kernels that are not TensorFlow's; and
    its signatures.

    `reading` is {"outputs": {path: REF} | null, "exact": bool, "error": … | null}; `exact` says whether they ought to
    be the model's, or are quantized.
    """
    try:
        loaded = load()
        observe_signatures(observation, loaded, inputs)
        found = calls.call(loaded, inputs, "signature", observation.document)
        outputs = {path: observation.arrays.add(value) for path, value in found}
        observation.set("reading", {"outputs": outputs, "exact": exact, "error": None})
    except Exception as problem:
        observation.set("reading", {"outputs": None, "exact": exact, "error": error(problem)})


def observe_resume(
    observation: Observation, model: Any, data: Any, steps: int, seed: int, fresh: bool = False, silent: bool = False
) -> None:
    """Goes on training; with `fresh` (in the writer) also from the same weights with a new optimizer, and once from
    weights that are some rounding errors off. Comes last. `silent`: without what random layers draw; those that would
    are the section's field `silent`.

    `data` is what the scenario's training_data returned, or None. A model that is not compiled is an error in a
    reader, as it is for its user.
    """
    if data is None:
        observation.absent("resume", "the scenario has no training_data")
        return
    if not layers.is_keras_model(model):
        observation.absent("resume", "not a Keras model")
        return
    if fresh and not config.is_compiled(model):
        observation.absent("resume", "the model is not compiled")
        return

    def resume() -> Dict[str, Any]:
        if not silent:
            return course()
        with training.without_draws(model) as paths:
            return dict(course(), silent=paths) if paths else course()

    def course() -> Dict[str, Any]:
        x, y = data
        arrays, weights = observation.arrays, observation.weights
        start = training.start_of(model, weights)
        result = training.resume(model, x, y, steps, seed, weights, arrays)
        if fresh:
            if not result["error"]:
                result["noise"] = training.resume_shaken(model, x, y, steps, seed, weights, start, result, arrays)
            result["fresh"] = training.resume_fresh(model, x, y, steps, seed, weights, start, arrays)
        return result

    observation.section("resume", resume)


def observe_control(
    observation: Observation,
    build_model: Callable[[], Any],
    inputs: Any,
    reference: str,
    seed: int,
    data: Any = None,
    steps: int = 0,
) -> None:
    """The scenario's code in this environment with the writer's weights, on the same inputs.

    Where its outputs differ from the writer's, the code computes differently here; where the loaded model's differ
    from these, loading lost something. Weights are set by path, or in order where paths differ, which are then listed.
    `config` and `compile` are those sections of it: what this version writes of the same code.

    `resume` is how it trains on from the writer's weights and optimizer: null where the writer has no such thing, or
    where the loaded model trained as the writer did. Its weights stand in the writer's order.

    `control` is {"outputs": {path: REF} | null, "renamed": [[writer's path, path here], …], "config", "compile",
    "resume", "error": … | null}.
    """
    writer = Reference(reference)

    def control() -> Dict[str, Any]:
        fresh_start(seed)
        model = built(build_model, inputs)
        here = layers.weights(model)
        there = writer.json["weights"]
        if not isinstance(there, list):
            raise ValueError("the writer's weights were not observed")
        pairs = paired(here, there)
        for weight, entry in pairs:
            weight.variable.assign(writer.array(entry["array"]))
        outputs = calls.call(model, inputs, kind_of(model, "keras"), writer.json)
        renamed = [[entry["path"], weight.path] for weight, entry in pairs if weight.path != entry["path"]]
        keras = layers.is_keras_model(model)
        compiled = keras and config.is_compiled(model)
        return {
            "outputs": {path: observation.arrays.add(value) for path, value in outputs},
            "renamed": renamed,
            "config": config.observe(model, {}) if keras else None,
            "compile": config.observe_compile(model) if compiled else None,
            "resume": training_of(model, pairs) if compiled and data is not None else None,
            "error": None,
        }

    def training_of(model: Any, pairs: List[Tuple[layers.Weight, Dict[str, Any]]]) -> Any:
        course, found = writer.json["resume"], observation.get("resume")
        if not _is_course(course) or (_is_course(found) and _is_near(course, found, writer, observation.arrays)):
            return None
        in_order = {id(entry): weight for weight, entry in pairs}
        weights = [in_order[id(entry)] for entry in writer.json["weights"]]
        try:
            state = writer.json["optimizer"]
            values = {(slot["slot"], slot["variable"]): writer.array(slot["array"]) for slot in state["slots"]}
            optimizer.take_over(model.optimizer, weights, state["iterations"], values, state["state"])
        except Exception as problem:
            return {"losses": [], "metrics": {}, "weights_after": None, "error": error(problem)}
        return training.resume(model, data[0], data[1], steps, seed, weights, observation.arrays)

    try:
        observation.set("control", control())
    except Exception as problem:
        observation.set("control", {"outputs": None, "renamed": [], "error": error(problem)})


def ended_in_control() -> Dict[str, Any]:
    """What is known of a control whose process ends; overwritten where it does not."""
    said = {"type": "ProcessEnded", "message": "the process ends while the model is rebuilt and run"}
    return {"outputs": None, "renamed": [], "error": said}


def _is_course(section: Any) -> bool:
    """Whether training went on to its end."""
    return isinstance(section, Mapping) and not section.get("error")


_NEAR = 2.0**-17
"""A share of the largest value that training may differ by without being looked into; no check fails by so little."""


def _is_near(ours: Mapping[str, Any], theirs: Mapping[str, Any], writer: Reference, arrays: Arrays) -> bool:
    """Whether a training went as the writer's, up to rounding: losses, metrics, weights and outputs."""
    if ours["metrics"].keys() != theirs["metrics"].keys() or not theirs.get("outputs_after"):
        return False
    if len(ours["weights_after"]) != len(theirs["weights_after"]):
        return False
    if ours["outputs_after"].keys() != theirs["outputs_after"].keys():
        return False
    pairs = [(ours["losses"], theirs["losses"])]
    pairs += [(values, theirs["metrics"][name]) for name, values in ours["metrics"].items()]
    refs = list(zip(ours["weights_after"], theirs["weights_after"]))
    refs += [(ref, theirs["outputs_after"][path]) for path, ref in ours["outputs_after"].items()]
    pairs += [(writer.array(mine), arrays.value(other)) for mine, other in refs if "array" in mine]
    return all(_is_close(*pair) for pair in pairs)


def _is_close(ours: Any, theirs: Any) -> bool:
    a, b = np.asarray(ours, "float64"), np.asarray(theirs, "float64")
    scale = float(np.max(np.abs(a), initial=0.0))
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=_NEAR, atol=_NEAR * scale, equal_nan=True))


def paired(here: List[layers.Weight], there: List[Dict[str, Any]]) -> List[Tuple[layers.Weight, Dict[str, Any]]]:
    """The writer's weights beside those here: by path where the paths are the same set, else in order.

    Keras 3 lists variables that it does not track after the others, Keras 2 tracks them. Raises ValueError where
    shapes or their number differ.
    """
    entries = {entry["path"]: entry for entry in there}
    if set(entries) == {weight.path for weight in here}:
        there = [entries[weight.path] for weight in here]
    shapes = [list(weight.variable.shape) for weight in here]
    if not _same_shapes(shapes, [entry["array"]["shape"] for entry in there]):
        mine = ["%s %s" % (weight.path, shape) for weight, shape in zip(here, shapes)]
        writers = ["%s %s" % (entry["path"], entry["array"]["shape"]) for entry in there]
        raise ValueError("rebuilt, the model has other weights: %s, and the writer's has %s" % (mine, writers))
    return list(zip(here, there))


def _same_shapes(here: List[List[Any]], there: List[List[int]]) -> bool:
    """Whether values of the shapes there fit into the variables here; those that grow say None."""
    if [len(shape) for shape in here] != [len(shape) for shape in there]:
        return False
    return all(mine in (None, other) for shape, others in zip(here, there) for mine, other in zip(shape, others))


def is_as_written(observation: Observation, reference: str) -> bool:
    """Whether there is nothing that a control could explain.

    Outputs are those of a written observation (its folder) bit for bit, configurations are written alike, and training
    went on as there, up to rounding.
    """
    writer = Reference(reference)
    here, there = observation.get("outputs"), writer.json["outputs"]
    if not isinstance(here, dict) or not isinstance(there, dict) or "error" in here or here.keys() != there.keys():
        return False
    if not all(observation.arrays.equals(here[path], writer, there[path]) for path in here):
        return False
    for section in ("config", "compile"):
        if isinstance(observation.get(section), dict) and observation.get(section) != writer.json[section]:
            return False
    mine, writers = observation.get("resume"), writer.json["resume"]
    if not (_is_course(mine) and _is_course(writers)):
        return mine is None
    return _is_near(writers, mine, writer, observation.arrays)
