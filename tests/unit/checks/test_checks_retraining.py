"""The checks of the format `code`, on drafts of two trainings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from observation_builder import Draft, checked, retrained
from tfmatrix.checks.registry import checks
from tfmatrix.core.records import Finding

TRAINED = ("updates", "learning")
STATISTIC = 5
"""Where the moving variance stands among the draft's weights."""


def _found(name: str, change: Callable[[Draft], None]) -> dict:
    draft = retrained()
    change(draft)
    return checked(name, retrained().build(), draft.build())


def _losses(name: str, check: dict) -> list[str]:
    return checks()[name].losses([Finding.from_json(each) for each in check["findings"]], check)


@pytest.mark.parametrize("name", TRAINED)
def test_the_same_training_passes(name: str) -> None:
    assert _found(name, lambda draft: None)["status"] == "pass"


def _statistic(draft: Draft, parts: tuple[str, ...] = ("first", "last")) -> None:
    for part in parts:
        draft.course[part]["weights_after"][STATISTIC] += np.float32(0.02)


def test_a_moving_average_that_goes_elsewhere_is_named_where_the_losses_agree() -> None:
    check = _found("updates", _statistic)
    assert check["status"] == "fail"
    assert check["detail"] == [
        "after the first step 8 of 16 values of moving statistics are not the writer's: "
        "batch_normalization/moving_variance by up to 0.02, after 3 steps 0.02"
    ]
    assert _losses("updates", check) == ["training moves `moving_variance` of `BatchNormalization` elsewhere"]
    assert _found("learning", _statistic)["status"] == "pass"


def test_what_only_many_steps_show_is_told_with_their_number() -> None:
    (finding,) = _found("updates", lambda draft: _statistic(draft, ("last",)))["findings"]
    assert (finding["code"], finding["figures"]["step"]) == ("statistics", 3)


def test_a_slot_that_goes_elsewhere_is_named_with_its_variable() -> None:
    def change(draft: Draft) -> None:
        draft.course["first"]["slots_after"][0]["array"] *= np.float32(1.01)

    (finding,) = _found("updates", change)["findings"]
    assert (finding["code"], finding["subject"]) == ("slots", "momentum of dense/kernel")
    assert finding["figures"]["class"] == "Dense"


def test_the_first_step_whose_loss_differs_is_told() -> None:
    def change(draft: Draft) -> None:
        draft.course["last"]["losses"][1:] = [0.41, 0.32]

    check = _found("learning", change)
    assert check["detail"] == ["the loss is another one from step 2 on: after 3 steps 0.32, in the writer 0.3011"]


def test_what_rounding_alone_comes_to_is_granted() -> None:
    writer, reader = retrained(), retrained()
    writer.course["last"]["noise"]["losses"] = 0.1
    reader.course["last"]["losses"][1:] = [0.41, 0.32]
    assert checked("learning", writer.build(), reader.build())["status"] == "pass"


@pytest.mark.parametrize("name", TRAINED)
def test_training_that_raises_is_an_error_of_the_reader_alone(name: str) -> None:
    def change(draft: Draft) -> None:
        draft.course["first"]["error"] = {"type": "TypeError", "message": "no"}

    assert _found(name, change)["status"] == "error"
    writer = retrained()
    change(writer)
    assert checked(name, writer.build(), retrained().build())["status"] == "not-applicable"


@pytest.mark.parametrize("name", TRAINED)
def test_layers_that_were_silenced_are_said(name: str) -> None:
    writer = retrained()
    writer.course["silent"] = ["dropout"]
    check = checked(name, writer.build(), retrained().build())
    assert check["status"] == "pass"
    assert "without what dropout draw" in check["detail"][0]
