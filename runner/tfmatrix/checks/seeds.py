"""The one rule about random seeds: they are set aside, and recorded.

A seed in a config and the state of a seed generator say which random numbers dropout and initializers draw next, not
what the model has learned or computes. Versions write them differently (Keras 2 keeps `null`, Keras 3 draws a seed and
counts in a variable `seed_generator_state`), and every loader draws anew. So a difference in them fails no check; the
checks that meet one say so in their figures.
"""

from __future__ import annotations

import re

_STATES = {"seed_generator_state", "StateVar", "random_generator_state"}
_CONFIG_KEYS = {"seed", "seed_generator", "rng_type", "random_seed"}
_COUNTER = re.compile(r"(_\d+)?(:\d+)?$")


def is_seed_state(path: str) -> bool:
    """Whether the variable at a path holds the state of a random number generator."""
    return _COUNTER.sub("", path.rpartition("/")[2]) in _STATES


def is_seed_key(key: str) -> bool:
    """Whether a key of a config holds a seed."""
    return key in _CONFIG_KEYS
