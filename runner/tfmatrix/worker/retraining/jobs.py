"""The two jobs of a format that trains: what a writer keeps, what a reader takes over, and what both observe."""

from __future__ import annotations

import os
from typing import Any, Dict, Mapping

import numpy as np
import observe
from capture import Recorder
from declared import Format
from observe import calls, config, layers
from observe.arrays import Reference
from protocol import ARTIFACT, OBSERVATION
from steps import Unsupported, import_file, rng, see_sources, step
from versions import versions

from . import course, draws, restored, switched, tensors

BUILDER_SEED = 0xC0DE
"""Bits that tell the seed of what a reader draws from the writer's: what is not set must not come out right."""


OLD_DEFAULTS = "old_defaults"
"""The file of the remedy that has the model built with the writer's defaults."""


def train(job: Mapping[str, Any], recorder: Recorder) -> Dict[str, Any]:
    """In the writer; the artifact is the weights before training, in the model's order."""
    saver = Format.of_job(job["format"])
    reason = saver.unsupported(versions())
    if reason:
        raise Unsupported(reason)
    subject = _Subject(job, recorder, job["seed"])
    os.makedirs(ARTIFACT)
    step(recorder, "save", _keep, subject.weights, os.path.join(ARTIFACT, saver.artifact))
    subject.observe()
    return {"artifact": True, "observation": True}


def retrain(job: Mapping[str, Any], recorder: Recorder) -> Dict[str, Any]:
    """In a reader: the scenario's code, the writer's weights."""
    reference = Reference(job["reference"])
    switched.prepare(job["remedies"])
    subject = _Subject(job, recorder, job["seed"] ^ BUILDER_SEED)
    if OLD_DEFAULTS in job["remedies"]:
        subject.restore(reference)
    step(recorder, "load", _take_over, subject.weights, reference)
    subject.observe()
    return {"observation": True}


def _keep(weights: Any, path: str) -> None:
    # The observation says what each of them is; strings (a vocabulary) are in the code.
    np.savez(path, **{"w%d" % index: value for index, value in enumerate(observe.training.values_of(weights))})


def _take_over(weights: Any, reference: Reference) -> None:
    there = reference.json["weights"]
    if not isinstance(there, list):
        raise ValueError("the writer's weights were not observed")
    # What only one version keeps, and nothing trains, is left as the code made it: what `adapt` counted in Keras 2, and
    # states of recurrent layers.
    roles = {weight.role for weight in weights}, {entry["role"] for entry in there}
    here = [each for each in weights if (each.trainable and each.tracked) or each.role in roles[1]]
    there = [each for each in there if (each["trainable"] and each["tracked"]) or each["role"] in roles[0]]
    for weight, entry in observe.paired(here, there):
        weight.variable.assign(reference.array(entry["array"]))


class _Subject(object):
    """A scenario's model, built by its code and called once. Raises Failed for what its code raises."""

    def __init__(self, job: Mapping[str, Any], recorder: Recorder, seed: int) -> None:
        self._job = job
        self._recorder = recorder
        observe.fresh_start(seed)
        see_sources(job)
        scenario = step(recorder, "import", import_file, job["scenario"])
        self._build = switched.turned(scenario.build_model, job.get("remedies", ()))
        self._inputs = step(recorder, "build", scenario.inputs, rng(job))
        has_data = hasattr(scenario, "training_data")
        self._data = step(recorder, "build", scenario.training_data, rng(job)) if has_data else None
        self._model = step(recorder, "build", observe.built, self._build, self._inputs)
        if not layers.is_keras_model(self._model):
            raise Unsupported("build_model returns no Keras model")
        self.weights = layers.weights(self._model)

    def restore(self, reference: Reference) -> None:
        """Builds the model anew, its arguments as they were in the writer where the code gives none."""
        changes = restored.arguments(self._model, reference.json)
        plain_build = self._build

        def build() -> Any:
            with restored.given(changes):
                return plain_build()

        self._build = build
        observe.fresh_start(self._job["seed"] ^ BUILDER_SEED)
        self._model = step(self._recorder, "build", observe.built, build, self._inputs)
        self.weights = layers.weights(self._model)

    def observe(self) -> None:
        """Writes down everything; changes the model."""
        observation = observe.Observation("keras")
        with self._recorder.phase("observe"):
            self._observe_meaning(observation)
        with self._recorder.phase("train"):
            self._observe_training(observation)
        with self._recorder.phase("signatures"):
            observation.section("signatures", self._written)
        with self._recorder.phase("initializers"):
            # Comes last: it forgets the models before it.
            seed, arrays = self._job["seed"], observation.arrays
            observation.section("draws", lambda: draws.initializers(self._build, self._inputs, seed, arrays))
        observation.write(OBSERVATION)

    def _written(self) -> Dict[str, Any]:
        """What this version writes of the code for serving: names and specs."""
        import tensorflow as tf

        tf.saved_model.save(self._model, "served")
        loaded = observe.saved_model("served")
        return {
            str(name): {
                "inputs": calls.spec_json(function.structured_input_signature[1]),
                "outputs": calls.spec_json(function.structured_outputs),
                "results": None,
            }
            for name, function in loaded.signatures.items()
        }

    def _observe_meaning(self, observation: Any) -> None:
        """As `observe_state` does, of a model whose outputs are compared layer by layer."""
        model, arrays = self._model, observation.arrays
        observation.set("model_class", type(model).__name__)
        observation.absent("outputs", "the layers' outputs are compared one by one")
        observation.weights = self.weights
        observation.section("weights", lambda: course.weights_json(self.weights, arrays))
        observation.set("seeds", layers.seeds(model))
        observation.section("config", lambda: config.observe(model, observation.notes))
        if config.is_compiled(model):
            observation.section("compile", lambda: config.observe_compile(model))
        else:
            observation.absent("compile", "the model is not compiled")

    def _observe_training(self, observation: Any) -> None:
        model, arrays = self._model, observation.arrays
        x = self._inputs if self._data is None else self._data[0]
        observation.section("forward", lambda: tensors.forward(model, x, self.weights, arrays))
        if self._data is None or not config.is_compiled(self._model):
            why = "the scenario has no training_data" if self._data is None else "the model is not compiled"
            for section in ("gradients", "course"):
                observation.set(section, None)
                observation.absent(section, why)
            return
        y, seed = self._data[1], self._job["seed"]
        observation.section("gradients", lambda: tensors.gradients(model, x, y, self.weights, arrays))
        observation.section("course", lambda: course.observe_course(model, x, y, seed, self.weights, arrays))
