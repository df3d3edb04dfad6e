"""What untrained weights are drawn from: the distribution over models that are built again and again."""

from __future__ import annotations

from typing import Any, Callable, Dict, List

import numpy as np
import observe
from observe import layers, training
from observe.arrays import Arrays

BUILDS = ((20_000, 8), (2_000_000, 3))
"""How often a model of up to so many numbers is built; larger ones twice."""

MAX_NUMBERS = 4096
"""Drawn numbers of one variable that are kept."""


def initializers(build: Callable[[], Any], inputs: Any, seed: int, arrays: Arrays) -> Dict[str, Any]:
    """{"builds", "repeats", "weights": [{"path", "layer", "distinct", "mean", "std", "largest", "numbers"}]}.

    `distinct` counts the different values in `builds` models, each with a seed of its own; `repeats` says whether the
    first seed gives the first model again. `numbers` are a sample of all, sorted.
    """

    def draw(number: int) -> List[np.ndarray]:
        # What Keras counts is forgotten once, so that names are those of a first model.
        (observe.seed_everything if number else observe.fresh_start)(seed + number)
        model = observe.built(build, inputs)
        found = layers.weights(model)
        if not number:
            paths[:] = [(weight.path, weight.layer) for weight in found]
        values: List[np.ndarray] = training.values_of(found)
        return values

    paths: List[Any] = []
    first = draw(0)
    total = sum(value.size for value in first)
    builds = next((count for most, count in BUILDS if total <= most), 2)
    drawn = [first] + [draw(number) for number in range(1, builds)]
    observe.seed_everything(seed)
    again = training.values_of(layers.weights(observe.built(build, inputs)))
    repeats = all(np.array_equal(mine, other) for mine, other in zip(first, again))
    weights = []
    for (path, layer), values in zip(paths, zip(*drawn)):
        if values[0].dtype.kind != "f" or len({value.shape for value in values}) > 1:
            continue
        every = np.concatenate([value.ravel() for value in values]).astype("float64")
        if not every.size or not np.all(np.isfinite(every)):
            continue
        weights.append(
            {
                "path": path,
                "layer": layer,
                "distinct": len({value.tobytes() for value in values}),
                "size": int(values[0].size),
                "mean": float(every.mean()),
                "std": float(every.std()),
                "largest": float(np.abs(every).max()),
                "numbers": arrays.add(np.sort(every[:: max(1, -(-every.size // MAX_NUMBERS))]).astype("float32")),
            }
        )
    return {"builds": builds, "repeats": repeats, "weights": weights}
