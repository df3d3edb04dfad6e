from __future__ import annotations

import re

import pytest
from messages import DEPTHWISE, FORMAT, NESTED, OWN_VARIABLES, TITLES, UNKNOWN, VARIABLES
from tfmatrix.analysis.reasons import decisive, first_sentence, keras_names, neutral, reason
from tfmatrix.worker.capture import MAX_MESSAGE, shorten


@pytest.mark.parametrize(("message", "title"), TITLES)
def test_real_messages_get_a_sentence(message: str, title: str) -> None:
    found = reason({"type": "ValueError", "message": message, "traceback": ""})
    assert found.title == title
    assert found.in_words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (UNKNOWN.format("MyLayer"), UNKNOWN.format("Attention2")),
        (DEPTHWISE, DEPTHWISE.replace("[3, 3]", "[5, 5]").replace("'depthwise_conv2d'", "'first_conv'")),
        (NESTED, NESTED.replace("my_act", "swish_of_mine").replace("'dense'", "'head'")),
        (FORMAT, FORMAT.replace("/tmp/x/dense", "/work/lstm")),
        (
            VARIABLES,
            VARIABLES.replace("Dense", "LSTMCell").replace("dense_1", "head").replace("1 objects", "3 objects"),
        ),
        (OWN_VARIABLES, OWN_VARIABLES.replace("MyCustomLayer", "Other").replace("my_custom_layer", "other")),
        (
            "Graph execution error:\n\nDetected at node 'a/b' defined at (most recent call last):\nNode: 'a/b'\n"
            "Incompatible shapes: [8,1] vs. [8,2]\n\t [[{{node a/b}}]] [Op:__inference_train_function_123]",
            "Graph execution error:\n\nDetected at node 'c' defined at (most recent call last):\nNode: 'c'\n"
            "Incompatible shapes: [4,3] vs. [4,9]\n\t [[{{node c}}]] [Op:__inference_train_function_9]",
        ),
        ("Layer 'my_layer' has 3 weights of shape (4, 2)", "Layer 'encoder' has 12 weights of shape (None, 8, 1)"),
        (
            "Unknown variable: <Variable path=dense/kernel, shape=(4, 10), value=[[0.1]]>. Rebuild the optimizer.",
            "Unknown variable: <Variable path=lstm/w, shape=(3,), value=[2]>. Rebuild the optimizer.",
        ),
    ],
)
def test_one_cause_in_two_scenarios_is_one_cause(one: str, other: str) -> None:
    assert one != other
    first, second = (reason({"type": "ValueError", "message": text}) for text in (one, other))
    assert first.title == second.title


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (DEPTHWISE, DEPTHWISE.replace("{'groups': 1}", "{'alpha': 1}")),
        (DEPTHWISE, DEPTHWISE.replace("passed to DepthwiseConv2D", "passed to Conv2DTranspose")),
        (UNKNOWN.format("MyLayer"), UNKNOWN.format("TFOpLambda")),
        (UNKNOWN.format("TFOpLambda"), UNKNOWN.format("LocallyConnected1D")),
        (OWN_VARIABLES, OWN_VARIABLES.replace("MyCustomLayer", "LSTMCell")),
        ("'str' object has no attribute 'lower'", "'str' object has no attribute 'quantization_mode'"),
        ("'str' object has no attribute 'lower'", "'NoneType' object has no attribute 'lower'"),
        ("name 'tf' is not defined", "list index out of range"),
    ],
)
def test_different_causes_stay_apart(one: str, other: str) -> None:
    first, second = (reason({"type": "ValueError", "message": text}) for text in (one, other))
    assert first.title != second.title


def test_the_type_tells_unknown_messages_apart() -> None:
    first, second = (
        reason({"type": kind, "message": "list index out of range"}) for kind in ("IndexError", "KeyError")
    )
    assert first.title == "`IndexError`: list index out of range"
    assert first.title != second.title
    assert not first.in_words


def test_a_message_whose_middle_the_worker_left_out_is_decided_by_its_end() -> None:
    long = DEPTHWISE.replace("{'name'", "{'filler': '" + "x" * 2 * MAX_MESSAGE + "', 'name'", 1)
    cut = shorten(long)
    assert long not in cut
    assert reason({"type": "TypeError", "message": cut}).title == "`DepthwiseConv2D` got an unknown argument `groups`"


@pytest.mark.parametrize("error", [{}, {"type": None, "message": None}, {"type": "E", "message": "\x1b[31m\n"}])
def test_nothing_said_is_said(error: dict[str, object]) -> None:
    assert re.fullmatch(r"`(an exception|E)` without a message", reason(error).title)


def test_a_message_of_a_megabyte_is_one_short_line() -> None:
    found = reason({"type": "`" * 500, "message": "x\n{'" * 2**18})
    assert len(found.title) <= 160
    assert found.title.isprintable()
    assert found.text.isprintable()


def test_the_decisive_part_of_an_exception_in_a_call() -> None:
    message = (
        "Exception encountered when calling Lambda.call().\n\n\x1b[1mname 'tf' is not defined\x1b[0m\n\n"
        "Arguments received by Lambda.call():\n  • inputs=tf.Tensor(shape=(8, 4), dtype=float32)"
    )
    assert decisive(message) == "name 'tf' is not defined"


def test_the_first_sentence_is_not_cut_at_a_path_or_an_abbreviation() -> None:
    assert first_sentence("Use e.g. `x`. Then go.") == "Use e.g. `x`. Then go."
    assert first_sentence("The file /tmp/a.b/c.h5 is no model. It was cut.") == "The file /tmp/a.b/c.h5 is no model."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Keras 3 only supports V3", "Keras 3 only supports V3"),
        ("v2.11+ optimizers, Python 3.12", "v2.11+ optimizers, Python 3.12"),
        ("expected 3 inputs (1) of shape [None, 4]", "expected <n> inputs (<n>) of shape <shape>"),
        ("layer 'dense_1' and layer 'mine'", "layer 'dense' and layer '<name>'"),
        ("function 'keras.losses.mse'", "function 'keras.losses.mse'"),
        ("<tf.Variable 'a:0' shape=(4, 10)>", "<Variable>"),
        ("object <MyLayer name=x>", "object <custom class>"),
        (
            "untraced functions such as _a, b_c while saving (showing 5 of 7)",
            "untraced functions such as … while saving ",
        ),
        ("for optimizer 'adam', because", "for optimizer '<name>', because"),
    ],
)
def test_what_is_neutral(text: str, expected: str) -> None:
    assert neutral(text).startswith(expected)


def test_the_names_of_keras_are_known() -> None:
    assert {"Dense", "DepthwiseConv2D", "Functional", "TFOpLambda", "mse", "relu", "DTypePolicy"} <= keras_names()
    assert not {"MyCustomLayer", "get", "self"} & keras_names()
