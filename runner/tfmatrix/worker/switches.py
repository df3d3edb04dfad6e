"""Keras's own switches, wherever a version keeps them."""

from __future__ import annotations

from typing import Any


def enable_unsafe_deserialization() -> None:
    """Lets Keras read code from model files. Raises AttributeError where there is no such switch (before 2.13)."""
    import tensorflow as tf

    switch: Any = getattr(getattr(tf.keras, "config", None), "enable_unsafe_deserialization", None)  # Keras 3
    if switch is None:
        switch = tf.keras.__internal__.enable_unsafe_deserialization
    switch()
