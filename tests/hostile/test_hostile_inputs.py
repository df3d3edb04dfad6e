"""Hostile files and arguments, given to commands: each is read, or refused with one error, soon and without escapes."""

from __future__ import annotations

import json
import os
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from command import Answer, tfmatrix
from repository import ROOT
from targets import NoUv
from tfmatrix.core.errors import TfmatrixError
from tfmatrix.envs.pins.read import read_pins

SECONDS = 4.0
"""Of processor time, for a whole command."""

MATRIX = """schema: 1
environments:
  - {tensorflow: "2.15.1", python: "3.11"}
  - {tensorflow: "2.21.0", python: "3.11"}
scenarios: [dense]
formats: [keras]
"""
BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "scenarios").mkdir()
    shutil.copy(ROOT / "scenarios" / "dense.py", tmp_path / "scenarios")
    (tmp_path / "matrix.yaml").write_text(MATRIX)
    return tmp_path


def answered(*arguments: str) -> Answer:
    """What a command came to: one error where it failed, never our own, and nothing that a terminal would obey."""
    before = sum(os.times()[:4])
    answer = tfmatrix(*arguments)
    spent = sum(os.times()[:4]) - before
    said = answer.stdout + answer.stderr
    assert answer.code in (0, 1, 2, 3, 4), said
    assert "itself failed" not in said
    assert "Traceback" not in said
    assert "\x1b" not in said
    assert (answer.code in (0, 1)) is ("error: " not in answer.stderr), said
    assert spent < SECONDS, f"{spent:.1f} s"
    return answer


def with_environment(more: str) -> str:
    return MATRIX.replace('python: "3.11"', f'python: "3.11", {more}', 1)


@pytest.mark.parametrize(
    "text",
    [
        BOMB + MATRIX,
        BOMB + MATRIX.replace("scenarios: [dense]", "scenarios: *a9"),
        BOMB + with_environment("env: *a9"),
        "schema: 1\nx: " + "[" * 100_000,
        "schema: 1\nx: " + "{a: " * 20_000,
        "\n".join(" " * level + "a:" for level in range(1000)),
        "schema: 1\nenvironments: &e [*e]\n",
        "schema: 1\nenvironments: &e\n  - <<: *e\n",
        MATRIX + "# " + "x" * 30_000_000,
        MATRIX + "schema: 1\n",
        MATRIX.replace("[dense]", "!!python/object/apply:os.system ['true']"),
        MATRIX.replace("[dense]", '["\\e[31mx\\e]0;p\\a"]'),
        MATRIX + '"\\e[2Jx": 1\n',
        MATRIX.replace("schema: 1", "schema: 99"),
        "",
        "\0",
        MATRIX + "---\n" + MATRIX,
        MATRIX + "defaults: {seed: " + "9" * 5000 + "}\n",
        *(MATRIX + f"defaults: {{timeout: {value}}}\n" for value in (".inf", ".nan", "-1")),
        *(MATRIX + f"defaults: {{memory: {value}}}\n" for value in ("99999999999999t", "1e400", "-1g")),
        MATRIX + "defaults: {seed: 1099511627776}\n",
        with_environment('id: "../../x"'),
        with_environment('env: {LD_PRELOAD: /x.so, "A=B": c, "": d, N: "a\\0b"}'),
        with_environment('env: {N: "a\\0b"}'),
    ],
    ids=lambda text: repr(text[-40:]),
)
def test_a_matrix_that_attacks_is_one_error(project: Path, text: str) -> None:
    (project / "matrix.yaml").write_text(text)
    assert answered("plan", "-C", str(project)).code == 2 or text.startswith(MATRIX)


def test_a_matrix_of_another_encoding_is_one_error(project: Path) -> None:
    (project / "matrix.yaml").write_bytes(MATRIX.encode("utf-16"))
    answered("plan", "-C", str(project))


@pytest.mark.parametrize(
    "text",
    [
        "entries: " + "[" * 50_000,
        BOMB + "entries: *a9\n",
        "schema: 99\nentries: []\n",
        "entries:\n  - cells: a/b/c/d\n    sta",
        "entries:\n  - {cells: '" + "*a" * 2000 + "', status: drift, reason: x}\n",
        "entries:\n  - {cells: '" + "*o" * 25 + "x/**', status: drift, reason: x}\n",
        "entries:\n  - {cells: 'a/[', status: drift, reason: x}\n",
    ],
    ids=lambda text: repr(text[-40:]),
)
def test_known_failures_that_attack_are_one_error_or_nothing(project: Path, text: str) -> None:
    (project / "known_failures.yaml").write_text(text)
    answered("plan", "-C", str(project))
    answered("run", "--phase", "table", "--executor", "venv", "-C", str(project))


@pytest.mark.parametrize(
    "glob",
    [
        *("*" * 300, "*a" * 30 + "b", "*a" * 3000, "{" + ",".join(["aaaaa"] * 5000) + "}", "{a,b}" * 40, "[" * 500),
        *("[z-a]", "[\\]", "[[:alpha:]]", "\x1b[31m/x", "a/b/c/d/e", "", "/", "\udcff", "x" * 100_000, "\u202e/x"),
        *("@/dev/null", "@/dev/zero", "@/nonexistent", "@.", "@/proc/self/mem", "@\n"),
    ],
    ids=lambda glob: repr(glob[:24]),
)
def test_a_glob_that_attacks_is_one_error_or_selects_nothing(project: Path, glob: str) -> None:
    answered("plan", "--only", glob, "-C", str(project))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Pipfile.lock", '{"default": ' + "[" * 100_000 + "]" * 100_000 + "}"),
        ("Pipfile.lock", '{"default": {"tensorflow": {"version": ' + "9" * 5000 + "}}}"),
        ("Pipfile.lock", "[]"),
        ("Pipfile.lock", "null"),
        ("pyproject.toml", "a = " + "[" * 20_000),
        ("pyproject.toml", "[" + ".".join("a" * 20_000) + "]\nb=1"),
        ("pyproject.toml", "[tool.poetry.dependencies]\ntensorflow = {version = 5}\n"),
        ("pyproject.toml", '[tool.poetry]\ndependencies = ["x"]\n'),
        ("pyproject.toml", "project = 5\n"),
        ("pyproject.toml", "a = " + "9" * 5000),
        ("requirements.txt", "-r requirements.txt\ntensorflow==2.15.1\n"),
        ("requirements.txt", "-r /dev/zero\n-c /proc/self/mem\n"),
        ("requirements.txt", "tensorflow==\x1b[31m2.15.1\n"),
        ("requirements.txt", "-r .\n"),
        ("requirements.txt", "tensorflow==" + "1" * 20_000_000),
        ("requirements.txt", "tensorflow==" + "9" * 5000),
    ],
    ids=lambda text: repr(text[:40]),
)
def test_pins_that_attack_are_one_error_or_read(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    before = sum(os.times()[:4])
    try:
        read_pins(tmp_path / name, NoUv())  # type: ignore[arg-type]
    except TfmatrixError as error:
        assert len(str(error)) < 5000  # noqa: PT017  (most are refused; which are read is another test's)
    assert sum(os.times()[:4]) - before < SECONDS


def _archive(path: Path, metadata: str | bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("metadata.json", metadata)
    return path


def _many_members(folder: Path) -> Path:
    path = folder / "many.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(20_000):
            archive.writestr(str(number), "")
    return path


def _same_member(folder: Path) -> Path:
    """Two members of one name: which is read depends on who reads."""
    path = folder / "twice.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.4.1"}))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("metadata.json", json.dumps({"keras_version": "2.15.0"}))
    return path


def _continued(folder: Path) -> Path:
    """An HDF5 file whose header's continuations lead to themselves."""
    block = 4 << 20
    base = 96 + 16
    head = bytearray(b"\x89HDF\r\n\x1a\n" + bytes([0, 0, 0, 0, 0, 8, 8, 0]) + struct.pack("<HHI", 4, 16, 0))
    head += struct.pack("<QQQQ", 0, 2**64 - 1, base + block, 2**64 - 1) + struct.pack("<QQ", 0, 96)
    head += b"\0" * (96 - len(head))
    head += bytes([1, 0]) + struct.pack("<HII", 1, 1, block) + b"\0" * 4
    message = struct.pack("<HHB3x", 0x10, 16, 0) + struct.pack("<QQ", base, block)
    head += message * (block // len(message))
    head += b"\0" * (base + block - len(head))
    (folder / "continued.h5").write_bytes(head)
    return folder / "continued.h5"


def _saved_model(folder: Path, more: Callable[[Path], object]) -> Path:
    (folder / "saved" / "variables").mkdir(parents=True)
    (folder / "saved" / "saved_model.pb").write_bytes(b"\x12\x02\x0a\x00")
    more(folder / "saved")
    return folder / "saved"


def _sparse(folder: Path) -> Path:
    path = folder / "sparse.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 100)
    os.truncate(path, 1 << 40)
    return path


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.h5")
    return folder / "pipe.h5"


def _named(folder: Path) -> Path:
    path = folder / "a\x1b[31mname\n.h5"
    path.write_bytes(b"x")
    return path


MODELS: dict[str, Callable[[Path], Path]] = {
    "nested_metadata": lambda folder: _archive(folder / "deep.keras", "[" * 200_000 + "]" * 200_000),
    "metadata_of_60_megabytes": lambda folder: _archive(folder / "big.keras", b"[" + b"0," * (30 << 20) + b"0]"),
    "escapes_in_a_version": lambda folder: _archive(folder / "esc.keras", '{"keras_version": "\x1b[31m2.15.0"}'),
    "escaped_escapes": lambda folder: _archive(folder / "esc.keras", '{"keras_version": "\\u001b[31m2.15.0"}'),
    "many_members": _many_members,
    "one_member_twice": _same_member,
    "continuations": _continued,
    "a_pipe": _pipe,
    "a_device": lambda _: Path("/dev/zero"),
    "a_pipe_in_a_folder": lambda folder: _saved_model(folder, lambda saved: os.mkfifo(saved / "variables" / "p")),
    "links_in_a_folder": lambda folder: _saved_model(
        folder, lambda saved: [(saved / "up").symlink_to(".."), (saved / "leak").symlink_to("/etc/passwd")]
    ),
    "a_name_with_escapes": _named,
    "a_terabyte_of_nothing": _sparse,
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_model_file_that_attacks_is_told_or_refused(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    answered("inspect", str(make(tmp_path)))
