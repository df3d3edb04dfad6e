"""Seeds, the training before a save, and the training steps that show whether training goes on."""

from __future__ import annotations

import random
from typing import Any, Dict, List, Sequence

import numpy as np

from . import optimizer as optimizers
from .arrays import Arrays, flatten, to_numpy
from .layers import Weight, walk
from .plain import error, plain

Result = Dict[str, Any]


def fresh_start(seed: int) -> None:
    """Forgets what earlier models left in Keras (their count is part of automatic names) and seeds everything."""
    import tensorflow as tf

    try:
        # Nothing to free in a new process, and collecting all of TensorFlow takes a fifth of a second.
        tf.keras.backend.clear_session(free_memory=False)
    except TypeError:  # Keras 2
        tf.keras.backend.clear_session()
    seed_everything(seed)


def seed_everything(seed: int) -> None:
    """Seeds Python, numpy, TensorFlow and Keras, and makes ops deterministic where the version can (2.9 and later)."""
    import tensorflow as tf

    random.seed(seed)
    np.random.seed(seed)
    if hasattr(tf.keras.utils, "set_random_seed"):  # 2.7
        tf.keras.utils.set_random_seed(seed)
    else:
        tf.random.set_seed(seed)
    if hasattr(tf.config.experimental, "enable_op_determinism"):
        tf.config.experimental.enable_op_determinism()


def train(model: Any, x: Any, y: Any, steps: int) -> Dict[str, List[Any]]:
    """Trains `steps` steps, the whole of the data in each; returns name to values by step, "loss" first.

    A value is a float, or a list of them where a metric has one for each class or threshold.

    With fit, as users do: Keras 3's train_on_batch traces every step anew, warns of that, and returns running means.
    """
    rows = int(next(value for _, value in flatten(x, whole=True)).shape[0])
    history = model.fit(x, y, batch_size=rows, epochs=steps, shuffle=False, verbose=0).history
    names = sorted(history, key=lambda name: (name != "loss", name))
    return {str(name): [np.asarray(value, "float64").tolist() for value in history[name]] for name in names}


def resume(model: Any, x: Any, y: Any, steps: int, seed: int, weights: Sequence[Weight], arrays: Arrays) -> Result:
    """Goes on training for `steps` steps; {"losses", "metrics", "weights_after", "error"}.

    The seed is set aside: every random layer starts from `seed` here, in the writer as in a reader, whatever it has
    drawn before.
    """
    try:
        _restart_random_layers(model, seed)
        history: Dict[str, List[Any]] = plain(train(model, x, y, steps))
    except Exception as problem:
        return _failed(problem)
    losses = history.pop("loss", [])
    after = [arrays.add(weight.variable) for weight in weights]
    return {"losses": losses, "metrics": history, "weights_after": after, "error": None}


def _failed(problem: Exception) -> Result:
    return {"losses": [], "metrics": {}, "weights_after": None, "error": error(problem)}


def resume_fresh(
    model: Any,
    x: Any,
    y: Any,
    steps: int,
    seed: int,
    weights: Sequence[Weight],
    values: Sequence[np.ndarray],
    arrays: Arrays,
) -> Result:
    """The same from the weights' `values`, with a new optimizer of the same config: what a lost state looks like."""
    try:
        for weight, value in zip(weights, values):
            weight.variable.assign(value)
        trained = [weight.variable for weight in weights if weight.trainable and weight.tracked]
        optimizers.reset(model.optimizer, trained)
    except Exception as problem:
        return _failed(problem)
    return resume(model, x, y, steps, seed, weights, arrays)


def values_of(weights: Sequence[Weight]) -> List[np.ndarray]:
    """Copies of the variables' values."""
    return [np.array(to_numpy(weight.variable)) for weight in weights]


def _restart_random_layers(model: Any, seed: int) -> None:
    """Puts layers that draw random numbers where every process puts them."""
    count = 0
    for _, layer in walk(model):
        # Keras 3: the state of a generator is a variable.
        for generator in getattr(layer, "_seed_generators", None) or []:
            count += 1
            state = np.zeros(tuple(generator.state.shape), dtype="int64")
            state[0] = seed + count
            generator.state.assign(state)
    if _may_draw(model):
        # Only where it is needed: to seed TensorFlow is to throw away its compiled functions, and the random ops of a
        # traced step go on where they were unless it is traced anew.
        seed_everything(seed)
        if hasattr(model, "train_function"):
            model.train_function = None
        getattr(model, "_distributed_function_cache", {}).clear()  # TensorFlow 2.0 and 2.1


def _may_draw(model: Any) -> bool:
    """Whether a training step may draw random numbers: a layer with a rate, or code that is not Keras's."""
    for _, layer in walk(model):
        if type(layer).__module__.partition(".")[0] not in ("keras", "tensorflow", "tensorflow_core", "tf_keras"):
            return True
        rates = [getattr(layer, name, None) for name in ("rate", "dropout", "recurrent_dropout", "stddev")]
        if any(rates) or "Random" in type(layer).__name__:
            return True
    return False
