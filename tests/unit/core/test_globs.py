"""The one glob grammar."""

from __future__ import annotations

import re
import time
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tfmatrix.core.globs import GlobSet, compile_glob, did_you_mean_glob, match_glob, match_scenario

CELL = "optimizer_state/tf-savedmodel/2.12.1/2.16.2+tf-keras"

name = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+@-]{0,6}", fullmatch=True)
cell_id = st.tuples(name, name, name, name).map("/".join)


@pytest.mark.parametrize(
    "pattern",
    [
        CELL,
        "**",
        "*/*/*/*",
        "*",
        "optimizer_state",
        "optimizer_*",
        "optimizer_state/tf-savedmodel",
        "optimizer_state/*/2.12.1",
        "**/2.16.2+tf-keras",
        "**/2.12.1/*",
        "**/**",
        "optimizer_state/**",
        "optimizer_state/**/tf-savedmodel/**",
        "optimizer_state/tf-savedmodel/2.12.1/2.16.2+tf-keras/**",
        "*/tf-savedmode?",
        "*/tf-savedmode[kl]",
        "*/tf-savedmode[!k]",
        "*/*/2.1[0-9].1",
        "*/{h5,tf-savedmodel}",
        "*/{h5,tf-*}",
        "*/tf-saved{model,}",
        "{optimizer,dense}_state/{h5,tf-savedmodel}/2.1{2,3}.1/**",
    ],
)
def test_patterns_that_cover_the_cell(pattern: str) -> None:
    assert match_glob(pattern, CELL, segments=4)


@pytest.mark.parametrize(
    "pattern",
    [
        "optimizer",
        "Optimizer_state",
        "tf-savedmodel",
        "*/savedmodel",
        "*/tf-savedmodel?",
        "*/tf-savedmode[!l]",
        "*/*/2x12x1",  # a dot is a dot
        "*/*/2.12.1/2.16.2",  # no prefix within the last segment
        "**/2.12.1",  # `**` ends the prefix rule: the last segment is the reader
        "**/h5/**",
        "*/{h5,keras}",
        "optimizer_state*tf-savedmodel/**",  # `*` stays in its segment
        "*/*/*/2.16.2+tf.keras",
    ],
)
def test_patterns_that_do_not_cover_the_cell(pattern: str) -> None:
    assert not match_glob(pattern, CELL, segments=4)


def test_pairs_and_names_are_ids_of_fewer_segments() -> None:
    assert match_glob("2.12.1/*", "2.12.1/2.15.1", segments=2)
    assert match_glob("2.12.1", "2.12.1/2.15.1", segments=2)
    assert not match_glob("2.15.1", "2.12.1/2.15.1", segments=2)
    assert match_glob("2.1?.*", "2.12.1", segments=1)
    assert match_glob("**", "2.12.1", segments=1)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("", "an empty segment"),
        ("a//b", "an empty segment"),
        ("/a", "an empty segment"),
        ("a/", "an empty segment"),
        ("a/b/c/d/e", "5 segments, where an id has 4"),
        ("a**/b", '"**" stands alone between two "/"'),
        ("[ab", '"[" without "]"'),
        ("a/[b/c]", '"[" without "]"'),
        ("[z-a]", '"[z-a]" is no set of characters: bad character range z-a'),
        ("{a,{b,c}}", "braces within braces"),
        ("{a/b,c}", '"{" without "}" in the same segment'),
        ("a}", '"}" without "{"'),
        ("{a,b}" * 10, "more than 1000 alternatives in one segment"),
    ],
)
def test_bad_patterns_say_what_is_wrong(pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f'bad pattern "{pattern}": {reason}')):
        compile_glob(pattern, segments=4)
    with pytest.raises(ValueError, match=re.escape(reason)):
        GlobSet([pattern], segments=4)


def test_what_other_grammars_mean_by_a_character_is_that_character_here() -> None:
    for pattern, text in (
        ("[^a]", "^"),
        ("!(a)", "!(a)"),
        ("a|b", "a|b"),
        ("{1..3}", "1..3"),
        ("~", "~"),
        ("-a", "-a"),
    ):
        assert match_glob(pattern, text, segments=1)
    for pattern, text in (
        ("[^a]", "b"),
        ("{1..3}", "2"),
        ("a|b", "a"),
        ("!a", "b"),
        ("-a", "b"),
        ("\\\\a", "a"),
        ("{}", "a"),
    ):
        assert not match_glob(pattern, text, segments=1)


@pytest.mark.parametrize(
    "pattern",
    [
        "*a" * 400 + "*b",
        "**/" * 300 + "*b",
        "/".join(["{*a,a*}*a*a*b"] * 4),
        "?" * 900 + "*b",
        "[!b]*" * 150 + "b",
        "{,a}*" * 8 + "b",
        "{*a,*b}" * 9 + "b",
    ],
)
def test_a_pattern_of_any_kind_ends_quickly(pattern: str) -> None:
    """Backtracking over twenty stars would take years."""
    text = "/".join(["a" * 200] * 4)
    began = time.process_time()
    assert not match_glob(pattern, text, segments=4)
    assert time.process_time() - began < 1


def test_a_pattern_that_nobody_types_is_refused_unread() -> None:
    with pytest.raises(ValueError, match=r'bad pattern "a{40}…": 200000 characters, where 20000 are the most'):
        compile_glob("a" * 200_000, segments=4)


@given(cell_id)
def test_an_id_covers_itself_and_is_covered_by_its_prefixes(cell: str) -> None:
    parts = cell.split("/")
    assert match_glob(cell, cell, segments=4)
    for end in (1, 2, 3):
        assert match_glob("/".join(parts[:end]), cell, segments=4)
        assert match_glob("/".join([*parts[:end], "**"]), cell, segments=4)
        assert match_glob("/".join(["**", *parts[end:]]), cell, segments=4)


@given(cell_id, cell_id)
def test_an_id_covers_no_other_id(first: str, second: str) -> None:
    assert match_glob(first, second, segments=4) == (first == second)


@given(st.lists(cell_id, max_size=6), st.lists(st.text("ab*?/{},[]!-", max_size=8), max_size=4))
def test_a_set_of_globs_is_the_union_of_its_globs(cells: list[str], patterns: list[str]) -> None:
    good = []
    for pattern in [*patterns, *cells[:2]]:
        try:
            compile_glob(pattern, segments=4)
        except ValueError:  # any other exception would be a mistake of the grammar
            continue
        good.append(pattern)
    globs = GlobSet(good, segments=4)
    for cell in cells:
        assert globs.matches(cell) == any(match_glob(pattern, cell, segments=4) for pattern in good)
    assert globs.unmatched(cells) == tuple(
        pattern for pattern in good if not any(match_glob(pattern, cell, segments=4) for cell in cells)
    )


def test_an_empty_set_matches_nothing() -> None:
    globs = GlobSet([], segments=4)
    assert not globs
    assert not globs.matches(CELL)
    assert globs.unmatched([CELL]) == ()


def test_ids_in_any_order_match_as_alone() -> None:
    patterns = ("dense/h5/2.12.1/{2.15.1,2.16.2}", "dense/*/2.1?.1/**", "**/nightly", "gru", "dense/h5/*/2.12.1")
    names = (("dense", "gru"), ("h5", "keras"), ("2.9.3", "2.12.1"), ("2.12.1", "2.15.1", "nightly"))
    cells = ["/".join(cell) for cell in product(*names)]
    globs = GlobSet(patterns, segments=4)
    alone = {cell for cell in cells if any(match_glob(pattern, cell, segments=4) for pattern in patterns)}
    assert 0 < len(alone) < len(cells)
    for order in (cells, cells[::-1], cells[::3] + cells[1::3] + cells[2::3]):
        assert {cell for cell in order if globs.matches(cell)} == alone


def test_names_of_one_segment_match_as_alone() -> None:
    names = ("2.12.1", "2.16.2+keras3.0.5", "2.16.2+keras3.8.0", "2.21.0", "nightly")
    patterns = ("2.12.1", "2.16.2+keras3.{0.5,8.0}", "night*")
    globs = GlobSet(patterns, segments=1)
    alone = {name: GlobSet(patterns, segments=1).matches(name) for name in names}
    assert {name: globs.matches(name) for name in (*names, *reversed(names))} == alone
    assert [name for name, found in alone.items() if found] == [*names[:3], "nightly"]


@pytest.mark.parametrize(
    ("pattern", "begins"), [("den*/h5", True), ("**/2.9.3", True), ("dense/h5/a/b", True), ("gru/**", False)]
)
def test_a_set_says_what_it_may_cover(pattern: str, begins: bool) -> None:
    assert GlobSet([pattern], segments=4).may_begin("dense") is begins


def test_scenarios_are_matched_by_name_or_tag() -> None:
    assert match_scenario("den*", "dense", ())
    assert match_scenario("tag:art*", "dense", ("layers", "article"))
    assert not match_scenario("tag:art", "dense", ("article",))
    assert not match_scenario("article", "dense", ("article",))


NAMES = [["dense", "optimizer_state"], ["h5", "keras"], ["2.12.1", "2.15.1"], ["2.12.1", "2.16.2"]]


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("optimzer_state", 'did you mean "optimizer_state"?'),
        ("optimzer_state/kers", 'did you mean "optimizer_state/keras"?'),
        ("*/*/2.15.0/**", 'did you mean "*/*/2.15.1/**"?'),
        ("**/2.16.1", 'did you mean "**/2.16.2"?'),
        ("dense/**/2.12.2/*", 'did you mean "dense/**/2.12.1/*"?'),
        ("dense/h5/2.15.1/2.16.1", 'did you mean "dense/h5/2.15.1/2.16.2"?'),
        ("dens?e", ""),
        ("zzz", ""),
        ("dense/h5", ""),
    ],
)
def test_did_you_mean(pattern: str, hint: str) -> None:
    assert did_you_mean_glob(pattern, NAMES) == hint
