"""Switches of speed that change numbers: as the code has them, or turned to their plain position by a remedy."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Collection, Iterator, Tuple

NO_JIT_COMPILE, IN_FLOAT32 = "no_jit_compile", "in_float32"
"""The files of the remedies that ask for it."""


def prepare(remedies: Collection[str]) -> None:
    """Before the scenario's code is imported; it stays so in this process."""
    if IN_FLOAT32 in remedies:
        _compute_in_float32()


def turned(build: Callable[[], Any], remedies: Collection[str]) -> Callable[[], Any]:
    """What builds the model: compiled by XLA where the code has it so, and never where a remedy says so."""

    def built() -> Any:
        with _determinism_unseen():
            model = build()
        if NO_JIT_COMPILE in remedies:
            if hasattr(model, "jit_compile"):  # TensorFlow 2.12
                model.jit_compile = False
            elif hasattr(model, "_jit_compile"):
                model._jit_compile = False
        return model

    return built


@contextlib.contextmanager
def _determinism_unseen() -> Iterator[None]:
    """Within it, Keras does not see that ops are made deterministic, for which newer ones refuse `jit_compile=True`.

    That is ours, and not the code's: who trains has XLA (Keras 3.13, `model_supports_jit`).
    """
    from tensorflow.python.framework import config

    is_enabled: Any = getattr(config, "is_op_determinism_enabled", None)
    if is_enabled is not None:
        config.is_op_determinism_enabled = lambda: False
    try:
        yield
    finally:
        if is_enabled is not None:
            config.is_op_determinism_enabled = is_enabled


def _compute_in_float32() -> None:
    """What is said to be of mixed precision computes in float32; its name stays, and the scaling of the loss."""
    import tensorflow as tf

    policy: Any = tf.keras.mixed_precision.Policy
    parse = policy._parse_name

    def parsed(self: Any, name: Any) -> Tuple[Any, Any]:
        is_mixed = isinstance(name, str) and name.startswith("mixed_")
        return ("float32", "float32") if is_mixed else parse(self, name)

    policy._parse_name = parsed
