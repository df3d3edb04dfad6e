"""Versions of an axis, and the environments that they become."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tfmatrix.commands.bisect.axis import Asked, AxisName, make_axis
from tfmatrix.commands.bisect.measure import Target, parse_target, raised_in
from tfmatrix.core.choices import MovingSide
from tfmatrix.core.errors import UsageError
from tfmatrix.envs.releases import Release

DAY = datetime(2024, 3, 8, tzinfo=UTC)


def release(version: str, *pythons: str, yanked: bool = False) -> Release:
    return Release(version=version, uploaded=DAY, yanked=yanked, yanked_reason="broken" * yanked, pythons=pythons)


INDEX = {
    "tensorflow": [
        release("2.8.4", "3.8", "3.9", "3.10"),
        release("2.12.1", "3.8", "3.9", "3.10", "3.11"),
        release("2.15.0", "3.9", "3.10", "3.11"),
        release("2.15.1", "3.9", "3.10", "3.11"),
        release("2.16.0rc0", "3.9", "3.10", "3.11", "3.12"),
        release("2.16.1", "3.9", "3.10", "3.11", "3.12"),
        release("2.16.2", "3.9", "3.10", "3.11", "3.12", yanked=True),
        release("2.17.0"),
        release("2.17.1", "3.9", "3.10", "3.11", "3.12"),
    ],
    "tf-nightly": [release("2.18.0.dev20240901", "3.11")],
    "tf-nightly-cpu": [release("2.18.0.dev20240901", "3.11"), release("2.18.0.dev20240902", "3.11")],
    "keras": [release(version, "any") for version in ("2.15.0", "3.0.5", "3.1.0", "3.2.0", "3.3.3")],
    "numpy": [
        release("1.26.0", "3.10", "3.11", "any"),
        release("1.26.4", "3.11", "any"),
        release("2.0.0", "3.12", "any"),
    ],
    "protobuf": [release("4.25.3", "3.7", "any"), release("5.26.0", "3.8", "any")],
}


def listed(package: str, *, prereleases: bool = False) -> list[Release]:
    return [each for each in INDEX[package] if prereleases or not each.is_prerelease]


def axis_of(good: str, bad: str, resolves=lambda environments: True, **fields):
    return make_axis(Asked(good=good, bad=bad, **fields), listed, resolves)


def test_releases_between_the_ends_without_what_was_withdrawn_or_has_no_wheel():
    axis = axis_of("2.15.1", "2.17.1")
    assert axis.versions == ("2.15.1", "2.16.1", "2.17.1")
    assert [line.split(" ", 1) for line in axis.left_out] == [
        ["2.16.2", "was withdrawn: broken"],
        ["2.17.0", "has no wheel here"],
    ]
    assert axis.day("2.16.1") == "2024-03-08"
    environment = axis.environment("2.16.1")
    assert (environment.id, environment.python, environment.as_of) == ("2.16.1", "3.11", "release")


def test_the_order_of_the_ends_does_not_matter():
    assert axis_of("2.17.1", "2.15.1").versions == axis_of("2.15.1", "2.17.1").versions


def test_prereleases_on_request():
    assert "2.16.0rc0" in axis_of("2.15.1", "2.17.1", prereleases=True).versions
    assert axis_of("2.15.1", "2.16.0rc0").versions == ("2.15.1", "2.16.0rc0")


def test_nightlies_on_request_as_of_their_own_day():
    axis = axis_of("2.17.1", "2.18.0.dev20240902", nightlies=True)
    assert axis.versions == ("2.17.1", "2.18.0.dev20240901", "2.18.0.dev20240902")
    environment = axis.environment("2.18.0.dev20240902")
    assert (environment.package, environment.as_of, environment.python) == ("tf-nightly-cpu", "2024-03-08", "3.11")


def test_one_python_for_the_whole_range_where_there_is_one():
    axis = axis_of("2.8.4", "2.15.1")
    assert axis.python == "3.10"
    assert {axis.environment(version).python for version in axis.versions} == {"3.10"}
    assert axis.environment("2.8.4").id == "2.8.4"
    assert axis.environment("2.15.1").id == "2.15.1+py3.10", "not the environment of that id elsewhere"
    assert axis.notes == ()


def test_without_a_common_python_it_moves_and_that_is_said(monkeypatch):
    monkeypatch.setitem(INDEX, "tensorflow", [release("2.4.4", "3.6", "3.7", "3.8"), release("2.15.1", "3.9", "3.11")])
    axis = axis_of("2.4.4", "2.15.1")
    assert [axis.environment(version).python for version in axis.versions] == ["3.8", "3.11"]
    assert "Python moves too (3.8, 3.11)" in axis.notes[0]


def test_keras_moves_on_one_tensorflow_and_all_else_is_of_today():
    axis = axis_of("3.0.5", "3.3.3", axis=AxisName.KERAS, tensorflow="2.16.1")
    assert axis.versions == ("3.0.5", "3.1.0", "3.2.0", "3.3.3")
    environment = axis.environment("3.1.0")
    assert (environment.id, environment.tensorflow, environment.keras, environment.as_of) == (
        "2.16.1+keras3.1.0@today", "2.16.1", "3.1.0", "today",
    )  # fmt: skip


def test_the_newest_tensorflow_that_takes_both_ends():
    asked: list[list[str]] = []

    def resolves(environments) -> bool:
        asked.append([environment.tensorflow for environment in environments])
        return environments[0].tensorflow == "2.16.1"

    axis = axis_of("3.0.5", "3.3.3", resolves, axis=AxisName.KERAS)
    assert axis.tensorflow == "2.16.1"
    assert asked == [["2.17.1", "2.17.1"], ["2.16.1", "2.16.1"]]
    with pytest.raises(UsageError, match="no TensorFlow takes keras"):
        axis_of("3.0.5", "3.3.3", lambda environments: False, axis=AxisName.KERAS)


def test_numpy_needs_a_wheel_for_the_python_and_protobuf_a_stable_one():
    numpy = axis_of("1.26.0", "1.26.4", axis=AxisName.NUMPY, tensorflow="2.15.1")
    assert numpy.environment("1.26.4").with_packages == ("numpy==1.26.4",)
    assert axis_of("4.25.3", "5.26.0", axis=AxisName.PROTOBUF, tensorflow="2.17.1").versions == ("4.25.3", "5.26.0")


@pytest.mark.parametrize(
    ("good", "bad", "words"),
    [
        ("2.15.2", "2.17.1", "there is no tensorflow 2.15.2"),
        ("2.15.1", "2.15.1", "same version"),
        ("2.x", "2.17.1", "not a version"),
    ],
)
def test_versions_that_there_are_not(good, bad, words):
    with pytest.raises(UsageError, match=words):
        axis_of(good, bad)


@pytest.mark.parametrize(
    ("glob", "side", "expected"),
    [
        ("lstm/h5/2.15.1/*", None, (MovingSide.READER, "2.15.1")),
        ("lstm/h5/2.15.1", None, (MovingSide.READER, "2.15.1")),
        ("lstm/h5/2.15.1/2.21.0", None, (MovingSide.READER, "2.15.1")),
        ("lstm/h5/*/2.15.1", None, (MovingSide.WRITER, "2.15.1")),
        ("lstm/h5", None, (MovingSide.BOTH, "")),
        ("lstm/**", None, (MovingSide.BOTH, "")),
        ("lstm/h5", MovingSide.READER, (MovingSide.READER, "good")),
        ("lstm/h5/2.15.1/*", MovingSide.BOTH, (MovingSide.BOTH, "")),
        ("lstm/h5/2.15.1/*", MovingSide.WRITER, (MovingSide.WRITER, "good")),
    ],
)
def test_which_side_moves(glob, side, expected):
    target = parse_target(glob, side, ("good", "bad"))
    assert (target.side, target.fixed) == expected
    assert target.scenario == "lstm"


@pytest.mark.parametrize("glob", ["", "a/b/c/d/e", "**/2.15.1", "a//b"])
def test_what_is_no_cell_glob(glob):
    with pytest.raises(UsageError):
        parse_target(glob, None, ("good", "bad"))


def test_the_cells_of_a_moving_environment():
    assert Target(scenario="a", format="h5", side=MovingSide.READER, fixed="W").cell_glob("V") == "a/h5/W/V"
    assert Target(scenario="a", format="h5", side=MovingSide.WRITER, fixed="R").cell_glob("V") == "a/h5/V/R"
    assert Target(scenario="a", format="h5", side=MovingSide.BOTH).cell_glob("V") == "a/h5/V/V"


def test_the_innermost_line_of_a_package_is_where_it_was_raised():
    text = (
        'Traceback (most recent call last):\n  File "/work/server.py", line 3, in load\n'
        '  File "/c/lib/python3.11/site-packages/keras/src/saving/saving_api.py", line 206, in load_model\n'
        '  File "/scenarios/mine.py", line 9, in call\n'
    )
    assert raised_in(text) == "keras/src/saving/saving_api.py:206"
    assert raised_in("") == ""
