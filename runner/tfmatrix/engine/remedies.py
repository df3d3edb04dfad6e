"""The documented workarounds for a cell that fails: which are worth a try, and what a try came to.

Some are tried: the reader loads the same artifact in another way, in a child of its own, and every check runs again.
Others are read off the run: another format of the same writer, or the same reader with tf-keras, is a cell itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from packaging.version import InvalidVersion, Version

from tfmatrix.checks.fingerprint import normalise
from tfmatrix.checks.verdict import Verdict
from tfmatrix.core.records import Try
from tfmatrix.core.status import Status

_LOAD_MODEL = ("h5", "keras", "savedmodel", "tf-savedmodel")
"""Formats whose loader is `keras.models.load_model`."""

_SAVED_MODELS = ("savedmodel", "tf-savedmodel")

_REFUSED_FORMAT = "File format not supported"
"""What Keras 3 says of a SavedModel: the format itself is refused, whatever is in it."""

_AND = " + "
"""Joins the names of remedies that are combined."""

SAVE_AS = "save as "
"""How the remedy "another format" begins; the format's id follows."""

LEGACY_KERAS = "TF_USE_LEGACY_KERAS=1"


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """A workaround that a reader can try.

    `name` is what reports show. `workaround` goes to the worker (see worker/workarounds.py); `loader` is
    the id of the format whose loader takes the artifact. `environment` is the reader, where it is not the cell's own.
    `parts` are the remedies that it combines.
    """

    name: str
    loader: str
    workaround: Mapping[str, Any] = field(default_factory=dict)
    environment: str | None = None
    parts: tuple[str, ...] = ()


def candidates(
    *,
    format_id: str,
    status: Status,
    failed_checks: Collection[str],
    keras: str,
    artifact_kind: str,
    has_definitions: bool,
    error: str,
    legacy_reader: str | None,
    has_code: bool = True,
) -> tuple[Remedy, ...]:
    """The workarounds worth a try for a failing cell, those first that bring back the most.

    `keras` is the version of the reader's `tf.keras`; `artifact_kind` what the artifact really is (hdf5, zip,
    directory); `error` what the loader said, where it raised. `has_definitions`: the scenario's file defines classes or
    functions of its own. `legacy_reader` is the environment with the reader's TensorFlow and tf-keras, where the matrix
    has one. `has_code`: the code that builds the model is there.
    """
    if format_id not in _LOAD_MODEL or not status.is_incompatibility or status is Status.SAVE_ERROR:
        return ()
    # What only the optimizer or the compile arguments lack is not brought back by loading less.
    predicts = status is Status.DRIFT and not {"load", "outputs", "weights", "config"} & set(failed_checks)
    found: list[Remedy] = []

    def add(name: str, loader: str = format_id, environment: str | None = None, **workaround: Any) -> None:
        parts = tuple(name.split(_AND)) if _AND in name and not workaround.get("rebuild") else ()
        found.append(Remedy(name=name, loader=loader, workaround=workaround, environment=environment, parts=parts))

    major = _version(keras)
    if legacy_reader is not None:
        add(LEGACY_KERAS, environment=legacy_reader)
    if _REFUSED_FORMAT in error:
        # No argument makes a loader read what it has no code for.
        _add_other_loaders(add, format_id, major)
        return tuple(found)
    has_safe_mode = major >= Version("2.13") and artifact_kind in ("zip", "hdf5")
    if has_definitions:
        add("custom_objects", custom_objects=True)
    if format_id in _SAVED_MODELS and artifact_kind == "directory" and major < Version("3") and status is Status.DRIFT:
        # Keras 2 does not fill the optimizer when it loads a SavedModel, whose checkpoint holds it.
        add("load_weights after load_model", weights=True)
    if predicts:
        return tuple(found)
    if has_safe_mode:
        add("safe_mode=False", arguments={"safe_mode": False})
        add("enable_unsafe_deserialization()", unsafe=True)
    add("compile=False", arguments={"compile": False})
    if has_definitions and has_safe_mode:
        add("custom_objects + safe_mode=False", custom_objects=True, arguments={"safe_mode": False})
    if has_definitions:
        add("custom_objects + compile=False", custom_objects=True, arguments={"compile": False})
    if has_safe_mode:
        add("compile=False + safe_mode=False", arguments={"compile": False, "safe_mode": False})
    if has_code:
        add("rebuild from code + load_weights", rebuild=True)
    _add_other_loaders(add, format_id, major)
    return tuple(found)


def _add_other_loaders(add: Callable[..., None], format_id: str, keras: Version) -> None:
    """The loaders that read a SavedModel without making a Keras model of it."""
    if format_id in _SAVED_MODELS:
        if keras >= Version("3"):
            add("keras.layers.TFSMLayer", loader="savedmodel-tfsm")
        add("tf.saved_model.load", loader=f"{format_id}-raw")


def attempt(
    name: str, status: Status, checks: Mapping[str, Mapping[str, Any]], promised: Collection[str], error: str
) -> Try:
    """The try of a remedy, judged by what the cell's own format promises: what a loader gives up is missing, not fine.

    `checks` are those of the try, `promised` those that applied to the cell itself.
    """
    loaded = status in (Status.PASS, Status.DRIFT)
    names = [check for check in promised if check not in ("load", "warnings")]
    held = tuple(check for check in names if loaded and checks.get(check, {}).get("status") == "pass")
    missing = tuple(check for check in names if check not in held)
    if loaded:
        status = Status.DRIFT if missing else Status.PASS
    return Try(name=name, status=status, held=held, missing=missing, error=error)


def is_sensible(remedy: Remedy, tries: Sequence[Try], error: str) -> bool:
    """Whether a combination is worth a try: one of its parts changed something, or was not tried.

    `error` is what the cell's own load said. Parts that all end in the very same exception end there together, too.
    """
    outcomes = {each.name: normalise(each.error) for each in tries}
    return not remedy.parts or any(outcomes.get(part) != normalise(error) for part in remedy.parts)


def cause_of(verdict: Verdict) -> str:
    """What cells have in common that fail for the same reason, as far as one cell tells: what helps one may help all.

    The exception without what differs from run to run, or what a loaded model lacks.
    """
    if verdict.error is not None:
        said = normalise(f"{verdict.error['type']}: {verdict.error['message']}")
        return f"{verdict.status.value} {said}"
    codes = {
        f"{name}: {finding['code']}"
        for name in verdict.failed_checks
        for finding in verdict.checks[name].get("findings") or ()
    }
    return f"{verdict.status.value} {', '.join(sorted(codes) or verdict.failed_checks)}"


def in_order(remedies: Sequence[Remedy], helped: Sequence[Try]) -> list[Remedy]:
    """Remedies in the order in which a cell tries them: first what helped the first cell of its cause, the best first.

    `helped` are that cell's tries. A combination comes after what it combines, as before.
    """
    useful = sorted((each for each in helped if each.brings_back_the_model), key=lambda each: len(each.missing))
    rank = {each.name: position for position, each in enumerate(useful)}
    return sorted(remedies, key=lambda remedy: rank.get(remedy.name, len(rank)))


def best(tries: Sequence[Try], failed_checks: Collection[str], status: Status) -> str | None:
    """The name of the remedy to recommend: one that brings back everything, else the model with the fewest losses.

    A cell that loads already is not helped by what brings back no more than it has.
    """
    useful = [each for each in tries if each.brings_back_the_model]
    if status is Status.DRIFT:
        useful = [each for each in useful if set(each.missing) < set(failed_checks)]
    chosen = min(useful, key=lambda each: len(each.missing), default=None)
    return chosen.name if chosen is not None else None


def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        return Version("9999")
