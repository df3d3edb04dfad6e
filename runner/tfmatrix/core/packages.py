"""The distributions that are TensorFlow or Keras, and those that decide with them: the one list of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

RELEASES: Final = (
    "tensorflow", "tensorflow-cpu", "tensorflow-gpu", "tensorflow-intel", "tensorflow-macos", "tensorflow-cpu-aws",
)  # fmt: skip
NIGHTLIES: Final = ("tf-nightly", "tf-nightly-cpu")
TENSORFLOW: Final = (*RELEASES, *NIGHTLIES)
"""Names under which TensorFlow is installed."""

KERAS: Final = ("keras", "keras-nightly")
TF_KERAS: Final = ("tf-keras", "tf-keras-nightly")
"""Keras 2 beside a TensorFlow whose own Keras is Keras 3."""

ONE_PLATFORM: Final[Mapping[str, str]] = {
    "tensorflow-intel": "win32-",
    "tensorflow-macos": "darwin-",
    "tensorflow-cpu-aws": "linux-aarch64",
}
"""Distributions that one platform alone installs; lock files list them for every platform."""

DISTRIBUTIONS: Final[Mapping[str, Sequence[str]]] = {
    "TensorFlow": TENSORFLOW,
    "Keras": KERAS,
    "tf-keras": TF_KERAS,
    "numpy": ("numpy",),
    "h5py": ("h5py",),
    "protobuf": ("protobuf",),
}
"""What decides what is written and read, by the name a reader knows, and the distributions that bring it."""

DECIDING: Final = tuple(name for names in DISTRIBUTIONS.values() for name in names)
"""All of these distributions, the most important first."""


def packages_of(described: Mapping[str, Any]) -> dict[str, str]:
    """The packages of an environment's entry in run.json: version by normalised name."""
    listed = described.get("packages") or {}
    return {str(name).lower().replace("_", "-"): str(number) for name, number in listed.items()}


def version_among(packages: Mapping[str, str], names: Sequence[str]) -> str:
    """The version of the first of some distributions that is installed; "" where none is."""
    return next((packages[name] for name in names if name in packages), "")


def rank(package: str) -> int:
    """Where a package stands among those that decide; behind all of them where it is none."""
    return DECIDING.index(package) if package in DECIDING else len(DECIDING)
