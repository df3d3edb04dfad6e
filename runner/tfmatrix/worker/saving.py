"""Saves: one training serves every format of a scenario that a writer can save.

In between the model is observed again: where a saver changed it, those that come after are left to children of their
own, and so is a saver that failed behind another. What a saver traced is not observed, and changes what the next one
writes (measured with 2.15.1: behind `model.save("dir")`, `model.export` writes open batch sizes): behind anything but
HDF5, a zip archive or a checkpoint nothing is saved any more. Alone or together, a save comes to the same result.

A scenario's own save may train, as callbacks that save do (ModelCheckpoint, BackupAndRestore): it has a process of its
own, and what it leaves is what it saved.
"""

from __future__ import annotations

import os
from typing import Any, Callable, Iterator, List, Mapping, Optional, Sequence, Tuple

import capture
import declared
import observe
from capture import Recorder
from protocol import ARTIFACT, OBSERVATION
from steps import Failed, import_file, rng, see_sources, step
from versions import versions

TRAIN_STEPS = 3
"""Training steps before the model is saved, so that the optimizer has a state to lose."""

_AFTER = ("reading", "signatures")
"""Phases that come behind the further training."""


class Training(object):
    """A scenario's model, built, trained and observed. Raises Failed for what its code raises."""

    def __init__(self, job: Mapping[str, Any], recorder: Recorder) -> None:
        self._job = job
        observe.fresh_start(job["seed"])
        see_sources(job)
        self._scenario = step(recorder, "import", import_file, job["scenario"])
        self._inputs = step(recorder, "build", self._scenario.inputs, rng(job))
        self._data = step(recorder, "build", training_data, self._scenario, job)
        if self._data is None:
            self._model = step(recorder, "build", observe.built, self._scenario.build_model, self._inputs)
        else:
            # As a user does: fit() is the first to call the model, and decides what shapes it is built for.
            self._model = step(recorder, "build", self._scenario.build_model)
            step(recorder, "train", observe.train, self._model, self._data[0], self._data[1], TRAIN_STEPS)
        self._observation = self._observed(recorder)
        self._told = _compile_configuration(self._model)

    def _observed(self, recorder: Recorder) -> observe.Observation:
        observation = observe.Observation(observe.kind_of(self._model, "keras"))
        with recorder.phase("observe"):
            observe.observe_state(observation, self._model, self._inputs)
        return observation

    def save(self, saver: declared.Format, folder: str, recorder: Recorder) -> None:
        """Writes the artifact into a job's folder."""
        os.makedirs(os.path.join(folder, ARTIFACT))
        path = os.path.join(folder, ARTIFACT, saver.artifact)
        step(recorder, "save", saver.write, self._model, path, self._scenario)
        if saver.is_of_scenario:
            self._observation = self._observed(recorder)
        if hasattr(self._scenario, "plant"):
            step(recorder, "save", self._scenario.plant, path)

    def is_unchanged(self, saver: declared.Format, folder: str, recorder: Recorder) -> bool:
        """Whether the model is still what it was when it had been trained, after a saver wrote into a job's folder."""
        if not _holds_values_only(os.path.join(folder, ARTIFACT, saver.artifact)):
            return False
        if _compile_configuration(self._model) != self._told:
            return False
        return bool(self._observed(recorder).equals(self._observation))

    def go_on(self, recorder: Recorder) -> None:
        """Trains on, as the checks of further training want it. Changes the model: nothing is saved after this."""
        with recorder.phase("resume"):
            job = self._job
            observe.observe_resume(self._observation, self._model, self._data, job["steps"], job["seed"], fresh=True)

    def write(self, saver: declared.Format, folder: str, recorder: Recorder) -> None:
        """Writes the observation of one save, with what its writer reads back."""
        observation = self._observation.copy()
        path = os.path.join(folder, ARTIFACT, saver.artifact)
        if saver.reading is not None:
            with recorder.phase("reading"):
                observe.observe_reading(observation, lambda: saver.read(path), self._inputs, saver.reading == "exact")
        if os.path.exists(os.path.join(path, "saved_model.pb")):
            # What its own environment reads back is the reference for every reader's signatures.
            with recorder.phase("signatures"):
                observe.observe_signatures(observation, observe.saved_model(path), self._inputs)
                if "load_model" in saver.functions:
                    observation.set("returns", self._returned(saver, path))
        observation.write(os.path.join(folder, OBSERVATION))

    def _returned(self, saver: declared.Format, path: str) -> Optional[str]:
        """What the scenario's own loader makes of a SavedModel in its own writer; None where it raises."""
        try:
            return str(observe.kind_of(saver.read(path, None, self._scenario.build_model, self._scenario), "keras"))
        except Exception:
            return None


def _compile_configuration(model: Any) -> str:
    """What the model would say of `compile` in its next file, as text; nothing where it has no such words.

    The live model does not show it: writing HDF5, Keras 3 takes the optimizer out of what a `.keras` file written
    behind it says (measured with 3.13.2), which is then loaded with another one.
    """
    if not hasattr(model, "get_compile_config"):
        return ""
    try:
        return repr(model.get_compile_config())
    except Exception as error:
        return "%s: %s" % (type(error).__name__, error)


def _holds_values_only(path: str) -> bool:
    """Whether an artifact was written without tracing the model: HDF5, a zip archive, a checkpoint."""
    if os.path.isdir(path):
        names = os.listdir(path)
        return "saved_model.pb" not in names and any(name.endswith(".index") for name in names)
    if not os.path.exists(path):  # the prefix of a checkpoint
        return os.path.exists(path + ".index")
    return declared.artifact_kind(path) in ("hdf5", "zip")


def training_data(scenario: Any, job: Mapping[str, Any]) -> Any:
    """What the scenario trains on, or None."""
    return scenario.training_data(rng(job)) if hasattr(scenario, "training_data") else None


def save_together(jobs: Sequence[Mapping[str, Any]], going_on: Callable[[], None]) -> Iterator[Any]:
    """The results of jobs that save one scenario, in order; fewer than jobs where the others need a child of their own.

    `going_on` is told whenever an artifact is written. See `jobs.run` for what a result holds.
    """
    before, after = Recorder(), Recorder()
    first = True
    training: Optional[Training] = None
    done: List[Tuple[Mapping[str, Any], Recorder, Optional[declared.Format], Any]] = []
    said: Any = None
    for index, job in enumerate(jobs):
        saver = declared.Format.of_job(job["format"])
        own = Recorder()
        reason = saver.unsupported(versions())
        if reason:
            done.append((job, own, None, {"status": "unsupported", "phase": own.phase_name, "reason": reason}))
            break
        if saver.is_of_scenario and not first:
            break
        os.makedirs(job["folder"], exist_ok=True)
        os.chdir(job["folder"])
        try:
            if training is None:
                training = Training(job, before)
                said = capture.said_once()
            else:
                capture.restore_said_once(said)
            training.save(saver, os.getcwd(), own)
        except Failed as failure:
            failure.raise_disk_failure()
            if first:
                done.append((job, own, None, {"status": "error", "phase": failure.phase, "error": failure.error}))
            break
        done.append((job, own, saver, {"status": "ok", "artifact": True, "observation": True}))
        first = False
        going_on()
        if saver.is_of_scenario or (
            index + 1 < len(jobs) and not training.is_unchanged(saver, os.getcwd(), Recorder())
        ):
            break
    if training is not None and not first:
        capture.restore_said_once(said)
        training.go_on(after)
    is_first = True
    for job, own, saver_of, result in done:
        if saver_of is not None and training is not None:
            os.chdir(job["folder"])
            training.write(saver_of, os.getcwd(), own)
        if result["status"] == "unsupported":
            yield dict(result, warnings=[], seconds={})
            continue
        later = [warning for warning in own.warnings if warning["phase"] in _AFTER]
        saving = [warning for warning in own.warnings if warning["phase"] not in _AFTER]
        # Time that is shared is told once, by the first.
        shared = [before.seconds, own.seconds, after.seconds] if is_first else [own.seconds]
        seconds = {name: value for each in shared for name, value in each.items()}
        yield dict(result, warnings=before.warnings + saving + after.warnings + later, seconds=seconds)
        is_first = False
