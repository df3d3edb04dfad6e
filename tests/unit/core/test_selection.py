"""What the command line selects, and the warnings for what it does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from tfmatrix.core.errors import ExitCode, NothingSelectedError, UsageError
from tfmatrix.core.ids import CellId
from tfmatrix.core.scenario import Scenario
from tfmatrix.core.selection import Selector, unmatched


def scenario(name: str, *tags: str) -> Scenario:
    return Scenario(
        name=name,
        path=f"{name}.py",
        title="A title.",
        description="",
        digest="0",
        formats=None,
        requires=(),
        tags=tags,
        has_training=False,
        uses_keras=True,
    )


SCENARIOS = (scenario("dense", "layers"), scenario("optimizer_state", "article"))
CELLS = tuple(
    CellId(scenario=each.name, format=name, writer=writer, reader=reader)
    for each in SCENARIOS
    for name in ("h5", "keras")
    for writer in ("2.12.1", "2.15.1")
    for reader in ("2.12.1", "2.16.2")
)


class There:
    """What the cells above are made of."""

    writers = ("2.12.1", "2.15.1")
    readers = ("2.12.1", "2.16.2")
    formats = ("h5", "keras")

    def cells(self) -> list[str]:
        return list(map(str, CELLS))


def test_no_options_select_everything() -> None:
    selector = Selector.from_options()
    assert not selector
    assert selector == Selector()
    assert all(map(selector.takes_cell, map(str, CELLS)))
    assert unmatched(selector, There(), SCENARIOS) == ()


def test_every_option_takes_several_globs() -> None:
    selector = Selector.from_options(
        only=["dense", "**/2.16.2"],
        writer=["2.12.*"],
        reader=["2.16.2", "nightly"],
        scenario=["tag:article", "dense"],
        format=["h5"],
    )
    assert selector.takes_cell("dense/h5/2.12.1/2.12.1")
    assert selector.takes_cell("lstm/h5/2.12.1/2.16.2")
    assert not selector.takes_cell("lstm/h5/2.12.1/2.12.1")
    assert selector.takes_writer("2.12.1")
    assert not selector.takes_writer("2.16.2")
    assert selector.takes_reader("nightly")
    assert not selector.takes_reader("2.12.1")
    assert selector.takes_format("h5")
    assert not selector.takes_format("h5x")
    assert selector.takes_scenario(SCENARIOS[0])
    assert selector.takes_scenario(SCENARIOS[1])
    assert not selector.takes_scenario(scenario("lstm", "layers"))


def test_a_file_holds_one_glob_a_line(tmp_path: Path) -> None:
    path = tmp_path / "cells"
    path.write_bytes(b"\xef\xbb\xbf# the red ones\r\n\r\ndense/h5\r\n  **/2.16.2  # newest\r\n")
    selector = Selector.from_options(only=["lstm", f"@{path}", "lambda_layer"])
    assert selector.only == ("lstm", "dense/h5", "**/2.16.2", "lambda_layer")


def test_a_file_without_a_glob_selects_nothing_rather_than_everything(tmp_path: Path) -> None:
    path = tmp_path / "cells"
    path.write_text("# all done\n\n")
    with pytest.raises(NothingSelectedError, match="the file holds no glob") as caught:
        Selector.from_options(only=[f"@{path}"])
    assert caught.value.exit_code is ExitCode.NOTHING_SELECTED


def test_a_file_that_cannot_be_read_is_an_error_of_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--only @.*missing: cannot be read: No such file"):
        Selector.from_options(only=[f"@{tmp_path / 'missing'}"])
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    with pytest.raises(UsageError, match="is not text in UTF-8"):
        Selector.from_options(only=[f"@{tmp_path / 'latin'}"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"only": ["a/b/c/d/e"]}, '--only: bad pattern "a/b/c/d/e": 5 segments, where an id has 4'),
        ({"writer": ["2.12.1/2.15.1"]}, '--writer: bad pattern "2.12.1/2.15.1": 2 segments, where an id has 1'),
        ({"reader": [""]}, '--reader: bad pattern "": an empty segment'),
        ({"scenario": ["tag:[x"]}, '--scenario: bad pattern "[x": "[" without "]"'),
        ({"format": ["{h5"]}, '--format: bad pattern "{h5": "{" without "}" in the same segment'),
    ],
)
def test_bad_globs_are_errors_of_usage(options: dict[str, list[str]], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Selector.from_options(**options)
    assert caught.value.what == message


def test_globs_that_match_nothing_are_told_with_what_was_meant() -> None:
    selector = Selector.from_options(
        only=["dense", "optimzer_state/h5", "dense/h5/2.15.1/2.16.1", "zzz*"],
        writer=["2.12.0"],
        reader=["2.15.1", "2.16.*"],
        scenario=["tag:artcle", "dens", "tag:layers"],
        format=["kera"],
    )
    assert [str(each) for each in unmatched(selector, There(), SCENARIOS)] == [
        '--only "optimzer_state/h5" matches nothing; did you mean "optimizer_state/h5"?',
        '--only "dense/h5/2.15.1/2.16.1" matches nothing; did you mean "dense/h5/2.15.1/2.16.2"?',
        '--only "zzz*" matches nothing',
        '--writer "2.12.0" matches nothing; did you mean "2.12.1"?',
        '--reader "2.15.1" matches nothing; did you mean "2.12.1"?',
        '--scenario "tag:artcle" matches nothing; did you mean "tag:article"?',
        '--scenario "dens" matches nothing; did you mean "dense"?',
        '--format "kera" matches nothing; did you mean "keras"?',
    ]


def test_a_selector_is_shown_as_one_would_type_it() -> None:
    assert str(Selector(only=("dense/*",), format=("h5",))) == "--only 'dense/*' --format 'h5'"
    assert str(Selector(only=tuple("abcdefg"))) == (
        "--only 'a' --only 'b' --only 'c' --only 'd' --only 'e' … (7 globs)"
    )
