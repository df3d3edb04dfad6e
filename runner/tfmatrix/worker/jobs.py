"""What a child does: save one scenario's model in one format, or load one artifact, and observe what the model is."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import traceback
from types import ModuleType
from typing import Any, Callable, Mapping

import adopt
import formats
import numpy as np
import observe
import workarounds
from capture import Recorder, shorten
from observe import calls
from protocol import ARTIFACT, OBSERVATION
from versions import versions

MAX_TRACEBACK = 20000

TRAIN_STEPS = 3
"""Training steps before the model is saved, so that the optimizer has a state to lose."""

READER_SEED = 0x5EED
"""Bits that tell the seed of whatever a reader draws itself from the writer's."""

COPY = "copy"
"""The folder in a job's own that a loader reads its artifact from."""


EMPTY = {"phase": None, "reason": None, "error": None, "artifact": False, "observation": False}
"""A result's fields where there is nothing to say."""


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
    result: dict[str, Any] = dict(EMPTY, status="ok")
    steps = {"save": _save, "adopt": _adopt, "load": _load}[job["kind"]]
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
    if hasattr(saver, "READING"):
        with recorder.phase("reading"):
            observe.observe_reading(observation, lambda: saver.load(path), inputs, saver.READING == "exact")
    if os.path.exists(os.path.join(path, "saved_model.pb")):
        # What its own environment reads back is the reference for every reader's signatures.
        with recorder.phase("signatures"):
            observe.observe_signatures(observation, _saved_model(path), inputs)
    observation.write(OBSERVATION)
    return {"artifact": True, "observation": True}


def _adopt(job: Mapping[str, Any], recorder: Recorder) -> dict[str, Any]:
    """Load a file that no scenario made, in the environment that wrote it; what it is there is the reference.

    The result has no artifact: the host has it already.
    """
    loader = formats.FORMATS[job["format"]]
    network = adopt.cut_network()
    observe.fresh_start(job["seed"])
    scenario = _step(recorder, "import", adopt.code, job, import_scenario)
    custom_objects = _custom_objects(recorder, scenario)
    path = job["artifact"]
    arrays = _step(recorder, "inputs", adopt.read_inputs, job["inputs"]) if job.get("inputs") else None
    chosen: list[Any] = []

    def choose(model: Any, kind: str) -> Any:
        """Inputs for the model, and how they are described; once."""
        if not chosen:
            try:
                specs = adopt.specs_of(model, kind, path)
            except adopt.InputsError:
                if arrays is None:
                    raise
                specs = None
            if arrays is not None:
                chosen.extend(adopt.fitted(arrays, specs))
            else:
                chosen.extend(adopt.generated(model, kind, specs, job["seed"], lambda x: calls.call(model, x, kind)))
        return chosen[0]

    def build() -> Any:
        # Phases of their own inside of "load": the builder's fault, or that of the inputs?
        model = _step(recorder, "build", scenario.build_model)
        kind = observe.kind_of(model, "keras")
        _step(recorder, "inputs", calls.call, model, _step(recorder, "inputs", choose, model, kind), kind)
        return model

    model, note = _adopted(recorder, loader, path, custom_objects, build, scenario)
    kind = observe.kind_of(model, loader.LOADS)
    inputs = _step(recorder, "inputs", choose, model, kind)
    if os.path.exists(os.path.join(path, "ckpt.index")):
        missing = _step(recorder, "load", adopt.missing_in_checkpoint, model, os.path.join(path, "ckpt"))
        if missing:
            raise Failed("load", ValueError("the checkpoint holds no value of %s" % ", ".join(missing)))
    _step(recorder, "inputs", calls.call, model, inputs, kind)
    observation = observe.Observation(kind)
    with recorder.phase("observe"):
        observe.observe_state(observation, model, inputs)
        if "signatures" in loader.CHECKS:
            observe.observe_signatures(observation, model, inputs)
    if "signatures" not in loader.CHECKS and os.path.exists(os.path.join(path, "saved_model.pb")):
        with recorder.phase("signatures"):
            observe.observe_signatures(observation, _saved_model(path), inputs)
    targets = None
    with recorder.phase("resume"):
        if "resume" in loader.CHECKS:
            targets = adopt.resume(observation, model, inputs, job["steps"], job["seed"])
        else:
            observation.absent("resume", "the format does not bring it back")
    described = {
        "inputs": adopt.tree(inputs, observation.arrays),
        "described": chosen[1],
        "targets": None if targets is None else adopt.tree(targets, observation.arrays),
        "network": network,
        "note": note,
    }
    observation.set("given", described)
    observation.write(OBSERVATION)
    return {"observation": True}


def _adopted(recorder: Recorder, loader: Any, path: str, *arguments: Any) -> tuple[Any, str]:
    """The model of a file, and how it had to be loaded where the plain call does not.

    The reference is what the model is; that Keras asks for a switch before it reads code is said, and is a finding of
    the writer's own cell.
    """
    try:
        return _step(recorder, "load", loader.load, path, *arguments), ""
    except Failed as failure:
        if "safe_mode" not in failure.error["message"] and "unsafe" not in failure.error["message"]:
            raise
        try:
            workarounds.enable_unsafe_deserialization()
        except AttributeError:
            raise failure
        return _step(recorder, "load", loader.load, path, *arguments), "enable_unsafe_deserialization()"


def _load(job: Mapping[str, Any], recorder: Recorder) -> dict[str, Any]:
    """Load, observe, train on, and run the control. Returns what the result holds beside."""
    loader = formats.FORMATS[job["format"]]
    if job.get("adopted"):
        adopt.cut_network()
    # Never the writer's seed: what the artifact lacks would come back by itself, from the same initializers.
    observe.fresh_start(job["seed"] ^ READER_SEED)
    if job.get("adopted"):
        scenario = _step(recorder, "import", adopt.code, job, import_scenario)
        inputs, data = adopt.given(job["reference"])
    else:
        scenario = _step(recorder, "import", import_scenario, job["scenario"])
        inputs = _step(recorder, "import", scenario.inputs, _rng(job))
        data = _step(recorder, "import", _training_data, scenario, job)
    custom_objects = _custom_objects(recorder, scenario)

    def build() -> Any:
        return observe.built(scenario.build_model, inputs)

    arguments = (_own_copy(job["artifact"]), custom_objects, build, scenario)
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
    if hasattr(loader, "READING"):
        observation.absent("control", "the interpreter has kernels of its own, of which a rebuilt model says nothing")
    elif not hasattr(scenario, "build_model"):
        observation.absent("control", "the model came as a file, without the code that builds it")
    elif observe.has_outputs_of(observation, job["reference"]):
        observation.absent("control", "not needed: the outputs are the writer's, bit for bit")
    else:
        with recorder.phase("control"):
            observe.observe_control(observation, scenario.build_model, inputs, job["reference"], job["seed"])
    observation.write(OBSERVATION)
    return {"observation": True}


def _own_copy(artifact: str) -> str:
    """The artifact, copied into the job's folder: the store is read-only, and a user's files are not.

    Keras 3.0 opens a `.keras` file to read and write (measured with 3.0.5: PermissionError from a read-only mount).
    """
    folder = os.path.abspath(COPY)
    shutil.copytree(os.path.dirname(artifact), folder, copy_function=shutil.copyfile)
    return os.path.join(folder, os.path.basename(artifact))


def _custom_objects(recorder: Recorder, scenario: ModuleType) -> Any:
    """What the user of the scenario would pass to load_model, or None."""
    if not hasattr(scenario, "custom_objects"):
        return None
    return _step(recorder, "import", scenario.custom_objects)


def _step(recorder: Recorder, phase: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """One call of the code under test, as (part of) a phase."""
    with recorder.phase(phase):
        try:
            return function(*arguments)
        except Failed:
            raise  # with the phase that it says
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
