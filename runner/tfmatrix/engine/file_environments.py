"""Which environments a check uses: the writer by what the file says or the user names, the readers by selectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from tfmatrix.core.environment import FIRST_WITH_KERAS_3, Environment, has_keras_3
from tfmatrix.core.errors import ConfigError, InfrastructureError, UsageError
from tfmatrix.core.ids import environment_id, identified
from tfmatrix.envs.lock import NIGHTLY, read_lock
from tfmatrix.envs.resolve import is_exact, plain_environment
from tfmatrix.project.modelfiles.modelfile import ModelFile
from tfmatrix.project.project import Project
from tfmatrix.worker.protocol import THREADS

if TYPE_CHECKING:
    from tfmatrix.envs.releases import Index

_BEFORE_2_5 = {"2.2.4-tf": ("2.0", "2.1"), "2.3.0-tf": ("2.2",), "2.4.0": ("2.3", "2.4")}
"""What `tf.keras` called itself while it was a part of TensorFlow. Since 2.5 Keras 2.x.0 belongs to TensorFlow 2.x."""


def reader_environments(project: Project, readers: Sequence[str], index: Index) -> tuple[Environment, ...]:
    """The environments that ids of matrix.yaml, versions and selectors name, each once, in their order."""
    found: dict[str, Environment] = {}
    for text in readers:
        for environment in _named(project, text, index):
            found.setdefault(environment.id, environment)
    return tuple(found.values())


def writer_environment(
    project: Project, model: ModelFile, saved_with: str | None, index: Index
) -> tuple[Environment, str]:
    """The environment that the file was saved with, and how that is known.

    Raises UsageError that says what the file does say, where neither it nor `saved_with` tells.
    """
    if saved_with:
        chosen = _named(project, saved_with, index)
        if len(chosen) != 1:
            listed = ", ".join(each.id for each in chosen) or "none"
            raise UsageError(f'--saved-with "{saved_with}" means {len(chosen)} versions: {listed}', expected="one")
        pinned = _with_its_keras(project, chosen[0], model)
        why = f"--saved-with {saved_with}"
        if pinned.id != chosen[0].id:
            why += f", with the Keras {model.keras} that the file names"
        return pinned, why
    if model.tensorflow:
        release = _newest(project, model.tensorflow, index)
        if model.loader == "savedmodel" and _minor(release) >= FIRST_WITH_KERAS_3:
            release = with_tf_keras(project, release)
            return release, f"the file says TensorFlow {model.tensorflow}, and has the metadata of Keras 2"
        return release, f"the file says TensorFlow {model.tensorflow}"
    if model.keras:
        return _by_keras(project, model, index)
    raise UsageError(
        f"which TensorFlow saved {model.shown}? It is {model.what} {model.said}",
        expected="--saved-with VERSION, the TensorFlow that saved it",
        fix="--saved-with 2.10.1",
    )


def _by_keras(project: Project, model: ModelFile, index: Index) -> tuple[Environment, str]:
    """The TensorFlow of a Keras version; asked for where several may be meant."""
    version = model.keras.partition("-")[0]
    releases = _BEFORE_2_5.get(model.keras)
    if releases is None and version.startswith("2.") and Version(version) >= Version("2.5"):
        releases = (".".join(version.split(".")[:2]),)
    if releases is not None and len(releases) == 1:
        environment = _newest(project, releases[0], index)
        if Version(releases[0]) >= FIRST_WITH_KERAS_3:
            environment = with_tf_keras(project, environment)
        return environment, f"the file says Keras {model.keras}, which belongs to TensorFlow {releases[0]}"
    if releases is not None:
        several = " and ".join(releases)
        raise UsageError(
            f"{model.shown} says Keras {model.keras}, which TensorFlow {several} have",
            expected="--saved-with VERSION",
            fix=f"--saved-with {releases[-1]}",
        )
    if version.startswith("3."):
        raise UsageError(
            f"{model.shown} says Keras {model.keras}, and not which TensorFlow it ran on: Keras 3 runs on any from "
            "2.16 on",
            expected="--saved-with VERSION, the TensorFlow that saved it; Keras is taken as the file says",
            fix="--saved-with 2.16.2",
        )
    raise UsageError(
        f"{model.shown} says Keras {model.keras}, which never was a part of TensorFlow 2",
        expected="--saved-with VERSION, a TensorFlow that reads it",
        fix="--saved-with 2.5",
    )


def _named(project: Project, text: str, index: Index) -> tuple[Environment, ...]:
    known = {each.id: each for each in project.written_environments}
    if text in known:
        return (known[text],)
    from tfmatrix.envs.releases import resolve_selector

    try:
        versions = resolve_selector(text, index)
    except InfrastructureError:
        # Without an index an exact version may still be locked and provided.
        if not is_exact(text):
            raise
        versions = [text]
    return tuple(known.get(version) or plain_environment(version) for version in versions)


def _newest(project: Project, version: str, index: Index) -> Environment:
    """The environment of a version that a file names: that itself, or the newest patch of its minor.

    A file may name what no index has: a nightly, a build of one's own.
    """
    known = {each.id: each for each in project.written_environments}
    minor = ".".join(version.split(".")[:2])
    for text in (version, minor):
        same = [each for each in known.values() if each.tensorflow == text and each.id == text]
        if same:
            return same[0]
        patches = [each for each in known.values() if each.id == each.tensorflow and each.id.startswith(f"{text}.")]
        if patches and text == version:
            return max(patches, key=lambda each: Version(each.tensorflow))
        try:
            return _named(project, text, index)[-1]
        except (UsageError, IndexError):
            continue
    raise UsageError(
        f"the file says TensorFlow {version}, which the package index does not have",
        expected="--saved-with VERSION, a release near it",
    )


def _with_its_keras(project: Project, environment: Environment, model: ModelFile) -> Environment:
    """With the Keras 3 that the file names, where the environment would have another."""
    named = model.keras
    if not named.startswith("3.") or environment.keras or environment.image or environment.env:
        return environment
    if not has_keras_3(environment):
        # It cannot have saved it. That is said by its own attempt to load the file.
        return environment
    if environment.tensorflow == NIGHTLY or not is_exact(named):
        return environment
    try:
        lock = read_lock(project.locks, environment)
    except ConfigError:
        return environment
    if lock is not None and lock.keras == named:
        return environment
    known = project.written_environments
    return identified(replace(environment, keras=named, as_of="today"), known)


def with_tf_keras(project: Project, environment: Environment) -> Environment:
    """Keras 2 on a TensorFlow that has Keras 3: the package tf-keras, whose minor is that of TensorFlow (its lock)."""
    known = project.written_environments
    wanted = replace(environment, id="", with_packages=("tf-keras",), env={"TF_USE_LEGACY_KERAS": "1"})
    # Whatever day its packages are of: the newest TensorFlow has its tf-keras some weeks later.
    named = next((each for each in known if each.id == environment_id(wanted)), None)
    return named or identified(wanted, known)


def with_own_threads(environment: Environment) -> Environment:
    """The same, its workers with as many threads as TensorFlow takes of itself (see tfmatrix/worker/server.py)."""
    return replace(environment, env={**environment.env, THREADS: "0"})


def _minor(environment: Environment) -> Version:
    try:
        return Version(environment.tensorflow)
    except InvalidVersion:
        return Version("9999")
