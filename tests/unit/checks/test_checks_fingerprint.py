from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tfmatrix.checks.fingerprint import MAX_TEXT, fingerprint, normalise, with_fingerprints
from tfmatrix.worker.capture import shorten


@pytest.mark.parametrize(
    ("one", "other", "text"),
    [
        ("cannot read /tmp/x1/m.h5", "cannot read '/work/y/m.h5'"[:12] + "/work/y/m.h5", "cannot read <path>"),
        (
            "<function f at 0x7f7adeb32d40> triggered",
            "<function f at 0x55d0c0ffee00> triggered",
            "<function f at <address>> triggered",
        ),
        (
            "2024-05-01 12:00:00.123456: W tensorflow/core/util/x.cc:12] no AVX",
            "2025-11-22 01:02:03.000001: W tensorflow/core/util/x.cc:99] no AVX",
            "W tensorflow/core/util/x.cc] no AVX",
        ),
        (
            "W0000 00:00:1714560000.123 42 x.cc:12] gone",
            "W0000 00:00:1799999999.7 4711 x.cc:12] gone",
            "W x.cc] gone",
        ),
        ("took 1.5 seconds", "took 31 ms", "took <duration>"),
        ("process 123 died", "process 99 died", "process <n> died"),
        ("at 12:13:14.5 on 2024-01-02", "at 01:02:03 on 2023-11-12", "at <time> on <date>"),
        ("wrote tmpab12cd34", "wrote tmpzz99yy88", "wrote <temp>"),
        (
            "id 123e4567-e89b-12d3-a456-426614174000",
            "id 00000000-e89b-12d3-a456-426614174000",
            "id <uuid>",
        ),
        (
            "[Op:__inference_train_function_1234]",
            "[Op:__inference_train_function_9]",
            "[Op:__inference_train_function]",
        ),
        ("layer 'dense_3' has no weights", "layer 'dense_12' has no weights", "layer 'dense' has no weights"),
        ("5 out of the last 9 calls", "6 out of the last 11 calls", "<n> out of the last <n> calls"),
        ("\x1b[1mBold\x1b[0m", "Bold", "Bold"),
        ('File "/a/b.py", line 3, in f', 'File "C:\\b.py", line 99, in f', 'File "<path>", in f'),
        ("two\n   lines", "two lines", "two lines"),
    ],
)
def test_what_changes_from_run_to_run_is_gone(one: str, other: str, text: str) -> None:
    assert normalise(one) == normalise(other) == text
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Unknown layer: 'MyLayer'", "Unknown layer: 'Other'"),
        ("expected 3 variables", "expected 4 variables"),
        ("expected float32", "expected float64"),
        ("use model.save('x')", "use model.export('x')"),
        ("shape (3, 4)", "shape (4, 3)"),
        ("a/b ratio", "a/c ratio"),
    ],
)
def test_what_tells_causes_apart_stays(one: str, other: str) -> None:
    assert fingerprint(one) != fingerprint(other)


def test_links_and_sources_stay() -> None:
    text = "see https://www.tensorflow.org/guide/keras, from tensorflow/core/util/port.cc"
    assert normalise(text) == text


def test_whole_configs_are_left_out() -> None:
    message = (
        "Error when deserializing class 'DepthwiseConv2D' using config={'name': 'conv_2', 'k': {'a': 1}}.\n\n"
        "Exception encountered: Unrecognized keyword arguments passed to DepthwiseConv2D: {'groups': 1}"
    )
    assert normalise(message) == (
        "Error when deserializing class 'DepthwiseConv2D' using config={…}. "
        "Exception encountered: Unrecognized keyword arguments passed to DepthwiseConv2D: {'groups': 1}"
    )


def test_config_that_was_cut_is_left_out_to_the_end() -> None:
    cut = shorten("using config={'name': 'a', 'layers': [" + "{'x': 1}, " * 9 + "]}", 80)
    assert normalise(cut) == "using config={…}"


def test_warnings_keep_their_raw_message() -> None:
    warning = {"phase": "load", "channel": "python", "message": "no /tmp/x", "count": 1}
    assert with_fingerprints([warning]) == [{**warning, "text": "no <path>", "fingerprint": fingerprint("no /tmp/y")}]


@given(text=st.text(max_size=300))
def test_normalising_twice_changes_nothing_and_never_fails(text: str) -> None:
    assert fingerprint(text)
    once = normalise(text)
    assert len(once) <= MAX_TEXT


@pytest.mark.parametrize(
    "text", ["config={" * 2000, "/" * 50000, "a_1" * 20000, "'" * 50000, "1" * 50000, "\x1b[" * 20000]
)
def test_hostile_text_takes_no_time(text: str) -> None:
    normalise(text)
