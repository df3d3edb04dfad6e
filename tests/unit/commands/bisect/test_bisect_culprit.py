"""Packages that moved together are told apart by putting one back while the others stay."""

from __future__ import annotations

from collections.abc import Callable

from tfmatrix.commands.bisect.culprit import find_culprit
from tfmatrix.commands.bisect.search import Break, Level, Point, Reading
from tfmatrix.core.environment import Environment

PASS, ERROR = Reading(status="pass"), Reading(status="load-error")


def described(tensorflow: str, keras: str, **packages: str) -> dict:
    return {"python": "3.11.9", "packages": {"tensorflow-cpu": tensorflow, "keras": keras, **packages}}


OLD = described("2.18.0", "3.6.0", numpy="1.26.4", h5py="3.12.1", rich="13.0")
NEW = described("2.18.1", "3.9.0", numpy="2.0.2", h5py="3.12.1", rich="13.1")


def pins(environment: Environment) -> dict[str, str]:
    return dict(each.split("==") for each in environment.with_packages if "==" in each)


class Installing:
    """Measures what `fails` says of an environment; `refuses` is why it cannot be installed, or empty."""

    def __init__(
        self, fails: Callable[[Environment], bool], refuses: Callable[[Environment], str] = lambda _: ""
    ) -> None:
        self.tried: list[Environment] = []
        self._fails, self._refuses = fails, refuses

    def __call__(self, environments):
        points = {}
        for name, environment in environments.items():
            self.tried.append(environment)
            why = self._refuses(environment)
            reading = ERROR if self._fails(environment) else PASS
            points[name] = Point(version=name, skipped=why) if why else Point(version=name, cells={"a/h5": reading})
        return points


def told(measure: Installing, old: dict = OLD, new: dict = NEW):
    change = Break(cell="a/h5", level=Level.STATUS, before="old", after="new", old=PASS, new=ERROR)
    versions = [next(iter(side["packages"].values())) for side in (old, new)]
    environments = tuple(Environment(id=each, tensorflow=each, python="3.11") for each in versions)
    points = tuple(Point(version=each, described=side) for each, side in zip(versions, (old, new), strict=True))
    return find_culprit(change, points, environments, measure)


def test_keras_that_moved_with_tensorflow():
    measure = Installing(lambda each: each.keras == "3.9.0")
    found = told(measure)
    assert found.package == "keras"
    assert found.moved["keras"] == ("3.6.0", "3.9.0")
    assert found.sentence.startswith("keras 3.6.0 → 3.9.0 brought it")
    back, forth = measure.tried
    assert (back.tensorflow, back.keras, back.as_of) == ("2.18.1", "3.6.0", "today")
    assert (forth.tensorflow, forth.keras) == ("2.18.0", "3.9.0")
    assert pins(back) == {"numpy": "2.0.2", "h5py": "3.12.1", "rich": "13.1"}, "all others stay as they were there"
    assert pins(forth)["numpy"] == "1.26.4"


def test_tensorflow_itself():
    found = told(Installing(lambda each: each.tensorflow == "2.18.1"))
    assert found.package == "tensorflow"
    assert [trial.speaks_for for trial in found.trials] == [False, True, True]


def test_another_package():
    found = told(Installing(lambda each: pins(each).get("numpy") == "2.0.2"))
    assert found.package == "numpy"


def test_two_that_only_fail_together_are_not_blamed_on_one():
    found = told(Installing(lambda each: each.tensorflow == "2.18.1" and each.keras == "3.9.0"))
    assert found.package == ""
    assert "keras and tensorflow have a part in it" in found.sentence


def test_pins_that_exclude_each_other_are_given_up_for_tensorflow_and_keras():
    measure = Installing(
        lambda each: each.keras == "3.9.0", refuses=lambda each: "numpy excludes it" if each.with_packages else ""
    )
    found = told(measure)
    assert found.package == "keras"
    assert all("other packages free" in trial.name for trial in found.trials)


def test_what_cannot_be_installed_is_said_and_nothing_is_guessed():
    found = told(Installing(lambda each: True, refuses=lambda each: "keras>=3.5 is required"))
    assert found.package == ""
    assert "cannot be told apart" in found.sentence
    assert {trial.skipped for trial in found.trials} == {"keras>=3.5 is required"}


def test_half_an_answer_names_the_package_and_says_which_half_is_missing():
    found = told(Installing(lambda each: each.keras == "3.9.0", lambda each: "too old" * (each.tensorflow == "2.18.0")))
    assert found.package == "keras"
    assert "cannot be installed" in found.sentence


def test_keras_2_is_put_back_as_tf_keras_where_it_cannot_be_pinned():
    old = described("2.15.1", "2.15.0", numpy="1.26.4")
    new = described("2.16.1", "3.0.5", numpy="1.26.4")
    measure = Installing(
        lambda each: each.tensorflow == "2.16.1" and "TF_USE_LEGACY_KERAS" not in each.env,
        lambda each: "excluded" if each.tensorflow == "2.15.1" or each.keras == "2.15.0" else "",
    )
    found = told(measure, old, new)
    assert found.package == "keras"
    assert found.trials[0].name == "newer with tf-keras, the old Keras"
    assert measure.tried[-1].tensorflow == "2.15.1"


def test_one_package_needs_no_trial():
    measure = Installing(lambda each: True)
    found = told(measure, OLD, {**OLD, "packages": {**OLD["packages"], "keras": "3.7.0"}})
    assert found.package == "keras"
    assert measure.tried == []
