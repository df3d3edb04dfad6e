"""Repositories of every kind that says what is installed, as its own tool writes them, over an index of this machine.

Each kind is a function of (folder, index, tensorflow, text): it writes its files for a TensorFlow, with tensorflow-text
where `text` names its version. Locks are made by the tools themselves, which uv fetches.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

TOOLS_AS_OF = "2026-06-01T00:00:00Z"
PYTHON = "3.11"


def run_tool(folder: Path, *arguments: str, **variables: str) -> None:
    """Runs a tool of the package index of the world in a folder."""
    command = ["uv", "tool", "run", "--quiet", "--python", PYTHON, "--exclude-newer", TOOLS_AS_OF, *arguments]
    _run(folder, command, **variables)


def _run(folder: Path, command: list[str], **variables: str) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_"))}
    environ |= {"PDM_CHECK_UPDATE": "0", "PDM_USE_VENV": "0", "POETRY_VIRTUALENVS_CREATE": "false", **variables}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


def _write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")


def _asked(tensorflow: str, text: str) -> list[str]:
    return [f"tensorflow=={tensorflow}", "requests>=2.31", *([f"tensorflow-text=={text}"] if text else [])]


def _quoted(tensorflow: str, text: str) -> str:
    return ", ".join(f'"{each}"' for each in _asked(tensorflow, text))


def requirements_with_hashes(folder: Path, index: str, tensorflow: str, text: str) -> None:
    _write(folder, "requirements.in", "\n".join(_asked(tensorflow, text)) + "\n")
    command = ["uv", "pip", "compile", "-q", "--generate-hashes", "--emit-index-url", "--default-index", index]
    _run(folder, [*command, "--python-version", PYTHON, "requirements.in", "-o", "requirements.txt"])


def pip_tools(folder: Path, index: str, tensorflow: str, text: str) -> None:
    _write(folder, "requirements.in", "\n".join(_asked(tensorflow, text)) + "\n")
    command = ["--from", "pip-tools", "pip-compile", "-q", "--strip-extras", "--index-url", index]
    run_tool(folder, *command, "requirements.in")


def uv_with_extras_and_groups(folder: Path, index: str, tensorflow: str, text: str) -> None:
    _write(folder, "pyproject.toml", f"""\
        [project]
        name = "service"
        version = "1"
        requires-python = ">=3.10,<3.12"
        dependencies = [{_quoted(tensorflow, text)}]
        [project.optional-dependencies]
        media = ["mediapipe"]
        [dependency-groups]
        dev = ["absl-py"]
        [[tool.uv.index]]
        url = "{index}"
        default = true
        """)  # fmt: skip
    _run(folder, ["uv", "lock", "-q"])


def poetry_1(folder: Path, index: str, tensorflow: str, text: str) -> None:
    more = f'tensorflow-text = "{text}"' if text else ""
    _write(folder, "pyproject.toml", f"""\
        [tool.poetry]
        name = "service"
        version = "1.0.0"
        description = ""
        authors = ["Somebody <somebody@example.org>"]
        packages = []
        [tool.poetry.dependencies]
        python = ">=3.10,<3.12"
        tensorflow = "{tensorflow}"
        requests = "^2.31"
        {more}
        [tool.poetry.group.dev.dependencies]
        absl-py = "*"
        [[tool.poetry.source]]
        name = "ours"
        url = "{index}"
        priority = "primary"
        [build-system]
        requires = ["poetry-core"]
        build-backend = "poetry.core.masonry.api"
        """)  # fmt: skip
    run_tool(folder, "--from", "poetry<2", "poetry", "lock")


def poetry_2(folder: Path, index: str, tensorflow: str, text: str) -> None:
    _write(folder, "pyproject.toml", f"""\
        [project]
        name = "service"
        version = "1.0.0"
        requires-python = ">=3.10,<3.12"
        dependencies = [{_quoted(tensorflow, text)}]
        [project.optional-dependencies]
        media = ["mediapipe"]
        [tool.poetry]
        package-mode = false
        [tool.poetry.group.dev.dependencies]
        absl-py = "*"
        [[tool.poetry.source]]
        name = "ours"
        url = "{index}"
        priority = "primary"
        """)  # fmt: skip
    run_tool(folder, "--from", "poetry>=2", "poetry", "lock")


def pdm(folder: Path, index: str, tensorflow: str, text: str) -> None:
    _write(folder, "pyproject.toml", f"""\
        [project]
        name = "service"
        version = "1.0.0"
        requires-python = ">=3.10,<3.12"
        dependencies = [{_quoted(tensorflow, text)}]
        [project.optional-dependencies]
        media = ["mediapipe"]
        [dependency-groups]
        dev = ["absl-py"]
        [tool.pdm]
        distribution = false
        [[tool.pdm.source]]
        name = "pypi"
        url = "{index}"
        verify_ssl = false
        """)  # fmt: skip
    run_tool(folder, "pdm", "lock", PDM_CACHE_DIR=str(folder.parent / "pdm-cache"))


def pipenv(folder: Path, index: str, tensorflow: str, text: str) -> None:
    more = f'tensorflow-text = "=={text}"' if text else ""
    _write(folder, "Pipfile", f"""\
        [[source]]
        name = "ours"
        url = "{index}"
        verify_ssl = false
        [packages]
        tensorflow = "=={tensorflow}"
        requests = ">=2.31"
        {more}
        [dev-packages]
        absl-py = "*"
        [requires]
        python_version = "{PYTHON}"
        """)  # fmt: skip
    run_tool(folder, "pipenv", "lock", "--python", sys.executable, WORKON_HOME=str(folder.parent / "pipenv"))


def setup_cfg(folder: Path, index: str, tensorflow: str, text: str) -> None:
    asked = "".join(f"\n                {each}" for each in _asked(tensorflow, text))
    _write(folder, "setup.cfg", f"""\
        [metadata]
        name = service
        [options]
        python_requires = >=3.9,<3.12
        install_requires ={asked}
        [options.extras_require]
        media =
            mediapipe
        """)  # fmt: skip
    _write(folder, "setup.py", "from setuptools import setup\n\nsetup()\n")


def setup_py(folder: Path, index: str, tensorflow: str, text: str) -> None:
    _write(folder, "needs.txt", "\n".join(_asked(tensorflow, text)) + "\n")
    _write(folder, "setup.py", """\
        from setuptools import setup

        setup(
            name="service",
            version="1",
            py_modules=[],
            python_requires=">=3.9,<3.12",
            install_requires=open("needs.txt").read().split(),
        )
        """)  # fmt: skip


def conda(folder: Path, index: str, tensorflow: str, text: str) -> None:
    more = f"      - tensorflow-text=={text}\n" if text else ""
    _write(
        folder,
        "environment.yml",
        f"""\
name: service
channels: [conda-forge]
dependencies:
  - python=3.10
  - tensorflow={tensorflow}
  - cudatoolkit=11.8
  - pip
  - pip:
      - requests>=2.31
{more}""",
    )


def pixi(folder: Path, index: str, tensorflow: str, text: str) -> None:
    more = f'tensorflow-text = "=={text}"' if text else ""
    _write(folder, "pixi.toml", f"""\
        [workspace]
        name = "service"
        channels = ["conda-forge"]
        platforms = ["linux-64", "osx-arm64"]
        [dependencies]
        python = "3.11.*"
        cmake = "*"
        [pypi-dependencies]
        tensorflow = "=={tensorflow}"
        requests = ">=2.31"
        {more}
        [feature.dev.pypi-dependencies]
        absl-py = "*"
        [environments]
        dev = ["dev"]
        """)  # fmt: skip


def dockerfile(folder: Path, index: str, tensorflow: str, text: str) -> None:
    _write(folder, "Dockerfile", f"""\
        ARG TF={tensorflow}
        FROM python:3.11-slim AS build
        RUN pip install build
        FROM tensorflow/tensorflow:${{TF}}-gpu
        RUN pip install --no-cache-dir {" ".join(f"'{each}'" for each in _asked(tensorflow, text)[1:])} && rm -rf /tmp/*
        """)  # fmt: skip


def monorepo(folder: Path, index: str, tensorflow: str, text: str) -> None:
    _write(folder, "../requirements.txt", "tensorflow==2.12.1\n")
    _write(folder, "requirements.txt", "-r ../shared/base.txt\n" + "\n".join(_asked(tensorflow, text)) + "\n")
    _write(folder, "../shared/base.txt", "absl-py==2.1.0\n")


def freeze_of_an_old_python(folder: Path, index: str, tensorflow: str, text: str) -> None:
    pins = ["absl-py==0.11.0", "h5py==3.1.0", "numpy==1.20.1", "protobuf==3.19.1", f"tensorflow=={tensorflow}"]
    pins += ["six @ file:///build/six", *([f"tensorflow-text=={text}"] if text else [])]
    _write(folder, "requirements.txt", "\n".join(pins) + "\n")


Write = Callable[[Path, str, str, str], None]
KINDS: dict[str, Write] = {
    each.__name__: each
    for each in (requirements_with_hashes, pip_tools, uv_with_extras_and_groups, poetry_1, poetry_2, pdm, pipenv,
                 setup_cfg, setup_py, conda, pixi, dockerfile, monorepo, freeze_of_an_old_python)
}  # fmt: skip


class Repository:
    """A git repository with a project of one kind; `folder` is the project's."""

    def __init__(self, top: Path, kind: str, index: str) -> None:
        self.top = top
        self.folder = top / "service" if kind == "monorepo" else top
        self.folder.mkdir(parents=True)
        self._write = KINDS[kind]
        self._index = index
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(self.top), *identity, *arguments], check=True, capture_output=True)

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)

    def write(self, tensorflow: str, text: str = "") -> None:
        """As its tool writes it."""
        self._write(self.folder, self._index, tensorflow, text)

    def edit(self, old: str, new: str) -> None:
        """As somebody does who raises a pin by hand, and has no tool make anything anew."""
        for path in self.top.rglob("*"):
            if path.is_file() and ".git" not in path.parts and path.suffix not in (".yaml", ".py", ".md"):
                text = path.read_text(encoding="utf-8")
                path.write_text(re.sub(rf"(?<![\d.]){re.escape(old)}(?![\d.])", new, text), encoding="utf-8")
