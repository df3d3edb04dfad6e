"""What in a config is only how a version writes it down, and how two configs differ apart from that.

Keras serializes the same model differently from version to version. A rule here says which differences mean nothing;
each has its reason, and none is a guess from a name. What no rule covers is a difference:

- another value under the same key, always;
- a key that only one side has, unless its value says "not used" (None, False, nothing in it), which is what the absence
  of the key says too; keys for which absence means the opposite are in `ON_BY_DEFAULT`;
- but a key that only the *reader* has, where the two sides run different versions of Keras, is set aside: the newer
  version has learned an argument that the writer cannot have set, so nothing was lost. It is recorded. The other way
  round it stays a difference, because an argument that was set may now be ignored.

The worker's observer has already taken out what needs a live object to tell (see
runner/tfmatrix/worker/observe/config.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfmatrix.checks.contract import Kind, Sentence, note
from tfmatrix.checks.observation import Observation
from tfmatrix.checks.seeds import is_seed_key
from tfmatrix.core.records import Finding

IGNORED: Mapping[tuple[str, str], str] = {
    ("*", "module"): "where the class lives moves between versions",
    ("*", "registered_name"): "repeats class_name",
    ("*", "build_config"): "shapes that a build recorded",
    ("*", "compile_config"): "the check `compile` looks at it",
    ("*", "shared_object_id"): "numbers objects within one file",
    ("*", "batch_input_shape"): "Keras 2 notes the first layer's input shape, Keras 3 keeps it in the InputLayer",
    ("*", "batch_shape"): "the same, as Keras 3 writes it",
    ("*", "build_input_shape"): "shape that a build recorded",
    ("*", "implementation"): "Keras 2: which of two equivalent formulas a recurrent layer uses",
    ("*", "use_cudnn"): "Keras 3: which kernel a recurrent layer uses",
    ("*", "time_major"): "Keras 2 only; where it is true the outputs differ",
    ("Embedding", "input_length"): "Keras 2 takes it and uses it nowhere but in the shape of the output",
    ("*", "flash_attention"): "which kernel attention uses",
    ("*", "jit_compile"): "how to compute, not what",
    ("*", "is_legacy_optimizer"): "which implementation of the optimizer",
    ("SeparableConv1D", "kernel_initializer"): "of Conv; not used: it has a depthwise and a pointwise one",
    ("SeparableConv2D", "kernel_initializer"): "the same",
    ("Lambda", "function_type"): "told by the function itself",
    ("Lambda", "output_shape_type"): "told by the value itself",
    ("Lambda", "output_shape_module"): "where a function lives",
    ("MultiHeadAttention", "query_shape"): "shape that a build recorded",
    ("MultiHeadAttention", "key_shape"): "shape that a build recorded",
    ("MultiHeadAttention", "value_shape"): "shape that a build recorded",
}
"""(class or "*", key): reason. Keys that say nothing about what the model computes or how it goes on training."""

DEFAULTS: Mapping[tuple[str, str], tuple[Any, str]] = {
    ("*", "groups"): (1, "convolutions know groups since TensorFlow 2.3; DepthwiseConv2D stopped naming it"),
    ("*", "data_format"): ("channels_last", "named by Flatten and pooling in some versions only"),
    ("*", "dilation_rate"): ([1, 1], "named by separable convolutions in some versions only"),
    ("*", "interpolation"): ("nearest", "UpSampling2D"),
    ("*", "score_mode"): ("dot", "Attention, since TensorFlow 2.10"),
    ("*", "fill_mode"): ("constant", "Resizing, since Keras 3.3; used with padding only"),
    ("*", "fill_value"): (0.0, "the same"),
    ("*", "dropout"): (0.0, "Attention, since TensorFlow 2.1"),
    ("*", "noise_shape"): (None, "Dropout"),
    ("*", "axis"): (-1, "losses and metrics name it in some versions only"),
    ("*", "label_smoothing"): (0.0, "losses name it in some versions only"),
    ("*", "reduction"): ("sum_over_batch_size", "losses: what `auto` comes to without a distribution strategy"),
    ("*", "dynamic"): (True, "LossScaleOptimizer of Keras 2; Keras 3 has no fixed scale"),
    ("*", "decay"): (0.0, "OptimizerV2 only"),
    ("*", "weight_decay"): (0.0, "no decay, as None"),
    ("BatchNormalization", "renorm_momentum"): (0.99, "used with renorm only"),
    ("BatchNormalization", "fused"): (None, "which kernel"),
    ("Rescaling", "offset"): (0.0, "Rescaling"),
}
"""(class or "*", key): what the absence of the key means, and where that comes up."""

ON_BY_DEFAULT = {"use_bias", "center", "scale", "trainable", "unit_forget_bias", "reset_after"}
"""Keys whose absence means True, so that False on one side only is a difference."""

RENAMED_KEYS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("LeakyReLU", "alpha"): ("negative_slope", "Keras 3"),
}
"""(class, key): the newer name of the key, and since when."""

FUNCTION_ALIASES: Mapping[str, str] = {"swish": "silu"}
"""Names of one activation in different versions: Keras 2 writes the first, Keras 3 the second."""

REDEFINED_ACTIVATIONS = ("hard_sigmoid",)
"""Activations that compute something else in Keras 3 than in Keras 2 under the same name."""

LOOKUPS = ("StringLookup", "IntegerLookup", "TextVectorization")
"""Layers that compute in what their output mode asks for: Keras 3 drops the dtype that it writes."""

CLASS_ALIASES: Mapping[str, str] = {
    "Model": "Functional",  # TensorFlow up to 2.2 has one class for functional and subclassed models
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "GRUV2": "GRU",
    "LSTMV2": "LSTM",
    "OrthogonalInitializer": "Orthogonal",  # Keras 3.0 to 3.9
    "IdentityInitializer": "Identity",
    "LossScaleOptimizerV3": "LossScaleOptimizer",  # Keras 2.11 to 2.15
    "L1": "L1L2",
    "L2": "L1L2",
}
"""Names of one class in different versions."""

MASK_OPERATIONS = {"NotEqual"}
"""Operations that Keras 3 lists as layers of a functional model when a layer computes a mask (Embedding)."""

FUNCTION_LAYERS = {"TFOpLambda", "SlicingOpLambda"}
"""Layers that Keras 2 makes of a function or an operator on symbolic tensors; in Keras 3 an operation, and no layer.

What it computes is part of the outputs.
"""

LOSS_LAYERS = {"AddLoss"}
"""Layers that Keras 2 makes of `model.add_loss`. One that only the reader has is judged by where training goes."""

LAMBDA = "<lambda>"
"""A function without a name. Its code differs in its bytes from one version to the next; what it computes is in the
outputs."""

_POLICIES = {"DTypePolicy", "FloatDTypePolicy", "Policy", "PolicyV1"}
_SEQUENCES = {"__tuple__", "TensorShape"}
_PENALTIES = {"L1L2", "L1", "L2"}


MAX_VALUE = 1_000
"""Characters of a value's JSON that a finding holds: a vocabulary must not fill the records."""


@dataclass(frozen=True, kw_only=True)
class ConfigDifference:
    """One difference of two configs: where (keys joined by dots), and the value on either side (absent: `...`)."""

    path: str
    before: Any
    after: Any

    def finding(self, prefix: str = "", **figures: Any) -> Finding:
        """The finding: `changed`, `missing` or `added`, with `before` and `after` as far as they are there."""
        code = "added" if self.before is ... else "missing" if self.after is ... else "changed"
        values = {"before": self.before, "after": self.after}
        kept = {key: _limited(value) for key, value in values.items() if value is not ...}
        return Finding(code=prefix + code, subject=self.path, figures={**kept, **figures})


SENTENCES: Mapping[str, Sentence] = {
    "changed": lambda subject, figures: f"{subject}: {_shown(figures['before'])} → {_shown(figures['after'])}",
    "missing": lambda subject, figures: f"{subject}: {_shown(figures['before'])} is missing",
    "added": lambda subject, figures: f"{subject}: {_shown(figures['after'])} is there but was not in the writer",
}
"""The sentences of a difference of configs, by code."""


def _set_aside(sentence: Sentence) -> Kind:
    return note(lambda subject, figures: f"set aside: {sentence(subject, figures)}")


ASIDE: Mapping[str, Kind] = {f"aside-{code}": _set_aside(sentence) for code, sentence in SENTENCES.items()}
"""The same, where a rule says that it is no loss."""


def _notation(sentence: Sentence) -> Kind:
    here = "written otherwise here, of a model from the same code, too"
    return note(lambda subject, figures: f"{here}: {sentence(subject, figures)}")


NOTATION: Mapping[str, Kind] = {f"notation-{code}": _notation(sentence) for code, sentence in SENTENCES.items()}
"""The same, where the reader's version writes the same of a model that went through no file."""


@dataclass(frozen=True, kw_only=True)
class ConfigDifferences:
    """What differs, and what differs but is no loss.

    `aside` is set aside by a rule that records (seeds, arguments new to the reader), `notation` what the reader's own
    version writes of the same model built from code.
    """

    differences: tuple[ConfigDifference, ...]
    aside: tuple[ConfigDifference, ...]
    notation: tuple[ConfigDifference, ...] = ()


def apart_from_notation(found: ConfigDifferences, from_code: ConfigDifferences) -> ConfigDifferences:
    """Differences of writer and loaded model, without those in which the loaded model is as the code makes it here.

    `from_code` are the differences of the model built from code in the reader, and the loaded one. Only for two
    versions of Keras: within one, what the writer's model had after its training may not be what its code says.
    """
    lost = {each.path for each in from_code.differences}

    def is_lost(path: str) -> bool:
        return any(path == other or _is_within(path, other) or _is_within(other, path) for other in lost)

    return ConfigDifferences(
        differences=tuple(each for each in found.differences if is_lost(each.path)),
        aside=found.aside,
        notation=tuple(each for each in found.differences if not is_lost(each.path)),
    )


def _is_within(path: str, outer: str) -> bool:
    """Whether a path lies below another: `dense.config.units` below `dense.config`, `a[0]` below `a`."""
    return path.startswith((f"{outer}.", f"{outer}["))


def class_name(name: str) -> str:
    """The class without its package (`Custom>Adam`) and without names of other versions."""
    short = name.rpartition(">")[2]
    return CLASS_ALIASES.get(short, short)


def owner_of(observation: Observation, layer: str) -> dict[str, str]:
    """The class of a layer, as a figure of a finding; empty where it is unknown, or no layer of Keras."""
    for entry in (observation.section("config") or {}).get("layers") or ():
        if entry["path"] == layer and not entry.get("custom"):
            return {"class": class_name(str(entry["class"]))}
    return {}


def owned_by(finding: Finding) -> str:
    """What a finding's subject belongs to, in words that are the same in every scenario."""
    owner = finding.figures.get("class")
    return f"`{owner}`" if owner else "a layer"


def compare_configs(
    before: Any, after: Any, *, owner: str = "", path: str = "", same_keras: bool = True
) -> ConfigDifferences:
    """How two config values differ. `owner` is the class whose config it is, `path` stands before every path."""
    found = _Comparison(same_keras)
    found.walk(canonical(before, owner), canonical(after, owner), owner, path)
    return ConfigDifferences(differences=tuple(found.differences), aside=tuple(found.aside))


def canonical(value: Any, owner: str = "") -> Any:
    """A config value in the one form that is compared; see the tables above."""
    if isinstance(value, Mapping):
        return _canonical_mapping(value, owner)
    if isinstance(value, list | tuple):
        return [canonical(item, owner) for item in value]
    if isinstance(value, float):
        # Optimizers and regularizers keep float32, and get_config gives what they keep: 0.009999999776482582 is 0.01.
        return float(str(np.float32(value))) if abs(value) < float(np.finfo(np.float32).max) else value
    if isinstance(value, str):
        # A registered function with its package, and a function as the observer writes it.
        return re.sub(r"^(?:<function )?(?:[\w.]+>)?([\w.]+)>?$", r"\1", value)
    return value


def _canonical_mapping(value: Mapping[str, Any], owner: str) -> Any:
    name = value.get("class_name")
    if not isinstance(name, str):
        return LAMBDA if _is_marshalled(value) else _canonical_keys(value, owner)
    if name in _SEQUENCES:
        return canonical(value.get("items", value.get("config")), owner)
    config = value.get("config")
    if name == "__lambda__":
        return LAMBDA
    if name in _POLICIES and isinstance(config, Mapping):
        return config.get("name")
    if name == "function":
        return canonical(config, owner)
    short = class_name(name)
    if short in _PENALTIES and isinstance(config, Mapping) and not any(config.values()):
        return None  # a regularizer of weight 0 adds nothing
    return {"class": short, "config": canonical(config or {}, short)}


def _is_marshalled(value: Mapping[str, Any]) -> bool:
    """Whether it is a function as Keras 2.13 to 2.15 write one for an activation: code, defaults and closure."""
    parts = value.get("value")
    return len(value) == 1 and isinstance(parts, list | tuple) and len(parts) == 3 and isinstance(parts[0], str)


def _canonical_keys(config: Mapping[str, Any], owner: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, item in config.items():
        if ("*", key) in IGNORED or (owner, key) in IGNORED:
            continue
        name = RENAMED_KEYS.get((owner, key), (key, ""))[0]
        result[name] = canonical(item, owner)
        if name.endswith("activation") and isinstance(result[name], str):
            result[name] = FUNCTION_ALIASES.get(result[name], result[name])
        if owner.startswith("Random") and name.endswith("factor") and _is_number(result[name]):
            # Augmentation: a number is the range around 0, and some versions write the range.
            result[name] = [-result[name], result[name]]
    if owner == "Lambda" and (isinstance(config.get("function"), list) or config.get("function_type") == "lambda"):
        # Bytecode differs in its bytes from one marshalling to the next; what it computes shows in the outputs.
        result["function"] = LAMBDA
    if owner == "Bidirectional" and _mirrors(result.get("backward_layer"), result.get("layer")):
        # Keras 2 leaves it out, Keras 3 always writes it.
        del result["backward_layer"]
    if isinstance(result.get("axis"), list) and len(result["axis"]) == 1:
        # Normalization layers: a list in Keras 2.
        result["axis"] = result["axis"][0]
    if owner == "Discretization" and result.get("bin_boundaries"):
        # As many as the boundaries make; Keras 3 writes both once it has adapted.
        result.pop("num_bins", None)
    if not result.get("use_ema", True):
        for key in ("ema_momentum", "ema_overwrite_frequency"):
            result.pop(key, None)
    if result.get("reduction") == "auto":
        result["reduction"] = "sum_over_batch_size"
    return result


def is_dtype_ignored(class_name: str, config: Any) -> bool:
    """Whether the dtype of a layer says nothing to another version of Keras: its output mode tells."""
    return class_name in LOOKUPS or is_numbering(class_name, config or {})


def is_numbering(class_name: str, config: Mapping[str, Any]) -> bool:
    """Whether a layer is a Discretization that gives the numbers of bins."""
    return class_name == "Discretization" and config.get("output_mode", "int") == "int"


def _mirrors(backward: Any, forward: Any) -> bool:
    """Whether a backward layer is what Keras makes by itself of the forward one."""
    if not (isinstance(backward, dict) and isinstance(forward, dict) and backward.get("class") == forward.get("class")):
        return False
    aside = ("name", "go_backwards")
    own, other = (
        {key: item for key, item in (side.get("config") or {}).items() if key not in aside}
        for side in (backward, forward)
    )
    return own == other


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_off(value: Any) -> bool:
    """Whether a value says "not used". 0 does not: it is a number like others."""
    return value is None or value is False or value in ([], {})


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


class _Comparison:
    """Walks through two canonical values and keeps what differs."""

    def __init__(self, same_keras: bool) -> None:
        self._same_keras = same_keras
        self.differences: list[ConfigDifference] = []
        self.aside: list[ConfigDifference] = []

    def walk(self, before: Any, after: Any, owner: str, path: str) -> None:
        before, after = _as_object(before, after), _as_object(after, before)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            inner = str(before["class"]) if "class" in before and before.get("class") == after.get("class") else owner
            if not self._same_keras and is_dtype_ignored(inner, before) and before.get("dtype") != after.get("dtype"):
                path_of_dtype = f"{path}.dtype" if path else "dtype"
                sides = {"before": before.get("dtype", ...), "after": after.get("dtype", ...)}
                self.aside.append(ConfigDifference(path=path_of_dtype, **sides))
                before, after = _without_dtype(before), _without_dtype(after)
            for key in [*before, *(key for key in after if key not in before)]:
                self._key(before, after, key, inner, f"{path}.{key}" if path else key)
        elif _is_list(before) and _is_list(after) and len(before) == len(after):
            for index, (ours, theirs) in enumerate(zip(before, after, strict=True)):
                self.walk(ours, theirs, owner, f"{path}[{index}]")
        elif not _same(before, after):
            self._differs(path, before, after)

    def _key(self, before: Mapping[str, Any], after: Mapping[str, Any], key: str, owner: str, path: str) -> None:
        if key in before and key in after:
            self.walk(before[key], after[key], owner, path)
            return
        value = before[key] if key in before else after[key]
        default = DEFAULTS.get((owner, key)) or DEFAULTS.get(("*", key))
        if default is not None and (_same(canonical(default[0]), value) or value is None):
            return
        if _is_off(value) and not (key in ON_BY_DEFAULT and value is False):
            return
        if value is True and key in ON_BY_DEFAULT:
            return
        if key in before:
            self._differs(path, value, ...)
        elif self._same_keras:
            self._differs(path, ..., value)
        else:
            self.aside.append(ConfigDifference(path=path, before=..., after=value))

    def _differs(self, path: str, before: Any, after: Any) -> None:
        key = re.sub(r"\[\d+\]$", "", path).rpartition(".")[2]
        is_aside = is_seed_key(key) or self._is_resolved(key, before, after) or self._is_named(before, after)
        is_aside = is_aside or (key.endswith("activation") and self._is_composed(before, after))
        target = self.aside if is_aside else self.differences
        target.append(ConfigDifference(path=path, before=before, after=after))

    def _is_named(self, before: Any, after: Any) -> bool:
        """Whether one version has a function's name where another has its code. What it computes is in the outputs."""
        return not self._same_keras and LAMBDA in (before, after) and all(isinstance(x, str) for x in (before, after))

    def _is_composed(self, before: Any, after: Any) -> bool:
        """Whether one side makes a redefined activation of layers. What it computes is in the outputs."""
        sides = (before, after)
        made = any(isinstance(side, Mapping) and side.get("class") == "Sequential" for side in sides)
        named = any(isinstance(side, str) and side in REDEFINED_ACTIVATIONS for side in sides)
        return not self._same_keras and made and named

    def _is_resolved(self, key: str, before: Any, after: Any) -> bool:
        """Whether one side may only have resolved an axis: Keras 2 counts it from the front once its layer is built.

        Keras 3 says of the same file what it was given. That it is the same axis is for the outputs to say.
        """
        one = [value[0] if isinstance(value, list) and len(value) == 1 else value for value in (before, after)]
        if self._same_keras or key != "axis" or any(type(value) is not int for value in one):
            return False
        return bool(min(one) < 0 <= max(one))


def _without_dtype(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in config.items() if key != "dtype"}


def _as_object(value: Any, other: Any) -> Any:
    """`"zeros"` as the object that the other side writes out: a class by its short name has no arguments."""
    if (
        isinstance(value, str)
        and isinstance(other, Mapping)
        and value in (other.get("class"), _snake(str(other.get("class"))))
    ):
        return {"class": other["class"], "config": {}}
    return value


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _same(a: Any, b: Any) -> bool:
    """Equal, with 1 and 1.0 as one but True and 1 as two."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    return bool(a == b)


def without_indices(path: str) -> str:
    """A path without the places in lists: `metrics[0]` is `metrics`."""
    return re.sub(r"\[\d+\]", "", path)


MOST_LOSSES = 4
"""Differences of a config that are a loss each; of more, all are one."""


def each_alone(prefix: str, keys: Iterable[str]) -> list[str]:
    """The differences of a config as losses, in alphabetical order: `config differs: KEY`, one each."""
    every = sorted(dict.fromkeys(keys))
    if len(every) <= MOST_LOSSES:
        return [f"{prefix}: {key}" for key in every]
    return [f"{prefix}: {', '.join(every[: MOST_LOSSES - 1])} and {len(every) - MOST_LOSSES + 1} more"]


def _limited(value: Any) -> Any:
    """The value, or as much of its text as is kept."""
    text = repr(value)
    return value if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}…"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:119]}…"
