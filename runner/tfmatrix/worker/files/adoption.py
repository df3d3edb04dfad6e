"""The writer's job on a model file: what it is in the environment that wrote it is the reference for every reader."""

from __future__ import annotations

import functools
import os
from typing import Any, Mapping, NamedTuple

import observe
from capture import Recorder
from declared import Format
from loading import Loading
from observe import calls
from protocol import ARTIFACT, OBSERVATION
from remedies import built_in_objects
from steps import Failed, custom_objects, step
from switches import enable_unsafe_deserialization

from . import bfloat16, neutral, unread
from . import inputs as inputs_of

COPY = "widened"
"""The folder in a job's own for a copy that can be read."""


def adopt(job: Mapping[str, Any], recorder: Recorder) -> dict[str, Any]:
    """Load a file that no scenario made, in the environment that wrote it; what it is there is the reference.

    The result has no artifact: the host has it already. With `neutral` it is the model's neutral form; then the
    reference is what the file holds, also where the writer's plain call leaves some of it there.
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

    loaded = _loaded(recorder, loader, path, given, build, scenario, is_whole=bool(job.get("neutral")))
    if job.get("neutral") and loaded.is_raw:
        raise Failed("load", ValueError("there is no Keras model: %s" % loaded.why))
    model, kind = loaded.model, loaded.kind
    notes = [loaded.why] if loaded.why else []
    if job.get("neutral"):
        notes += step(recorder, "load", unread.read, model, loaded.path or path)
    inputs = step(recorder, "inputs", choose, model, kind)
    if os.path.exists(os.path.join(path, "ckpt.index")):
        missing = step(recorder, "load", inputs_of.missing_in_checkpoint, model, os.path.join(path, "ckpt"))
        if missing:
            raise Failed("load", ValueError("the checkpoint holds no value of %s" % ", ".join(missing)))
    outputs = step(recorder, "inputs", calls.call, model, inputs, kind)
    if arrays is not None:
        step(recorder, "inputs", _refuse_empty, outputs)
    observation = observe.Observation(kind)
    with recorder.phase("observe"):
        observe.observe_state(observation, model, inputs)
        if "weights" not in loader.checks:
            # A signature holds none that it names: a reader's are not news.
            observation.set("weights", None)
            observation.absent("weights", "%s brings back none" % loader.loader)
        if loaded.arguments.get("compile") is False:
            for section in ("optimizer", "compile"):
                observation.absent(section, loaded.why)
        if kind != "keras" and hasattr(model, "signatures"):
            observe.observe_signatures(observation, model, inputs)
    if loader.loads == "interpreter":
        # Its kernels are its own, other ones in each version. How far a quantized file is from its model nobody knows.
        observation.set("reading", {"outputs": None, "exact": True, "error": None})
    if observation.get("signatures") is None and os.path.exists(os.path.join(path, "saved_model.pb")):
        with recorder.phase("signatures"):
            observe.observe_signatures(observation, observe.saved_model(path), inputs)
    if job.get("neutral"):
        # Before training goes on, which changes the model.
        with recorder.phase("neutral"):
            neutral.write(model, ARTIFACT)
    described = {
        "inputs": inputs_of.tree(inputs, observation.arrays),
        "described": chosen[1],
        "targets": None,
        "network": network,
        "way": loaded.way,
        # Another version draws other numbers: what it is held to is the training without.
        "silent": True,
        "note": "; ".join(notes),
    }
    observation.set("given", described)
    with recorder.phase("resume"):
        if "resume" not in loader.checks:
            observation.absent("resume", "the format does not bring it back")
        elif not loaded.is_whole:
            observation.absent("resume", loaded.why)
        else:
            targets = inputs_of.made_targets(observation, model, inputs, job["seed"])
            if targets is not None:
                # Training may end the process: what is known by now is kept.
                observation.absent("resume", "on made-up targets the writer's process ends in training")
                observation.write(OBSERVATION, unfinished="resume")
                observation.present("resume")
                if inputs_of.resume(observation, model, inputs, targets, job["steps"], job["seed"], silent=True):
                    described["targets"] = inputs_of.tree(targets, observation.arrays)
    observation.write(OBSERVATION)
    return {"observation": True, "artifact": bool(job.get("neutral"))}


def _refuse_empty(outputs: Any) -> None:
    """Raises InputsError where the inputs that were given give nothing to compare."""
    found = inputs_of.says_nothing(outputs, is_constant_nothing=False)
    if found:
        raise inputs_of.InputsError("on the inputs of the file %s" % found)


class Loaded(NamedTuple):
    """The model of a file, how it is called, and how it had to be loaded where the plain call does not.

    `arguments` are those of load_model; `is_raw` says that no Keras model could be had, `is_unsafe` that Keras reads
    the code in the file only when it is let, `is_named` that Keras was told what its own short names stand for. `path`
    is the copy that it was read from, where the file as it is cannot be read. `why` is the same in words.
    """

    model: Any
    kind: str
    why: str = ""
    arguments: Mapping[str, Any] = {}
    is_raw: bool = False
    is_unsafe: bool = False
    is_named: bool = False
    path: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether it is all that the file holds: also what training needs."""
        return not self.arguments and not self.is_raw

    @property
    def way(self) -> dict[str, Any]:
        """As the field `way` of the observation's `given`."""
        found: dict[str, Any] = {"arguments": dict(self.arguments)} if self.arguments else {}
        flags = {
            "raw": self.is_raw,
            "unsafe": self.is_unsafe,
            "named": self.is_named,
            "widened": bool(self.path),
        }
        return dict(found, **{name: True for name, is_set in flags.items() if is_set})


def _loaded(recorder: Recorder, loader: Format, path: str, *arguments: Any, is_whole: bool) -> Loaded:
    """The model of a file, in the first way that gives one; with `is_whole` in the one that gives all of it.

    The reference is what the model is: that Keras asks for a switch before it reads code is said, and is a finding of
    the writer's own cell. What keeps the writer from compiling it (a loss that is a lambda, a metric or an optimizer
    whose class is gone) keeps nobody from predicting with it, and a SavedModel runs without Keras.
    """
    try:
        model = step(recorder, "load", loader.read, path, *arguments)
        return Loaded(model, observe.kind_of(model, loader.kind))
    except Failed as failure:
        first = failure
    if "safe_mode" in first.error["message"] or "unsafe" in first.error["message"]:
        try:
            enable_unsafe_deserialization()
        except AttributeError:
            raise first
        model = step(recorder, "load", loader.read, path, *arguments)
        why = "the writer loads it only after enable_unsafe_deserialization()"
        return Loaded(model, observe.kind_of(model, loader.kind), why, is_unsafe=True)
    if is_whole and bfloat16.UNREADABLE in first.error["message"]:
        copy = os.path.abspath(os.path.join(COPY, os.path.basename(path)))
        if bfloat16.widened(path, copy):
            found = _loaded(recorder, loader, copy, *arguments, is_whole=True)
            why = "; ".join([bfloat16.NOTE, *([found.why] if found.why else [])])
            return found._replace(why=why, path=copy)
    if loader.loads != "keras" or first.phase != "load" or "resume" not in loader.checks:
        raise first
    raised = "%s: %s" % (first.error["type"], first.error["message"].strip().partition("\n")[0][:300])
    # Weights have nothing that is compiled.
    if "load_model" in loader.load:
        if is_whole and built_in_objects.unknown(first.error["message"]):
            loading = Loading(loader, path, *arguments)
            try:
                model = step(recorder, "load", loading.run, ["built_in_objects"])
            except Failed:
                pass
            else:
                why = "the writer loads it only when custom_objects says what Keras's short names are (%s)" % raised
                return Loaded(model, observe.kind_of(model, "keras"), why, is_named=True)
        loading = Loading(loader, path, *arguments)
        loading.arguments["compile"] = False
        try:
            model = step(recorder, "load", loading.run)
        except Failed:
            pass  # the first exception says what a user sees
        else:
            why = "the writer loads it only with compile=False (%s)" % raised
            return Loaded(model, observe.kind_of(model, "keras"), why, {"compile": False})
    if os.path.exists(os.path.join(path, "saved_model.pb")):
        try:
            model = step(recorder, "load", observe.saved_model, path)
        except Failed:
            raise first
        why = "the writer loads it only with tf.saved_model.load, without Keras (%s)" % raised
        return Loaded(model, "module", why, is_raw=True)
    raise first
