"""The wheel, installed in a virtual environment of its own, with no checkout anywhere near."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from repository import ROOT


class Installed:
    """The programs of the wheel. `folder` must be empty; what is called runs in `project`, an empty folder in it."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        self.project = folder / "project"
        self.project.mkdir()
        uv = [sys.executable, "-m", "uv", "--quiet"]
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
        subprocess.run([*uv, "venv", "--python", sys.executable, str(folder / "venv")], check=True)
        install = [*uv, "pip", "install", "--python", str(self.bin / "python"), str(next(folder.glob("*.whl")))]
        subprocess.run(install, check=True)

    def __call__(self, program: str, *arguments: str, codes: Collection[int] = (0,)) -> str:
        """Runs a program; returns its stdout. Any other exit code than one of `codes` fails the test."""
        return self._finished([str(self.bin / program), *arguments], self.project, {}, codes)

    def shell(
        self, line: str, folder: Path, *, codes: Collection[int] = (0,), variables: Mapping[str, str] | None = None
    ) -> str:
        """The same of a command line, as somebody types it who has the virtual environment activated."""
        path = os.pathsep.join([str(self.bin), os.environ.get("PATH", "")])
        shell = [shutil.which("bash") or "bash", "-o", "pipefail", "-c", line]
        return self._finished(shell, folder, {"PATH": path, **(variables or {})}, codes)

    def make_project(self, folder: Path, environments: Iterable[str]) -> None:
        """What `tfmatrix init` makes of two pinned versions, the older first, with the checkout's locks."""
        old, new = environments
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "requirements.txt").write_text(f"tensorflow=={old}\n")
        self.shell(f"tfmatrix init --to {new}", folder)
        self.take_locks(folder, (old, new))

    @staticmethod
    def take_locks(folder: Path, environments: Iterable[str]) -> None:
        """Those of the checkout, so that its environments are used and none is installed anew."""
        (folder / "locks").mkdir(exist_ok=True)
        for name in environments:
            shutil.copy(ROOT / "locks" / f"{name}.txt", folder / "locks")

    @staticmethod
    def _finished(command: list[str], folder: Path, variables: Mapping[str, str], codes: Collection[int]) -> str:
        hidden = ("PYTHONPATH", "VIRTUAL_ENV")
        environ = {name: value for name, value in os.environ.items() if name not in hidden}
        done = subprocess.run(
            command,
            cwd=folder,
            env={**environ, **variables},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode in codes, f"exit code {done.returncode}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout
