"""Which workarounds are worth a try, and what a try came to."""

from __future__ import annotations

import pytest
from tfmatrix.core.records import Try
from tfmatrix.core.status import Status
from tfmatrix.engine.remedies import Remedy, attempt, best, candidates, in_order, is_sensible
from tfmatrix.project.formats import own_formats
from tfmatrix.worker.remedies import MIGRATE, Failing, price_of, remedies

PROMISED = ("load", "outputs", "weights", "compile", "optimizer", "resume", "warnings")


def failing(**changes: object) -> Failing:
    arguments: dict = {
        "loader": "keras.models.load_model",
        "drifts": False,
        "failed_checks": frozenset({"load"}),
        "keras": (3, 4, 1),
        "artifact_kind": "zip",
        "has_definitions": True,
        "has_code": True,
        "error": "",
        "legacy_reader": None,
    }
    return Failing(**arguments | changes)


def names(**changes: object) -> list[str]:
    return [remedy.name for remedy in candidates(failing(**changes))]


def test_a_load_error_of_a_keras_file_tries_everything_documented() -> None:
    assert names(legacy_reader="2.16.2+tf-keras") == [
        "custom_objects",
        "compile=False",
        "rebuild from code + load_weights",
        "safe_mode=False",
        "enable_unsafe_deserialization()",
        "custom_objects + compile=False",
        "custom_objects + safe_mode=False",
        "compile=False + safe_mode=False",
        MIGRATE,
        "TF_USE_LEGACY_KERAS=1",
    ]


@pytest.mark.parametrize(
    "error",
    [
        "TypeError: Could not locate function 'mse'. Make sure custom classes are decorated",
        "ValueError: Could not deserialize 'keras.metrics.mse' because it is not a KerasSaveable subclass",
        "ValueError: Could not interpret metric identifier: mae",
        "ValueError: Unknown loss function: 'MSE'. Please ensure that you are using a `custom_object_scope`",
    ],
)
def test_a_short_name_that_the_loader_does_not_know_is_spelled_out_first(error: str) -> None:
    assert names(error=error)[0] == "custom_objects of Keras's own classes"


def test_what_the_loader_itself_names_is_tried_first() -> None:
    """As 2.21.0 says of a Lambda layer: whoever reads it does that, and not what concerns classes of one's own."""
    asks = "disallowed by default. If you trust the source of the saved model, you can pass `safe_mode=False` to"
    assert names(error=asks)[:2] == ["safe_mode=False", "custom_objects"]
    assert names(error=asks, keras=(2, 12, 0))[0] == "custom_objects"


@pytest.mark.parametrize("error", ["", "Could not locate class 'Scaled'", "Unknown layer: 'mse_layer'"])
def test_other_names_are_not(error: str) -> None:
    assert "custom_objects of Keras's own classes" not in names(error=error)


def test_a_last_resort_is_recommended_and_moved_up_only_where_nothing_else_helps() -> None:
    less = Try(name="compile=False", status=Status.DRIFT, held=("outputs", "weights"), missing=("compile",))
    legacy = Try(name="TF_USE_LEGACY_KERAS=1", status=Status.PASS, held=PROMISED)
    assert best([less, legacy], ("load",)) == "compile=False"
    assert best([legacy], ("load",)) == "TF_USE_LEGACY_KERAS=1"
    known = [remedy.name for remedy in in_order(candidates(failing(legacy_reader="x")), [less, legacy])]
    assert (known[0], known[-1]) == ("compile=False", "TF_USE_LEGACY_KERAS=1")


@pytest.mark.parametrize(
    ("changes", "there", "not_there"),
    [
        ({"has_definitions": False}, "compile=False", "custom_objects"),
        ({"keras": (2, 12, 0)}, "compile=False", "safe_mode=False"),
        ({"artifact_kind": "directory"}, "keras.layers.TFSMLayer", "safe_mode=False"),
        ({"artifact_kind": "directory"}, "tf.saved_model.load", "safe_mode=False"),
        ({"artifact_kind": "directory", "keras": (2, 15, 0)}, "tf.saved_model.load", "keras.layers.TFSMLayer"),
        ({"artifact_kind": "directory", "keras": (2, 15, 0)}, "compile=False", "load_weights after load_model"),
        ({"has_code": False}, "compile=False", "rebuild from code + load_weights"),
    ],
)
def test_only_what_the_case_allows(changes: dict, there: str, not_there: str) -> None:
    found = names(**changes)
    assert there in found
    assert not_there not in found


def test_keras_2_gets_a_lost_optimizer_from_the_checkpoint_of_the_savedmodel() -> None:
    lost: dict = {"drifts": True, "failed_checks": frozenset({"optimizer", "resume"}), "has_definitions": False}
    assert names(**lost, artifact_kind="directory", keras=(2, 15, 0)) == ["load_weights after load_model", MIGRATE]
    assert names(**lost, artifact_kind="directory", keras=(3, 4, 1)) == [MIGRATE]
    assert names(**lost, artifact_kind="hdf5", keras=(2, 15, 0)) == [MIGRATE]


def test_a_combination_is_tried_where_one_of_its_parts_changed_something() -> None:
    both = Remedy(name="a + b", parts=("a", "b"))
    same = [Try(name=name, status=Status.LOAD_ERROR, error="TypeError: at 0x7f00aa") for name in ("a", "b")]
    other = Try(name="b", status=Status.LOAD_ERROR, error="ValueError: further on")
    assert not is_sensible(both, same, "TypeError: at 0x7f11bb")
    assert is_sensible(both, [same[0], other], "TypeError: at 0x7f11bb")
    assert is_sensible(both, same[:1], "TypeError: at 0x7f11bb")
    assert is_sensible(Remedy(name="a"), same, "TypeError: at 0x7f11bb")


def test_a_refused_format_needs_another_loader() -> None:
    refused = "File format not supported: filepath=m. Keras 3 only supports V3 `.keras` files and legacy H5 format"
    assert names(artifact_kind="directory", error=refused) == [
        "keras.layers.TFSMLayer",
        "tf.saved_model.load",
        MIGRATE,
    ]


def test_a_lost_optimizer_is_not_brought_back_by_loading_less() -> None:
    assert names(drifts=True, failed_checks=frozenset({"optimizer", "resume"})) == ["custom_objects", MIGRATE]
    assert "compile=False" in names(drifts=True, failed_checks=frozenset({"outputs"}))


def test_a_process_that_dies_is_tried_without_the_kernels_of_onednn_first() -> None:
    in_training: dict = {"drifts": True, "failed_checks": frozenset({"resume"}), "dies": True}
    assert names(**in_training)[0] == "TF_ENABLE_ONEDNN_OPTS=0"
    assert names(dies=True)[0] == "TF_ENABLE_ONEDNN_OPTS=0"
    assert "TF_ENABLE_ONEDNN_OPTS=0" not in names()
    (found,) = [each for each in candidates(failing(**in_training)) if each.variables]
    assert found.variables == (("TF_ENABLE_ONEDNN_OPTS", "0"),)
    assert not found.is_switch


def test_the_documented_workarounds_are_those_of_load_model() -> None:
    assert names(loader="tf.saved_model.load") == []


def test_a_combination_changes_what_its_parts_change() -> None:
    found = {remedy.name: remedy for remedy in candidates(failing())}
    both = found["compile=False + safe_mode=False"]
    assert set(both.modules) == {*found["compile=False"].modules, *found["safe_mode=False"].modules}
    assert both.parts == ("compile=False", "safe_mode=False")
    assert price_of(both.name) == f"{price_of('compile=False')}; {price_of('safe_mode=False')}"


def test_another_loader_or_reader_makes_the_plain_call() -> None:
    found = {
        remedy.name: remedy
        for remedy in candidates(failing(artifact_kind="directory", legacy_reader="2.16.2+tf-keras"))
    }
    assert (found["tf.saved_model.load"].modules, found["tf.saved_model.load"].loader) == ((), "savedmodel-raw")
    legacy = found["TF_USE_LEGACY_KERAS=1"]
    assert (legacy.modules, legacy.environment) == ((), "2.16.2+tf-keras")


@pytest.mark.parametrize("name", remedies())
def test_every_remedy_describes_itself(name: str) -> None:
    module = remedies()[name]
    assert isinstance(module.NAME, str)
    assert isinstance(module.PRICE, str)
    assert module.ADVICE
    assert any(hasattr(module, name) for name in ("change", "LOADER", "reader", "MIGRATES", "VARIABLES"))
    assert getattr(module, "LOADER", "h5") in own_formats()


def checks(*passed: str) -> dict:
    return {name: {"status": "pass" if name in passed else "fail"} for name in PROMISED}


def test_what_a_try_gives_up_is_said() -> None:
    found = attempt("compile=False", Status.DRIFT, checks("load", "outputs", "weights"), PROMISED, "")
    assert found.brings_back_the_model
    assert found.to_json() == {
        "name": "compile=False",
        "status": "drift",
        "held": ["outputs", "weights"],
        "missing": ["compile", "optimizer", "resume"],
        "detail": "brings back outputs, weights; not compile, optimizer, resume",
        "price": "the model is not compiled: to train it on, loss, metrics and optimizer are set anew",
        "seconds": 0.0,
    }


def test_a_loader_that_promises_less_is_judged_by_what_the_cell_promised() -> None:
    less = {"load": {"status": "pass"}, "outputs": {"status": "pass"}, "weights": {"status": "not-applicable"}}
    found = attempt("keras.layers.TFSMLayer", Status.PASS, less, PROMISED, "")
    assert found.status is Status.DRIFT
    assert found.missing == ("weights", "compile", "optimizer", "resume")


def test_everything_brought_back_is_a_pass() -> None:
    found = attempt("custom_objects", Status.PASS, checks(*PROMISED), PROMISED, "")
    assert (found.status, found.missing) == (Status.PASS, ())


def test_a_try_that_fails_keeps_its_error() -> None:
    found = attempt("safe_mode=False", Status.LOAD_ERROR, {}, PROMISED, "ValueError: still not")
    assert not found.brings_back_the_model
    assert found.to_json()["detail"] == "ValueError: still not"


def test_the_best_remedy_loses_least() -> None:
    some = Try(name="some", status=Status.DRIFT, held=("outputs",), missing=("resume", "optimizer"))
    more = Try(name="more", status=Status.DRIFT, held=("outputs", "optimizer"), missing=("resume",))
    none = Try(name="none", status=Status.LOAD_ERROR)
    wrong = Try(name="wrong", status=Status.DRIFT, held=("weights",), missing=("outputs",))
    assert best([none, wrong, some, more], ("load",)) == "more"
    assert best([none, wrong], ("load",)) is None


def test_a_drifting_cell_is_only_helped_by_more_than_it_has() -> None:
    same = Try(name="same", status=Status.DRIFT, held=("outputs",), missing=("optimizer", "resume"))
    better = Try(name="better", status=Status.DRIFT, held=("outputs", "resume"), missing=("optimizer",))
    assert best([same], ("optimizer", "resume")) is None
    assert best([same, better], ("optimizer", "resume")) == "better"


def test_a_cell_that_dies_in_training_is_not_helped_by_a_model_that_cannot_train() -> None:
    without = Try(name="compile=False", status=Status.DRIFT, held=("outputs",), missing=("compile", "resume"))
    assert best([without], ("resume",)) is None


def test_a_cell_that_was_not_saved_is_helped_by_another_format() -> None:
    saved = Try(name="save as h5", status=Status.DRIFT, held=("outputs",), missing=("resume",))
    assert best([saved], ()) == "save as h5"


def test_a_layer_of_a_signature_that_cannot_be_called_names_the_function_instead() -> None:
    of_layer = {"loader": "keras.layers.TFSMLayer", "artifact_kind": "directory", "drifts": True}
    assert names(**of_layer, failed_checks=frozenset({"outputs"})) == ['TFSMLayer(call_endpoint="__call__")']
    assert names(**of_layer, failed_checks=frozenset({"weights"})) == []


def test_code_that_trains_otherwise_tries_what_restores_training_and_nothing_of_files() -> None:
    code = {"loader": own_formats()["code"].loader, "drifts": True, "legacy_reader": "2.21.0+tf-keras"}
    moved = failing(**code, failed_checks=frozenset({"updates", "learning"}))
    switches = ["jit_compile=False", "TF_ENABLE_ONEDNN_OPTS=0"]
    assert [remedy.name for remedy in candidates(moved)] == [*switches, "TF_USE_LEGACY_KERAS=1"]
    changed = candidates(failing(**code, failed_checks=frozenset({"defaults", "learning"})))
    assert [(remedy.name, remedy.environment) for remedy in changed] == [
        ("the old defaults as arguments", None),
        *((name, None) for name in switches),
        ("TF_USE_LEGACY_KERAS=1", "2.21.0+tf-keras"),
    ]


def test_switches_are_tried_where_they_can_matter() -> None:
    code = {"loader": own_formats()["code"].loader, "drifts": True}
    layers = candidates(failing(**code, failed_checks=frozenset({"forward", "learning"}), is_mixed=True))
    assert [(remedy.name, dict(remedy.variables)) for remedy in layers if remedy.is_switch] == [
        ("TF_ENABLE_ONEDNN_OPTS=0", {"TF_ENABLE_ONEDNN_OPTS": "0"}),
        ("float32 in place of mixed precision", {}),
    ]
    assert candidates(failing(**code, failed_checks=frozenset({"signatures"}), is_mixed=True)) == ()


def test_a_remedy_that_restores_how_code_learns_is_recommended_though_names_stay_new() -> None:
    learns = attempt(
        "the old defaults as arguments",
        Status.DRIFT,
        {"learning": {"status": "pass"}, "signatures": {"status": "fail"}},
        ("load", "learning", "signatures"),
        "",
    )
    assert best([learns], ("learning", "signatures")) == "the old defaults as arguments"
    assert best([learns], ("signatures",)) is None
