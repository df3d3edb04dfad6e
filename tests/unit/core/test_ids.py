from __future__ import annotations

from dataclasses import replace

import pytest
from tfmatrix.commands.bisect.axis import Asked, _with_package
from tfmatrix.core.choices import AxisName
from tfmatrix.core.environment import Environment
from tfmatrix.core.ids import ID_PATTERN, environment_id, identified, is_same
from tfmatrix.project.config.model import EnvironmentEntry

KERAS = Environment(id="", tensorflow="2.16.2", python="3.11", keras="3.3.3", as_of="today")


def environment(**fields) -> Environment:
    return replace(Environment(id="", tensorflow="2.15.1", python="3.11"), **fields)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "2.15.1"),
        ({"python": "3.10"}, "2.15.1+py3.10"),
        ({"with_packages": ("numpy==1.26.4", "tf_keras==2.15.1")}, "2.15.1+tf-keras2.15.1+numpy1.26.4"),
        ({"with_packages": ("h5py>=3,<4",)}, "2.15.1+h5py.ge3.lt4"),
        ({"with_packages": ("h5py",), "as_of": "2024-05-01"}, "2.15.1+h5py@2024-05-01"),
        ({"with_packages": ("keras==2.15.0",)}, "2.15.1+keras2.15.0"),
        ({"env": {"TF_USE_LEGACY_KERAS": "1"}}, "2.15.1+TF_USE_LEGACY_KERAS.1"),
        ({"tensorflow": "nightly", "as_of": "today"}, "nightly"),
        ({"tensorflow": "nightly", "as_of": "2026-01-31"}, "nightly@2026-01-31"),
        ({"tensorflow": "", "image": "x"}, ""),
    ],
)
def test_an_id_says_what_sets_an_environment_apart(fields, expected) -> None:
    assert environment_id(environment(**fields)) == expected


def test_one_environment_has_one_id_however_a_command_came_to_it() -> None:
    entry = EnvironmentEntry.model_validate({"tensorflow": "2.16.2", "keras": "3.3.3", "as_of": "today"})
    bisected = _with_package(Asked(axis=AxisName.KERAS, good="3.3.3", bad="3.4.1"), "2.16.2", "3.11", "3.3.3")
    found = [entry.to_environment(), bisected, identified(KERAS)]
    assert {each.id for each in found} == {"2.16.2+keras3.3.3@today"}
    assert all(is_same(each, KERAS) for each in found)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"with_packages": ("h5py==3.11.0", "numpy==1.26.4")}, {"with_packages": ("numpy==1.26.4", "H5PY==3.11.0")}),
        ({"keras": "2.15.0"}, {"with_packages": ("keras==2.15.0",)}),
        ({"env": {"A": "1", "B": "2"}}, {"env": {"B": "2", "A": "1"}}),
        ({"with_packages": ("h5py<4,>=3",)}, {"with_packages": ("h5py>=3,<4",)}),
    ],
)
def test_how_packages_are_written_makes_no_other_environment(first, second) -> None:
    assert environment_id(environment(**first)) == environment_id(environment(**second))
    assert is_same(environment(**first), environment(**second))


def test_an_environment_of_matrix_yaml_keeps_the_name_that_it_has_there() -> None:
    written = replace(KERAS, id="mine")
    assert identified(KERAS, [written]) == written


def test_an_id_that_means_another_environment_there_is_set_apart() -> None:
    plain = environment(id="2.15.1", with_packages=("numpy==1.26.4",))
    other = identified(environment(), [plain])
    assert other.id.startswith("2.15.1+")
    assert ID_PATTERN.fullmatch(other.id)
    assert other.id == identified(environment(), [plain]).id


def test_a_long_id_is_a_hash_that_tells_pins_apart() -> None:
    pins = ("numpy==1.26.4", "h5py==3.10.0", "protobuf==4.25.3")
    long = environment_id(environment(with_packages=pins))
    assert long.startswith("2.15.1+pins.")
    assert long != environment_id(environment(with_packages=(*pins[:2], "protobuf==4.25.2")))
    assert environment_id(environment(env={"A": "b c"})).startswith("2.15.1+pins.")
