"""An environment as data: what is pinned of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from packaging.version import InvalidVersion, Version

FIRST_WITH_KERAS_3: Final = Version("2.16.0rc0")
"""From here on `tf.keras` is Keras 3, and Keras 2 the package tf-keras."""

_NEWEST_PYTHON: Final = (
    # From this TensorFlow on: the newest Python, up to 3.11, that it has wheels for.
    (Version("2.12.0rc0"), "3.11"),
    (Version("2.8.0rc0"), "3.10"),
    (Version("2.5.0rc0"), "3.9"),
    (Version("2.2.0rc0"), "3.8"),
)


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One pinned set of packages and a Python: a row (writer) and a column (reader) of the matrix.

    `tensorflow` is an exact version or "nightly"; empty where `image` brings its own. `as_of` is "release",
    "today" or an ISO date. `python` is "X.Y". `package` overrides the distribution's name. `index_options` are those of
    the requirements file that it is made of; they may hold credentials, and are never shown. `overrides` are
    requirements that stand for whatever other packages ask of theirs.
    """

    id: str
    tensorflow: str = ""
    python: str = ""
    keras: str | None = None
    with_packages: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    as_of: str = "release"
    package: str | None = None
    image: str | None = None
    index_options: tuple[str, ...] = field(default=(), repr=False)
    overrides: tuple[str, ...] = ()


def uses_tf_keras(environment: Environment) -> bool:
    """Whether `tf.keras` is the package tf-keras there."""
    return environment.env.get("TF_USE_LEGACY_KERAS", "").lower() in ("1", "true")


def has_keras_3(environment: Environment) -> bool:
    """Whether `tf.keras` is Keras 3 there; taken for true where only a worker could tell."""
    try:
        version = Version(environment.tensorflow)
    except InvalidVersion:
        version = None
    return (version is None or version >= FIRST_WITH_KERAS_3) and not uses_tf_keras(environment)


def default_python(tensorflow: str) -> str:
    """The newest Python up to 3.11 that a TensorFlow ("2.15.1" or "nightly") supports."""
    try:
        version = Version(tensorflow)
    except InvalidVersion:
        return _NEWEST_PYTHON[0][1]
    return next((python for first, python in _NEWEST_PYTHON if version >= first), "3.7")
