"""The command line of upgrade: errors own their codes, and pins that did not change need no TensorFlow."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from tfmatrix.cli import run_command
from tfmatrix.core.errors import ExitCode


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    """A git checkout whose pins of TensorFlow are those of its last commit."""
    monkeypatch.delenv("GITHUB_BASE_REF", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "requirements.txt").write_text("tensorflow==2.15.1\nrequests==2.31.0\n")
    for arguments in (["init", "-b", "main"], ["add", "."], ["commit", "-m", "pins"]):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)
    (tmp_path / "requirements.txt").write_text("tensorflow==2.15.1\nrequests==2.32.0\n")
    return tmp_path


def test_pins_that_matter_did_not_change(folder, capsys):
    assert run_command(["upgrade", "--from-git", "main"]) == ExitCode.OK
    assert capsys.readouterr().out.startswith("nothing to check: requirements.txt in main and requirements.txt pin")
    assert run_command(["upgrade", "--from-git", "main", "--json"]) == ExitCode.OK
    data = json.loads(capsys.readouterr().out)
    assert (data["verdict"], data["unchanged"], data["to"]["id"]) == (None, True, "2.15.1@today")
    assert not (folder / "results").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], ExitCode.USAGE, "which version is it now"),
        (["--from", "requirements.txt"], ExitCode.USAGE, "which version is it to be"),
        (["--from-git", "mian"], ExitCode.USAGE, 'did you mean "main"'),
        (["--from", "requirements.txt", "--to", "missing.txt"], ExitCode.USAGE, "missing.txt: cannot be read"),
        (["--from", "requirements.txt", "--to", "environment.yml"], ExitCode.USAGE, "not a kind of file"),
        (["--from", "loose.txt", "--to", "requirements.txt"], ExitCode.USAGE, "loose.txt:2: TensorFlow is not pinned"),
        (["--env", "x", "--from-git", "main"], ExitCode.USAGE, "NAME=VALUE"),
        (["--junit", "nowhere/j.xml", "--from-git", "main"], ExitCode.USAGE, "no folder nowhere"),
        (["--format", "html", "--from-git", "main"], ExitCode.USAGE, "html"),
        (["--from", "2.15.1", "--to", "2.16.2", "--offline", "model.keras"], ExitCode.USAGE, "there is no model.keras"),
        (["--from", "2.15.1", "--to", "2.15.1", "--offline"], ExitCode.USAGE, "the same environment"),
        (["--from", "2.15", "--to", "2.16.2", "--offline"], ExitCode.INFRASTRUCTURE, "offline"),
        (["--from", "2.15.1", "--to", "2.16.2", "--offline", "--scenarios", "none"], ExitCode.USAGE, "not a folder"),
    ],
)
def test_errors(folder, capsys, arguments, code, words):
    (folder / "loose.txt").write_text("numpy\ntensorflow>=2.15\n")
    assert run_command(["upgrade", *arguments]) == code
    captured = capsys.readouterr()
    assert words in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_two_scenarios_of_one_name(folder, capsys):
    for name in ("a", "b"):
        (folder / name).mkdir()
        (folder / name / "net.py").write_text(f'"""{name}"""\n')
    arguments = ["upgrade", "--from", "2.15.1", "--to", "2.16.2", "--offline", "a/net.py", "b/net.py"]
    assert run_command(arguments) == ExitCode.USAGE
    assert "two scenarios have one name: a/net.py and b/net.py" in capsys.readouterr().err
