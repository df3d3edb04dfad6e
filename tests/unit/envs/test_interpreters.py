from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from tfmatrix.core.errors import ExitCode, InfrastructureError
from tfmatrix.envs.interpreters import find_interpreter, look_for_interpreter
from tfmatrix.envs.uv import Network, Uv

pytestmark = pytest.mark.skipif(os.name == "nt", reason="interpreters are shell scripts here")


def make_python(
    path: Path, version: str = "3.9.18", *, base: Path | None = None, implementation: str = "cpython"
) -> Path:
    """A script that answers the probe as an interpreter would; `base` makes it one of a virtual environment."""
    prefix = path.parent.parent
    facts = {
        "version": version,
        "implementation": implementation,
        "executable": str(path),
        "prefix": str(prefix),
        "base_prefix": str(base or prefix),
        "platform": "linux-x86_64",
        "abi": "cpython-39-x86_64-linux-gnu",
    }
    return make_script(path, f"echo '{json.dumps(facts)}'")


def make_script(path: Path, line: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def uv(fake_uv, tmp_path, monkeypatch):
    """A uv that finds nothing and can fetch nothing, and an empty PATH."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    fake_uv.answer("python find", stderr="error: No interpreter found", exit_code=2)
    fake_uv.answer("python install", stderr="error: No download found", exit_code=1)
    return fake_uv.uv(tmp_path / "uv-cache")


def test_the_choice_of_uv_comes_first(fake_uv, uv, tmp_path):
    chosen = make_python(tmp_path / "managed" / "bin" / "python3.9", "3.9.20")
    make_python(tmp_path / "bin" / "python3.9")
    fake_uv.answer("python find", stdout=f"{chosen}\n")

    found = find_interpreter("3.9", uv)

    assert (found.path, found.version, found.prefix) == (chosen, "3.9.20", tmp_path / "managed")
    assert found.implementation == "cpython"
    (call,) = fake_uv.calls()
    assert "--no-python-downloads" in call["arguments"]


def test_a_shim_that_does_not_run_is_passed_over(uv, tmp_path, monkeypatch):
    make_script(tmp_path / "shims" / "python3.9", "echo 'pyenv: python3.9: command not found' >&2; exit 127")
    good = make_python(tmp_path / "bin" / "python3.9")
    monkeypatch.setenv("PATH", f"{tmp_path / 'shims'}{os.pathsep}{tmp_path / 'bin'}")

    assert find_interpreter("3.9", uv).path == good


def test_the_newest_patch_of_pyenv_is_taken(uv, tmp_path):
    for patch in ("3.9.2", "3.9.18", "3.9.9", "3.9-dev", "3.90.1"):
        make_python(tmp_path / "pyenv" / "versions" / patch / "bin" / "python3.9", patch)

    assert find_interpreter("3.9", uv).version == "3.9.18"


def test_of_a_virtual_environment_the_interpreter_under_it_is_taken(uv, tmp_path):
    base = make_python(tmp_path / "base" / "bin" / "python3.9")
    make_python(tmp_path / "bin" / "python3.9", base=tmp_path / "base")

    found = find_interpreter("3.9", uv)

    assert (found.path, found.prefix) == (base, tmp_path / "base")


def test_links_are_followed(uv, tmp_path):
    real = make_python(tmp_path / "real" / "bin" / "python3.9")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3.9").symlink_to(real)

    assert find_interpreter("3.9", uv).path == real


@pytest.mark.parametrize(
    "unfit",
    [{"version": "3.8.1"}, {"version": "3.90.1"}, {"implementation": "pypy"}, {"base": Path("/nowhere")}],
)
def test_what_is_not_fit_is_passed_over(uv, tmp_path, unfit):
    make_python(tmp_path / "bin" / "python3.9", **unfit)

    assert look_for_interpreter("3.9", uv) is None


def test_an_absent_interpreter_is_one_error_that_says_where_it_was_looked_for(uv, tmp_path):
    said = []

    with pytest.raises(InfrastructureError) as caught:
        find_interpreter("3.9", uv, progress=said.append)

    text = str(caught.value)
    assert caught.value.exit_code is ExitCode.INFRASTRUCTURE
    assert "no Python 3.9 on this machine" in text
    assert str(tmp_path / "pyenv") in text
    assert "No download found" in text
    assert "pyenv install" in text
    assert said == ["fetching Python 3.9"]


def test_offline_nothing_is_fetched(fake_uv, uv, tmp_path):
    offline = fake_uv.uv(tmp_path / "uv-cache", Network(offline=True))

    with pytest.raises(InfrastructureError, match="offline"):
        find_interpreter("3.9", offline)

    assert fake_uv.calls("install") == []


def test_an_absent_interpreter_is_fetched(fake_uv, uv, tmp_path):
    # The fake uv becomes one that has it, at the moment when it is asked to install it.
    target = tmp_path / "managed" / "bin" / "python3.9"
    make_python(target)
    found = json.dumps([{"when": ["python find"], "stdout": str(target), "stderr": "", "exit_code": 0}])
    (fake_uv.folder / "with-python.json").write_text(found)
    original = fake_uv.executable.read_text()
    fake_uv.executable.write_text(
        original.replace(
            "for answer in answers:",
            "if 'install' in arguments:\n"
            "    os.replace(os.path.join(here, 'with-python.json'), os.path.join(here, 'answers.json'))\n"
            "    sys.exit(0)\n"
            "for answer in answers:",
        )
    )

    assert find_interpreter("3.9", uv).path == target
    assert fake_uv.calls("install")[0]["arguments"] == ["python", "install", "3.9"]


def test_the_answer_is_kept_for_the_process(fake_uv, uv, tmp_path):
    make_python(tmp_path / "bin" / "python3.9")

    assert find_interpreter("3.9", uv) is find_interpreter("3.9", uv)
    assert len(fake_uv.calls("find")) == 1


def test_identity_tells_interpreters_apart(uv, tmp_path):
    make_python(tmp_path / "bin" / "python3.9")
    make_python(tmp_path / "pyenv" / "versions" / "3.8.1" / "bin" / "python3.8", "3.8.1")

    assert find_interpreter("3.9", uv).identity != find_interpreter("3.8", uv).identity


def test_the_interpreter_of_this_very_process_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    version = f"{sys.version_info.major}.{sys.version_info.minor}"

    found = find_interpreter(version, Uv(cache=tmp_path / "uv-cache", network=Network(offline=True)))

    assert found.version.startswith(version)
    assert found.prefix == Path(sys.base_prefix).resolve()
    assert found.path.is_relative_to(found.prefix)
