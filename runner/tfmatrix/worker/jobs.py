"""What a child does: save one scenario's model in one format, or load one artifact, and observe what the model is."""

from __future__ import annotations

import os
import shutil
from types import ModuleType
from typing import Any, Callable, Iterator, Mapping, Sequence

import declared
import files
import observe
import protocol
import retraining
from capture import Recorder
from loading import Loading
from protocol import OBSERVATION
from saving import Training, save_together, training_data
from steps import Failed, Unsupported, custom_objects, import_file, rng, see_sources, step
from versions import versions

READER_SEED = 0x5EED
"""Bits that tell the seed of whatever a reader draws itself from the writer's."""

COPY = "copy"
"""The folder in a job's own that a loader reads its artifact from."""


def results(jobs: Sequence[Mapping[str, Any]], going_on: Callable[[], None]) -> Iterator[dict[str, Any]]:
    """The results of jobs that share this process, in order; fewer where the others are to be sent again.

    What comes after a failed load might suffer from what it left behind. `going_on` is told whenever a save of several
    is done that has no result yet.
    """
    if len(jobs) > 1 and all(job["kind"] == "save" for job in jobs):
        for result in save_together(jobs, going_on):
            yield dict(protocol.EMPTY, **result)
        return
    for job in jobs:
        result = run(job)
        yield result
        if result["status"] != "ok":
            return


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
        failure.raise_disk_failure()
        result.update(status="error", phase=failure.phase, error=failure.error, executed=failure.executed)
    result["warnings"] = recorder.warnings
    result["seconds"] = recorder.seconds
    return result


def _save(job: Mapping[str, Any], recorder: Recorder) -> dict[str, Any]:
    """Build, train, observe, save; then train on, for the resume check. Returns what the result holds beside."""
    saver = declared.Format.of_job(job["format"])
    reason = saver.unsupported(versions())
    if reason:
        raise Unsupported(reason)
    folder = os.getcwd()
    training = Training(job, recorder)
    training.save(saver, folder, recorder)
    training.go_on(recorder)
    training.write(saver, folder, recorder)
    return {"artifact": True, "observation": True}


def _load(job: Mapping[str, Any], recorder: Recorder) -> dict[str, Any]:
    """Load, observe, train on, and run the control. Returns what the result holds beside."""
    loader = declared.Format.of_job(job["format"])
    if job.get("adopted"):
        files.cut_network()
    # Never the writer's seed: what the artifact lacks would come back by itself, from the same initializers.
    observe.fresh_start(job["seed"] ^ READER_SEED)
    arguments: dict[str, Any] = {}
    silent = False
    if job.get("adopted"):
        scenario = step(recorder, "import", files.code, job)
        inputs, data, arguments, silent = files.given(job["reference"])
    else:
        see_sources(job)
        scenario = step(recorder, "import", import_file, job["scenario"])
        inputs = step(recorder, "import", scenario.inputs, rng(job))
        data = step(recorder, "import", training_data, scenario, job)
    given = custom_objects(recorder, scenario)

    def build() -> Any:
        return observe.built(scenario.build_model, inputs)

    loading = Loading(loader, _own_copy(job["artifact"]), given, build, scenario)
    if "load_model" in loader.load:
        loading.arguments.update(arguments)
    try:
        model = step(recorder, "load", loading.run, job["remedies"])
    except Failed as failure:
        failure.executed = _executed(recorder, scenario)
        raise
    executed = _executed(recorder, scenario)
    observation = observe.Observation(observe.kind_of(model, loader.kind))
    with recorder.phase("observe"):
        observe.observe_state(observation, model, inputs, job["reference"])
        if "signatures" in loader.checks:
            observe.observe_signatures(observation, model, inputs, job["reference"])
    if "resume" in loader.checks:
        with recorder.phase("resume"):
            if data is not None:
                # Training may end the process: what is known by now is kept, and that it ended is a finding of resume.
                observation.set("resume", observe.ended_in_training())
                observation.write(OBSERVATION, unfinished="resume")
                observation.set("resume", None)
            observe.observe_resume(observation, model, data, job["steps"], job["seed"], silent=silent)
    if loader.reading is not None:
        observation.absent("control", "the interpreter has kernels of its own, of which a rebuilt model says nothing")
    elif not hasattr(scenario, "build_model"):
        observation.absent("control", "the model came as a file, without the code that builds it")
    elif observe.is_as_written(observation, job["reference"]):
        observation.absent("control", "not needed: the outputs are the writer's, bit for bit, and so is the rest")
    else:
        # The control may end the process, too: what was loaded is known by now, and nothing of that is its fault.
        observation.set("control", observe.ended_in_control())
        observation.write(OBSERVATION, unfinished=protocol.CONTROL)
        observation.set("control", None)
        with recorder.phase(protocol.CONTROL):
            observe.observe_control(
                observation, scenario.build_model, inputs, job["reference"], job["seed"], data, job["steps"]
            )
    observation.write(OBSERVATION)
    return {"observation": True, "executed": executed}


def _executed(recorder: Recorder, scenario: ModuleType) -> bool | None:
    """Whether the code that the scenario planted has run by now; None where it plants none."""
    return bool(step(recorder, "load", scenario.executed)) if hasattr(scenario, "executed") else None


def _own_copy(artifact: str) -> str:
    """The artifact, copied into the job's folder: the store is read-only, and a user's files are not.

    Keras 3.0 opens a `.keras` file to read and write (measured with 3.0.5: PermissionError from a read-only mount).
    """
    folder = os.path.abspath(COPY)
    shutil.copytree(os.path.dirname(artifact), folder, copy_function=shutil.copyfile)
    return os.path.join(folder, os.path.basename(artifact))


KINDS: Mapping[str, Callable[[Mapping[str, Any], Recorder], dict[str, Any]]] = {
    "save": _save,
    "adopt": files.adopt,
    "load": _load,
    "rebuild": files.rebuild,
    "resave": files.resave,
    "dismantle": files.dismantle,
    "train": retraining.train,
    "retrain": retraining.retrain,
}
