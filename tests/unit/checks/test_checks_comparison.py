from __future__ import annotations

import time

import numpy as np
import pytest
from observation_builder import Draft, DraftWeight, checked, loaded, trained
from tfmatrix.checks.calibration import measure_noise, with_noise
from tfmatrix.checks.comparison import compare
from tfmatrix.checks.contract import holds, raised
from tfmatrix.checks.tolerance import Tolerance


@pytest.mark.parametrize("section", ["outputs", "weights", "config", "compile", "optimizer", "resume", "signatures"])
def test_what_only_the_writer_had_is_lost(section: str) -> None:
    draft = loaded()
    draft.kind = "module" if section == "signatures" else "keras"
    setattr(draft, section, None)
    draft.notes[section] = "the loader gave none"
    check = compare(trained().build(), draft.build())[section]
    assert check["status"] == "fail"
    assert "the loader gave none" in check["detail"][0]


@pytest.mark.parametrize("section", ["outputs", "weights", "config", "compile", "optimizer", "resume", "signatures"])
def test_what_the_writer_lacks_does_not_apply(section: str) -> None:
    ours = trained()
    setattr(ours, section, None)
    ours.notes[section] = "the scenario has none"
    checks = compare(ours.build(), loaded().build())
    assert (checks[section]["status"], checks[section]["detail"]) == (
        "not-applicable",
        ["the writer has none: the scenario has none"],
    )


def test_a_saved_model_that_became_a_keras_model_has_no_signatures_to_compare() -> None:
    draft = loaded()
    draft.signatures = None
    draft.notes["signatures"] = "a Sequential has no signatures"
    check = compare(trained().build(), draft.build())["signatures"]
    assert check["status"] == "not-applicable"
    assert check["detail"] == ["not looked at in a Keras model: a Sequential has no signatures"]


@pytest.mark.parametrize(("returns", "status"), [("module", "not-applicable"), ("keras", "fail"), (None, "fail")])
def test_what_a_scenarios_own_loader_gives_in_its_writer_is_what_it_promises(returns: str | None, status: str) -> None:
    ours, theirs = trained(), loaded()
    ours.returns, theirs.kind = returns, "module"
    for section in ("config", "compile", "optimizer", "resume"):
        setattr(theirs, section, None)
    checks = compare(ours.build(), theirs.build())
    assert {checks[name]["status"] for name in ("config", "compile", "optimizer", "resume")} == {status}
    assert checks["outputs"]["status"] == checks["signatures"]["status"] == "pass"


def test_what_the_format_does_not_promise_does_not_apply() -> None:
    draft = Draft(kind="module", outputs=loaded().outputs, weights=loaded().weights)
    checks = compare(trained().build(), draft.build(), applicable=("load", "outputs", "weights", "warnings"))
    assert {name: check["status"] for name, check in checks.items()} == {
        "outputs": "pass",
        "weights": "pass",
        "config": "not-applicable",
        "compile": "not-applicable",
        "optimizer": "not-applicable",
        "resume": "not-applicable",
        "signatures": "not-applicable",
    }


@pytest.mark.parametrize("section", ["outputs", "weights", "config", "compile", "optimizer", "resume", "signatures"])
def test_exception_while_observing_the_loaded_model_is_an_error(section: str) -> None:
    draft = loaded()
    setattr(draft, section, {"error": {"type": "ValueError", "message": "Layer has no weights\nat all"}})
    check = compare(trained().build(), draft.build())[section]
    assert check["status"] == "error"
    assert check["detail"] == ["the loaded model raises ValueError: Layer has no weights"]


AUTOGRAPH = """in user code:

    File "/site-packages/keras/src/engine/training.py", line 1152, in train_step
        self._validate_target_and_loss(y, loss)
    File "/site-packages/keras/src/engine/training.py", line 1116, in _validate_target_and_loss
        raise ValueError(

    ValueError: No loss found. You may have forgotten to provide a `loss` argument in the `compile()` method.
"""


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("no\nat all", "ValueError: no"),
        ("", "ValueError"),
        (
            "Exception encountered when calling TFSMLayer.call().\n\n\x1b[1mtoo many arguments\x1b[0m\n\nReceived",
            "ValueError: too many arguments",
        ),
        (
            AUTOGRAPH,
            "ValueError: No loss found. You may have forgotten to provide a `loss` argument in the `compile()` method.",
        ),
        (
            "Exception encountered when calling Reshape.call().\n\nInvalid input shape for input [[[5.48e-01 7.1e-01"
            " ... 7.9915857e-01]\n  [1.0e+00 2.0e+00]]\n\n [[3.1 4.1]]]. Expected shape (None, 32), but got (8, 21).",
            "ValueError: Invalid input shape for input […]. Expected shape (None, 32), but got (8, 21).",
        ),
        ("[[" * 20_000, "ValueError: [["),
        (AUTOGRAPH.replace("    ValueError:", "    OpError:"), "ValueError: OpError: No loss found."),
    ],
)
def test_an_exception_is_said_in_one_line(message: str, said: str) -> None:
    assert raised({"type": "ValueError", "message": message}).startswith(said)
    assert "\n" not in raised({"type": "ValueError", "message": message})


def test_exception_in_the_writer_already_does_not_apply() -> None:
    ours, theirs = trained(), loaded()
    for draft in (ours, theirs):
        draft.config = {"error": {"type": "NotImplementedError", "message": "get_config"}}
    assert compare(ours.build(), theirs.build())["config"]["status"] == "not-applicable"


def test_tolerances_are_asked_for_by_check() -> None:
    asked: list[str] = []

    def tolerance_for(check: str) -> Tolerance:
        asked.append(check)
        return Tolerance(atol=10.0)

    draft = loaded()
    draft.outputs[""] += 1
    assert compare(trained().build(), draft.build(), tolerance_for=tolerance_for)["outputs"]["status"] == "pass"
    assert asked == ["outputs", "resume", "signatures"]


def test_25_million_numbers_are_compared_in_seconds() -> None:
    values = np.random.default_rng(0).normal(size=(5000, 5000)).astype("float32")
    other = values.copy()
    other[::7] += np.float32(1e-6)
    ours, theirs = (Draft(weights=[DraftWeight("a/kernel", item)], outputs={"": item}) for item in (values, other))
    start = time.perf_counter()
    checks = compare(ours.build(), theirs.build())
    # About one second per check on an idle core.
    assert time.perf_counter() - start < 20
    assert checks["weights"]["changed"] == 1
    assert checks["outputs"]["elements"] == 25_000_000


def test_signature_specs_and_results() -> None:
    def changed(side: str, spec: dict[str, object]) -> list[str]:
        draft = loaded()
        name = next(iter(draft.signatures["serving_default"][side]))
        draft.signatures["serving_default"][side][name] = spec
        return checked("signatures", trained().build(), draft.build())["detail"]

    assert changed("inputs", {"dtype": "float32", "shape": [None, 5]}) == [
        "serving_default.inputs.x: shape [None, 4] → [None, 5]"
    ]
    assert changed("outputs", {"dtype": "float64", "shape": [None, 3]}) == [
        "serving_default.outputs.y: dtype float32 → float64"
    ]
    draft = loaded()
    draft.signatures["serving_default"]["results"]["y"][0, 0] = 0.9
    check = checked("signatures", trained().build(), draft.build())
    assert (check["status"], check["argmax_flips"]) == ("fail", 1)
    assert check["detail"][0].startswith("signature 'serving_default': 1 of 3 values of 'y'")


def test_empty_sections_are_nothing_to_compare() -> None:
    empty = Draft(signatures={})
    checks = compare(empty.build(), empty.build())
    assert {check["status"] for check in checks.values()} == {"not-applicable"}


def test_signature_that_raises() -> None:
    draft = loaded()
    draft.signatures["serving_default"] |= {"results": None, "error": {"type": "ValueError", "message": "no"}}
    detail = checked("signatures", trained().build(), draft.build())["detail"]
    assert detail == ["signature 'serving_default' raises ValueError: no"]


def test_signature_inputs_renamed() -> None:
    draft = loaded()
    draft.signatures["serving_default"]["inputs"] = {"inputs": {"dtype": "float32", "shape": [None, 4]}}
    assert checked("signatures", trained().build(), draft.build())["detail"] == [
        "serving_default.inputs: 'x' is missing",
        "serving_default.inputs: 'inputs' is there but was not in the writer",
    ]


def test_repeated_runs_without_noise() -> None:
    assert measure_noise([trained().build(), trained().build(), trained().build()]) == {}


def test_noise_is_the_largest_difference_of_any_two_runs() -> None:
    runs = [trained(), trained(), trained()]
    runs[1].outputs[""][0, 0] += np.float32(1e-3)
    runs[2].outputs[""][0, 0] -= np.float32(1e-3)
    runs[2].resume["losses"][2] = 0.3012
    runs[2].resume["weights_after"][0] = runs[2].resume["weights_after"][0] + np.float32(0.5)
    runs[1].signatures["serving_default"]["results"]["y"][0, 0] = 0.2
    noise = measure_noise([runs[index].build() for index in (1, 0, 2)])
    assert noise["outputs"][""]["max_abs"] == pytest.approx(2e-3, rel=1e-3)
    assert noise["resume"]["losses"]["max_abs"] == pytest.approx(1e-4, rel=1e-2)
    assert noise["resume"]["weights_after/dense/kernel"]["max_abs"] == pytest.approx(0.5, rel=1e-3)
    assert list(noise["signatures"]) == ["serving_default/y"]
    tolerance_for = with_noise(noise, lambda check: (None, None))
    assert all(
        holds(check) for check in compare(runs[1].build(), runs[2].build(), tolerance_for=tolerance_for).values()
    )
    # Without it, the same difference fails.
    assert compare(runs[1].build(), runs[2].build())["outputs"]["status"] == "fail"


def test_infinite_noise_is_no_floor() -> None:
    tolerance_for = with_noise({"outputs": {"": {"max_abs": "inf", "max_ulp": 1}}}, lambda check: (0.5, None))
    assert tolerance_for("outputs") == Tolerance(rtol=0.5, floor={})
