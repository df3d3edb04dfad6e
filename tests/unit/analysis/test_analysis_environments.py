from __future__ import annotations

import pytest
from analysis_runs import ENVIRONMENTS, VERSIONS, record, run_of
from tfmatrix.analysis.environments import Environments
from tfmatrix.core.versions import Versions, versions_of

A, B, C, D = ENVIRONMENTS


def environments(*names: str) -> Environments:
    return Environments(described={name: {"packages": VERSIONS.get(name, {})} for name in names or ENVIRONMENTS})


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([A], A),
        ([D], D),
        ([A, B], f"{A}–{B}"),
        ([C, D], f"≥ {C}"),
        ([B, C, D], f"≥ {B}"),
        ([A, C], f"{A}, {C}"),
        ([A, D, C], f"{A}, ≥ {C}"),
        ([A, B, C, D], "any"),
        ([], ""),
    ],
)
def test_ranges_follow_the_matrix(names: list[str], expected: str) -> None:
    assert environments().ranges(names) == expected


def test_a_sign_of_order_needs_an_ascending_matrix() -> None:
    descending = environments(D, C, B, A)
    assert descending.ranges([B, A]) == f"{B}–{A}"
    unknown = Environments(described={"old": {}, "new": {}, "newest": {}})
    assert unknown.ranges(["new", "newest"]) == "new–newest"


def test_one_environment_alone_is_called_by_its_name() -> None:
    assert environments(A).ranges([A]) == A


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(A, C), (A, D), (B, C), (B, D)], f"{A}–{B} → ≥ {C}"),
        ([(w, r) for w in ENVIRONMENTS for r in ENVIRONMENTS if w != r], "any → any other of them"),
        ([(name, name) for name in ENVIRONMENTS], "any → itself"),
        ([(A, D), (B, C), (B, D)], f"{A} → {D}; {B} → ≥ {C}"),
        ([(A, B), (B, A)], f"{A} → {B}; {B} → {A}"),
        ([(A, A)], f"{A} → {A}"),
        ([], ""),
    ],
)
def test_pairs_that_share_their_readers_stand_together(pairs: list[tuple[str, str]], expected: str) -> None:
    assert environments().pairs(pairs) == expected


def test_many_different_pairs_are_counted() -> None:
    names = [f"e{number}" for number in range(12)]
    every = Environments(described={name: {} for name in names})
    # Every writer has another set of readers.
    pairs = [(names[number], reader) for number in range(12) for reader in names[: number + 1 : 2]]
    text = every.pairs(pairs)
    assert text.count(";") == 3
    assert text.endswith("more pairs")


def test_the_environments_are_those_of_cells_in_the_order_of_the_matrix() -> None:
    run = run_of([record("s/h5/nightly/2.21.0"), record("s/h5/2.15.1/elsewhere")])
    assert Environments.of(run).order == ("2.15.1", "2.21.0", "elsewhere", "nightly")
    assert Environments.of(run_of([])).order == ENVIRONMENTS


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        ({"packages": VERSIONS["2.16.2"]}, Versions(tensorflow="2.16.2", keras="3.4.1")),
        (
            {"packages": {"tf_nightly": "2.22.0.dev1", "keras_nightly": "3.16.0.dev2"}},
            Versions(tensorflow="2.22.0.dev1", keras="3.16.0.dev2"),
        ),
        (
            {
                "packages": {"tensorflow-cpu": "2.16.2", "keras": "3.4.1", "tf_keras": "2.16.0"},
                "env": {"TF_USE_LEGACY_KERAS": "1"},
            },
            Versions(tensorflow="2.16.2", keras="2.16.0"),
        ),
        (
            {"packages": {"tensorflow-cpu": "2.16.2", "keras": "3.4.1", "tf_keras": "2.16.0"}, "env": {}},
            Versions(tensorflow="2.16.2", keras="3.4.1"),
        ),
        (
            {"packages": {"tensorflow-cpu": "2.16.2", "keras": "3.4.1", "tf_keras": "2.16.0"}, "keras": "3.4.1"},
            Versions(tensorflow="2.16.2", keras=""),
        ),
        ({"tensorflow": "2.5.3", "keras": None}, Versions(tensorflow="2.5.3", keras="")),
        ({}, Versions(tensorflow="", keras="")),
    ],
)
def test_the_versions_that_matter(described: dict[str, object], expected: Versions) -> None:
    assert versions_of(described) == expected
