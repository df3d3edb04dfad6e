from __future__ import annotations

from pathlib import Path

import pytest
from messages import TITLES
from tfmatrix.analysis.reasons import reason
from tfmatrix.analysis.upstream import find_upstream, read_upstream
from tfmatrix.core.status import Status


def test_every_row_is_a_link_to_where_the_projects_talk() -> None:
    for entry in read_upstream():
        assert entry.link.url.startswith(
            (
                "https://github.com/keras-team/",
                "https://github.com/tensorflow/",
                "https://keras.io/",
                "https://www.tensorflow.org/",
            )
        )
        assert entry.link.about


def test_the_patterns_fit_real_messages() -> None:
    """A row that fits nothing the tests know is a row that nobody has tried."""
    fitting = {
        link.url
        for message, title in TITLES
        for fmt in ("h5", "keras", "savedmodel")
        for link in find_upstream(
            title=title, text=reason({"message": message}).text, status=Status.LOAD_ERROR, formats=[fmt]
        )
    }
    others = {
        "https://github.com/keras-team/keras/issues/19326": "loading raises `IndexError`: list index out of range",
        "https://keras.io/guides/migrating_to_keras_3/#removed-features": (
            "the loader does not know the layer `LocallyConnected1D`"
        ),
        "https://github.com/keras-team/keras/pull/21928": "`Dense` got an unknown argument `quantization_config`",
    }
    for url, title in others.items():
        assert url in {
            link.url for link in find_upstream(title=title, text="", status=Status.LOAD_ERROR, formats=["h5"])
        }
    drifts = {
        "https://github.com/tensorflow/tensorflow/issues/44670": ("the optimizer is lost", Status.DRIFT, "savedmodel"),
        "https://github.com/keras-team/keras/pull/19669": ("loading does not return, h5", Status.TIMEOUT, "h5"),
    }
    keras, tensorflow = "https://github.com/keras-team/keras/issues", "https://github.com/tensorflow/tensorflow/issues"
    statistic = "`moving_variance` of `BatchNormalization` ends elsewhere after more training"
    wrong = "the writer's own signature cannot be called with the model's inputs"
    drifts |= {
        f"{keras}/19649": (statistic, Status.DRIFT, "custom"),
        f"{tensorflow}/55545": (statistic, Status.DRIFT, "custom"),
        f"{tensorflow}/48692": ("metrics have other names", Status.DRIFT, "keras"),
        f"{tensorflow}/44241": ("metrics have other names", Status.DRIFT, "keras"),
        f"{tensorflow}/70866": (
            "the module `keras.src.models.functional` does not exist in this version",
            Status.LOAD_ERROR,
            "keras",
        ),
        f"{keras}/22625": ("metrics have other values", Status.DRIFT, "keras"),
        f"{keras}/19820": ("config differs: `activity_regularizer` of `Dense`", Status.DRIFT, "keras"),
        f"{keras}/19458": (wrong, Status.DRIFT, "tf-savedmodel-raw"),
        f"{keras}/19396": (wrong, Status.DRIFT, "tf-savedmodel-raw"),
    }
    for url, (title, status, fmt) in drifts.items():
        assert url in {link.url for link in find_upstream(title=title, text="", status=status, formats=[fmt])}
    served = find_upstream(title="signatures: an input is new", text="", status=Status.DRIFT, formats=["code"])
    assert [link.url for link in served] == [f"{keras}/19458"]
    assert {entry.link.url for entry in read_upstream()} == fitting | set(others) | set(drifts)


def test_of_a_drift_no_other_finding_of_the_example_has_a_say() -> None:
    """The text of a drift has all that was found: a cell that lost weights has lost its optimizer's state, too."""
    said = "weights are missing · the optimizer's state is reset"
    found = find_upstream(title="weights are missing", text=said, status=Status.DRIFT, formats=["savedmodel"])
    assert [link.url for link in found] == [
        "https://keras.io/guides/migrating_to_keras_3/#tensorflow-variables-tracking"
    ]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ('pattern = "("\nurl = "https://x"\nabout = "a"', "https://x"),
        ('pattern = "a"\nurl = "https://x"\nabout = "a"\nfromat = ["h5"]', "unknown key fromat"),
        ('pattern = "a"\nurl = "https://x"', "about"),
        ('pattern = "a"\nurl = "https://x"\nabout = "a"\nstatus = ["broken"]', "broken"),
    ],
)
def test_a_mistake_in_the_table_names_its_row(tmp_path: Path, row: str, why: str) -> None:
    path = tmp_path / "upstream.toml"
    path.write_text(f"[[link]]\n{row}\n")
    with pytest.raises(ValueError, match=why):
        read_upstream(path)
