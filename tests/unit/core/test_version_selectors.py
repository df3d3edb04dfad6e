"""Version selectors: what each chooses of what there is, and what becomes of them in matrix.yaml."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest
from repository import ROOT
from tfmatrix.core.errors import ConfigError
from tfmatrix.core.version_selectors import SelectorError, choose, parse_selector
from tfmatrix.project.config import MatrixConfig, load_config, read_selectors
from tfmatrix.project.config.selected import SELECTED_FILE, Selected, read_selected, selected_text

THERE = [
    *(
        "1.15.5",
        "2.0.0",
        "2.0.4",
        "2.9.0",
        "2.9.3",
        "2.10.0",
        "2.10.1",
        "2.11.0rc2",
        "2.15.0",
        "2.15.0.post1",
        "2.15.1",
    ),
    *("2.16.0rc0", "2.16.1", "2.16.2", "2.17.0rc0", "2.17.0rc1", "2.18.0.dev20240101"),
]


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("2.15.0", ["2.15.0"]),
        ("2.17.0rc0", ["2.17.0rc0"]),
        ("2.15.7", []),
        ("2.10", ["2.10.1"]),
        ("2.15", ["2.15.1"]),
        ("2.1", []),
        ("2.11", []),
        ("2.x", ["2.0.4", "2.9.3", "2.10.1", "2.15.1", "2.16.2"]),
        ("3.x", []),
        (">=2.9,<2.16", ["2.9.3", "2.10.1", "2.15.1"]),
        (">=2.9.0,<2.15.1", ["2.9.3", "2.10.1", "2.15.0.post1"]),
        ("~=2.15", ["2.15.1", "2.16.2"]),
        (">2.16.2", []),
        ("<2.1", ["2.0.4"]),
        ("latest", ["2.16.2"]),
        ("rc", ["2.17.0rc1"]),
        ("nightly", ["nightly"]),
    ],
)
def test_what_a_selector_chooses(text: str, chosen: list[str]) -> None:
    assert choose(parse_selector(text), reversed(THERE)) == chosen


def test_there_is_no_release_candidate_once_its_release_is_out() -> None:
    rc = parse_selector("rc")
    assert choose(rc, ["2.16.2", "2.17.0rc1", "2.17.0"]) == []
    assert choose(rc, ["2.17.0rc1", "2.16.2"]) == ["2.17.0rc1"]
    # A patch of an older minor is no reason to forget the candidate.
    assert choose(rc, ["2.16.3", "2.17.0rc1", "2.16.2"]) == ["2.17.0rc1"]
    assert choose(rc, []) == []


@pytest.mark.parametrize(
    "text", ["", "2", "x", "2.x.x", "2.15.1.2", "2.15rc1", "2.18.0.dev20240101", "2.0+cpu", "2.015"]
)
def test_what_is_no_selector(text: str) -> None:
    with pytest.raises(SelectorError):
        parse_selector(text)


# --- in matrix.yaml --------------------------------------------------------------------------------------------------


@pytest.fixture
def load(tmp_path: Path):
    def load(text: str, **selected: list[str]) -> MatrixConfig:
        choices = [
            Selected(package="tensorflow", selector=name.replace("_", "."), versions=tuple(versions), date="2026-11-22")
            for name, versions in selected.items()
        ]
        path = tmp_path / SELECTED_FILE
        path.parent.mkdir(exist_ok=True)
        path.write_text(selected_text(choices))
        (tmp_path / "matrix.yaml").write_text("schema: 1\n" + textwrap.dedent(text))
        return load_config(tmp_path / "matrix.yaml")

    return load


def ids(config: MatrixConfig, set_name: str | None = None) -> list[str]:
    return [environment.id for environment in config.selection(set_name).environments]


def test_a_selector_stands_for_an_environment_of_each_version(load) -> None:
    config = load(
        """
        environments:
          - {tensorflow: "2.x", with: [tf-keras], env: {TF_USE_LEGACY_KERAS: "1"}}
          - {tensorflow: nightly}
        """,
        **{"2_x": ["2.7.4", "2.16.2"]},
    )
    assert ids(config) == ["2.7.4+tf-keras", "2.16.2+tf-keras", "nightly"]
    assert [each.python for each in config.environments] == ["3.9", "3.11", "3.11"]
    assert config.environments[1].tensorflow == "2.16.2"
    assert config.environments[1].env == {"TF_USE_LEGACY_KERAS": "1"}


def test_an_exact_entry_wins_wherever_it_stands_and_nothing_stands_twice(load) -> None:
    config = load(
        """
        environments:
          - {tensorflow: "2.15.1", python: "3.10"}
          - {tensorflow: "2.x"}
          - {tensorflow: latest, python: "3.12"}
          - {tensorflow: "2.16.2", python: "3.9"}
        """,
        **{"2_x": ["2.14.1", "2.15.1", "2.16.2", "2.17.0"], "latest": ["2.17.0"]},
    )
    assert [(each.id, each.python) for each in config.environments] == [
        ("2.15.1", "3.10"),
        ("2.14.1", "3.11"),
        ("2.17.0", "3.11"),
        ("2.16.2", "3.9"),
    ]


def test_a_set_names_a_selector_whatever_it_chose(load) -> None:
    text = """
        environments:
          - {tensorflow: "2.15.1"}
          - {tensorflow: latest}
          - {tensorflow: rc}
        sets:
          new: {environments: [rc, latest], pairs: [same, "latest/rc"]}
        """
    config = load(text, latest=["2.15.1"], rc=["2.16.0rc0"])
    assert ids(config, "new") == ["2.15.1", "2.16.0rc0"]
    assert config.selection("new").pairs == ("same", "2.15.1/2.16.0rc0")

    config = load(text, latest=["2.15.1"], rc=[])
    assert ids(config) == ids(config, "new") == ["2.15.1"]
    assert config.selection("new").pairs == ("same",)


def test_a_selector_of_another_package_is_another_question(load, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not resolved"):
        load("environments: [{tensorflow: latest, package: tensorflow-intel}]", latest=["2.15.1"])
    (use,) = read_selectors(tmp_path / "matrix.yaml")
    assert use.key == ("tensorflow-intel", "latest")


def test_an_id_names_one_version(load) -> None:
    text = "environments: [{tensorflow: '2.x', id: mine}]"
    assert ids(load(text, **{"2_x": ["2.15.1"]})) == ["mine"]
    with pytest.raises(ConfigError, match=r"matrix.yaml:2: environments\[0\].id: .* chooses 2 versions"):
        load(text, **{"2_x": ["2.15.1", "2.16.2"]})


def test_selectors_that_choose_nothing_at_all_are_an_error(load) -> None:
    with pytest.raises(ConfigError, match="choose no version at all"):
        load("environments: [{tensorflow: rc}]", rc=[])


def test_selectors_are_read_before_they_are_resolved(tmp_path: Path) -> None:
    path = tmp_path / "matrix.yaml"
    path.write_text(
        'schema: 1\nenvironments:\n  - {tensorflow: "2.15.1"}\n  - {tensorflow: rc}\n  - {tensorflow: rc, id: b}\n'
    )
    assert [(use.selector.text, use.package, use.line) for use in read_selectors(path)] == [("rc", "tensorflow", 4)]


# --- the file --------------------------------------------------------------------------------------------------------


def test_the_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    choices = [
        Selected(package="tensorflow", selector="rc", versions=(), date="2026-11-22"),
        Selected(package="tensorflow", selector="2.x", versions=("2.0.4", "2.15.1"), date="2026-11-01"),
    ]
    path = tmp_path / "selected.json"
    path.write_text(selected_text(choices))

    assert list(read_selected(path).values()) == choices[::-1]
    assert selected_text(reversed(choices)) == path.read_text()
    path.write_text(selected_text([]))
    assert read_selected(path) == read_selected(tmp_path / "missing.json") == {}


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("{", 1, "not JSON"),
        ("[]", 1, 'no list "selected"'),
        ('{"schema": 2, "selected": []}', 1, "schema 2"),
        ('{"schema": 1, "selected": [\n{"selector": "rc", "package": "tensorflow"}]}', 2, "'versions'"),
        ('{"schema": 1, "selected": [1]}', 1, "entry 1"),
        (
            '{"schema": 1, "selected": [{"selector": "rc", "package": "p", "versions": [1], "date": "2026-11-22"}]}',
            1,
            "something else than texts",
        ),
        (
            '{"schema": 1, "selected": [{"selector": "rc", "package": "p", "versions": [], "date": "yesterday"}]}',
            1,
            "entry 1",
        ),
    ],
)
def test_a_damaged_file_names_its_line_and_what_helps(tmp_path: Path, text: str, line: int, what: str) -> None:
    path = tmp_path / "selected.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=what) as caught:
        read_selected(path)
    assert caught.value.line == line
    assert "tfmatrix lock" in caught.value.fix


def test_the_projects_choice_is_committed_whole() -> None:
    project = ROOT
    chosen = read_selected(project / SELECTED_FILE)
    assert {use.key for use in read_selectors(project / "matrix.yaml")} == set(chosen)
    assert json.loads((project / SELECTED_FILE).read_text())["schema"] == 1
