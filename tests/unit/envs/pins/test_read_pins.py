"""Every kind of file, as its tool writes it, and every way in which one can be wrong."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from tfmatrix.core.errors import ConfigError, InfrastructureError
from tfmatrix.envs.installation import PYTHONS
from tfmatrix.envs.pins import PinFile, find_files, python_beside
from tfmatrix.envs.pins import read_pins as read_with
from tfmatrix.envs.pins.model import python_specifier
from tfmatrix.envs.uv import Network, Uv


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return path


UV = Uv(cache=Path(), network=Network(offline=True))


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.UV", Uv(cache=tmp_path / "cache", network=Network(offline=True)))


def read_pins(path: Path) -> PinFile:
    return read_with(path, UV)


def versions(path: Path) -> dict[str, str]:
    return {pin.package: pin.version or pin.specifier for pin in read_pins(path).pins}


REQUIREMENTS = """\
    # made by uv pip compile
    --index-url https://example.org/simple
    -e .
    absl-py==2.1.0 \\
        --hash=sha256:00
    tensorflow-cpu==2.15.1 \\
        --hash=sha256:11 \\
        --hash=sha256:22
        # via -r requirements.in
    NumPy == 1.26.4 ; python_version >= "3.9"  # as in production
    h5py>=3.8,<4
    ./wheels/other-1.0-py3-none-any.whl
    git+https://example.org/thing.git
    """


def test_requirements_with_hashes_markers_and_comments(tmp_path):
    path = write(tmp_path, "requirements.txt", REQUIREMENTS)
    found = read_pins(path)
    assert versions(path) == {"absl-py": "2.1.0", "tensorflow-cpu": "2.15.1", "numpy": "1.26.4", "h5py": "<4,>=3.8",
                              "other": "1.0"}  # fmt: skip
    assert found.options == ("--index-url https://example.org/simple",)
    assert [(note.line, note.what) for note in found.notes] == [
        (12, "other comes from a folder: 1.0 of the package index is taken"),
        (3, ". comes from a folder, not from a package index: left out"),
        (13, "git+https://example.org/thing.git comes from a repository, not from a package index: left out"),
    ]
    tensorflow = found.tensorflow[0]
    assert (tensorflow.line, tensorflow.place) == (6, f"{path}:6")
    assert next(pin for pin in read_pins(path).pins if pin.package == "numpy").marker == 'python_version >= "3.9"'


def test_requirements_that_include_others(tmp_path):
    path = write(tmp_path, "requirements.txt", "-r base/common.txt\n--constraint=limits.txt\ntensorflow\n")
    write(tmp_path, "base/common.txt", "keras==3.3.3\n-r more.txt\n")
    write(tmp_path, "base/more.txt", "numpy==1.26.4\n")
    write(tmp_path, "limits.txt", "tensorflow==2.16.2\n")
    found = read_pins(path)
    assert [(pin.package, pin.version, pin.is_constraint) for pin in found.pins] == [
        ("keras", "3.3.3", False),
        ("numpy", "1.26.4", False),
        ("tensorflow", "2.16.2", True),
        ("tensorflow", "", False),
    ]
    assert found.pins[1].file == tmp_path / "base" / "more.txt"


def test_what_powershell_writes(tmp_path):
    path = tmp_path / "requirements.txt"
    path.write_bytes("tensorflow==2.15.1\r\nnumpy==1.26.4\r\n".encode("utf-16"))
    assert versions(path) == {"tensorflow": "2.15.1", "numpy": "1.26.4"}


UV_PROJECT = """\
    [project]
    name = "mine"
    version = "0.1.0"
    requires-python = ">=3.10,<3.12"
    dependencies = ["tensorflow==2.18.1"]
    [project.optional-dependencies]
    plots = ["pillow"]
    [dependency-groups]
    bench = ["absl-py"]
    """

UV_LOCK = """\
    version = 1
    requires-python = ">=3.10, <3.12"
    resolution-markers = ["python_full_version >= '3.11'", "python_full_version < '3.11'"]

    [[package]]
    name = "absl-py"
    version = "2.1.0"
    source = { registry = "REGISTRY" }

    [[package]]
    name = "mine"
    version = "0.1.0"
    source = { virtual = "." }
    dependencies = [{ name = "tensorflow" }]
    [package.optional-dependencies]
    plots = [{ name = "pillow" }]
    [package.dev-dependencies]
    bench = [{ name = "absl-py" }]

    [[package]]
    name = "numpy"
    version = "1.26.4"
    source = { registry = "REGISTRY" }
    resolution-markers = ["python_full_version < '3.11'"]

    [[package]]
    name = "numpy"
    version = "2.1.3"
    source = { registry = "REGISTRY" }
    resolution-markers = ["python_full_version >= '3.11'"]

    [[package]]
    name = "pillow"
    version = "10.0.0"
    source = { registry = "REGISTRY" }

    [[package]]
    name = "tensorflow"
    version = "2.18.1"
    source = { registry = "REGISTRY" }
    dependencies = [
        { name = "numpy", version = "1.26.4", source = {registry="REGISTRY"}, marker="python_full_version < '3.11'" },
        { name = "numpy", version = "2.1.3", source = {registry="REGISTRY"}, marker="python_full_version >= '3.11'" },
    ]
    """.replace("REGISTRY", "https://example.org/simple")


def test_uv_lock_is_what_uv_exports_of_it(tmp_path):
    write(tmp_path, "pyproject.toml", UV_PROJECT)
    found = read_pins(write(tmp_path, "uv.lock", UV_LOCK))
    assert SpecifierSet(found.python) == SpecifierSet(">=3.10,<3.12")
    assert [(pin.requirement, pin.extra, pin.group) for pin in found.pins] == [
        ('numpy==1.26.4 ; python_full_version < "3.11"', "", ""),
        ('numpy==2.1.3 ; python_full_version >= "3.11"', "", ""),
        ("tensorflow==2.18.1", "", ""),
        ("pillow==10.0.0", "plots", ""),
        ("absl-py==2.1.0", "", "bench"),
    ]
    assert (found.extras, found.groups, found.default_groups) == (("plots",), ("bench",), ())
    assert found.wanted == ("absl-py", "pillow", "tensorflow")
    assert found.tensorflow[0].line == UV_LOCK.splitlines().index('    name = "tensorflow"') + 1


def test_a_member_of_a_workspace_is_read_from_the_lock_above_it(tmp_path):
    write(tmp_path, "pyproject.toml", '[tool.uv.workspace]\nmembers = ["packages/*"]\n')
    member = write(tmp_path, "packages/mine/pyproject.toml", UV_PROJECT)
    write(
        tmp_path,
        "uv.lock",
        "manifest = { members = ['mine'] }\n"
        + UV_LOCK.replace('virtual = "."', 'virtual = "packages/mine"')
        .replace("    version = 1", "version = 1")
        .replace("    requires", "requires")
        .replace("    resolution-markers = [\"python_full_version >= '3.11'\", \"python_full_version < '3.11'\"]", ""),
    )
    assert [pin.version for pin in read_pins(member).tensorflow] == ["2.18.1"]


def test_a_lock_of_uv_without_its_project(tmp_path):
    with pytest.raises(ConfigError, match=r"without its pyproject\.toml"):
        read_pins(write(tmp_path, "uv.lock", UV_LOCK))


def test_poetry_lock(tmp_path):
    path = write(
        tmp_path,
        "poetry.lock",
        """\
        [[package]]
        name = "tensorflow"
        version = "2.15.1"
        groups = ["main"]
        markers = "sys_platform == 'linux'"

        [[package]]
        name = "keras"
        version = "2.15.0"

        [metadata]
        lock-version = "2.1"
        python-versions = "^3.10"
        """,
    )
    assert versions(path) == {"tensorflow": "2.15.1", "keras": "2.15.0"}
    assert allowed(read_pins(path).python) == ["3.10", "3.11", "3.12", "3.13", "3.14"]


POETRY = """\
    [tool.poetry]
    name = "service"
    version = "0.1.0"
    [tool.poetry.dependencies]
    python = ">=3.9,<3.12"
    tensorflow = ">=2.14"
    numpy = [
      {version = "1.22.4", python = "<3.10"},
      {version = "^1.26", python = ">=3.10"},
    ]
    h5py = {version = "~3.10", optional = true}
    other = {git = "https://example.org/other.git"}
    [tool.poetry.extras]
    files = ["h5py"]
    [tool.poetry.group.dev.dependencies]
    pytest = "*"
    [tool.poetry.group.docs]
    optional = true
    [tool.poetry.group.docs.dependencies]
    sphinx = "*"
    """


def test_a_lock_of_poetry_limits_what_its_project_asks_for(tmp_path):
    write(tmp_path, "pyproject.toml", POETRY)
    lock = """\
        [[package]]
        name = "tensorflow"
        version = "2.15.1"

        [[package]]
        name = "absl-py"
        version = "2.1.0"

        [metadata]
        lock-version = "2.0"
        python-versions = ">=3.9,<3.12"
        """
    path = write(tmp_path, "poetry.lock", lock)
    found = read_pins(path)
    asked = [(pin.requirement, pin.extra, pin.group) for pin in found.pins if not pin.is_constraint]
    assert asked == [
        ("tensorflow==2.15.1", "", ""),
        ('numpy==1.22.4 ; python_version < "3.10"', "", ""),
        ('numpy<2.0,>=1.26 ; python_version >= "3.10"', "", ""),
        ("h5py<3.11,>=3.10", "files", ""),
        ("pytest", "", "dev"),
        ("sphinx", "", "docs"),
    ]
    assert [pin.requirement for pin in found.pins if pin.is_constraint] == ["tensorflow==2.15.1", "absl-py==2.1.0"]
    assert (found.extras, found.groups, found.default_groups) == (("files",), ("dev", "docs"), ("dev",))
    assert found.tensorflow[0].place == f"{path}:1"
    assert any("other comes from an address" in note.what for note in found.notes)


@pytest.mark.parametrize("name", ["poetry.lock", "pdm.lock"])
def test_a_lock_that_only_its_tool_can_read_is_not_read_offline(name, tmp_path):
    write(tmp_path, "pyproject.toml", POETRY)
    package = '[[package]]\nname = "numpy"\nversion = "{}"\n'
    path = write(tmp_path, name, package.format("1.22.4") + package.format("1.26.4"))
    with pytest.raises(InfrastructureError, match="needs its own tool, which cannot be had"):
        read_pins(path)


def test_pipfile_lock(tmp_path):
    data = {
        "_meta": {"requires": {"python_version": "3.10"}},
        "default": {"tensorflow": {"version": "==2.15.1", "markers": "python_version >= '3.9'"}},
        "develop": {"numpy": {"version": "==1.26.4"}},
    }
    path = write(tmp_path, "Pipfile.lock", json.dumps(data, indent=4))
    found = read_pins(path)
    assert [(pin.package, pin.version, pin.group) for pin in found.pins] == [
        ("tensorflow", "2.15.1", ""),
        ("numpy", "1.26.4", "dev"),
    ]
    assert found.python == "==3.10.*"
    assert found.pins[0].line == 8


def test_pylock(tmp_path):
    path = write(
        tmp_path,
        "pylock.toml",
        "lock-version = '1.0'\ncreated-by = 't'\nrequires-python = '>=3.11'\n"
        "[[packages]]\nname = 'tensorflow'\nversion = '2.18.1'\n",
    )
    assert versions(path) == {"tensorflow": "2.18.1"}
    assert read_pins(path).python == ">=3.11"


def test_pyproject(tmp_path):
    path = write(
        tmp_path,
        "pyproject.toml",
        """\
        [project]
        name = "mine"
        requires-python = ">=3.10"
        dependencies = ["tensorflow[and-cuda]==2.16.2", "keras>=3,<4"]
        [project.optional-dependencies]
        legacy = ["tf-keras==2.16.0"]
        all = ["mine[legacy]"]
        [dependency-groups]
        test = ["numpy==1.26.4", {include-group = "lint"}]
        lint = ["ruff"]
        """,
    )
    found = read_pins(path)
    assert [(pin.requirement, pin.extra, pin.group, pin.line) for pin in found.pins] == [
        ("tensorflow[and-cuda]==2.16.2", "", "", 4),
        ("keras<4,>=3", "", "", 4),
        ("tf-keras==2.16.0", "legacy", "", 6),
        ("tf-keras==2.16.0", "all", "", 6),
        ("numpy==1.26.4", "", "test", 9),
        ("ruff", "", "test", 10),
        ("ruff", "", "lint", 10),
    ]
    assert [pin.requirement for pin in found.selected(extras=["all"], groups=["lint"]).pins][2:] == [
        "tf-keras==2.16.0",
        "ruff",
    ]
    with pytest.raises(ConfigError, match=r'no extra "gpu"[\s\S]*legacy, all'):
        found.selected(extras=["gpu"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (">= 3.9, < 3.12", ["3.9", "3.10", "3.11"]),
        (">=3.9 <3.12", ["3.9", "3.10", "3.11"]),
        ("^3.12", ["3.12", "3.13", "3.14"]),
        ("~3.11", ["3.11"]),
        ("*", ["3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"]),
        ("3.11.*", ["3.11"]),
        (">=3.8,<3.9 || >=3.11,<3.12", ["3.8", "3.11"]),
    ],
)
def test_constraints_of_poetry(text, expected):
    assert allowed(python_specifier(text, Path("poetry.lock"), 1)) == expected


def allowed(specifier: str) -> list[str]:
    return [python for python in PYTHONS if SpecifierSet(specifier).contains(f"{python}.1")]


@pytest.mark.parametrize(
    ("name", "text", "line", "words"),
    [
        ("requirements.txt", "", 1, "empty"),
        ("requirements.txt", "absl-py\n\ntensorflow=2.15.1\n", 3, "not a requirement"),
        ("requirements.txt", "\n<<<<<<< HEAD\ntensorflow==2.15.1\n", 2, "not a requirement"),
        ("requirements.txt", "tensorflow @ https://example.org/tensorflow.zip\n", 1, "address"),
        ("requirements.txt", "tensorflow @ git+https://example.org/tensorflow.git\n", 1, "address"),
        ("requirements.txt", "numpy==1.26.4\n-r missing.txt\n", 2, "missing.txt"),
        (
            "requirements.txt",
            "-r requirements.txt\n",
            1,
            "requirements.txt includes itself: requirements.txt → requirements.txt",
        ),
        ("requirements.txt", "tensorflow==${NO_SUCH_VARIABLE}\n", 1, "NO_SUCH_VARIABLE is not set"),
        ("requirements.txt", "a\n\0\n", 2, "null"),
        ("uv.lock", "version = 1\nthis is garbage\n", 2, "not TOML"),
        ("poetry.lock", 'package = "x"\n', None, "list of tables"),
        ("pdm.lock", '[[package]]\nname = "tensorflow"\nversion = "2.15.1"\ngit = "https://x"\n', 2, "address"),
        ("pylock.toml", '[[packages]]\nname = "tensorflow"\n', None, "PEP 751"),
        ("poetry.lock", "[[package]]\nname = 3", None, None),
        ("Pipfile.lock", '{\n"default": \n', 3, "not JSON"),
        ("Pipfile.lock", "[]", 1, "not a JSON object"),
        ("Pipfile.lock", '{"default": {"tensorflow": {"git": "x"}}}', 1, "address"),
        ("pyproject.toml", "project = 3\n", None, "not a table"),
        ("pyproject.toml", '[project]\ndependencies = ["tensorflow=2"]\n', 2, "not a requirement"),
        ("pyproject.toml", '[tool.poetry.dependencies]\ntensorflow = "two"\n', None, "Poetry cannot read it"),
        ("environment.yml", "dependencies: [tensorflow=2=\n", 2, "not YAML"),
        ("environment.yml", "dependencies: {a: b}\n", None, "not a list"),
        ("setup.cfg", "[options\n", 1, "not a setup.cfg"),
        ("pins.json", "{}\n", None, "not a kind of file"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path, name, text, line, words):
    if name == "uv.lock":
        write(tmp_path, "pyproject.toml", UV_PROJECT)
    path = write(tmp_path, name, text)
    if words is None:
        assert read_pins(path).pins == ()
        return
    with pytest.raises(ConfigError) as caught:
        read_pins(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.line == line


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "requirements.txt"
    path.write_bytes(b"numpy\n\xff\xfa\x00\n")
    with pytest.raises(ConfigError, match="not text in UTF-8") as caught:
        read_pins(path)
    assert caught.value.line == 2


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_pins(tmp_path / "uv.lock")


def test_the_files_of_a_folder_the_one_that_decides_first(tmp_path):
    write(tmp_path, "pyproject.toml", UV_PROJECT)
    write(tmp_path, "requirements-dev.txt", "-r requirements.txt\npytest\n")
    write(tmp_path, "requirements.txt", "tensorflow==2.15.1\n")
    write(tmp_path, "requirements-docs.txt", "sphinx\n")
    write(tmp_path, "uv.lock", UV_LOCK)
    (tmp_path / "Pipfile.lock").write_text("")
    found = find_files(tmp_path, UV)
    # pyproject.toml says nothing more than its lock, and what includes another file leads to the same pin.
    assert [file.path.name for file in found.files] == ["uv.lock", "requirements.txt"]
    assert found.notes == ()
    assert find_files(tmp_path / "nothing", UV).files == ()


def test_a_neighbour_that_cannot_be_read_is_a_note(tmp_path):
    write(tmp_path, "requirements.txt", "tensorflow==2.15.1\n")
    write(tmp_path, "requirements-old.txt", "<<<<<<< HEAD\ntensorflow==2.1.0\n")
    found = find_files(tmp_path, UV)
    assert [file.path.name for file in found.files] == ["requirements.txt"]
    (note,) = found.notes
    assert "requirements-old.txt:1: not a requirement" in note
    assert note.endswith("this file is left out")


def test_what_is_written_for_another_machine_is_left_out_and_said(tmp_path, monkeypatch):
    text = """\
        -c https://example.invalid/limits.txt
        six @ file:///feedstock/six_1/work
        attrs @ file:///feedstock/attrs-23.1.0-py3-none-any.whl
        wrapt==1.14.1;
        tensorflow==${TF_RELEASE}
        """
    monkeypatch.setenv("TF_RELEASE", "2.15.1")
    path = write(tmp_path, "requirements.txt", text)
    monkeypatch.setattr("tfmatrix.envs.pins.requirements._fetch", _nobody_answers)
    found = read_pins(path)
    assert versions(path) == {"attrs": "23.1.0", "wrapt": "1.14.1", "tensorflow": "2.15.1"}
    assert sorted((note.file, note.line) for note in found.notes) == [(path, 1), (path, 2), (path, 3)]
    for words in ("cannot be had", "six comes from a folder", "23.1.0 of the package index is taken"):
        assert any(words in note.what for note in found.notes)


def _nobody_answers(address: str) -> str:
    raise OSError(f"nobody answers at {address}")


def test_a_constraints_file_of_the_network_counts(tmp_path, package_index):
    path = write(tmp_path, "requirements.txt", f"-c {package_index}limits.txt\ntensorflow\n")
    with pytest.raises(ConfigError, match="not a requirement"):
        # What that address answers is read as constraints: here the listing of a folder.
        read_pins(write(tmp_path, "html.txt", f"-c {package_index}numpy/\ntensorflow\n"))
    assert "cannot be had" in read_pins(path).notes[0].what


def test_conda(tmp_path):
    text = """\
        name: service
        dependencies:
          - python=3.10
          - conda-forge::tensorflow=2.15.0=cpu_py310h
          - numpy=1.26
          - cudatoolkit=11.8
          - pip:
              - mediapipe==0.10.9
              - -r more.txt
        """
    write(tmp_path, "more.txt", "keras==2.15.0\n")
    found = read_pins(write(tmp_path, "environment.yml", text))
    assert [(pin.requirement, pin.line) for pin in found.pins] == [
        ("tensorflow==2.15.0", 4),
        ("numpy==1.26.*", 5),
        ("mediapipe==0.10.9", 8),
        ("keras==2.15.0", 1),
    ]
    assert found.python == "==3.10.*"
    (note,) = found.notes
    assert "cudatoolkit: packages of conda, not of the package index" in note.what


def test_conda_with_builds_brackets_and_channels(tmp_path):
    path = write(tmp_path, "environment.yml", """\
        dependencies:
          - conda-forge/linux-64::keras=2.15
          - numpy=1.26.*=py311*
          - "h5py[version='>=3.8,<4', build=nompi*]"
          - tensorflow-gpu 2.15.0 cuda118*
          - libstdcxx-ng==13.2=h7e041cc_5
          - null
          - pip:
            - tensorflow-hub
            - ./nowhere
        """)  # fmt: skip
    found = read_pins(path)
    assert [(pin.requirement, pin.line) for pin in found.pins] == [
        ("keras==2.15.*", 2),
        ("numpy==1.26.*", 3),
        ("h5py<4,>=3.8", 4),
        ("tensorflow-gpu==2.15.0", 5),
        ("tensorflow-hub", 9),
    ]
    assert [(note.line, note.what.split()[0]) for note in found.notes] == [(10, "./nowhere"), (None, "libstdcxx-ng:")]


def test_a_dependency_group_that_cannot_be_told_is_left_out(tmp_path):
    path = write(tmp_path, "pyproject.toml", """\
        [project]
        name = "service"
        version = "1"
        dependencies = ["tensorflow==2.15.1"]
        [dependency-groups]
        a = [{include-group = "b"}]
        b = [{include-group = "a"}]
        c = [{include-group = "nothing"}]
        dev = ["six"]
        """)  # fmt: skip
    found = read_pins(path)
    assert versions(path) == {"tensorflow": "2.15.1", "six": ""}
    assert [note.line for note in found.notes] == [6, 7, 8]
    assert "Cyclic dependency group include" in found.notes[0].what
    assert "'nothing' not found" in found.notes[2].what


def test_a_build_argument_without_a_value_is_asked_for(tmp_path, monkeypatch):
    text = "FROM python:3.11\nARG TF\nARG SIX\nRUN pip install tensorflow==${TF} six==$SIX\n"
    path = write(tmp_path, "Dockerfile", text)
    with pytest.raises(ConfigError, match="Dockerfile:4: the build argument TF has no value"):
        read_pins(path)
    monkeypatch.setenv("TF", "2.15.1")
    found = read_pins(path)
    assert [pin.requirement for pin in found.pins] == ["tensorflow==2.15.1"]
    assert [str(note) for note in found.notes] == [f"{path}:4: six: the build argument SIX has no value: left out"]


def test_the_address_of_a_pipfile_has_variables(tmp_path, monkeypatch):
    monkeypatch.setenv("TOKEN", "t0")
    text = """\
        [[source]]
        url = "https://me:$TOKEN@example.org/${NAMELESS}/simple"
        [packages]
        tensorflow = "==2.15.1"
        """
    found = read_pins(write(tmp_path, "Pipfile", text))
    assert found.options == ("--index-url https://me:t0@example.org/${NAMELESS}/simple",)


def test_pixi(tmp_path):
    asked = """\
        [dependencies]
        python = "3.11.*"
        numpy = "1.26"
        cudatoolkit = "*"
        [pypi-dependencies]
        tensorflow = "==2.15.1"
        """
    found = read_pins(write(tmp_path, "pixi.toml", asked))
    assert [pin.requirement for pin in found.pins] == ["numpy==1.26.*", "tensorflow==2.15.1"]
    locked = """\
        version: 6
        environments:
          default:
            packages:
              linux-64:
              - conda: https://example.org/conda-forge/linux-64/python-3.11.9-hb806964_0_cpython.conda
              - conda: https://example.org/conda-forge/linux-64/numpy-1.26.4-py311h64a7726_0.conda
              - conda: https://example.org/conda-forge/linux-64/openssl-3.3.1-h4bc722e_2.conda
              - pypi: https://example.org/tensorflow-2.15.1-cp311-cp311-manylinux_2_17_x86_64.whl
        packages:
        - pypi: https://example.org/tensorflow-2.15.1-cp311-cp311-manylinux_2_17_x86_64.whl
          name: tensorflow
          version: 2.15.1
        """
    found = read_pins(write(tmp_path, "pixi.lock", locked))
    assert {pin.requirement for pin in found.pins} == {"numpy==1.26.4", "tensorflow==2.15.1"}
    assert found.python == "==3.11.*"
    assert [file.kind for file in find_files(tmp_path, UV).files] == ["pixi.lock"]


def test_dockerfile(tmp_path):
    text = """\
        ARG RELEASE=2.11.0
        FROM tensorflow/tensorflow:${RELEASE}-gpu AS base
        ENV TF_USE_LEGACY_KERAS=1 OTHER=2
        RUN apt-get install -y tensorflow && pip install --no-cache-dir "numpy<2" \\
            -r app/requirements.txt
        FROM base
        """
    write(tmp_path, "requirements.txt", "requests==2.31.0\n")
    found = read_pins(write(tmp_path, "Dockerfile", text))
    assert [(pin.requirement, pin.file.name, pin.line) for pin in found.pins] == [
        ("tensorflow==2.11.0", "Dockerfile", 2),
        ("numpy<2", "Dockerfile", 4),
        ("requests==2.31.0", "requirements.txt", 1),
    ]
    assert found.env == (("TF_USE_LEGACY_KERAS", "1"),)
    found = read_pins(write(tmp_path, "python.Dockerfile", "FROM python:3.9-slim\nRUN pip install tensorflow==2.8.0\n"))
    assert (found.python, found.tensorflow[0].version) == ("==3.9.*", "2.8.0")


def test_setuptools(tmp_path):
    text = """\
        [options]
        python_requires = >=3.9,<3.11
        install_requires =
            tensorflow==2.11.1
            numpy<2  # a comment
        [options.extras_require]
        text = tensorflow-text==2.11.0; keras
        """
    found = read_pins(write(tmp_path, "setup.cfg", text))
    assert [(pin.requirement, pin.extra, pin.line) for pin in found.pins] == [
        ("tensorflow==2.11.1", "", 4),
        ("numpy<2", "", 5),
        ("tensorflow-text==2.11.0", "text", 7),
        ("keras", "text", 7),
    ]
    assert allowed(found.python) == ["3.9", "3.10"]
    dynamic = """\
        [project]
        name = "service"
        dynamic = ["dependencies"]
        [tool.setuptools.dynamic]
        dependencies = {file = ["deps/prod.txt"]}
        """
    write(tmp_path, "deps/prod.txt", "tensorflow==2.15.1\n")
    found = read_pins(write(tmp_path, "pyproject.toml", dynamic))
    assert [pin.place for pin in found.tensorflow] == [f"{tmp_path}/deps/prod.txt:1"]


def test_pdm(tmp_path):
    project = """\
        [project]
        name = "service"
        requires-python = ">=3.10"
        dependencies = ["tensorflow>=2.14"]
        [tool.pdm.dev-dependencies]
        test = ["pytest"]
        """
    write(tmp_path, "pyproject.toml", project)
    lock = """\
        [metadata]
        groups = ["default", "test"]
        [[metadata.targets]]
        requires_python = ">=3.10"

        [[package]]
        name = "tensorflow"
        version = "2.15.1"
        groups = ["default"]

        [[package]]
        name = "pytest"
        version = "8.0.0"
        groups = ["test"]
        """
    found = read_pins(write(tmp_path, "pdm.lock", lock))
    assert [(pin.requirement, pin.group) for pin in found.pins if not pin.is_constraint] == [
        ("tensorflow==2.15.1", ""),
        ("pytest==8.0.0", "test"),
    ]


def test_pipfile(tmp_path):
    text = """\
        [[source]]
        url = "https://example.org/simple"
        [packages]
        tensorflow = "==2.15.1"
        numpy = {version = "<2", markers = "python_version >= '3.9'"}
        mine = {path = ".", editable = true}
        [dev-packages]
        pytest = "*"
        [requires]
        python_version = "3.10"
        """
    found = read_pins(write(tmp_path, "Pipfile", text))
    assert [(pin.requirement, pin.group) for pin in found.pins] == [
        ("tensorflow==2.15.1", ""),
        ("numpy<2 ; python_version >= '3.9'", ""),
        ("pytest", "dev"),
    ]
    assert (found.python, found.options) == ("==3.10.*", ("--index-url https://example.org/simple",))


def test_the_optional_parts_of_a_pylock(tmp_path):
    text = """\
        lock-version = "1.0"
        created-by = "test"
        extras = ["ml"]
        dependency-groups = ["dev"]
        [[packages]]
        name = "tensorflow"
        version = "2.15.1"
        marker = "'ml' in extras"
        [[packages]]
        name = "pytest"
        version = "8.0.0"
        marker = "'dev' in dependency_groups"
        [[packages]]
        name = "numpy"
        version = "1.26.4"
        marker = "python_version >= '3.9'"
        """
    found = read_pins(write(tmp_path, "pylock.ml.toml", text))
    assert [(pin.package, pin.extra, pin.group, pin.marker) for pin in found.pins] == [
        ("tensorflow", "ml", "", ""),
        ("pytest", "", "dev", ""),
        ("numpy", "", "", 'python_version >= "3.9"'),
    ]


def test_what_neighbours_say_of_the_python(tmp_path):
    write(tmp_path, ".python-version", "# as in production\ncpython-3.10.4\n")
    write(tmp_path, "pyproject.toml", '[project]\nname = "x"\nrequires-python = ">=3.9,<3.11"\n')
    write(tmp_path, "requirements.txt", "tensorflow==2.11.1\n")
    found = python_beside(tmp_path, UV)
    assert [(allowed(str(specifier)), name) for specifier, name in found] == [
        (["3.10"], ".python-version"),
        (["3.9", "3.10"], "pyproject.toml"),
    ]


def test_what_pip_compile_made_stands_for_what_it_was_made_of(tmp_path):
    write(tmp_path, "requirements.in", "tensorflow\n")
    write(tmp_path, "requirements.txt", "tensorflow==2.14.1\n")
    write(tmp_path, "requirements/dev.in", "tensorflow>=2\n")
    write(tmp_path, "requirements/dev.txt", "tensorflow==2.15.1\n")
    found = [str(file.path.relative_to(tmp_path)) for file in find_files(tmp_path, UV).files]
    assert found == ["requirements.txt", "requirements/dev.txt"]


def test_a_project_of_this_machine_asks_for_what_it_says_itself(tmp_path):
    write(tmp_path, "pyproject.toml", """\
        [project]
        name = "service"
        version = "1"
        dependencies = ["tensorflow==2.14.1"]
        [project.optional-dependencies]
        media = ["mediapipe"]
        """)  # fmt: skip
    write(tmp_path, "libs/more/pyproject.toml", '[project]\nname = "more"\nversion = "1"\ndependencies = ["keras"]\n')
    path = write(tmp_path, "requirements/prod.txt", "-e .[media]\n./libs/more\n./nowhere\n")
    found = read_pins(path)
    assert [pin.requirement for pin in found.pins] == ["tensorflow==2.14.1", "mediapipe", "keras"]
    assert list(map(str, found.notes)) == [
        f"{path}:3: ./nowhere comes from a folder, not from a package index: left out"
    ]
    unknown = read_pins(write(tmp_path, "requirements.txt", "-e .[nothing]\nnumpy\n"))
    assert [pin.package for pin in unknown.pins] == ["numpy"]
    assert 'there is no extra "nothing"' in unknown.notes[0].what


def test_poetry_installs_the_projects_of_paths_with_what_they_ask_for(tmp_path):
    write(tmp_path, "models/pyproject.toml", """\
        [project]
        name = "models"
        version = "1"
        dependencies = ["tensorflow==2.14.1"]
        """)  # fmt: skip
    path = write(tmp_path, "pyproject.toml", """\
        [tool.poetry]
        name = "service"
        version = "1.0.0"
        description = ""
        authors = []
        [tool.poetry.dependencies]
        python = "^3.10"
        models = {path = "models", develop = true}
        """)  # fmt: skip
    assert versions(path) == {"tensorflow": "2.14.1"}
    assert find_files(tmp_path, UV).files[0].path == path


def test_files_that_include_each_other_are_named_in_order(tmp_path):
    write(tmp_path, "reqs/base.txt", "tensorflow==2.15.1\n-r ../dev.txt\n")
    write(tmp_path, "dev.txt", "-r reqs/base.txt\n")
    path = write(tmp_path, "requirements.txt", "-r dev.txt\n")
    with pytest.raises(
        ConfigError, match=r"reqs/base.txt:2: dev.txt includes itself: dev.txt → reqs/base.txt → dev.txt"
    ):
        read_pins(path)


def test_a_file_that_many_others_include_is_read_once(tmp_path):
    for number in range(40):
        write(tmp_path, f"{number}.txt", f"-r {number + 1}.txt\n-r {number + 1}.txt\n")
    write(tmp_path, "40.txt", "tensorflow==2.15.1\n")
    assert [pin.requirement for pin in read_pins(tmp_path / "0.txt").pins] == ["tensorflow==2.15.1"]


def test_what_a_dockerfile_installs_stands_at_its_command(tmp_path):
    text = "FROM python:3.11-slim\nRUN pip install six && \\\n    pip install tensorflow==2.15.1 git+https://example.org/y.git\n"
    found = read_pins(write(tmp_path, "Dockerfile", text))
    assert [(pin.package, pin.line) for pin in found.pins] == [("six", 2), ("tensorflow", 2)]
    assert [(note.line, note.what.split()[0]) for note in found.notes] == [(2, "git+https://example.org/y.git")]


def test_packages_of_folders_are_one_note_and_passwords_are_never_told(tmp_path):
    lines = [f"p{number} @ file:///build/p{number}" for number in range(9)]
    lines += ["https://me:secret@example.org/x.tar.gz", "-e git+https://me:secret@example.org/y.git#egg=y"]
    found = read_pins(write(tmp_path, "requirements.txt", "\n".join(lines) + "\n"))
    said = [note.what for note in found.notes]
    assert said == [
        "p0, p1, p2, p3 and 5 more come from a folder of the machine that wrote it, not from a package index: left out",
        "https://example.org/x.tar.gz comes from an address, not from a package index: left out",
        "y comes from a repository, not from a package index: left out",
    ]


def test_stages_of_a_dockerfile(tmp_path):
    text = """\
        ARG TF=2.14.0
        FROM python:3.11 AS unused
        RUN pip install keras==2.13.1
        FROM python:3.11 AS build
        RUN ["pip", "install", "--timeout", "100", "numpy==1.24.3"]
        FROM tensorflow/tensorflow:${TF}-gpu
        COPY --from=build /venv /venv
        RUN <<END
        pip install h5py==3.10.0 \\
            --extra-index-url https://example.org/simple
        END
        """
    found = read_pins(write(tmp_path, "Dockerfile", text))
    assert [(pin.requirement, pin.line) for pin in found.pins] == [
        ("tensorflow==2.14.0", 6),
        ("numpy==1.24.3", 5),
        ("h5py==3.10.0", 8),
    ]
    assert found.options == ("--extra-index-url https://example.org/simple",)
    path = write(tmp_path, "Dockerfile", "FROM example.org/tensorflow:23.11-tf2-py3\n")
    with pytest.raises(ConfigError, match=r"Dockerfile:1: the image .* does not say which TensorFlow it has"):
        read_pins(path)


def test_features_and_targets_of_pixi(tmp_path):
    text = """\
        [workspace]
        name = "service"
        platforms = ["linux-64"]
        [dependencies]
        python = "3.10.*"
        [feature.tf.pypi-dependencies]
        tensorflow = "==2.14.1"
        [feature.new.pypi-dependencies]
        tensorflow = "==2.15.1"
        [target.unix.dependencies]
        numpy = "1.24.3"
        [environments]
        default = {features = ["tf"]}
        new = ["new"]
        """
    found = read_pins(write(tmp_path, "pixi.toml", text))
    assert [(pin.requirement, pin.group) for pin in found.pins] == [
        ("numpy==1.24.3.*", ""),
        ("tensorflow==2.14.1", ""),
        ("tensorflow==2.15.1", "new"),
    ]
    assert found.selected(groups=["new"]).tensorflow[-1].version == "2.15.1"
    inside = textwrap.dedent(text.partition("[dependencies]")[2]).replace("[", "[tool.pixi.")
    project = '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.9"\n[tool.pixi.dependencies]'
    found = read_pins(
        write(
            tmp_path,
            "pyproject.toml",
            project + inside.replace('[tool.pixi."tf"', '["tf"').replace('[tool.pixi."new"', '["new"'),
        )
    )
    assert (found.tensorflow[0].version, found.python) == ("2.14.1", "==3.10.*")


def test_what_uv_limits_and_overrides(tmp_path):
    text = """\
        [project]
        name = "service"
        version = "1"
        dependencies = ["tensorflow"]
        [tool.uv]
        constraint-dependencies = ["tensorflow<2.15"]
        override-dependencies = ["numpy==1.24.3"]
        """
    found = read_pins(write(tmp_path, "pyproject.toml", text))
    assert [(pin.requirement, pin.is_constraint) for pin in found.pins] == [
        ("tensorflow", False),
        ("tensorflow<2.15", True),
    ]
    assert found.overrides == ("numpy==1.24.3",)
