from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from analysis_runs import drift, load_error, record, save_error
from tfmatrix.checks.policy import KINDS, POLICY_FILE, Condition, broken, not_promised, promised, read_policy
from tfmatrix.core.versions import Versions
from tfmatrix.project.formats import own_formats

KERAS = {"2.12.1": "2.12.0", "2.15.0": "2.15.0", "2.15.1": "2.15.0", "2.16.1": "3.0.5", "2.16.2": "3.4.1"}


def versions(tensorflow: str, keras: str | None = None) -> Versions:
    return Versions(tensorflow=tensorflow, keras=keras if keras is not None else KERAS.get(tensorflow, "3.15.1"))


def rules(fmt: str, writer: str, reader: str, **fields: Any) -> set[str]:
    return {rule.name for rule in promised(kind(fmt), versions(writer), versions(reader), **fields)}


def kind(fmt: str) -> str:
    declared = own_formats().get(fmt)
    return declared.policy if declared else ""


SAME_MAJOR, PATCHES = "savedmodel-same-major", "graphs-of-patch-releases"


@pytest.mark.parametrize(
    ("fmt", "writer", "reader", "expected"),
    [
        # A SavedModel, evaluated by a later release of the major version.
        ("tf-savedmodel-raw", "2.12.1", "2.16.2", {SAME_MAJOR}),
        ("savedmodel-raw", "2.12.1", "2.21.0", {SAME_MAJOR}),
        ("export", "2.16.2", "2.16.2", {SAME_MAJOR, PATCHES}),
        ("tf-savedmodel-raw", "2.15.0", "2.15.1", {SAME_MAJOR, PATCHES}),
        # Backwards only between patch releases.
        ("tf-savedmodel-raw", "2.15.1", "2.15.0", {PATCHES}),
        ("tf-savedmodel-raw", "2.16.2", "2.15.1", set()),
        ("tf-savedmodel-raw", "2.21.0", "2.9.3", set()),
        # The next major version, and not the one after.
        ("tf-savedmodel-raw", "2.21.0", "3.0.0", {"savedmodel-next-major"}),
        ("tf-savedmodel-raw", "1.15.5", "2.12.1", {"savedmodel-next-major"}),
        ("tf-savedmodel-raw", "1.15.5", "3.0.0", set()),
        # Keras makes a model of it again: another matter.
        ("savedmodel", "2.12.1", "2.15.1", set()),
        ("tf-savedmodel", "2.12.1", "2.12.1", set()),
        ("savedmodel-tfsm", "2.12.1", "2.16.2", {"tfsm-layer"}),
        ("savedmodel-tfsm", "2.12.1", "2.15.1", set()),
        ("savedmodel-tfsm", "2.16.2", "2.12.1", set()),
        # What Keras writes.
        ("h5", "2.12.1", "2.15.1", set()),
        ("keras", "2.16.2", "2.21.0", set()),
        ("keras", "2.16.2", "2.16.2", set()),
        ("checkpoint", "2.12.1", "2.15.1", set()),
        ("tflite", "2.15.0", "2.15.1", set()),
    ],
)
def test_what_is_promised(fmt: str, writer: str, reader: str, expected: set[str]) -> None:
    assert rules(fmt, writer, reader) == expected


@pytest.mark.parametrize("fmt", ["h5", "keras", "savedmodel", "weights-tf", "checkpoint", "custom"])
def test_a_patch_release_keeps_what_worked(fmt: str) -> None:
    assert rules(fmt, "2.15.0", "2.15.1", works_in_writer=True) == {"patch-releases"}
    assert rules(fmt, "2.15.0", "2.15.1") == set(), "what never worked is promised nothing"
    assert rules(fmt, "2.15.1", "2.15.1", works_in_writer=True) == set(), "no later release"
    assert rules(fmt, "2.15.1", "2.15.0", works_in_writer=True) == set()
    assert rules(fmt, "2.16.1", "2.16.2", works_in_writer=True) == set(), "another Keras"
    assert rules(fmt, "2.12.1", "2.15.1", works_in_writer=True) == set(), "a minor release"


@pytest.mark.parametrize("version", ["2.22.0.dev20251120", "2.22.0rc0", "nightly", ""])
def test_only_releases_are_promised_anything(version: str) -> None:
    assert rules("tf-savedmodel-raw", "2.21.0", version) == set()
    assert rules("tf-savedmodel-raw", version, "2.21.0") == set()


RAW = "s/tf-savedmodel-raw/2.12.1/2.16.2"


@pytest.mark.parametrize(
    ("cell", "is_broken"),
    [
        (record(RAW), False),
        (load_error(RAW, "m"), True),
        (record(RAW, "timeout", error={"phase": "load", "type": "timeout", "message": ""}), True),
        (record(RAW, "crash", error={"phase": "load", "type": "SIGSEGV", "message": ""}), True),
        (record(RAW, "crash", error={"phase": "save"}, save={"status": "crash"}, load={}), False),
        (save_error(RAW, "m"), False),
        (record(RAW, "unsupported"), False),
        (record(RAW, "infra-error"), False),
        (drift(RAW, {"outputs": {}}), True),
        (drift(RAW, {"signatures": {}}), True),
        (drift(RAW, {"weights": {}}), False),
        (drift(RAW, {"optimizer": {}, "config": {}}), False),
    ],
)
def test_a_promise_is_broken_by_the_checks_it_speaks_of(cell: Any, is_broken: bool) -> None:
    found = promised(kind(cell.id.format), versions("2.12.1"), versions("2.16.2"))
    assert [rule.name for rule in broken(found, cell)] == ([SAME_MAJOR] if is_broken else [])


def test_floating_point_details_break_no_promise() -> None:
    found = promised(kind(record(RAW).format), versions("2.12.1"), versions("2.16.2"))
    numerics = {"numerics": {"found": True, "max_abs": 1e-3}, "serialization": {"found": False}}
    assert broken(found, drift(RAW, {"outputs": {}}, attribution=numerics)) == ()
    both = {"numerics": {"found": True}, "serialization": {"found": True}}
    assert broken(found, drift(RAW, {"outputs": {}}, attribution=both)) == found
    assert broken(found, drift(RAW, {"outputs": {}, "signatures": {}}, attribution=numerics)) == found
    assert broken((), load_error(RAW, "m")) == ()


def test_a_file_that_was_wrong_from_the_start_breaks_no_promise() -> None:
    found = promised(kind(record(RAW).format), versions("2.16.1"), versions("2.16.2"))
    finding = {"code": "writer-wrong", "subject": "serving_default", "figures": {"type": "TypeError", "message": "m"}}
    cell = drift(RAW, {"outputs": {"status": "error"}, "signatures": {"status": "fail", "findings": [finding]}})
    assert found
    assert broken(found, cell) == ()
    assert broken(found, drift(RAW, {"outputs": {"status": "error"}, "signatures": {}})) == found


@pytest.mark.parametrize(
    ("fmt", "writer", "reader", "said"),
    [
        ("tf-savedmodel-raw", "2.16.2", "2.12.1", "older release"),
        ("savedmodel", "2.12.1", "2.16.2", "no longer reads SavedModels"),
        ("savedmodel", "2.12.1", "2.15.1", "what Keras makes a model of again"),
        ("checkpoint", "2.12.1", "2.15.1", "Code that reads a checkpoint"),
        ("tflite", "2.12.1", "2.15.1", "version number of its own"),
        ("h5", "2.12.1", "2.15.1", "what a file holds"),
        ("brand-new", "2.12.1", "2.15.1", "sometimes break it"),
        ("h5", "2.12.1", "nightly", "about releases"),
        ("h5", "", "2.12.1", "is not recorded"),
    ],
)
def test_why_nothing_is_promised(fmt: str, writer: str, reader: str, said: str) -> None:
    assert promised(kind(fmt), versions(writer), versions(reader)) == ()
    assert said in not_promised(kind(fmt), versions(writer), versions(reader))


def test_every_kind_is_thought_of_and_an_undeclared_one_is_promised_nothing() -> None:
    policy = read_policy()
    for name in KINDS:
        assert any(name in entry.kinds for entry in (*policy.rules, *policy.silences)), name
    assert promised("", versions("2.15.0"), versions("2.15.1"), works_in_writer=True) == ()


def test_a_promise_says_where_it_stands_and_quotes_little() -> None:
    for rule in read_policy().rules:
        assert rule.source.url.startswith(("https://www.tensorflow.org/", "https://keras.io/"))
        assert 1 <= len(rule.phrase.split()) <= 9
        assert rule.section
        assert rule.limits
        assert set(rule.checks) <= {"load", "outputs", "signatures"}, "no document speaks of more"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("schema = 2", "schema = 3"), "schema 3"),
        (('kinds = ["graph"]', 'kinds = ["graf"]'), "savedmodel-same-major: kind 'graf'"),
        (('major = "same"', 'major = "equal"'), "savedmodel-same-major: major = 'equal'"),
        (('major = "same"', 'mayor = "same"'), "savedmodel-same-major"),
        (('source = "versions"', 'source = "version"'), "savedmodel-same-major: 'version'"),
        (('limits = "Floating', 'limit = "Floating'), "savedmodel-same-major"),
    ],
)
def test_a_mistake_in_the_file_names_its_entry(tmp_path: Path, change: tuple[str, str], why: str) -> None:
    path = tmp_path / "policy.toml"
    text = POLICY_FILE.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change))
    with pytest.raises(ValueError, match=why):
        read_policy(path)


def test_conditions_need_known_versions() -> None:
    assert not Condition().holds(versions("x"), versions("2.12.1"))
    assert Condition().holds(versions("2.12.1"), versions("2.12.1"))
