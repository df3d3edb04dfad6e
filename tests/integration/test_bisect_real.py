"""A bisection over real releases: where Keras 3 begins to refuse a SavedModel folder of Keras 2."""

from __future__ import annotations

import json

import pytest

# Half a dozen environments more than the other tests have: `--slow`.
pytestmark = [pytest.mark.real, pytest.mark.slow]


def test_the_first_tensorflow_that_refuses_a_saved_model_folder(real_project):
    project = real_project(["2.15.1", "2.16.2"], ["dense"])
    finished = project.tfmatrix(
        "bisect", "dense/savedmodel/2.15.1/*", "--good", "2.15.1", "--bad", "2.16.2",
        "--executor", "venv", "--jobs", "1", "--no-apart", "--json",
    )  # fmt: skip
    assert finished.code == 0, finished.stderr
    answer = json.loads(finished.stdout)
    (change,) = answer["changes"]
    assert (change["before"], change["after"], change["exact"]) == ("2.15.1", "2.16.1", True)
    assert (change["old"]["status"], change["new"]["status"]) == ("drift", "load-error")
    assert change["new"]["raised_in"].startswith("keras/src/saving/")
    assert answer["versions"] == ["2.15.1", "2.16.1", "2.16.2"]
    assert answer["measured"] <= answer["bound"] == 3
    assert (answer["side"], answer["fixed"], answer["python"]) == ("reader", "2.15.1", "3.11")
