"""Seeds, the training before a save, and the training steps that show whether training goes on."""

from __future__ import annotations

import contextlib
import random
from typing import Any, Dict, Iterator, List, Sequence, Tuple

import numpy as np

from . import calls
from . import optimizer as optimizers
from .arrays import Arrays, flatten, to_numpy
from .config import KERAS
from .layers import Weight, walk
from .plain import error, plain, plain_float

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

    def fit(epochs: int) -> Dict[str, List[Any]]:
        history = model.fit(x, y, batch_size=rows, epochs=epochs, shuffle=False, verbose=0).history
        return {str(name): [np.asarray(value, "float64").tolist() for value in history[name]] for name in history}

    found = fit(steps)
    # A model that BackupAndRestore took up leaves the epochs out that it has made already, in every fit.
    skipped = steps - len(found.get("loss", []))
    if skipped > 0:
        more = fit(2 * skipped)
        found = {name: found.get(name, []) + values for name, values in more.items()}
    return {name: found[name] for name in sorted(found, key=lambda name: (name != "loss", name))}


def resume(model: Any, x: Any, y: Any, steps: int, seed: int, weights: Sequence[Weight], arrays: Arrays) -> Result:
    """Goes on training for `steps` steps, and looks at every kind of state then.

    {"losses", "metrics", "weights_after", "slots_after", "outputs_after", "error"}: weights in the order of `weights`,
    slots as the section `optimizer` has them, outputs in inference mode on `x`.

    The seed is set aside: every random layer starts from `seed` here, in the writer as in a reader, whatever it has
    drawn before.
    """
    result = _course(model, x, y, steps, seed, weights, arrays)
    if not result["error"]:
        result["slots_after"] = optimizers.slots(model.optimizer, weights, arrays)
        result["outputs_after"] = {path: arrays.add(value) for path, value in _outputs(model, x)}
    return result


def _course(model: Any, x: Any, y: Any, steps: int, seed: int, weights: Sequence[Weight], arrays: Arrays) -> Result:
    try:
        _restart_random_layers(model, seed)
        history: Dict[str, List[Any]] = plain(train(model, x, y, steps))
    except Exception as problem:
        return _failed(problem)
    losses = history.pop("loss", [])
    after = [arrays.add(weight.variable) for weight in weights]
    return {"losses": losses, "metrics": history, "weights_after": after, "error": None}


def _outputs(model: Any, x: Any) -> List[Tuple[str, Any]]:
    return list(flatten(model(calls.as_tensors(x), training=False)))


def ended_in_training() -> Result:
    """What is known of further training whose process ends; overwritten where it does not."""
    said = {"type": "ProcessEnded", "message": "the process ends in further training"}
    return {"losses": [], "metrics": {}, "weights_after": None, "error": said}


def _failed(problem: Exception) -> Result:
    return {"losses": [], "metrics": {}, "weights_after": None, "error": error(problem)}


Start = Tuple[List[np.ndarray], List[np.ndarray]]
"""Values of the weights and of the optimizer's variables."""


def start_of(model: Any, weights: Sequence[Weight]) -> Start:
    """Where a training starts: copies of the values."""
    own = optimizers.variables(model.optimizer) if getattr(model, "optimizer", None) is not None else []
    return values_of(weights), [np.array(to_numpy(variable)) for variable in own]


def resume_fresh(
    model: Any, x: Any, y: Any, steps: int, seed: int, weights: Sequence[Weight], start: Start, arrays: Arrays
) -> Result:
    """The same from the weights at the start, with a new optimizer of the same config: what a lost state looks like."""
    try:
        for weight, value in zip(weights, start[0]):
            weight.variable.assign(value)
        optimizers.reset(model.optimizer, _trained(weights))
    except Exception as problem:
        return _failed(problem)
    return _course(model, x, y, steps, seed, weights, arrays)


SHAKE, SHAKE_NARROW = 2.0**-18, 2.0**-8
"""By what share of itself `resume_shaken` moves a weight: as much as other kernels may come to. Some ten units in the
last place of float32, and a few of what computes in float16 or bfloat16."""


def resume_shaken(
    model: Any,
    x: Any,
    y: Any,
    steps: int,
    seed: int,
    weights: Sequence[Weight],
    start: Start,
    course: Result,
    arrays: Arrays,
) -> Result:
    """The same from weights that are some rounding errors off: what of the result is rounding and nothing else.

    A weight whose true gradient is zero (a bias in front of batch normalization) has one of pure rounding noise, and
    Adam makes full steps of it: its value says nothing, and that of no other weight follows from it.

    {"losses", "metrics", "weights", "slots", "outputs", "error"}: by how much each ends elsewhere than in `course`, the
    largest absolute difference by place or name; nothing is kept of the values themselves.
    """
    aside = Arrays()
    random = np.random.RandomState(seed)
    units = SHAKE_NARROW if any(_is_narrow(layer) for _, layer in walk(model)) else SHAKE
    try:
        for weight, value in zip(weights, start[0]):
            if np.issubdtype(value.dtype, np.floating):
                value = (value * (1 + units * random.choice([-1.0, 1.0], size=value.shape))).astype(value.dtype)
            weight.variable.assign(value)
        for variable, value in zip(optimizers.variables(model.optimizer), start[1]):
            variable.assign(value)
        other = resume(model, x, y, steps, seed, weights, aside)
    except Exception as problem:
        other = _failed(problem)
    if other["error"]:
        return {"error": other["error"]}

    def apart(mine: Any, others: Any) -> Any:
        return _apart(arrays.value(mine), aside.value(others))

    slots = zip(course["slots_after"], other["slots_after"])
    return {
        "losses": _apart(course["losses"], other["losses"]),
        "metrics": {name: _apart(course["metrics"][name], values) for name, values in other["metrics"].items()},
        "weights": [apart(*pair) for pair in zip(course["weights_after"], other["weights_after"])],
        "slots": [apart(mine["array"], others["array"]) for mine, others in slots],
        "outputs": {path: apart(ref, other["outputs_after"][path]) for path, ref in course["outputs_after"].items()},
        "error": None,
    }


def _is_narrow(layer: Any) -> bool:
    """Whether a layer computes in float16 or bfloat16."""
    return str(getattr(layer, "compute_dtype", None) or "").endswith("float16")


def _apart(mine: Any, others: Any) -> Any:
    """The largest absolute difference of the elements, as JSON; of what is no number on one side, infinity."""
    a, b = (
        np.asarray(value, dtype="float64" if np.asarray(value).dtype.kind != "c" else "complex128")
        for value in (mine, others)
    )
    if a.shape != b.shape or not a.size:
        return "inf" if a.shape != b.shape else 0.0
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        differences = np.where(same, 0.0, np.abs(a - b))
    return plain_float(float(np.max(np.where(np.isnan(differences), np.inf, differences))))


def _trained(weights: Sequence[Weight]) -> List[Any]:
    """The variables that the optimizer trains."""
    return [weight.variable for weight in weights if weight.trainable and weight.tracked]


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


_RATES = ("rate", "dropout", "recurrent_dropout", "stddev")
"""Attributes of Keras's layers that say how much of what is random they add in training."""


def _may_draw(model: Any) -> bool:
    """Whether a training step may draw random numbers: a layer with a rate, or code that is not Keras's."""
    for _, layer in walk(model):
        if type(layer).__module__.partition(".")[0] not in KERAS:
            return True
        if any(getattr(layer, name, None) for name in _RATES) or "Random" in type(layer).__name__:
            return True
    return False


@contextlib.contextmanager
def without_draws(model: Any) -> Iterator[List[str]]:
    """Within it, layers of Keras that draw in training (dropout, noise) let everything through; yields their paths.

    Two versions of TensorFlow draw other numbers from the same seed, so that their courses can only be compared
    without. Code that is not Keras's, and layers that augment images, draw on.
    """
    changed: List[Tuple[Any, str, Any]] = []
    paths: List[str] = []
    for path, layer in walk(model):
        if type(layer).__module__.partition(".")[0] not in KERAS:
            continue
        for name in _RATES:
            rate = getattr(layer, name, None)
            # The layer around a recurrent cell shows the cell's rates, and cannot set them.
            if isinstance(rate, float) and rate and not isinstance(getattr(type(layer), name, None), property):
                changed.append((layer, name, rate))
                setattr(layer, name, 0.0)
                paths.append(path)
    if changed and hasattr(model, "train_function"):
        model.train_function = None  # what was traced with them
    try:
        yield sorted(set(paths))
    finally:
        for layer, name, rate in changed:
            setattr(layer, name, rate)
