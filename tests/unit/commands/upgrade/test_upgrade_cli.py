"""The command line of upgrade: errors own their codes, and pins that did not change need no TensorFlow."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from tfmatrix.cli import run_command
from tfmatrix.core.errors import ExitCode


@pytest.fixture
def folder(tmp_path: Path, monkeypatch, package_index) -> Path:
    """A git checkout whose pins are those of its last commit, but for a comment."""
    for name in ("GITHUB_BASE_REF", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"):
        monkeypatch.delenv(name, raising=False)
    for module in ("installation", "releases", "lock"):
        monkeypatch.setattr(f"tfmatrix.envs.{module}.host_platform", lambda: "linux-x86_64")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "requirements.txt").write_text("tensorflow==2.15.1\nrequests==2.31.0\n")
    (tmp_path / ".gitignore").write_text("cache/\n")
    for arguments in (["init", "-b", "main"], ["add", "."], ["commit", "-m", "pins"]):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)
    (tmp_path / "requirements.txt").write_text("# pins\nrequests==2.31.0\ntensorflow==2.15.1\n")
    return tmp_path


def test_an_installation_that_did_not_change(folder, capsys):
    assert run_command(["upgrade", "--from-git", "main"]) == ExitCode.OK
    out = capsys.readouterr().out
    assert out.startswith("nothing to check: requirements.txt in main and requirements.txt install the same (2.15.1+")
    assert run_command(["upgrade", "--from-git", "main", "--json"]) == ExitCode.OK
    data = json.loads(capsys.readouterr().out)
    assert (data["verdict"], data["unchanged"], data["to"]["source"]) == (None, True, "requirements.txt")
    assert not (folder / "results").exists()


def test_files_that_nobody_touched(folder, capsys):
    subprocess.run(["git", "checkout", "requirements.txt"], check=True, capture_output=True)
    assert run_command(["upgrade", "--from-git", "main", "--offline"]) == ExitCode.OK
    assert capsys.readouterr().out == "nothing to check: no file that says what is installed differs from main\n"


def test_what_cannot_be_installed_is_a_verdict(folder, capsys, monkeypatch):
    text = "tensorflow==2.15.1\ntensorflow-text==2.14.0\n"
    (folder / "requirements.txt").write_text(text)
    summary = folder / "cache" / "summary.md"
    summary.parent.mkdir(exist_ok=True)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("GITHUB_OUTPUT", str(summary.with_name("output")))
    arguments = ["upgrade", "--from-git", "main", "--junit", "cache/junit.xml"]
    assert run_command(arguments) == ExitCode.USAGE
    captured = capsys.readouterr()
    assert captured.out.startswith("NOT INSTALLABLE: the new side, requirements.txt, is not installable with")
    assert "tensorflow-text depend on tensorflow>=2.14,<2.15" in captured.out
    assert len(captured.out.splitlines()) <= 6
    assert "::error file=requirements.txt,line=1,title=TensorFlow: NOT INSTALLABLE::" in captured.err
    assert "# TensorFlow: NOT INSTALLABLE" in summary.read_text()
    assert summary.with_name("output").read_text() == "verdict=NOT INSTALLABLE\n"
    assert 'errors="1"' in (folder / "cache" / "junit.xml").read_text()
    assert run_command([*arguments, "--json"]) == ExitCode.USAGE
    data = json.loads(capsys.readouterr().out)
    assert (data["verdict"], data["exit_code"], data["not_installable"]["side"]) == ("NOT INSTALLABLE", 2, "to")
    assert not (folder / "results").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], ExitCode.USAGE, "which version is it now"),
        (["--from", "requirements.txt"], ExitCode.USAGE, "which version is it to be"),
        (["--from-git", "mian"], ExitCode.USAGE, 'did you mean "main"'),
        (["--from", "requirements.txt", "--to", "missing.txt"], ExitCode.USAGE, "missing.txt: cannot be read"),
        (["--from", "requirements.txt", "--to", "pins/a.json"], ExitCode.USAGE, "not a kind of file"),
        (["--from", "broken.txt", "--to", "requirements.txt"], ExitCode.USAGE, "broken.txt:2: not a requirement"),
        (["--from", "requirements.txt", "--to", "2.16.2", "--extra", "ml"], ExitCode.USAGE, 'no extra "ml"'),
        (["--env", "x", "--from-git", "main"], ExitCode.USAGE, "NAME=VALUE"),
        (["--junit", "nowhere/j.xml", "--from-git", "main"], ExitCode.USAGE, "no folder nowhere"),
        (["--as", "html", "--from-git", "main"], ExitCode.USAGE, "html"),
        (["--from", "2.15.1", "--to", "2.16.2", "--offline", "model.keras"], ExitCode.USAGE, "there is no model.keras"),
        (["--from", "2.15.1", "--to", "2.15.1", "--offline"], ExitCode.USAGE, "the same environment"),
        (["--from", "2.15", "--to", "2.16.2", "--offline"], ExitCode.INFRASTRUCTURE, "offline"),
        (["--from", "2.15.1", "--to", "2.16.2", "--offline", "--scenarios", "none"], ExitCode.USAGE, "not a folder"),
    ],
)
def test_errors(folder, capsys, arguments, code, words):
    (folder / "broken.txt").write_text("numpy\ntensorflow=2.15\n")
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
