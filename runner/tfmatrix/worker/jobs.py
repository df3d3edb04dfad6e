"""What a child does: save one scenario's model in one format, or load one artifact, and observe what the model is."""

from __future__ import annotations

import os
import shutil
import sys
from types import ModuleType
from typing import Any, Callable, Mapping

import declared
import files
import observe
import protocol
from capture import Recorder
from loading import Loading
from protocol import ARTIFACT, OBSERVATION
from steps import Failed, Unsupported, custom_objects, import_file, rng, step
from versions import versions

TRAIN_STEPS = 3
"""Training steps before the model is saved, so that the optimizer has a state to lose."""

READER_SEED = 0x5EED
"""Bits that tell the seed of whatever a reader draws itself from the writer's."""

COPY = "copy"
"""The folder in a job's own that a loader reads its artifact from."""


class DiskFailure(Exception):
    """A disk was full or broken while a job ran: nothing is known of the model."""


def run(job: Mapping[str, Any], output: int = 1) -> dict[str, Any]:
    """Runs one job in this process; returns its result (docs/architecture.md has its fields).

    `output` is a descriptor of the file that stdout and stderr of this process go to. An exception of TensorFlow, of
    Keras or of the scenario becomes `status: error` with the phase it came from; exceptions of the worker's own code,
    and those that a full or broken disk made, are raised.
    """
    recorder = Recorder(output)
    os.makedirs(job["folder"], exist_ok=True)
    os.chdir(job["folder"])
    result: dict[str, Any] = dict(protocol.EMPTY, status="ok")
    steps = KINDS[job["kind"]]
    try:
        result.update(steps(job, recorder))
    except Unsupported as error:
        result.update(status="unsupported", phase=recorder.phase_name, reason=str(error))
    except Failed as failure:
        if failure.disk:
            raise DiskFailure("%s (%s: %s)" % (failure.disk, failure.error["type"], failure.error["message"]))
        result.update(status="error", phase=failure.phase, error=failure.error)
    result["warnings"] = recorder.warnings
    result["seconds"] = recorder.seconds
    return result


def _see_sources(job: Mapping[str, Any]) -> None:
    """Puts the project's own packages before all others, as they are for a script in its folder."""
    if job.get("sources"):
        sys.path.insert(0, str(job["sources"]))


def _save(job: Mapping[str, Any], recorder: Recorder) -> dict[str, Any]:
    """Build, train, observe, save; then train on, for the resume check. Returns what the result holds beside."""
    saver = declared.Format.of_job(job["format"])
    reason = saver.unsupported(versions())
    if reason:
        raise Unsupported(reason)
    observe.fresh_start(job["seed"])
    _see_sources(job)
    scenario = step(recorder, "import", import_file, job["scenario"])
    inputs = step(recorder, "build", scenario.inputs, rng(job))
    data = step(recorder, "build", _training_data, scenario, job)
    if data is None:
        model = step(recorder, "build", observe.built, scenario.build_model, inputs)
    else:
        # As a user does: fit() is the first to call the model, and decides what shapes it is built for.
        model = step(recorder, "build", scenario.build_model)
        step(recorder, "train", observe.train, model, data[0], data[1], TRAIN_STEPS)
    observation = observe.Observation(observe.kind_of(model, "keras"))
    with recorder.phase("observe"):
        observe.observe_state(observation, model, inputs)
    os.makedirs(ARTIFACT, exist_ok=True)
    path = os.path.join(ARTIFACT, saver.artifact)
    step(recorder, "save", saver.write, model, os.path.abspath(path), scenario)
    with recorder.phase("resume"):
        observe.observe_resume(observation, model, data, job["steps"], job["seed"], fresh=True)
    if saver.reading is not None:
        with recorder.phase("reading"):
            observe.observe_reading(observation, lambda: saver.read(path), inputs, saver.reading == "exact")
    if os.path.exists(os.path.join(path, "saved_model.pb")):
        # What its own environment reads back is the reference for every reader's signatures.
        with recorder.phase("signatures"):
            observe.observe_signatures(observation, observe.saved_model(path), inputs)
    observation.write(OBSERVATION)
    return {"artifact": True, "observation": True}


def _load(job: Mapping[str, Any], recorder: Recorder) -> dict[str, Any]:
    """Load, observe, train on, and run the control. Returns what the result holds beside."""
    loader = declared.Format.of_job(job["format"])
    if job.get("adopted"):
        files.cut_network()
    # Never the writer's seed: what the artifact lacks would come back by itself, from the same initializers.
    observe.fresh_start(job["seed"] ^ READER_SEED)
    if job.get("adopted"):
        scenario = step(recorder, "import", files.code, job)
        inputs, data = files.given(job["reference"])
    else:
        _see_sources(job)
        scenario = step(recorder, "import", import_file, job["scenario"])
        inputs = step(recorder, "import", scenario.inputs, rng(job))
        data = step(recorder, "import", _training_data, scenario, job)
    given = custom_objects(recorder, scenario)

    def build() -> Any:
        return observe.built(scenario.build_model, inputs)

    loading = Loading(loader, _own_copy(job["artifact"]), given, build, scenario)
    model = step(recorder, "load", loading.run, job["remedies"])
    observation = observe.Observation(observe.kind_of(model, loader.kind))
    with recorder.phase("observe"):
        observe.observe_state(observation, model, inputs, job["reference"])
        if "signatures" in loader.checks:
            observe.observe_signatures(observation, model, inputs, job["reference"])
    if "resume" in loader.checks:
        with recorder.phase("resume"):
            observe.observe_resume(observation, model, data, job["steps"], job["seed"])
    if loader.reading is not None:
        observation.absent("control", "the interpreter has kernels of its own, of which a rebuilt model says nothing")
    elif not hasattr(scenario, "build_model"):
        observation.absent("control", "the model came as a file, without the code that builds it")
    elif observe.is_as_written(observation, job["reference"]):
        observation.absent("control", "not needed: the outputs are the writer's, bit for bit, and so is the rest")
    else:
        with recorder.phase("control"):
            observe.observe_control(
                observation, scenario.build_model, inputs, job["reference"], job["seed"], data, job["steps"]
            )
    observation.write(OBSERVATION)
    return {"observation": True}


def _own_copy(artifact: str) -> str:
    """The artifact, copied into the job's folder: the store is read-only, and a user's files are not.

    Keras 3.0 opens a `.keras` file to read and write (measured with 3.0.5: PermissionError from a read-only mount).
    """
    folder = os.path.abspath(COPY)
    shutil.copytree(os.path.dirname(artifact), folder, copy_function=shutil.copyfile)
    return os.path.join(folder, os.path.basename(artifact))


def _training_data(scenario: ModuleType, job: Mapping[str, Any]) -> Any:
    return scenario.training_data(rng(job)) if hasattr(scenario, "training_data") else None


KINDS: Mapping[str, Callable[[Mapping[str, Any], Recorder], dict[str, Any]]] = {
    "save": _save,
    "adopt": files.adopt,
    "load": _load,
    "rebuild": files.rebuild,
    "resave": files.resave,
}
