"""Every kind of file, as its tool writes it, and every way in which one can be wrong."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest
from tfmatrix.core.errors import ConfigError
from tfmatrix.envs.pins import find_files, find_pins, read_pins
from tfmatrix.envs.pins.locks import python_specifier


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return path


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
    assert versions(path) == {"tensorflow-cpu": "2.15.1", "numpy": "1.26.4", "h5py": "<4,>=3.8"}
    tensorflow = read_pins(path).tensorflow[0]
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


UV_LOCK = """\
    version = 1
    requires-python = ">=3.10, <3.12"

    [[package]]
    name = "mine"
    version = "0.1.0"
    source = { editable = "." }

    [[package]]
    name = "numpy"
    version = "1.26.4"
    source = { registry = "https://example.org/simple" }
    resolution-markers = ["python_full_version < '3.11'", "sys_platform == 'aix'"]

    [[package]]
    name = "numpy"
    version = "2.1.3"
    source = { registry = "https://example.org/simple" }
    resolution-markers = ["python_full_version >= '3.11'"]

    [[package]]
    name = "tensorflow"
    version = "2.18.1"
    source = { registry = "https://example.org/simple" }
    """


def test_uv_lock(tmp_path):
    path = write(tmp_path, "uv.lock", UV_LOCK)
    found = read_pins(path)
    assert found.python == "<3.12,>=3.10"
    assert [(pin.package, pin.version, pin.line) for pin in found.pins] == [
        ("numpy", "1.26.4", 9),
        ("numpy", "2.1.3", 15),
        ("tensorflow", "2.18.1", 21),
    ]
    assert found.pins[0].marker == "(python_full_version < '3.11') or (sys_platform == 'aix')"


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
    assert read_pins(path).python == "<4,>=3.10"


def test_pipfile_lock(tmp_path):
    data = {
        "_meta": {"requires": {"python_version": "3.10"}},
        "default": {"tensorflow": {"version": "==2.15.1", "markers": "python_version >= '3.9'"}, "six": {}},
        "develop": {"numpy": {"version": "==1.26.4"}},
    }
    path = write(tmp_path, "Pipfile.lock", json.dumps(data, indent=4))
    found = read_pins(path)
    assert [(pin.package, pin.version, pin.group) for pin in found.pins] == [
        ("tensorflow", "2.15.1", ""),
        ("numpy", "1.26.4", "develop"),
    ]
    assert found.python == "==3.10.*"
    assert found.pins[0].line == 8


def test_pylock(tmp_path):
    path = write(
        tmp_path,
        "pylock.toml",
        'lock-version = "1.0"\nrequires-python = ">=3.11"\n[[packages]]\nname = "tensorflow"\nversion = "2.18.1"\n',
    )
    assert versions(path) == {"tensorflow": "2.18.1"}
    assert read_pins(path).python == ">=3.11"


def test_pyproject(tmp_path):
    path = write(
        tmp_path,
        "pyproject.toml",
        """\
        [project]
        requires-python = ">=3.10"
        dependencies = ["tensorflow[and-cuda]==2.16.2", "keras>=3,<4"]
        [project.optional-dependencies]
        legacy = ["tf-keras==2.16.0"]
        [dependency-groups]
        test = ["numpy==1.26.4", {include-group = "lint"}]
        """,
    )
    assert [(pin.package, pin.version, pin.group, pin.line) for pin in read_pins(path).pins] == [
        ("tensorflow", "2.16.2", "", 3),
        ("keras", "", "", 3),
        ("tf-keras", "2.16.0", "optional-dependencies.legacy", 5),
        ("numpy", "1.26.4", "dependency-groups.test", 7),
    ]


def test_pyproject_of_poetry(tmp_path):
    path = write(
        tmp_path,
        "pyproject.toml",
        """\
        [tool.poetry.dependencies]
        python = ">=3.9,<3.12"
        tensorflow = "2.15.1"
        numpy = [{version = "1.24.4", markers = "python_version < '3.9'"}, {version = "^1.26"}]
        h5py = {version = "~3.10", optional = true}
        """,
    )
    found = read_pins(path)
    assert [(pin.package, pin.version or pin.specifier, pin.group) for pin in found.pins] == [
        ("tensorflow", "2.15.1", ""),
        ("numpy", "1.24.4", ""),
        ("numpy", "<2,>=1.26", ""),
        ("h5py", "<3.11,>=3.10", "optional"),
    ]
    assert found.python == "<3.12,>=3.9"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (">= 3.9, < 3.12", "<3.12,>=3.9"),
        (">=3.9 <3.12", "<3.12,>=3.9"),
        ("^0.3.1", "<0.4,>=0.3.1"),
        ("~2", "<3,>=2"),
        ("*", ""),
        ("3.11.*", "==3.11.*"),
        (">=3.8,<3.9 || >3.9.1", ""),
    ],
)
def test_constraints_of_poetry(text, expected):
    assert python_specifier(text, Path("poetry.lock"), 1) == expected


@pytest.mark.parametrize(
    ("name", "text", "line", "words"),
    [
        ("requirements.txt", "", 1, "empty"),
        ("requirements.txt", "absl-py\n\ntensorflow=2.15.1\n", 3, "not a requirement"),
        ("requirements.txt", "\n<<<<<<< HEAD\ntensorflow==2.15.1\n", 2, "not a requirement"),
        ("requirements.txt", "tensorflow @ https://example.org/tensorflow-2.15.1.whl\n", 1, "address"),
        ("requirements.txt", "./wheels/tensorflow-2.15.1-cp311-cp311-linux_x86_64.whl\n", 1, "address"),
        ("requirements.txt", "numpy==1.26.4\n-r missing.txt\n", 2, "missing.txt"),
        ("requirements.txt", "-r requirements.txt\n", 1, "again"),
        ("requirements.txt", "-r https://example.org/r.txt\n", 1, "not a file"),
        ("requirements.txt", "a\n\0\n", 2, "null"),
        ("uv.lock", "version = 1\nthis is garbage\n", 2, "not TOML"),
        ("uv.lock", 'package = "x"\n', None, "list of tables"),
        (
            "uv.lock",
            '[[package]]\nname = "keras"\nversion = "3.0"\nsource = { git = "https://example.org/keras" }\n',
            1,
            "address",
        ),
        ("poetry.lock", "[[package]]\nname = 3", None, None),
        ("Pipfile.lock", '{\n"default": \n', 3, "not JSON"),
        ("Pipfile.lock", "[]", 1, "not a JSON object"),
        ("Pipfile.lock", '{"default": {"tensorflow": {"git": "x"}}}', 1, "address"),
        ("pyproject.toml", "project = 3\n", None, "not a table"),
        ("pyproject.toml", '[project]\ndependencies = ["tensorflow=2"]\n', 2, "not a requirement"),
        ("environment.yml", "dependencies: [tensorflow]\n", None, "not a kind of file"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path, name, text, line, words):
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


def test_every_pin_of_a_folder_best_source_first(tmp_path):
    write(tmp_path, "pyproject.toml", '[project]\ndependencies = ["tensorflow>=2.15,<2.17"]\n')
    write(tmp_path, "requirements-dev.txt", "pytest\n")
    write(tmp_path, "requirements.txt", "tensorflow==2.15.1\n")
    write(tmp_path, "uv.lock", UV_LOCK)
    (tmp_path / "Pipfile.lock").write_text("")
    assert [(pin.file.name, pin.version, pin.specifier) for pin in find_pins(tmp_path)] == [
        ("uv.lock", "2.18.1", "==2.18.1"),
        ("requirements.txt", "2.15.1", "==2.15.1"),
        ("pyproject.toml", "", "<2.17,>=2.15"),
    ]
    assert [file.kind for file in find_files(tmp_path)] == ["uv.lock", "requirements.txt", "pyproject.toml"]
    assert find_pins(tmp_path / "nothing") == ()
