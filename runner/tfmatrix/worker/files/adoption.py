"""The writer's job on a model file: what it is in the environment that wrote it is the reference for every reader."""

from __future__ import annotations

import functools
import os
from typing import Any, Mapping

import observe
from capture import Recorder
from declared import Format
from observe import calls
from protocol import ARTIFACT, OBSERVATION
from steps import Failed, custom_objects, step
from switches import enable_unsafe_deserialization

from . import inputs as inputs_of
from . import neutral


def adopt(job: Mapping[str, Any], recorder: Recorder) -> dict[str, Any]:
    """Load a file that no scenario made, in the environment that wrote it; what it is there is the reference.

    The result has no artifact: the host has it already. With `neutral` it is the model's neutral form.
    """
    loader = Format.of_job(job["format"])
    network = inputs_of.cut_network()
    observe.fresh_start(job["seed"])
    scenario = step(recorder, "import", inputs_of.code, job)
    given = custom_objects(recorder, scenario)
    path = job["artifact"]
    arrays = step(recorder, "inputs", inputs_of.read_inputs, job["inputs"]) if job.get("inputs") else None
    chosen: list[Any] = []

    def choose(model: Any, kind: str) -> Any:
        """Inputs for the model, and how they are described; once."""
        if not chosen:
            try:
                specs = inputs_of.specs_of(model, kind, path)
            except inputs_of.InputsError:
                if arrays is None:
                    raise
                specs = None
            if arrays is not None:
                chosen.extend(inputs_of.fitted(arrays, specs))
            else:
                call = functools.partial(calls.call, model, kind=kind)
                chosen.extend(inputs_of.generated(model, kind, specs, job["seed"], call))
        return chosen[0]

    def build() -> Any:
        # Phases of their own inside of "load": the builder's fault, or that of the inputs?
        model = step(recorder, "build", scenario.build_model)
        kind = observe.kind_of(model, "keras")
        step(recorder, "inputs", calls.call, model, step(recorder, "inputs", choose, model, kind), kind)
        return model

    model, note = _loaded(recorder, loader, path, given, build, scenario)
    kind = observe.kind_of(model, loader.kind)
    inputs = step(recorder, "inputs", choose, model, kind)
    if os.path.exists(os.path.join(path, "ckpt.index")):
        missing = step(recorder, "load", inputs_of.missing_in_checkpoint, model, os.path.join(path, "ckpt"))
        if missing:
            raise Failed("load", ValueError("the checkpoint holds no value of %s" % ", ".join(missing)))
    step(recorder, "inputs", calls.call, model, inputs, kind)
    observation = observe.Observation(kind)
    with recorder.phase("observe"):
        observe.observe_state(observation, model, inputs)
        if "signatures" in loader.checks:
            observe.observe_signatures(observation, model, inputs)
    if "signatures" not in loader.checks and os.path.exists(os.path.join(path, "saved_model.pb")):
        with recorder.phase("signatures"):
            observe.observe_signatures(observation, observe.saved_model(path), inputs)
    if job.get("neutral"):
        # Before training goes on, which changes the model.
        with recorder.phase("neutral"):
            neutral.write(model, ARTIFACT)
    targets = None
    with recorder.phase("resume"):
        if "resume" in loader.checks:
            targets = inputs_of.resume(observation, model, inputs, job["steps"], job["seed"])
        else:
            observation.absent("resume", "the format does not bring it back")
    described = {
        "inputs": inputs_of.tree(inputs, observation.arrays),
        "described": chosen[1],
        "targets": None if targets is None else inputs_of.tree(targets, observation.arrays),
        "network": network,
        "note": note,
    }
    observation.set("given", described)
    observation.write(OBSERVATION)
    return {"observation": True, "artifact": bool(job.get("neutral"))}


def _loaded(recorder: Recorder, loader: Format, path: str, *arguments: Any) -> tuple[Any, str]:
    """The model of a file, and how it had to be loaded where the plain call does not.

    The reference is what the model is; that Keras asks for a switch before it reads code is said, and is a finding of
    the writer's own cell.
    """
    try:
        return step(recorder, "load", loader.read, path, *arguments), ""
    except Failed as failure:
        if "safe_mode" not in failure.error["message"] and "unsafe" not in failure.error["message"]:
            raise
        try:
            enable_unsafe_deserialization()
        except AttributeError:
            raise failure
        return step(recorder, "load", loader.read, path, *arguments), "enable_unsafe_deserialization()"
