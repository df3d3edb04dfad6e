from __future__ import annotations

from typing import Any

import pytest
from observation_builder import Draft, checked, loaded, trained
from tfmatrix.checks.presentation import DEFAULTS, IGNORED, compare_configs
from tfmatrix.core.records import Finding


def _object(name: str, /, **config: Any) -> dict[str, Any]:
    return {"module": "keras", "class_name": name, "config": config, "registered_name": None}


POLICY = _object("DTypePolicy", name="mixed_float16")
FORWARD = {"class_name": "GRU", "config": {"units": 3, "go_backwards": False}}
BACKWARD = {"class_name": "GRU", "config": {"units": 3, "go_backwards": True}}


@pytest.mark.parametrize(
    ("owner", "before", "after"),
    [
        (
            "Dense",
            {"kernel_initializer": _object("GlorotUniform", seed=None)},
            {"kernel_initializer": "glorot_uniform"},
        ),
        (
            "Dense",
            {"kernel_initializer": {"class_name": "Zeros", "config": {}, "shared_object_id": 7}},
            {"kernel_initializer": _object("Zeros")},
        ),
        (
            "LSTM",
            {"recurrent_initializer": _object("OrthogonalInitializer", gain=1.0)},
            {"recurrent_initializer": _object("Orthogonal", gain=1.0)},
        ),
        (
            "Dense",
            {"kernel_regularizer": _object("L2", l2=0.01)},
            {"kernel_regularizer": _object("L2", l2=0.009999999776482582)},
        ),
        ("Dense", {"activation": "gelu"}, {"activation": {"class_name": "function", "config": "gelu"}}),
        ("Dense", {"activation": "<function swish>"}, {"activation": "swish"}),
        ("Dense", {"activation": "mine>act"}, {"activation": "act"}),
        ("Dense", {"activation": "<lambda>"}, {"activation": {"value": ["4wEAAA", None, None]}}),
        ("Dense", {"dtype": "mixed_float16"}, {"dtype": POLICY}),
        ("Dense", {"dtype": _object("Policy", name="mixed_float16")}, {"dtype": POLICY}),
        ("Dense", {"units": 4}, {"units": 4, "quantization_config": None}),
        ("Dense", {"units": 4, "batch_input_shape": [None, 3]}, {"units": 4}),
        ("InputLayer", {"sparse": False, "ragged": False}, {"sparse": False, "optional": False}),
        ("Conv2D", {"strides": [1, 1]}, {"strides": [1, 1], "groups": 1}),
        ("Conv2D", {"kernel_size": (3, 3)}, {"kernel_size": [3, 3]}),
        ("Conv2D", {"kernel_size": {"class_name": "__tuple__", "items": [3, 3]}}, {"kernel_size": [3, 3]}),
        ("BatchNormalization", {"axis": [3]}, {"axis": 3}),
        ("BatchNormalization", {"axis": 3}, {"axis": 3, "renorm": False, "renorm_momentum": 0.99}),
        ("LeakyReLU", {"alpha": 0.3}, {"negative_slope": 0.3}),
        ("Dense", {"activation": "swish"}, {"activation": "silu"}),
        ("Discretization", {"bin_boundaries": [0.5], "num_bins": 2}, {"bin_boundaries": [0.5], "num_bins": None}),
        ("Embedding", {"embeddings_regularizer": None}, {"embeddings_regularizer": _object("L2", l2=0.0)}),
        ("LSTM", {"units": 4, "implementation": 2, "time_major": False}, {"units": 4, "zero_output_for_mask": False}),
        ("Bidirectional", {"layer": FORWARD}, {"layer": FORWARD, "backward_layer": BACKWARD}),
        (
            "Lambda",
            {"function": ["4wEAAA", None, None], "function_type": "lambda", "module": "m", "arguments": {}},
            {"function": {"class_name": "__lambda__", "config": {"code": "4wEB"}}, "arguments": {}},
        ),
        ("Adam", {"clipnorm": 1, "decay": 0.0}, {"clipnorm": 1.0}),
        ("Adam", {"use_ema": False, "ema_momentum": 0.99}, {"use_ema": False}),
        ("", {"reduction": "auto"}, {"reduction": "sum_over_batch_size"}),
        ("", {"weight_decay": None}, {"weight_decay": None}),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_presentation_is_no_difference(owner: str, before: dict, after: dict, turned: bool) -> None:
    if turned:
        before, after = after, before
    found = compare_configs(before, after, owner=owner)
    assert found.differences == ()
    assert found.aside == ()


@pytest.mark.parametrize(
    ("owner", "before", "after", "path"),
    [
        ("Dense", {"activation": "relu"}, {"activation": "linear"}, "activation"),
        ("Dense", {"activation": "relu"}, {"activation": None}, "activation"),
        ("Dense", {"units": 4}, {"units": 5}, "units"),
        ("Dense", {"use_bias": False}, {}, "use_bias"),
        ("Dense", {"use_bias": False}, {"use_bias": True}, "use_bias"),
        ("Dense", {"flag": 1}, {"flag": True}, "flag"),
        ("Dense", {"kernel_regularizer": _object("L2", l2=0.01)}, {"kernel_regularizer": None}, "kernel_regularizer"),
        (
            "Dense",
            {"kernel_regularizer": _object("L2", l2=0.01)},
            {"kernel_regularizer": _object("L2", l2=0.02)},
            "kernel_regularizer.config.l2",
        ),
        (
            "Dense",
            {"kernel_initializer": _object("RandomNormal", stddev=0.1)},
            {"kernel_initializer": "random_normal"},
            "kernel_initializer.config.stddev",
        ),
        ("Conv2D", {"groups": 2}, {}, "groups"),
        ("Conv2D", {"kernel_size": [3, 3]}, {"kernel_size": [3, 5]}, "kernel_size[1]"),
        ("Conv2D", {"kernel_size": [3, 3]}, {"kernel_size": [3]}, "kernel_size"),
        ("Mine", {"threshold": 0.5}, {}, "threshold"),
        ("Mine", {}, {"threshold": 0.5}, "threshold"),
        (
            "Bidirectional",
            {"layer": FORWARD},
            {"layer": FORWARD, "backward_layer": {"class_name": "GRU", "config": {"units": 5, "go_backwards": True}}},
            "backward_layer",
        ),
        ("Lambda", {"function": "double", "function_type": "function"}, {"function": "triple"}, "function"),
        ("LeakyReLU", {"alpha": 0.3}, {"negative_slope": 0.01}, "negative_slope"),
        ("Adam", {"use_ema": True, "ema_momentum": 0.9}, {"use_ema": True, "ema_momentum": 0.99}, "ema_momentum"),
    ],
)
def test_meaning_is_a_difference(owner: str, before: dict, after: dict, path: str) -> None:
    found = compare_configs(before, after, owner=owner)
    assert [change.path for change in found.differences] == [path]


def test_argument_new_to_the_readers_keras_is_set_aside() -> None:
    found = compare_configs({"units": 4}, {"units": 4, "novelty": 0.5}, same_keras=False)
    assert found.differences == ()
    assert [change.finding() for change in found.aside] == [
        Finding(code="added", subject="novelty", figures={"after": 0.5})
    ]


def test_argument_that_the_readers_keras_dropped_is_a_difference() -> None:
    found = compare_configs({"units": 4, "oldie": 0.5}, {"units": 4}, same_keras=False)
    assert [change.finding() for change in found.differences] == [
        Finding(code="missing", subject="oldie", figures={"before": 0.5})
    ]


@pytest.mark.parametrize("class_name", ["IntegerLookup", "StringLookup", "TextVectorization", "Discretization"])
def test_the_dtype_of_what_tells_it_by_its_output_mode_is_set_aside_between_versions(class_name: str) -> None:
    ours, theirs = ({"output_mode": "int", "dtype": dtype} for dtype in ("float32", "int64"))
    found = compare_configs(ours, theirs, owner=class_name, same_keras=False)
    assert not found.differences
    assert [each.path for each in found.aside] == ["dtype"]
    assert [each.path for each in compare_configs(ours, theirs, owner=class_name).differences] == ["dtype"]


def test_a_function_that_one_version_names_and_another_holds_the_code_of_is_set_aside() -> None:
    ours, theirs = {"function": ["4wEAAA", None, None], "function_type": "lambda"}, {"function": "squares"}
    found = compare_configs(ours, theirs, owner="Lambda", same_keras=False)
    assert not found.differences
    assert [each.path for each in found.aside] == ["function"]
    assert compare_configs(ours, theirs, owner="Lambda").differences
    assert compare_configs({"function": "cubes"}, theirs, owner="Lambda", same_keras=False).differences


def test_the_dtype_of_bins_as_floats_is_compared() -> None:
    ours, theirs = ({"output_mode": "one_hot", "dtype": dtype} for dtype in ("float32", "float64"))
    found = compare_configs(ours, theirs, owner="Discretization", same_keras=False)
    assert [each.path for each in found.differences] == ["dtype"]


def test_the_dtype_policy_of_a_lookup_is_set_aside_between_versions() -> None:
    ours, theirs = loaded(), loaded()
    for draft, dtype in ((ours, "float32"), (theirs, "int64")):
        draft.config["layers"].append({"path": "l", "class": "StringLookup", "config": {"dtype": dtype}})
        draft.config["dtype_policies"]["l"] = dtype
    assert checked("config", ours.build(), theirs.build(), same_keras=False)["status"] == "pass"
    assert checked("config", ours.build(), theirs.build(), same_keras=True)["status"] == "fail"


def test_seeds_are_set_aside() -> None:
    before = {"seed": None, "kernel_initializer": _object("GlorotUniform", seed=1)}
    found = compare_configs(before, {"seed": 3, "kernel_initializer": "glorot_uniform"})
    assert found.differences == ()
    assert [change.path for change in found.aside] == ["seed", "kernel_initializer.config.seed"]


def test_every_rule_has_a_reason() -> None:
    assert all(IGNORED.values())
    assert all(reason for _, reason in DEFAULTS.values())


def _config(theirs: Draft, **options: Any) -> dict[str, Any]:
    return checked("config", trained().build(), theirs.build(), **options)


def test_equal_configs_pass() -> None:
    check = _config(loaded())
    assert (check["status"], check["layers"], check["differences"], check["aside"]) == ("pass", 5, [], [])


def test_paths_name_layer_and_key() -> None:
    draft = loaded()
    draft.layer("dense")["config"]["activation"] = "linear"
    check = _config(draft)
    assert check["differences"] == ["dense.activation"]
    assert check["detail"] == ["dense.activation: 'relu' → 'linear'"]


def test_lost_added_and_reordered_layers() -> None:
    draft = loaded()
    layers = draft.config["layers"]
    del layers[2]
    layers.append({"path": "noise", "class": "GaussianNoise", "config": {}})
    layers[0], layers[1] = layers[1], layers[0]
    assert _config(draft)["differences"] == ["dropout", "noise", "order of layers"]


def test_class_of_a_layer_and_of_the_model() -> None:
    draft = loaded()
    draft.layer("dense")["class"] = "Conv1D"
    draft.config["class"] = "Functional"
    assert _config(draft)["detail"] == [
        "class: 'Sequential' → 'Functional'",
        "dense.class: 'Dense' → 'Conv1D'",
    ]


def test_trainable_and_policy() -> None:
    draft = loaded()
    draft.config["trainable"]["dense"] = False
    draft.config["trainable"]["dropout"] = False  # it has nothing to train
    draft.config["dtype_policies"][""] = "mixed_float16"
    assert _config(draft)["detail"] == ["dense.trainable: True → False", "dtype: 'float32' → 'mixed_float16'"]


def test_inputs_are_not_layers() -> None:
    draft = loaded()
    draft.config["layers"].insert(0, {"path": "input_1", "class": "InputLayer", "config": {}})
    assert _config(draft)["status"] == "pass"


def test_mask_operations_of_keras_3_are_set_aside() -> None:
    draft = loaded()
    draft.config["layers"].append({"path": "not_equal", "class": "NotEqual", "config": {}})
    assert _config(draft, same_keras=False)["aside"] == ["not_equal"]
    assert _config(draft)["status"] == "fail"


def test_layer_without_get_config_is_not_compared() -> None:
    ours, theirs = trained(), loaded()
    ours.layer("dense")["config"] = None
    ours.notes["config/dense"] = "get_config: NotImplementedError: no"
    check = checked("config", ours.build(), theirs.build())
    assert check["status"] == "pass"
    assert check["detail"] == ["dense: not compared, the writer's get_config: NotImplementedError: no"]
    assert checked("config", theirs.build(), ours.build())["differences"] == ["dense.config"]


def _compile(theirs: Draft, ours: Draft | None = None) -> dict[str, Any]:
    return checked("compile", (ours or trained()).build(), theirs.build())


def test_learning_rate_is_compared_as_float32() -> None:
    draft = loaded()
    draft.compile["hyperparameters"]["learning_rate"] = 0.0010000000474974513
    assert _compile(draft)["status"] == "pass"
    draft.compile["hyperparameters"]["learning_rate"] = 0.0011
    assert _compile(draft)["detail"] == ["hyperparameters.learning_rate: 0.001 → 0.0011"]


def test_hyperparameters_and_schedules() -> None:
    ours, theirs = trained(), loaded()
    schedule = _object("ExponentialDecay", initial_learning_rate=0.1, decay_steps=10, decay_rate=0.9, staircase=False)
    ours.compile["hyperparameters"] = {"learning_rate": schedule, "clipnorm": 1.0, "weight_decay": 0.004}
    theirs.compile["hyperparameters"] = {"learning_rate": 0.1}
    assert _compile(theirs, ours)["differences"] == [
        "hyperparameters.learning_rate",
        "hyperparameters.clipnorm",
        "hyperparameters.weight_decay",
    ]
    theirs.compile["hyperparameters"] = {**ours.compile["hyperparameters"]}
    theirs.compile["hyperparameters"]["learning_rate"] = {
        **schedule,
        "config": {**schedule["config"], "decay_steps": 9},
    }
    assert _compile(theirs, ours)["differences"] == ["hyperparameters.learning_rate.config.decay_steps"]


def test_lost_loss_and_metric() -> None:
    draft = loaded()
    draft.compile["loss"] = None
    draft.compile["metrics"] = []
    assert _compile(draft)["detail"] == [
        "the loss 'mean_squared_error' is lost",
        "metrics: ['mean_absolute_error', 'accuracy'] → []",
    ]


def test_arguments_of_a_loss() -> None:
    ours, theirs = trained(), loaded()
    ours.compile["loss"] = {"name": "huber", "config": {"delta": 0.5}}
    theirs.compile["loss"] = "huber"
    assert _compile(theirs, ours)["differences"] == ["loss"]


def test_optimizer_class() -> None:
    draft = loaded()
    draft.compile["optimizer"] = "SGD"
    assert _compile(draft)["differences"] == ["optimizer"]


def test_not_compiled() -> None:
    draft = loaded()
    draft.compile = None
    draft.notes["compile"] = "the model is not compiled"
    assert _compile(draft)["status"] == "fail"


def _wired(**wiring: list[list[str]]) -> Draft:
    draft = trained()
    draft.config["wiring"] = {
        "dense": [["input 0"]],
        "dense_1": [["dense"]],
        "dense_2": [["dense_1"], ["input 1"]],
        **wiring,
    }
    return draft


@pytest.mark.parametrize(
    ("theirs", "path"),
    [
        (_wired(dense_1=[["input 0"]]), "dense_1.inputs"),
        (_wired(dense=[["input 1"]]), "dense.inputs"),
        (_wired(dense_2=[["dense_1", "dense"]]), "dense_2.inputs"),
    ],
)
def test_a_layer_that_is_called_on_something_else_is_a_difference(theirs: Draft, path: str) -> None:
    check = checked("config", _wired().build(), theirs.build())
    assert (check["status"], check["differences"]) == ("fail", [path])


@pytest.mark.parametrize(
    "theirs",
    [
        pytest.param(_wired(), id="the same"),
        # Keras 3 has operations where Keras 2 has layers.
        pytest.param(_wired(dense_1=[["not_equal"]]), id="called on what only one side knows"),
        pytest.param(trained(), id="an observation without wiring"),
    ],
)
def test_wiring_is_compared_where_both_sides_know_it(theirs: Draft) -> None:
    assert checked("config", _wired().build(), theirs.build())["status"] == "pass"


def _augmented(axis: Any, **more: Any) -> Draft:
    draft = loaded()
    draft.layer("batch_normalization")["config"] |= {"axis": axis, **more}
    return draft


def _control(draft: Draft) -> dict[str, Any]:
    return {"outputs": {}, "renamed": [], "config": draft.config, "compile": draft.compile, "error": None}


def test_what_the_readers_version_writes_of_the_same_code_is_notation() -> None:
    ours, theirs = _augmented(-1, momentum=0.5), _augmented(-1, momentum=0.99)
    assert checked("config", ours.build(), theirs.build(), same_keras=False)["status"] == "fail"
    theirs.control = _control(_augmented(-1, momentum=0.99))
    check = checked("config", ours.build(), theirs.build(), same_keras=False)
    assert (check["status"], check["differences"]) == ("pass", [])
    assert check["notation"] == ["batch_normalization.momentum"]
    assert check["detail"] == [
        "written otherwise here, of a model from the same code, too: batch_normalization.momentum: 0.5 → 0.99"
    ]


def test_an_argument_that_the_code_gives_and_the_loaded_model_lacks_is_lost() -> None:
    """Keras 3.0 to 3.6 do not write activity_regularizer."""
    penalty = {"class_name": "L2", "config": {"l2": 0.05}}
    ours, theirs = trained(), loaded()
    ours.layer("dense")["config"]["activity_regularizer"] = penalty
    code = loaded()
    code.layer("dense")["config"]["activity_regularizer"] = penalty
    theirs.control = _control(code)
    check = checked("config", ours.build(), theirs.build(), same_keras=False)
    assert check["status"] == "fail"
    assert check["differences"] == ["dense.activity_regularizer"]


def test_within_one_version_the_code_explains_nothing() -> None:
    """There the writer's model may have changed since its code ran: what a loader resets looks like the code."""
    ours, theirs = _augmented(-1, momentum=0.5), _augmented(-1, momentum=0.99)
    theirs.control = _control(_augmented(-1, momentum=0.99))
    assert checked("config", ours.build(), theirs.build(), same_keras=True)["status"] == "fail"


def test_a_value_of_its_own_is_lost_whatever_the_code_says() -> None:
    ours, theirs = _augmented(3), _augmented(1)
    theirs.control = _control(_augmented(-1))
    assert checked("config", ours.build(), theirs.build(), same_keras=False)["status"] == "fail"


def test_notation_of_what_compile_was_given() -> None:
    ours, theirs, code = trained(), loaded(), loaded()
    for draft in (theirs, code):
        draft.compile["hyperparameters"]["epsilon"] = 1e-06
    assert checked("compile", ours.build(), theirs.build(), same_keras=False)["status"] == "fail"
    theirs.control = _control(code)
    check = checked("compile", ours.build(), theirs.build(), same_keras=False)
    assert (check["status"], check["notation"]) == ("pass", ["hyperparameters.epsilon"])


def test_a_function_is_a_layer_of_keras_2_only() -> None:
    draft = loaded()
    draft.config["layers"].append({"path": "tf.math.add", "class": "TFOpLambda", "config": {"function": "math.add"}})
    assert checked("config", draft.build(), loaded().build(), same_keras=False)["aside"] == ["tf.math.add"]
    assert checked("config", draft.build(), loaded().build())["status"] == "fail"


def _with_activation(activation: str, *behind: str) -> Draft:
    """The layer `dense` with this activation, and layers of these classes between it and the next."""
    draft = _wired()
    draft.layer("dense")["config"]["activation"] = activation
    if behind:
        draft.config["wiring"]["dense_1"] = [["behind_0"]]
    for index, class_name in enumerate(behind):
        draft.config["wiring"][f"behind_{index}"] = [["dense"]]
        draft.config["layers"].append({"path": f"behind_{index}", "class": class_name, "config": {}})
    return draft


@pytest.mark.parametrize(
    ("behind", "status"), [((), "fail"), (("TFOpLambda",), "pass"), (("TFOpLambda", "ReLU"), "fail")]
)
def test_a_redefined_activation_may_be_functions_behind_the_layer(behind: tuple[str, ...], status: str) -> None:
    ours, theirs = _with_activation("hard_sigmoid"), _with_activation("linear", *behind)
    assert checked("config", ours.build(), theirs.build(), same_keras=False)["status"] == status


@pytest.mark.parametrize(("name", "status"), [("hard_sigmoid", "pass"), ("sigmoid", "fail")])
def test_a_redefined_activation_may_be_made_of_layers(name: str, status: str) -> None:
    ours, theirs = loaded(), loaded()
    ours.layer("dense")["config"]["activation"] = name
    theirs.layer("dense")["config"]["activation"] = {"class_name": "Sequential", "config": {"layers": []}}
    assert checked("config", ours.build(), theirs.build(), same_keras=False)["status"] == status
    assert checked("config", ours.build(), theirs.build())["status"] == "fail"


def test_a_loss_that_only_the_reader_adds_is_for_the_training_to_judge() -> None:
    draft = loaded()
    draft.config["layers"].append({"path": "add_loss", "class": "AddLoss", "config": {"unconditional": False}})
    assert checked("config", loaded().build(), draft.build(), same_keras=False)["aside"] == ["add_loss"]
    assert checked("config", draft.build(), loaded().build(), same_keras=False)["status"] == "fail"


@pytest.mark.parametrize(
    ("before", "after", "same_keras", "status"),
    [(-1, [2], False, "pass"), ([2], -1, False, "pass"), (-1, [2], True, "fail"), (1, 2, False, "fail")],
)
def test_keras_2_counts_the_axis_of_a_built_layer_from_the_front(before, after, same_keras, status) -> None:
    ours, theirs = loaded(), loaded()
    for draft, axis in ((ours, before), (theirs, after)):
        draft.config["layers"].append({"path": "n", "class": "LayerNormalization", "config": {"axis": axis}})
    assert checked("config", ours.build(), theirs.build(), same_keras=same_keras)["status"] == status


def _with(**layer: Any) -> Draft:
    draft = loaded()
    draft.config["layers"].append(layer)
    return draft


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (_with(path="tf.math.add", **{"class": "TFOpLambda"}, config={"function": "math.add"}), loaded()),
        (
            _with(path="n", **{"class": "LayerNormalization"}, config={"axis": -1}),
            _with(path="n", **{"class": "LayerNormalization"}, config={"axis": [1]}),
        ),
    ],
    ids=["a function that is gone", "an axis that was resolved to another one"],
)
def test_what_the_configuration_leaves_to_the_outputs_is_found_there(ours: Draft, theirs: Draft) -> None:
    theirs.outputs[""] = theirs.outputs[""] + 0.5
    found = [checked(name, ours.build(), theirs.build(), same_keras=False)["status"] for name in ("config", "outputs")]
    assert found == ["pass", "fail"]


@pytest.mark.parametrize("name", ["depthwise_initializer", "pointwise_initializer"])
def test_the_initializers_of_a_separable_convolution_are_compared(name: str) -> None:
    ours, theirs = (
        _with(path="s", **{"class": "SeparableConv2D"}, config={name: _object(each), "kernel_initializer": each})
        for each in ("Zeros", "Ones")
    )
    check = checked("config", ours.build(), theirs.build(), same_keras=False)
    assert check["differences"] == [f"s.{name}.class"]
