from __future__ import annotations

import numpy as np
import pytest
from observation_builder import Draft, loaded, trained
from tfmatrix.checks.attribution import attribute
from tfmatrix.checks.tolerance import Tolerance


def _attribute(writer: float, loaded: float, control: float | None, *failed: str) -> dict:
    def values(number: float) -> dict[str, np.ndarray]:
        return {"": np.array([number], "float32")}

    theirs = Draft(outputs=values(loaded))
    if control is not None:
        theirs.control = {"outputs": values(control), "renamed": [], "error": None}
    return attribute(Draft(outputs=values(writer)).build(), theirs.build(), Tolerance(), failed)


def test_kernels_differ() -> None:
    found = _attribute(1.0, 1.5, 1.5)
    assert (found["numerics"]["found"], found["numerics"]["max_abs"]) == (True, 0.5)
    assert (found["serialization"]["found"], found["serialization"]["max_abs"]) == (False, 0.0)
    assert found["sentence"].startswith("numerics: the model rebuilt in the reader differs from the writer's by 0.5 (")


def test_loading_lost_something() -> None:
    found = _attribute(1.0, 1.5, 1.0, "outputs", "weights")
    assert (found["serialization"]["found"], found["serialization"]["checks"]) == (True, ["weights"])
    assert found["serialization"]["max_abs"] == 0.5
    assert not found["numerics"]["found"]
    assert found["sentence"].startswith(
        "serialization lost weights: the loaded model differs from the rebuilt one by 0.5"
    )


def test_both() -> None:
    found = _attribute(1.0, 1.75, 1.5)
    assert (found["serialization"]["max_abs"], found["numerics"]["max_abs"]) == (0.25, 0.5)
    assert found["serialization"]["found"]
    assert found["numerics"]["found"]
    assert "numerics" in found["sentence"]
    assert "serialization" in found["sentence"]


def test_rebuilt_code_that_differs_does_not_explain_a_loaded_graph_that_agrees() -> None:
    found = _attribute(1.0, 1.0 + 1e-7, 1.5)
    assert not found["numerics"]["found"]
    assert not found["serialization"]["found"]
    assert found["numerics"]["max_abs"] == 0.5
    assert found["sentence"].startswith("neither: the outputs agree; though the model rebuilt")


def test_shares_that_exceed_the_tolerance_together_only() -> None:
    step = 12 * 2.0**-23
    found = _attribute(1.0, 1 + 4 * step, 1 + 2 * step)
    assert "only together" in found["sentence"]


def test_equal_outputs_need_no_control() -> None:
    found = _attribute(1.0, 1.0, None, "optimizer")
    assert (found["serialization"]["found"], found["numerics"]["found"]) == (True, False)
    assert found["sentence"] == "serialization lost optimizer: the outputs are the writer's, bit for bit"
    assert not _attribute(1.0, 1.0, None)["serialization"]["found"]


def test_training_is_attributed_where_the_outputs_agree_only() -> None:
    assert _attribute(1.0, 1.0, None, "resume")["serialization"]["checks"] == ["resume"]
    found = _attribute(1.0, 1.5, 1.5, "outputs", "resume")
    assert found["serialization"]["checks"] == []
    assert found["sentence"].endswith("resume is not attributed: the rebuilt model was not trained")


@pytest.mark.parametrize(
    ("control", "note", "reason"),
    [
        (None, "", "the model was not rebuilt in the reader"),
        (None, "no time", "no time"),
        (
            {"outputs": None, "renamed": [], "error": {"type": "TypeError", "message": "no units"}},
            "",
            "rebuilding the model in the reader raised TypeError: no units",
        ),
        ({"outputs": None, "renamed": [], "error": None}, "", "the rebuilt model gave no outputs"),
    ],
)
def test_says_why_it_cannot_tell(control: dict | None, note: str, reason: str) -> None:
    writer = Draft(outputs={"": np.ones(1, "float32")}).build()
    reader = Draft(outputs={"": np.zeros(1, "float32")}, control=control, notes={"control": note}).build()
    found = attribute(writer, reader, Tolerance())
    assert (found["serialization"], found["numerics"]) == (None, None)
    assert found["sentence"] == f"cannot tell: {reason}"
    found = attribute(writer, reader, Tolerance(), ["weights"])
    assert found["serialization"] == {"found": True, "checks": ["weights"]}


def test_outputs_that_could_not_be_computed() -> None:
    writer = Draft(outputs={"": np.ones(1, "float32")}).build()
    reader = Draft(
        outputs={"error": {"type": "ValueError", "message": "no"}},
        control={"outputs": {"": np.ones(1, "float32")}, "renamed": [], "error": None},
    ).build()
    assert attribute(writer, reader, Tolerance())["sentence"] == "cannot tell: the loaded model gave no outputs"


def _moved_variance(course: dict) -> dict:
    place = [weight.path for weight in trained().weights].index("batch_normalization/moving_variance")
    course["weights_after"][place] = course["weights_after"][place] + np.float32(0.0751)
    return course


def _control(course: dict) -> dict:
    return {"outputs": trained().outputs, "renamed": [], "resume": course, "error": None}


def test_training_that_the_code_does_otherwise_here_too_is_the_versions() -> None:
    theirs = loaded()
    _moved_variance(theirs.resume)
    theirs.control = _control(_moved_variance(loaded().resume))
    found = attribute(trained().build(), theirs.build(), Tolerance(), ("resume",))
    assert (found["numerics"]["found"], found["numerics"]["checks"]) == (True, ["resume"])
    assert not found["serialization"]["found"]
    assert found["sentence"] == (
        "numerics: the model rebuilt in the reader trains on as the loaded one does, and not as the writer's: the "
        "outputs are the writer's, bit for bit"
    )


def test_training_that_only_the_loaded_model_does_otherwise_was_lost() -> None:
    theirs = loaded()
    theirs.resume["losses"] = [0.7, 0.66, 0.6081]
    theirs.control = _control(loaded().resume)
    found = attribute(trained().build(), theirs.build(), Tolerance(), ("config", "resume"))
    assert found["serialization"]["checks"] == ["config", "resume"]
    assert not found["numerics"]["found"]


def test_what_the_version_does_otherwise_does_not_hide_what_was_lost_as_well() -> None:
    theirs = loaded()
    _moved_variance(theirs.resume)["losses"] = [0.7, 0.66, 0.6081]
    theirs.control = _control(_moved_variance(loaded().resume))
    found = attribute(trained().build(), theirs.build(), Tolerance(), ("resume",))
    assert found["serialization"]["checks"] == ["resume"]
