"""Bugs that people reported of training: each found under its right name and layer, and helped by what is true of it.

The project is bugs_of_training/ beside this file; what is true was measured with plain scripts. docs/training.md has
the same cells as a table (docs/bugs_of_training.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from real_project import RealProject

# Five environments, of which tf-keras takes tens of seconds for its first step: `--slow`.
pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(3600)]
OLD, NEW, EARLY, MIXED_UP = "2.15.1", "2.21.0", "2.16.2+keras3.3.3", "2.21.0+keras3.14.0"
TF_KERAS = "TF_USE_LEGACY_KERAS=1"
REBUILD = "rebuild from code + load_weights"


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    project = RealProject.copied(
        Path(__file__).parent / "bugs_of_training", tmp_path_factory.mktemp("bugs") / "project"
    )
    chosen = ["--only", f"@{project.root / 'cells.txt'}", "--executor", "venv", "--jobs", "1"]
    done = project.tfmatrix("run", *chosen, "--yes", "--json")
    assert done.code == 1, done.stderr[-3000:]
    return done.cells()


def _findings(cell: Mapping, check: str) -> dict[str, str]:
    return {each["code"]: each["subject"] for each in cell["checks"][check]["findings"]}


def _helping(cell: Mapping) -> set[str]:
    """The remedies that were tried and bring back everything that failed."""
    return {each["name"] for each in cell["remedies"] if set(cell["failed_checks"]) <= set(each["held"])}


@pytest.mark.parametrize("name", ["batchnorm_training", "batchnorm_fine_tuned"])
def test_the_moving_variance_that_keras_3_keeps_otherwise(cells: dict[str, dict], name: str) -> None:
    cell = cells[f"{name}/code/{OLD}/{NEW}"]
    assert set(cell["failed_checks"]) == {"updates", "learning", "signatures"}
    assert _findings(cell, "updates") == {"statistics": "batch_normalization/moving_variance"}
    assert set(_findings(cell, "learning")) == {"outputs"}, "losses agree: only inference shows it"
    assert cell["attribution"]["training"]["by"] == ["arithmetic", "interface"]
    assert {each["to"] for each in cell["attribution"]["training"]["switches"]} == {"version"}
    assert _helping(cell) == {TF_KERAS}


def test_weights_carried_over_by_hand_are_whole_and_what_follows_is_the_versions(cells: dict[str, dict]) -> None:
    cell = cells[f"batchnorm_fine_tuned/custom/{OLD}/{NEW}"]
    assert cell["failed_checks"] == ["resume"]
    assert cell["attribution"]["numerics"]["checks"] == ["resume"]


def test_tf_keras_in_place_of_keras_3_trains_as_before(cells: dict[str, dict]) -> None:
    assert cells[f"batchnorm_training/code/{OLD}/{NEW}+tf-keras"]["status"] == "pass"


def test_metrics_that_see_the_other_output_are_named_with_whose_value_they_have(cells: dict[str, dict]) -> None:
    cell = cells[f"two_heads_dict_targets/code/{NEW}/{MIXED_UP}"]
    assert cell["failed_checks"] == ["metrics"]
    subjects = {each["subject"] for each in cell["checks"]["metrics"]["findings"] if each["code"] == "source"}
    assert subjects == {"size_mae", "kind_mse"}
    assert all("losses and outputs are the writer's" in each for each in cell["checks"]["metrics"]["detail"])
    assert cell["attribution"]["training"]["by"] == ["arithmetic"]
    assert {each["to"] for each in cell["attribution"]["training"]["switches"]} == {"version"}


def test_no_false_alarm_of_metrics_by_name(cells: dict[str, dict]) -> None:
    for name in ("two_heads_dict_targets", "two_heads_metrics", "weighted_metrics"):
        cell = cells[f"{name}/code/{OLD}/{NEW}"]
        assert not {"forward", "gradients", "updates", "learning"} & set(cell["failed_checks"])


@pytest.mark.parametrize(
    ("name", "renamed"),
    [("two_heads_metrics", {"size_mae", "kind_mse"}), ("weighted_metrics", {"a_wmae"})],
)
def test_metrics_that_a_file_renames_are_named(cells: dict[str, dict], name: str, renamed: set[str]) -> None:
    cell = cells[f"{name}/keras/{OLD}/{OLD}"]
    found = {each["subject"]: each for each in cell["checks"]["resume"]["findings"] if each["code"] == "metric-renamed"}
    assert set(found) == renamed
    assert {each["figures"]["after"] for each in found.values()} == {
        f"{each.partition('_')[0]}_{each}" for each in renamed
    }
    assert "save as h5" in _helping(cell)
    assert cells[f"{name}/h5/{OLD}/{OLD}"]["status"] == "pass"


def test_weighted_metrics_come_back_in_keras_3(cells: dict[str, dict]) -> None:
    assert cells[f"weighted_metrics/keras/{NEW}/{NEW}"]["status"] == "pass"


def test_what_dropout_draws_is_told_and_no_failure(cells: dict[str, dict]) -> None:
    cell = cells[f"dropout_seeded/code/{OLD}/{NEW}"]
    assert cell["failed_checks"] == ["signatures"]
    assert {"silent", "numbers"} <= set(_findings(cell, "learning"))


def test_names_and_shapes_of_what_is_served_are_told(cells: dict[str, dict]) -> None:
    cell = cells[f"subclassed_two_inputs_served/code/{OLD}/{NEW}"]
    assert cell["failed_checks"] == ["signatures"]
    assert cell["attribution"]["training"]["by"] == ["interface"]
    assert any("input_1" in each for each in cell["checks"]["signatures"]["detail"])
    assert _helping(cell) == {TF_KERAS}


def test_a_penalty_of_activations_weighs_more_in_keras_3(cells: dict[str, dict]) -> None:
    """Keras 2 divides it by the batch (measured: 3.2 of 25.6 with 8 rows)."""
    cell = cells[f"dense_activity_penalty/code/{OLD}/{NEW}"]
    assert {"gradients", "updates", "learning"} <= set(cell["failed_checks"])
    assert "forward" not in cell["failed_checks"]
    assert _findings(cell, "gradients")["gradient"].startswith("dense/")
    assert _helping(cell) == {TF_KERAS}


@pytest.mark.parametrize("reader", [EARLY, NEW])
def test_a_penalty_that_is_not_in_the_file_comes_back_from_code(cells: dict[str, dict], reader: str) -> None:
    cell = cells[f"dense_activity_penalty/keras/{EARLY}/{reader}"]
    assert {"config", "resume"} <= set(cell["failed_checks"])
    assert REBUILD in _helping(cell)
