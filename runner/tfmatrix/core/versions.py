"""The versions of TensorFlow and Keras that decide what an environment saves and loads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from packaging.version import InvalidVersion, Version

from tfmatrix.core.packages import KERAS, TENSORFLOW, TF_KERAS, packages_of, version_among


@dataclass(frozen=True, kw_only=True)
class Versions:
    """The versions that decide what an environment saves and loads; empty where they are not known.

    `keras` is the version of what `tf.keras` is there: tf-keras under TF_USE_LEGACY_KERAS.
    """

    tensorflow: str
    keras: str


def versions_of(described: Mapping[str, Any]) -> Versions:
    """The versions in an environment's entry of run.json: its packages, else its own `tensorflow` and `keras`.

    With both Keras installed the environment's variables (`env`) decide; where they are not recorded, neither is known.
    """
    packages = packages_of(described)
    keras = version_among(packages, KERAS) or str(described.get("keras") or "")
    legacy = version_among(packages, TF_KERAS)
    if legacy:
        variables = described.get("env")
        is_used = str((variables or {}).get("TF_USE_LEGACY_KERAS", "")).strip().lower() in ("1", "true")
        keras = "" if variables is None else legacy if is_used else keras
    return Versions(
        tensorflow=version_among(packages, TENSORFLOW) or str(described.get("tensorflow") or ""), keras=keras
    )


def version(text: str) -> Version | None:
    """A version, or None where the text is none ("nightly")."""
    try:
        return Version(text)
    except InvalidVersion:
        return None
