"""What is measured and what is inferred: on squares whose truth is known."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tfmatrix.core.status import Status
from tfmatrix.engine.inference import Axis, Facts, Inference, Result, audit_sample, distance, upper_bound
from tfmatrix.engine.plan import Pair
from tfmatrix.engine.request import AUDIT

PASS, DRIFT, ERROR = (Result(status=each) for each in (Status.PASS, Status.DRIFT, Status.LOAD_ERROR))
OLD = {f"2.{minor}.0": Facts(keras=f"2.{minor}.0", tensorflow=f"2.{minor}.0") for minor in range(16)}
LEGACY = {
    f"2.{minor}.0+tf-keras": Facts(keras=f"2.{minor}.0", tensorflow=f"2.{minor}.0", is_legacy=True)
    for minor in range(16, 22)
}
NEW = {f"3.{minor}": Facts(keras=f"3.{minor}.0", tensorflow="2.16.2") for minor in range(12)}
FIELD = Axis(OLD | LEGACY | NEW)


def measured(inference: Inference, truth: Callable[[Pair], Result]) -> int:
    """Measures until nothing is wanted; returns the rounds."""
    for rounds in range(100):
        wanted = inference.wanted()
        if not wanted:
            return rounds
        assert len(set(wanted)) == len(wanted)
        assert not set(wanted) & inference.results.keys(), "nothing is measured twice"
        inference.results.update((pair, truth(pair)) for pair in wanted)
    raise AssertionError("it does not come to an end")


def square(axis: Axis = FIELD, classes: dict[str, str] | None = None) -> Inference:
    kinds = classes or dict.fromkeys(axis.names, "one")
    return Inference(axis=axis, classes=kinds, pairs={(writer, reader) for writer in kinds for reader in axis.names})


def wrong(inference: Inference, truth: Callable[[Pair], Result]) -> list[Pair]:
    return [pair for pair, found in inference.inferred() if inference.result(found.source) != truth(pair)]


def test_the_axis_is_ordered_by_keras_first() -> None:
    axis = Axis(
        {
            "2.21.0": Facts(keras="3.13.0", tensorflow="2.21.0"),
            "2.16.2@today": Facts(keras="3.15.1", tensorflow="2.16.2"),
            "2.9.3": Facts(keras="2.9.0", tensorflow="2.9.3"),
            "2.10.1": Facts(keras="2.10.0", tensorflow="2.10.1"),
            "2.16.2+tf-keras": Facts(keras="2.16.0", tensorflow="2.16.2", is_legacy=True),
            "nightly": Facts(keras="3.16.0.dev1", tensorflow="nightly"),
        }
    )
    assert axis.names == ("2.9.3", "2.10.1", "2.16.2+tf-keras", "2.21.0", "2.16.2@today", "nightly")


def test_the_same_keras_and_minor_are_nearer_than_neighbours() -> None:
    one = Facts(keras="3.4.1", tensorflow="2.16.2", others=("python 3.11",))
    assert distance(one, one) == 0
    other_python = Facts(keras="3.4.1", tensorflow="2.16.2", others=("python 3.13",))
    other_patch = Facts(keras="3.4.0", tensorflow="2.16.2", others=one.others)
    other_tensorflow = Facts(keras="3.4.1", tensorflow="2.17.1", others=one.others)
    other_keras = Facts(keras="3.5.0", tensorflow="2.16.2", others=one.others)
    steps = [distance(one, each) for each in (other_python, other_patch, other_tensorflow, other_keras)]
    assert steps == sorted(set(steps))


def others(inference: Inference) -> set[Pair]:
    """What was measured beside the pairs of one Keras, and of readers with the leader's."""
    leader = FIELD.names[0]
    return {pair for pair in inference.results if pair[0] != pair[1] and leader not in (pair[1],)}


def test_where_all_agree_one_writer_and_the_samples_of_each_family_are_measured() -> None:
    inference = square()
    assert measured(inference, lambda pair: PASS) == 2
    assert len(others(inference)) == 3 * 3
    assert {writer for writer, _ in others(inference)} == {FIELD.names[0]}
    found = dict(inference.inferred())
    assert found["2.0.0", "2.2.0"].by == "reader"
    assert found["2.5.0", "2.15.0"].by == "artifact"


def test_where_writer_and_reader_have_one_keras_everything_is_measured() -> None:
    inference = square()
    measured(inference, lambda pair: PASS)
    assert {(name, name) for name in FIELD.names} <= inference.results.keys()
    leader = FIELD.names[0]
    assert {(name, leader) for name in FIELD.names} <= inference.results.keys()


def test_a_border_is_found_by_halving() -> None:
    inference = square()

    def truth(pair: Pair) -> Result:
        return PASS if FIELD.names.index(pair[1]) < 11 else DRIFT

    rounds = measured(inference, truth)
    assert not wrong(inference, truth)
    assert (rounds <= 5, len(others(inference)) <= 9 + 4) == (True, True)


def test_each_class_is_measured_by_itself() -> None:
    kinds = {name: FIELD.families[name] for name in FIELD.names}
    inference = square(classes={name: str(kind) for name, kind in kinds.items()})

    def truth(pair: Pair) -> Result:
        return PASS if kinds[pair[0]] == kinds[pair[1]] else ERROR

    measured(inference, truth)
    assert not wrong(inference, truth)
    assert len(inference.results) < 0.25 * len(inference.pairs)


def test_readers_that_are_asked_of_a_follower_alone_are_measured() -> None:
    """Sets overlap: one asks of neighbours, another of all, and the first of a class may be of the smaller one."""
    leader, follower = "2.0.0", "2.5.0"
    readers = [name for name in FIELD.names if name not in (leader, follower)]
    pairs = {(leader, readers[0])} | {(follower, name) for name in readers}
    inference = Inference(axis=FIELD, classes={leader: "one", follower: "one"}, pairs=pairs)
    measured(inference, lambda pair: PASS)
    assert inference.results.keys() | dict(inference.inferred()).keys() == pairs
    assert len(inference.results) < 0.5 * len(pairs), "the one that is asked of most stands for the other"


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.floats(0.02, 1.0), st.floats(0.0, 0.3))
def test_every_pair_is_measured_inferred_or_lost_whatever_is_asked(seed: int, share: float, loss: float) -> None:
    draw = random.Random(seed)
    pairs = {(one, other) for one in FIELD.names for other in FIELD.names if draw.random() < share}
    gone = {pair for pair in pairs if draw.random() < loss}
    classes = {name: draw.choice("abc") for name in FIELD.names}
    inference = Inference(axis=FIELD, classes=classes, pairs=pairs)
    for _ in range(200):
        wanted = inference.wanted()
        if not wanted:
            break
        inference.lost |= set(wanted) & gone
        inference.results |= {pair: draw.choice((PASS, DRIFT)) for pair in wanted if pair not in gone}
    assert not inference.wanted()
    known = inference.results.keys() | dict(inference.inferred()).keys()
    assert known | inference.lost == pairs


def test_a_cell_that_contradicts_its_block_splits_it() -> None:
    inference = square()

    def truth(pair: Pair) -> Result:
        return ERROR if pair[1] in ("2.3.0", "2.4.0") else PASS

    measured(inference, truth)
    assert wrong(inference, truth), "two bad readers between good ones are not seen by halving"
    pair = (FIELD.names[8], "2.3.0")
    inference.results[pair] = truth(pair)
    measured(inference, truth)
    assert not wrong(inference, truth)


def test_a_cell_that_contradicts_its_class_takes_its_writer_out() -> None:
    inference = square()

    def truth(pair: Pair) -> Result:
        return DRIFT if pair[0] == "2.13.0" and FIELD.families[pair[1]][0] == 3 else PASS

    measured(inference, truth)
    assert len(wrong(inference, truth)) == len(NEW)
    pair = ("2.13.0", "3.4")
    inference.results[pair] = truth(pair)
    measured(inference, truth)
    assert not wrong(inference, truth)
    assert not {writer for writer, _ in others(inference)} - {FIELD.names[0], "2.13.0"}


def test_what_could_not_be_measured_tells_nothing_and_is_not_inferred() -> None:
    inference = square()
    lost = FIELD.names[3]
    inference.lost = {(writer, lost) for writer in FIELD.names}
    measured(inference, lambda pair: PASS)
    assert lost not in {reader for _, reader in inference.results}
    assert lost not in {reader for (_, reader), _ in inference.inferred()}


def test_a_square_without_any_result_infers_nothing() -> None:
    inference = square()
    inference.lost = set(inference.pairs)
    assert (inference.wanted(), list(inference.inferred())) == ([], [])


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    borders=st.integers(0, 6),
    kinds=st.integers(1, 4),
    noise=st.integers(0, 5),
)
def test_whatever_is_true_every_cell_is_measured_or_inferred_and_corrections_end(
    seed: int, borders: int, kinds: int, noise: int
) -> None:
    rng = random.Random(seed)
    classes = {name: str(rng.randrange(kinds)) for name in FIELD.names}
    cuts = sorted(rng.sample(range(len(FIELD.names)), borders))
    odd = {(rng.choice(FIELD.names), rng.choice(FIELD.names)) for _ in range(noise)}

    def truth(pair: Pair) -> Result:
        if pair in odd:
            return ERROR
        return (PASS, DRIFT)[sum(FIELD.names.index(pair[1]) >= cut for cut in cuts) % 2]

    inference = square(classes=classes)
    measured(inference, truth)
    assert {pair for pair, _ in inference.inferred()} | inference.results.keys() == set(inference.pairs)
    for _ in range(len(inference.pairs)):
        found = wrong(inference, truth)
        if not found:
            break
        inference.results[found[0]] = truth(found[0])
        measured(inference, truth)
    assert not wrong(inference, truth)


def test_the_audit_takes_a_share_and_at_least_a_number() -> None:
    def sample(count: int, seed: str) -> set[int]:
        return audit_sample(count, seed, share=0.02, at_least=400)

    assert len(sample(100_000, "night 1")) == 2000
    assert len(sample(10_000, "night 1")) == 400
    assert sample(30, "night 1") == set(range(30))
    assert sample(10_000, "night 1") == sample(10_000, "night 1") != sample(10_000, "night 2")
    assert sample(0, "night 1") == set()


def test_the_least_sample_bounds_the_error_below_half_a_percent_where_none_is_wrong() -> None:
    _, at_least = AUDIT
    assert upper_bound(0, at_least) <= 0.005


@pytest.mark.parametrize(
    ("wrong", "of", "bound"),
    # scipy.stats.beta.ppf(0.95, wrong + 1, of - wrong)
    [(0, 598, 0.004997), (0, 400, 0.007461), (1, 400, 0.011804), (5, 916, 0.011443), (12, 752, 0.025726)],
)
def test_the_upper_bound_of_the_error(wrong: int, of: int, bound: float) -> None:
    assert upper_bound(wrong, of) == pytest.approx(bound, abs=2e-5)


def test_without_a_sample_nothing_is_bounded() -> None:
    assert upper_bound(0, 0) == upper_bound(3, 3) == 1.0
