from __future__ import annotations

from observation_builder import Draft, checked, loaded, trained
from tfmatrix.checks.attribution import attribute
from tfmatrix.checks.tolerance import Tolerance

WRONG = {"type": "TypeError", "message": "Binding inputs to tf.function failed due to `inputs` float32, got int32"}


def _raising(draft: Draft) -> Draft:
    """As a signature looks whose call raised."""
    draft.signatures["serving_default"] |= {"results": None, "error": WRONG}
    return draft


def test_a_signature_that_its_own_writer_cannot_call_is_the_writers_fault() -> None:
    """Keras 3.0.5 writes `inputs` float32 for a named integer or string input."""
    writer, reader = _raising(trained()).build(), _raising(loaded()).build()
    check = checked("signatures", writer, reader)
    assert check["status"] == "fail"
    assert check["detail"] == [
        "the writer wrote signature 'serving_default' wrong: called with the model's inputs it raises TypeError: "
        "Binding inputs to tf.function failed due to `inputs` float32, got int32 in the writer, too; `model.export` "
        "writes one that can be called"
    ]
    shares = attribute(writer, reader, Tolerance(), ("outputs", "signatures"))
    assert (shares["serialization"], shares["numerics"]) == (None, None)
    assert shares["sentence"].startswith("the writer: its own signature cannot be called")


def test_a_signature_that_only_the_reader_cannot_call_is_not() -> None:
    check = checked("signatures", trained().build(), _raising(loaded()).build())
    assert check["status"] == "fail"
    assert check["detail"][0].startswith("signature 'serving_default' raises TypeError")


def test_one_wrong_signature_of_two_does_not_explain_other_checks() -> None:
    ours, theirs = _raising(trained()), _raising(loaded())
    for draft in (ours, theirs):
        draft.signatures["other"] = trained().signatures["serving_default"]
    shares = attribute(ours.build(), theirs.build(), Tolerance(), ("signatures", "optimizer"))
    assert shares["serialization"]["checks"] == ["optimizer", "signatures"]


def _interpreted(draft: Draft, *, exact: bool) -> Draft:
    """As a TFLite file is observed, by its interpreter."""
    draft.reading = {"outputs": None, "exact": exact, "error": None}
    return draft


def test_an_interpreter_that_knows_no_signatures_loses_none() -> None:
    reader = loaded()
    reader.kind, reader.signatures = "signature", None
    check = checked("signatures", _interpreted(trained(), exact=True).build(), reader.build())
    assert check["status"] == "not-applicable"
    assert "does not say what a file's signatures are" in check["detail"][0]


def test_results_of_a_quantized_file_are_judged_by_its_outputs() -> None:
    reader = loaded()
    results = reader.signatures["serving_default"]["results"]
    for name in results:
        results[name] = results[name] + 0.01
    assert checked("signatures", _interpreted(trained(), exact=True).build(), reader.build())["status"] == "fail"
    assert checked("signatures", _interpreted(trained(), exact=False).build(), reader.build())["status"] == "pass"
    del reader.signatures["serving_default"]
    assert checked("signatures", _interpreted(trained(), exact=False).build(), reader.build())["status"] == "fail"
