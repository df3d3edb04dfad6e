"""What a child does: save one scenario's model in one format, or load one artifact, and observe what the model is."""

from __future__ import annotations

import importlib.util
import os
import sys
import traceback
from types import ModuleType
from typing import Any, Callable, Mapping

import formats
import numpy as np
import observe
import workarounds
from capture import Recorder, shorten
from versions import versions

MAX_TRACEBACK = 20000

TRAIN_STEPS = 3
"""Training steps before the model is saved, so that the optimizer has a state to lose."""

READER_SEED = 0x5EED
"""Bits that tell the seed of whatever a reader draws itself from the writer's."""

OBSERVATION = "observation"
ARTIFACT = "artifact"
"""Folders that a job leaves in its own."""


class Unsupported(Exception):
    """The environment cannot do what the job asks for; not a failure of the model."""


class Failed(Exception):
    """An exception of the code under test, with the phase it came from."""

    def __init__(self, phase: str, error: BaseException) -> None:
        Exception.__init__(self, phase)
        self.phase = phase
        self.error = describe(error)


def run(job: Mapping[str, Any], output: str) -> dict[str, Any]:
    """Runs one job in this process; returns its result (docs/architecture.md has its fields).

    `output` is the file that stdout and stderr of this process go to. An exception of TensorFlow, of Keras or of the
    scenario becomes `status: error` with the phase it came from; exceptions of the worker's own code are raised.
    """
    recorder = Recorder(output)
    os.makedirs(job["folder"], exist_ok=True)
    os.chdir(job["folder"])
    result: dict[str, Any] = dict.fromkeys(("phase", "reason", "error", "artifact", "observation"))
    result["status"] = "ok"
    steps = {"save": _save, "load": _load}[job["kind"]]
    try:
        result.update(steps(job, recorder))
    except Unsupported as error:
        result.update(status="unsupported", phase=recorder.phase_name, reason=str(error))
    except Failed as failure:
        result.update(status="error", phase=failure.phase, error=failure.error)
    result["warnings"] = recorder.warnings
    result["seconds"] = recorder.seconds
    return result


def describe(error: BaseException) -> dict[str, str]:
    """An exception as data: type, message, traceback (each shortened in the middle)."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return {"type": type(error).__name__, "message": shorten(str(error)), "traceback": shorten(text, MAX_TRACEBACK)}


def import_scenario(path: str) -> ModuleType:
    """The scenario file as a module, under its own name (which saved models record)."""
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, "a .py file has a loader"
    assert spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    # Pickled and marshalled code looks its module up by name.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _save(job: Mapping[str, Any], recorder: Recorder) -> dict[str, Any]:
    """Build, train, observe, save; then train on, for the resume check. Returns what the result holds beside."""
    saver = formats.FORMATS[job["saver"]]
    reason = saver.unsupported(versions())
    if reason:
        raise Unsupported(reason)
    observe.fresh_start(job["seed"])
    scenario = _step(recorder, "import", import_scenario, job["scenario"])
    inputs = _step(recorder, "build", scenario.inputs, _rng(job))
    data = _step(recorder, "build", _training_data, scenario, job)
    if data is None:
        model = _step(recorder, "build", observe.built, scenario.build_model, inputs)
    else:
        # As a user does: fit() is the first to call the model, and decides what shapes it is built for.
        model = _step(recorder, "build", scenario.build_model)
        _step(recorder, "train", observe.train, model, data[0], data[1], TRAIN_STEPS)
    observation = observe.Observation(observe.kind_of(model, "keras"))
    with recorder.phase("observe"):
        observe.observe_state(observation, model, inputs)
    os.makedirs(ARTIFACT, exist_ok=True)
    path = os.path.join(ARTIFACT, saver.ARTIFACT)
    _step(recorder, "save", saver.save, model, os.path.abspath(path), scenario)
    with recorder.phase("resume"):
        observe.observe_resume(observation, model, data, job["steps"], job["seed"], fresh=True)
    if os.path.exists(os.path.join(path, "saved_model.pb")):
        # What its own environment reads back is the reference for every reader's signatures.
        with recorder.phase("signatures"):
            observe.observe_signatures(observation, _saved_model(path), inputs)
    observation.write(OBSERVATION)
    kind = formats.artifact_kind(path) if os.path.exists(path) else "prefix"
    return {"artifact": {"name": saver.ARTIFACT, "kind": kind}, "observation": OBSERVATION}


def _load(job: Mapping[str, Any], recorder: Recorder) -> dict[str, Any]:
    """Load, observe, train on, and run the control. Returns what the result holds beside."""
    loader = formats.FORMATS[job["format"]]
    # Never the writer's seed: what the artifact lacks would come back by itself, from the same initializers.
    observe.fresh_start(job["seed"] ^ READER_SEED)
    scenario = _step(recorder, "import", import_scenario, job["scenario"])
    inputs = _step(recorder, "import", scenario.inputs, _rng(job))
    data = _step(recorder, "import", _training_data, scenario, job)
    custom_objects = None
    if hasattr(scenario, "custom_objects"):
        custom_objects = _step(recorder, "import", scenario.custom_objects)

    def build() -> Any:
        return observe.built(scenario.build_model, inputs)

    arguments = (job["artifact"], custom_objects, build, scenario)
    if job.get("workaround") is None:
        model = _step(recorder, "load", loader.load, *arguments)
    else:
        model = _step(recorder, "load", workarounds.load, job["workaround"], loader, *arguments)
    observation = observe.Observation(observe.kind_of(model, loader.LOADS))
    with recorder.phase("observe"):
        observe.observe_state(observation, model, inputs, job["reference"])
        if "signatures" in loader.CHECKS:
            observe.observe_signatures(observation, model, inputs, job["reference"])
    if "resume" in loader.CHECKS:
        with recorder.phase("resume"):
            observe.observe_resume(observation, model, data, job["steps"], job["seed"])
    if observe.has_outputs_of(observation, job["reference"]):
        observation.absent("control", "not needed: the outputs are the writer's, bit for bit")
    else:
        with recorder.phase("control"):
            observe.observe_control(observation, scenario.build_model, inputs, job["reference"], job["seed"])
    observation.write(OBSERVATION)
    return {"observation": OBSERVATION}


def _step(recorder: Recorder, phase: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """One call of the code under test, as (part of) a phase."""
    with recorder.phase(phase):
        try:
            return function(*arguments)
        # SystemExit too: a scenario that calls sys.exit() must not look like a finished job.
        except (Exception, SystemExit) as error:
            raise Failed(phase, error)


def _rng(job: Mapping[str, Any]) -> Any:
    return np.random.RandomState(job["seed"])


def _training_data(scenario: ModuleType, job: Mapping[str, Any]) -> Any:
    return scenario.training_data(_rng(job)) if hasattr(scenario, "training_data") else None


def _saved_model(path: str) -> Any:
    import tensorflow as tf

    return tf.saved_model.load(path)
