"""The scenarios that ship: each is readable, small and says what it is about. What they find is measured."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest
from repository import ROOT
from tfmatrix.project.formats import own_formats
from tfmatrix.project.scenario import read_scenario, read_scenarios

FOLDER = ROOT / "scenarios"
PATHS = sorted(path for path in FOLDER.glob("*.py") if path.name[0] != "_")
UPSTREAM = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+/(?:issues|pull|discussions)/\d+")

each = pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])


@each
def test_is_read_without_a_mistake(path: Path) -> None:
    scenario = read_scenario(path, formats=own_formats())

    assert scenario.title.endswith((".", "?")), "the title is a sentence"
    assert len(scenario.title) <= 100, "the title is one short line"
    assert scenario.description, "the docstring says what is under test"
    assert scenario.tags, "matrix.yaml selects by tag"


@each
def test_is_small_and_needs_nothing_but_its_seed(path: Path) -> None:
    tree = ast.parse(path.read_bytes())
    attributes = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}

    assert len(path.read_text(encoding="utf-8").splitlines()) <= 150
    assert not [name for name in attributes if name.startswith(("np.random.", "numpy.random.", "time.", "datetime."))]
    assert not calls & {"print", "tf.random.set_seed", "tf.keras.utils.set_random_seed"}


def test_titles_are_their_own() -> None:
    titles = Counter(scenario.title for scenario in read_scenarios(FOLDER, formats=own_formats()))

    assert [title for title, count in titles.items() if count > 1] == []


def test_there_are_at_least_sixty() -> None:
    assert len(read_scenarios(FOLDER, formats=own_formats())) >= 60


def test_upstream_threads_are_linked() -> None:
    links = {link for path in PATHS for link in UPSTREAM.findall(path.read_text(encoding="utf-8"))}

    assert len(links) >= 25


def test_who_says_upstream_links_a_thread() -> None:
    scenarios = read_scenarios(FOLDER, formats=own_formats())
    assert [each.name for each in scenarios if "upstream" in each.tags and not UPSTREAM.search(each.description)] == []


def test_tags_are_a_small_vocabulary() -> None:
    first = {scenario.tags[0] for scenario in read_scenarios(FOLDER, formats=own_formats())}

    assert first <= {"article", "custom", "dtype", "executes", "large", "layers", "structure", "tensorflow", "training"}
