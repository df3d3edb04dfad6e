"""What the published map says of a step, and the dozen scenarios that are measured where nobody names any."""

from __future__ import annotations

from tfmatrix.commands.upgrade.measure import REPRESENTATIVE, USUAL_FORMATS, find_material, representative
from tfmatrix.commands.upgrade.published import published_step
from tfmatrix.core.environment import Environment
from tfmatrix.core.selection import Selector
from tfmatrix.project.project import Project
from tfmatrix.worker.formats import __path__ as formats


def step(before: str, after: str):
    return published_step(Environment(id="a", tensorflow=before), Environment(id="b", tensorflow=after))


def test_the_map_that_comes_with_tfmatrix_knows_the_step_to_keras_3():
    found = step("2.15.1", "2.16.2")
    assert found is not None
    first, *causes = found.lines
    assert "cells of files of 2.15.1 read by 2.16.2" in first
    assert found.day in first
    assert first.endswith("no answer for your models")
    assert causes
    assert all(line.startswith("known there: ") for line in causes)


def test_another_patch_of_the_minor_stands_for_one_that_the_map_lacks():
    found = step("2.15.0", "2.16.1")
    assert found is not None
    assert (found.upgrade.before, found.upgrade.after) == ("2.15.1", "2.16.2")
    assert step("1.15.5", "2.16.2") is None


def test_a_side_with_keras_2_is_told_of_keras_2():
    before = Environment(id="a", tensorflow="2.15.1")
    for version in ("2.16.2", "2.16.1"):
        after = Environment(id="b", tensorflow=version, env={"TF_USE_LEGACY_KERAS": "1"})
        found = published_step(before, after)
        assert found is not None
        assert found.upgrade.after == "2.16.2+tf-keras"
        assert not any("Keras 3" in line for line in found.lines)


def test_without_models_a_dozen_scenarios_in_the_usual_formats(tmp_path):
    material = find_material(Project(root=tmp_path), (), None)
    assert material.is_shipped
    assert material.scenarios is not None
    chosen, selector = representative(material, Selector())
    assert (selector.scenario, selector.format) == (REPRESENTATIVE, USUAL_FORMATS)
    assert "--all" in chosen.origin
    assert all((material.scenarios / f"{name}.py").is_file() for name in REPRESENTATIVE)
    assert {name.replace("-", "_") for name in USUAL_FORMATS} <= {each.stem for each in _modules()}
    # Whoever selects is asked nothing.
    mine = Selector(scenario=("dense",))
    assert representative(material, mine) == (material, mine)


def _modules():
    from pathlib import Path

    return Path(next(iter(formats))).glob("*.py")
