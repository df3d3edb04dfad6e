"""What a format is, and what several formats share. Standard library only: the host reads formats too, to plan.

A format is one module of this package, entered in `FORMATS`. It is what a user calls to write and to read:

`ID`
    The format's name in cell ids.
`SAVER`
    The id of the format whose artifact it reads; its own id where it writes itself. Formats with the same saver share
    its artifact, and have the same `ARTIFACT`, `MODELS`, `unsupported` and `save`.
`ARTIFACT`
    Name of the file or folder that `save` writes: the suffix decides what Keras writes.
`MODELS`
    "keras": takes a Keras model only. "any": takes any tf.Module, which Keras 2's models are and Keras 3's behave like.
`LOADS`
    What `load` returns. "keras": a Keras model. "module": an object from tf.saved_model.load, which may be callable,
    or may only have signatures. "signature": a callable from one structure of tensors to a dictionary of named ones.
`CHECKS`
    The checks that apply: a loader is only asked for what it promises to bring back.
`READING` (only where the loader computes with kernels of its own, and not with TensorFlow's)
    The writer reads its artifact back, too. "exact": the outputs are the model's, up to rounding. "quantized": they are
    not, by design, so that a reader's are compared with those that the writer read back.
`unsupported(env)`
    Why the environment `env` (a mapping with the versions "tensorflow" and "keras", the latter of what `tf.keras` is
    there) cannot *write* the format, or None. It never speaks of what a reader refuses: that is a load-error.
`save(model, path, scenario)`
    Writes the artifact to `path`, with a user's plain call. `scenario` is the scenario's module, and None where the
    format does not say that it needs it.
`load(path, custom_objects, build, scenario)`
    Reads the artifact at `path`. `custom_objects` is what the scenario's user would pass, or None. `build` returns a
    fresh model made by the scenario's code, compiled, with its variables created; weights-only formats load into it.

Both let every exception of TensorFlow and Keras through: it is the finding. Neither catches warnings or redirects
output, and TensorFlow is imported inside them only.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Callable, Mapping, Optional, Tuple

if TYPE_CHECKING:
    from typing import Protocol  # Python 3.8

    class FormatModule(Protocol):
        """The shape of a module of this package; see the package's docstring."""

        ID: str
        SAVER: str
        ARTIFACT: str
        MODELS: str
        LOADS: str
        CHECKS: Tuple[str, ...]

        def unsupported(self, env: Mapping[str, str]) -> Optional[str]:
            """Why the environment cannot write the format, or None."""

        def save(self, model: Any, path: str, scenario: Any = None) -> None:
            """Writes the artifact."""

        def load(
            self,
            path: str,
            custom_objects: Optional[Mapping[str, Any]] = None,
            build: Optional[Callable[[], Any]] = None,
            scenario: Any = None,
        ) -> Any:
            """Reads the artifact."""


WHOLE_MODEL_CHECKS = ("load", "outputs", "weights", "config", "compile", "optimizer", "resume", "warnings")
"""The checks of a format that promises everything: model.save and keras.models.load_model."""


def version(text: str) -> Tuple[int, ...]:
    """The leading numbers of a version: "2.16.0rc1" is (2, 16, 0), "nightly" is (9999,)."""
    numbers = []
    for part in text.split("."):
        digits = ""
        for character in part:
            if not character.isdigit():
                break
            digits += character
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers) if numbers else (9999,)


def artifact_kind(path: str) -> str:
    """What an artifact really is, whatever its name: "directory", "hdf5", "zip", "tflite" or "unknown".

    `model.save("m.keras")` writes HDF5 where `.keras` was only another suffix of it (measured: TensorFlow 2.0 to 2.12).
    """
    if os.path.isdir(path):
        return "directory"
    with open(path, "rb") as file:
        head = file.read(8)
    if head == b"\x89HDF\r\n\x1a\n":
        return "hdf5"
    if head[:4] == b"PK\x03\x04":
        return "zip"
    if head[4:8] == b"TFL3":
        return "tflite"
    return "unknown"
