"""What each tool takes in its own way: each right value is what the tool itself was seen to install or to read."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from tfmatrix.core.errors import ConfigError
from tfmatrix.envs.pins import read_pins as read_with
from tfmatrix.envs.uv import Network, Uv


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def read(path: Path):
    return read_with(path, Uv(cache=path.parent / "cache", network=Network(offline=True)))


def requirements(path: Path) -> list[str]:
    return [pin.requirement for pin in read(path).pins if pin.is_production]


# pip


@pytest.mark.parametrize(
    "options",
    [
        "--hash=sha256:00 --config-settings='x=y'",
        "--config-settings x=y",
        "--config-setting=x=y",
        "-C x=y",
        "--no-binary :all:",
        "--global-option=x",
    ],
)
def test_an_option_of_one_requirement_is_no_part_of_it(options, tmp_path):
    text = f'tensorflow==2.14.1 ; python_version < "3.12" {options}\nnumpy==1.26.4\n'
    assert requirements(write(tmp_path, "requirements.txt", text)) == [
        'tensorflow==2.14.1 ; python_version < "3.12"',
        "numpy==1.26.4",
    ]


def test_options_that_pin_nothing(tmp_path):
    text = "--pre\n--prefer-binary\n--only-binary=:all:\n--no-binary absl-py\n--require-hashes\ntensorflow==2.14.1\n"
    found = read(write(tmp_path, "requirements.txt", text))
    assert [pin.requirement for pin in found.pins] == ["tensorflow==2.14.1"]
    assert found.options == ("--pre",)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements.in"])
def test_an_encoding_that_a_comment_names(name, tmp_path):
    path = tmp_path / name
    path.write_bytes("# -*- coding: latin-1 -*-\n# für Jörg\ntensorflow==2.15.1\n".encode("latin-1"))
    assert requirements(path) == ["tensorflow==2.15.1"]
    path.write_bytes(b"# -*- coding: no-such -*-\ntensorflow==2.15.1\n")
    with pytest.raises(ConfigError, match=r":1: no encoding: 'no-such'"):
        read(path)


# setuptools


def test_values_that_setup_cfg_interpolates(tmp_path):
    text = """\
        [options]
        tensorflow_version = 2.15.1
        install_requires =
            tensorflow == %(tensorflow_version)s
            requests >= 2.31  ; python_version >= "3.9"
        """
    found = read(write(tmp_path, "setup.cfg", text))
    assert [(pin.requirement, pin.line) for pin in found.pins] == [
        ("tensorflow==2.15.1", 4),
        ('requests>=2.31 ; python_version >= "3.9"', 5),
    ]
    path = write(tmp_path, "setup.cfg", "[options]\ninstall_requires =\n    tensorflow == %(nowhere)s\n")
    with pytest.raises(ConfigError, match=r"setup\.cfg:3: not a setup\.cfg"):
        read(path)


# Pipenv


def test_markers_and_bare_versions_of_pipenv(tmp_path):
    text = """\
        [packages]
        tensorflow = "2.14.1"
        numpy = {version = "==1.23.5", platform_python_implementation = "== 'CPython'"}
        absl-py = {version = "*", python_full_version = "< '3.5'", markers = "os_name == 'posix'"}
        [pipenv]
        allow_prereleases = true
        """
    found = read(write(tmp_path, "Pipfile", text))
    assert [pin.requirement for pin in found.pins] == [
        "tensorflow==2.14.1",
        "numpy==1.23.5 ; platform_python_implementation == 'CPython'",
        "absl-py ; (os_name == 'posix') and (python_full_version < '3.5')",
    ]
    assert found.options == ("--pre",)


# pixi


def test_indexes_markers_and_variables_of_pixi(tmp_path):
    (tmp_path / "wheels").mkdir()
    text = """\
        [workspace]
        name = "service"
        [activation.env]
        TF_USE_LEGACY_KERAS = "1"
        OTHER = "2"
        [pypi-options]
        index-url = "https://example.org/simple"
        extra-index-urls = ["https://example.org/more"]
        find-links = [{path = "wheels"}, {url = "https://example.org/links"}, {path = "nowhere"}]
        prerelease-mode = "allow"
        [pypi-options.dependency-overrides]
        numpy = ">=2.0"
        [pypi-dependencies]
        tensorflow = "==2.16.2"
        requests = {version = ">=2.31", env-markers = "sys_platform == 'win32'"}
        service = {path = ".", editable = true}
        """
    found = read(write(tmp_path, "pixi.toml", text))
    assert [pin.requirement for pin in found.pins] == ["tensorflow==2.16.2", "requests>=2.31 ; sys_platform == 'win32'"]
    assert found.options == (
        "--index-url https://example.org/simple",
        "--extra-index-url https://example.org/more",
        f"--find-links {tmp_path / 'wheels'}",
        "--find-links https://example.org/links",
        "--pre",
    )
    assert found.env == (("TF_USE_LEGACY_KERAS", "1"),)
    assert found.overrides == ("numpy>=2.0",)


# Poetry


def test_what_poetry_says_of_old_sections_is_kept_for_itself(tmp_path, caplog):
    text = """\
        [tool.poetry]
        name = "service"
        version = "1"
        description = ""
        authors = []
        packages = []
        [tool.poetry.dependencies]
        python = "~3.10 || ^3.11,<3.12"
        tensorflow = "~2.14"
        tensorflow-text = {version = "2.14.0", optional = true}
        keras = {version = "2.14.*", platform = "linux"}
        [tool.poetry.extras]
        text = ["tensorflow-text"]
        [tool.poetry.dev-dependencies]
        absl-py = ">=2,<3"
        """
    found = read(write(tmp_path, "pyproject.toml", text))
    assert [(pin.requirement, pin.extra, pin.group) for pin in found.pins] == [
        ("tensorflow<2.15,>=2.14", "", ""),
        ("tensorflow-text==2.14.0", "text", ""),
        ('keras==2.14.* ; sys_platform == "linux"', "", ""),
        ("absl-py<3,>=2", "", "dev"),
    ]
    assert caplog.records == []


# PDM


PDM = """\
    [project]
    name = "service"
    version = "1"
    dependencies = ["tensorflow==2.15.1", "strict"]
    [tool.pdm.resolution]
    excludes = ["h5py"]
    allow-prereleases = true
    [tool.pdm.resolution.overrides]
    protobuf = "4.25.3"
    numpy = ">=1.26.4,<2"
    keras = "https://example.org/keras.whl"
    """

PDM_LOCK = """\
    [[package]]
    name = "tensorflow"
    version = "2.15.1"
    groups = ["default"]
    [[package]]
    name = "strict"
    version = "1.0"
    groups = ["default"]
    [[package]]
    name = "protobuf"
    version = "4.25.3"
    groups = ["default"]
    [[package]]
    name = "numpy"
    version = "1.26.4"
    groups = ["default"]
    """


def test_overrides_and_excludes_of_pdm(tmp_path):
    path = write(tmp_path, "pyproject.toml", PDM)
    found = read(path)
    never = "h5py ; python_version < '0'"
    assert found.overrides == ("protobuf==4.25.3", "numpy>=1.26.4,<2", never)
    assert found.options == ("--pre",)
    assert [note.what for note in found.notes] == ["keras comes from an address, not from a package index: left out"]
    # A lock has one version for each of them.
    locked = read(write(tmp_path, "pdm.lock", PDM_LOCK))
    assert locked.overrides == ("protobuf==4.25.3", "numpy==1.26.4", never)


# PEP 751


def test_a_lock_without_hashes(tmp_path):
    text = """\
        lock-version = "1.0"
        created-by = "x"
        [[packages]]
        name = "tensorflow"
        version = "2.15.1"
        wheels = [{name = "tensorflow-2.15.1-cp311-cp311-linux_x86_64.whl", url = "https://example.org/a.whl"}]
        [[packages]]
        name = "absl-py"
        version = "2.1.0"
        sdist = {name = "absl-py-2.1.0.tar.gz", url = "https://example.org/absl-py-2.1.0.tar.gz", hashes = {}}
        [[packages]]
        name = "elsewhere"
        archive = {url = "https://example.org/elsewhere.zip"}
        """
    found = read(write(tmp_path, "pylock.toml", text))
    assert [pin.requirement for pin in found.pins] == ["tensorflow==2.15.1", "absl-py==2.1.0"]
    assert [note.what for note in found.notes] == [
        "elsewhere comes from an address, not from a package index: left out"
    ]


# Docker


def test_arguments_hold_in_their_stage(tmp_path):
    text = """\
        ARG TF=2.14.1
        ARG BASE=python
        FROM ${BASE}:3.10-slim AS build
        ARG TF=2.13.1
        ARG TF=2.15.1 NUMPY=1.26.4
        ENV CHOSEN=${TF}
        RUN --mount=type=cache,target=/root/.cache python3 -m pip install "tensorflow==${CHOSEN}" numpy==$NUMPY
        FROM tensorflow/tensorflow:${TF} AS unused
        ENV TF_USE_LEGACY_KERAS=1
        FROM build
        RUN pip install --pre h5py==$NUMPY && conda run -n base pip install six
        """
    found = read(write(tmp_path, "Dockerfile", text))
    assert [pin.requirement for pin in found.pins] == ["tensorflow==2.15.1", "numpy==1.26.4", "h5py==1.26.4", "six"]
    assert (found.python, found.env, found.options) == ("==3.10.*", (), ("--pre",))
    again = "ARG TF=2.14.1\nFROM python:3.11\nARG TF\nRUN pip install tensorflow==$TF\n"
    assert requirements(write(tmp_path, "Dockerfile", again)) == ["tensorflow==2.14.1"]


@pytest.mark.parametrize(
    ("image", "python"),
    [
        ("python:3.11", "==3.11.*"),
        ("python:3.11.4-slim@sha256:0a", "==3.11.*"),
        ("--platform=linux/amd64 public.ecr.example/docker/library/python:3.9-slim", "==3.9.*"),
        ("mcr.example.com/devcontainers/python:1-3.11-bookworm", "==3.11.*"),
        ("ghcr.example.io/astral-sh/uv:0.5-python3.10-alpine", "==3.10.*"),
        ("ghcr.example.io/astral-sh/uv:python3.10-bookworm", "==3.10.*"),
        ("example.org/cpython:3.11", ""),
        ("python:slim", ""),
    ],
)
def test_the_python_of_an_image(image, python, tmp_path):
    path = write(tmp_path, "Dockerfile", f"FROM {image}\nRUN pip install tensorflow==2.15.1\n")
    assert read(path).python == python


@pytest.mark.parametrize(
    "image", ["tensorflow/tensorflow:2.15.0@sha256:0a", "mirror.example.org:5000/tensorflow/tensorflow:2.15.0-gpu"]
)
def test_the_tensorflow_of_an_image_of_a_mirror(image, tmp_path):
    assert requirements(write(tmp_path, "Dockerfile", f"FROM {image}\n")) == ["tensorflow==2.15.0"]


CONDA = """\
    dependencies:
    - python=3.10
    - pip:
      - tensorflow==2.15.1
    """


@pytest.mark.parametrize(
    "command",
    [
        "conda env create -f environment.yml && conda clean -a",
        "conda env create --file=/build/environment.yml",
        "mamba env update -n base -f environment.yml",
        "micromamba install -y -n base -f /tmp/environment.yml",
        "conda env create",
    ],
)
def test_an_environment_of_conda_in_an_image(command, tmp_path):
    write(tmp_path, "environment.yml", CONDA)
    found = read(write(tmp_path, "Dockerfile", f"FROM condaforge/miniforge3\nRUN {command}\n"))
    assert ([pin.requirement for pin in found.pins], found.python) == (["tensorflow==2.15.1"], "==3.10.*")
    assert found.reads == (tmp_path / "environment.yml",)


def test_what_conda_is_asked_for_in_an_image(tmp_path):
    command = "conda install -y -c conda-forge -n base python=3.10 'tensorflow=2.15' cudatoolkit; conda init"
    found = read(write(tmp_path, "Dockerfile", f"FROM x\nRUN {command}\n"))
    assert ([pin.requirement for pin in found.pins], found.python) == (["tensorflow==2.15.*"], "==3.10.*")
    assert [note.what for note in found.notes] == ["cudatoolkit: packages of conda, not of the package index: left out"]
    found = read(write(tmp_path, "Dockerfile", "FROM x\nRUN conda env create -f nowhere.yml\n"))
    said = [(note.line, note.what) for note in found.notes]
    assert said == [(2, "nowhere.yml of conda is not beside it: left out")]


def test_the_lock_of_a_project_in_an_image(tmp_path):
    write(tmp_path, "pyproject.toml", PDM + '[dependency-groups]\nml = ["absl-py"]\n')
    write(tmp_path, "pdm.lock", PDM_LOCK)
    path = write(tmp_path, "Dockerfile", "FROM python:3.11\nRUN pip install pdm && pdm sync --prod -G ml\n")
    found = read(path)
    asked = [pin.requirement for pin in found.pins if not pin.is_constraint]
    assert asked == ["pdm", "tensorflow==2.15.1", "strict==1.0", "absl-py"]
    assert found.overrides[:2] == ("protobuf==4.25.3", "numpy==1.26.4")
    assert "strict" in (found.wanted or ())
    (tmp_path / "pdm.lock").unlink()
    missing = read(path).notes
    assert [note.what for note in missing] == ["pdm sync needs pdm.lock, which is not beside it: left out"]


# conda


EXPORTED = """\
    # This file may be used to create an environment using:
    # $ conda create --name <env> --file <this file>
    # platform: linux-64
    _libgcc_mutex=0.1=main
    absl-py=2.1.0=pypi_0
    numpy=1.26.4=py310h5f9d8c6_0
    python=3.10.13=h955ad1f_0
    tensorflow=2.15.1=cpu_py310h1234_0
    """


def test_what_conda_exports_as_a_list(tmp_path):
    found = read(write(tmp_path, "requirements.txt", EXPORTED))
    assert [(pin.requirement, pin.line) for pin in found.pins] == [
        ("numpy==1.26.4", 6),
        ("tensorflow==2.15.1", 8),
        ("absl-py==2.1.0", 5),
    ]
    assert (found.python, found.python_line) == ("==3.10.13", 7)
    assert [note.what.split(":")[0] for note in found.notes] == ["-libgcc-mutex"]
    # One line of another kind, and it is a file for pip, which does not take such lines.
    with pytest.raises(ConfigError, match=r":4: not a requirement"):
        read(write(tmp_path, "requirements.txt", f"{textwrap.dedent(EXPORTED)}requests\n"))
