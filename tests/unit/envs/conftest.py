from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from tfmatrix.envs.interpreters import look_for_interpreter
from tfmatrix.envs.uv import Network, Uv

FAKE_UV = """#!{python} -IS
import json, os, sys
here = os.path.dirname(os.path.abspath(__file__))
arguments = sys.argv[1:]
umask = os.umask(0)
os.umask(umask)
call = {{"arguments": arguments, "environment": dict(os.environ), "umask": umask, "folder": os.listdir(".")}}
call["files"] = {{}}
for argument in arguments:
    if os.path.isfile(argument) and "tfmatrix-lock-" in argument:
        with open(argument) as file:
            call["files"][os.path.basename(argument)] = file.read()
with open(os.path.join(here, "calls.jsonl"), "a") as file:
    file.write(json.dumps(call) + "\\n")
said = " ".join([*arguments, *call["files"].values()])
with open(os.path.join(here, "answers.json")) as file:
    answers = json.load(file)
for answer in answers:
    if all(word in said for word in answer["when"]):
        sys.stdout.write(answer["stdout"])
        sys.stderr.write(answer["stderr"])
        sys.exit(answer["exit_code"])
sys.exit("the fake uv was not told what to answer to: " + said)
"""


@dataclass(frozen=True, kw_only=True)
class FakeUv:
    """A script in the place of uv: answers as it was told, and writes down what it was asked."""

    folder: Path

    @property
    def executable(self) -> Path:
        return self.folder / "uv"

    def uv(self, cache: Path, network: Network | None = None) -> Uv:
        return Uv(cache=cache, network=network or Network(), executable=self.executable)

    def answer(self, *when: str, stdout: str = "", stderr: str = "", exit_code: int = 0) -> None:
        """The answer to calls whose arguments and input files hold all the words; later ones go first."""
        path = self.folder / "answers.json"
        answers = json.loads(path.read_text())
        answers.insert(0, {"when": when, "stdout": stdout, "stderr": stderr, "exit_code": exit_code})
        path.write_text(json.dumps(answers))

    def calls(self, *words: str) -> list[dict]:
        """The calls so far with all these words among their arguments."""
        path = self.folder / "calls.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [call for call in map(json.loads, lines) if all(word in call["arguments"] for word in words)]


@pytest.fixture(autouse=True)
def no_host_settings(monkeypatch, tmp_path):
    """Nothing of this machine's indexes, certificates and interpreters reaches a test."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_", "SSL_")) or name.endswith(("_CA_BUNDLE", "_PROXY", "_proxy")):
            monkeypatch.delenv(name)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("TFMATRIX_CACHE", str(tmp_path / "cache"))
    look_for_interpreter.cache_clear()
    yield
    look_for_interpreter.cache_clear()


@pytest.fixture
def fake_uv(tmp_path):
    folder = tmp_path / "fake-uv"
    folder.mkdir()
    fake = FakeUv(folder=folder)
    (folder / "answers.json").write_text("[]")
    fake.executable.write_text(FAKE_UV.format(python=sys.executable))
    fake.executable.chmod(0o755)
    return fake
