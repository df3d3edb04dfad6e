"""The command upgrade with real TensorFlow: one step that is safe for one format and not for another."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

pytestmark = pytest.mark.real
OLD, NEW = "2.14.1", "2.15.1"


def test_a_verdict_for_each_format_and_what_ci_is_told(real_project, tmp_path):
    project = real_project([OLD, NEW], ["dense"])
    sides = ("upgrade", "--from", OLD, "--to", NEW, "--executor", "venv", "--no-alternative")
    safe = project.tfmatrix(*sides, "--format", "h5", "--json")
    assert safe.code == 0, safe.stderr
    data = json.loads(safe.stdout)
    assert (data["verdict"], data["upgrade"]["tested"], data["rollback"]["verdict"]) == ("SAFE", 2, "SAFE")
    assert data["from"]["packages"]["Keras"] == "2.14.0"
    assert data["to"]["packages"]["Keras"] == "2.15.0"

    summary, junit = tmp_path / "summary.md", tmp_path / "junit.xml"
    summary.touch()
    changed = project.tfmatrix(
        *sides, "--format", "keras", "--junit", str(junit), GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary)
    )
    # Keras 2.15 looks for a layer's variables elsewhere in the file than 2.14 put them; made anew, the model is whole.
    assert changed.code == 1, changed.stderr
    assert "TensorFlow 2.14.1 → 2.15.1: SAFE WITH CHANGES" in changed.stdout
    assert "tfmatrix migrate" in changed.stdout
    assert f"dense/keras/{OLD}/{NEW}" in changed.stdout
    assert max(len(line) for line in changed.stdout.splitlines() if not line.startswith("    tfmatrix")) <= 80
    assert any(line.startswith("::warning ") for line in changed.stderr.splitlines())
    assert "SAFE WITH CHANGES" in summary.read_text()
    assert ET.parse(junit).getroot().find("testsuite").get("failures") == "1"
    # What was measured for a run outside matrix.yaml is in the same store, and its locks are not the project's.
    assert not (project.root / "results" / "latest").exists()
    assert sorted(path.name for path in (project.root / "locks").iterdir()) == [f"{OLD}.txt", f"{NEW}.txt"]


def test_pins_that_fit_no_environment_are_told_as_pins(real_project):
    project = real_project([OLD], ["dense"])
    pins = project.root / "requirements.txt"
    pins.write_text("tensorflow==2.15.1\nnumpy==1.20.0\n")
    finished = project.tfmatrix("upgrade", "--from", OLD, "--to", str(pins), "--no-alternative")
    assert finished.code == 2, finished.stdout
    assert finished.stdout.startswith("NOT INSTALLABLE: the new side")
    assert str(pins) in finished.stdout
    assert "you require numpy==1.20.0" in finished.stdout
    assert "Traceback" not in finished.stderr
