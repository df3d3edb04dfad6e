"""The bill of materials of an environment: what its lock says, in a form that other tools read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cyclonedx.model.bom import Bom
from repository import ROOT
from tfmatrix.cli import run_command

MATRIX = 'schema: 1\nenvironments: [{tensorflow: "2.15.1", python: "3.11"}, {image: "x/y:1", id: foreign}]\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "locks").mkdir()
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "dense.py").write_text('"""Dense."""\ndef build_model(): ...\ndef inputs(rng): ...\n')
    (tmp_path / "matrix.yaml").write_text(MATRIX)
    shutil.copy(ROOT / "locks" / "2.15.1.txt", tmp_path / "locks")
    return tmp_path


def test_it_has_every_package_of_the_lock_and_is_always_the_same(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for _ in range(2):
        assert run_command(["env", "sbom", "2.15.1", "-C", str(project)]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    document = json.loads(said[0])
    text = (project / "locks" / "2.15.1.txt").read_text()
    pins = [line.removesuffix(" \\") for line in text.splitlines() if "==" in line and line[0] not in "# "]
    assert sorted(f"{each['name']}=={each['version']}" for each in document["components"]) == sorted(pins)
    hashes = [each["value"] for one in document["components"] for each in one["properties"]]
    assert len(hashes) == text.count("--hash=sha256:")
    # The library reads it back.
    assert len(Bom.from_json(document).components) == len(pins)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "words"), [("foreign", "is an image"), ("nothing", "nothing")])
def test_what_has_no_lock_is_one_error(
    project: Path, capsys: pytest.CaptureFixture[str], name: str, words: str
) -> None:
    assert run_command(["env", "sbom", name, "-C", str(project)]) == 2
    assert words in capsys.readouterr().err
