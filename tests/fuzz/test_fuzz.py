"""A short run of the fuzzers, the inputs that once were faults, and that the fuzzer sees one."""

from __future__ import annotations

from pathlib import Path
from random import Random

import fuzz
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import mutated
from targets import LOCK, MATRIX, TARGETS, Target
from tfmatrix.core.errors import TfmatrixError

INPUTS = 600
"""Of a target of cost 1."""


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_nearly_right_is_read_or_refused_in_one_sentence(name: str) -> None:
    tally = fuzz.fuzz(name, Random(0), count=max(6, INPUTS // TARGETS[name].cost))
    assert {place: said for place, (_, said) in tally.faults.items()} == {}
    assert tally.tried >= 6


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_are_accepted(name: str, tmp_path: Path) -> None:
    """A reader that refuses everything would never get to what lies behind its first check."""
    for each in ("seeds", "work"):
        (tmp_path / each).mkdir()
    read = TARGETS[name].make(tmp_path / "work")
    for seed in TARGETS[name].seeds(tmp_path / "seeds"):
        try:
            read(seed)
        except TfmatrixError as error:
            raise AssertionError(f"{seed[:60]!r} is refused") from error


def test_a_fault_and_a_slow_input_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(data: bytes) -> None:
        if b"raise" in data:
            raise KeyError("planted")
        while b"slow" in data:
            pass

    monkeypatch.setattr(fuzz, "SECONDS", 0.05)
    planted = Target(lambda _: [b"good", b"raise", b"slow"], lambda _: read)
    monkeypatch.setitem(fuzz.TARGETS, "planted", planted)
    tally = fuzz.fuzz("planted", Random(0), count=3)
    assert tally.accepted == 1
    assert sorted(data for data, _ in tally.faults.values()) == [b"raise", b"slow"]


def test_what_runs_before_have_tried_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def read(data: bytes) -> None:
        if data == b"raise":
            raise KeyError("planted")

    monkeypatch.setattr(fuzz, "find_spec", lambda _: None)
    monkeypatch.setitem(fuzz.TARGETS, "planted", Target(lambda _: [b"good", b"raise"], lambda _: read))
    common = ["fuzz.py", "planted", "--tally", str(tmp_path / "tally.json"), "--keep", str(tmp_path)]
    for inputs, total in ((2, 2), (5, 7), (4, 11)):
        monkeypatch.setattr(fuzz.sys, "argv", [*common, "--inputs", str(inputs), "--total", str(total)])
        assert fuzz.main() == 1
        assert f"tally.json: {total} inputs of 1 targets, 1 faults" in capsys.readouterr().out


@given(st.binary(max_size=300), st.randoms(use_true_random=False))
@settings(max_examples=200)
def test_mutations_are_bytes_whatever_they_begin_with(data: bytes, random: Random) -> None:
    assert isinstance(mutated(data, random), bytes)


@given(content=st.binary(max_size=400), cut=st.integers(0, len(MATRIX)))
@settings(max_examples=100)
def test_matrix_yaml_with_anything_in_it(content: bytes, cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("matrix")
    tally = fuzz.Tally("matrix")
    fuzz.try_input(TARGETS["matrix"].make(folder), MATRIX[:cut] + content + MATRIX[cut:], tally)
    assert tally.faults == {}


DEEP = b"[" * 3000
DIGITS = b"9" * 5000
ONCE = [
    ("matrix", MATRIX + b"  more: {[" + b"a" * 30),
    ("matrix", MATRIX.replace(b"seed: 0", b"seed: " + DIGITS)),
    ("matrix", MATRIX.replace(b"seed: 0", b"seed: " + DEEP)),
    ("globs", b"@ x\0"),
    ("globs", b"@" + b"x" * 5000),
    ("locks", b'# entry: {"a": ' + DEEP + b"\n# digest: sha256:0\n# distribution: tensorflow\n# platform: x\n"),
    ("locks", b"\n".join(line for line in LOCK.splitlines() if line.startswith(b"#"))),
    ("selected", b'{"schema": 1, "selected": ' + DEEP),
    ("selected", b'{"schema": ' + DIGITS + b"}"),
    ("pins", b'Pipfile.lock\n{"_meta": {"sources": ' + DEEP),
    ("pins", b'Pipfile.lock\n{"default": {"tensorflow": {"version": ' + DIGITS + b"}}}"),
    ("pins", b"requirements.txt\nkeras>=" + DIGITS),
    ("pins", b"poetry.lock\n[[package]]\nname = " + DEEP),
    ("pins", b'pyproject.toml\n[tool.poetry.dependencies]\npython = "' + DIGITS + b'"\ntensorflow = "2.15"\n'),
    ("pins", b"pyproject.toml\npython = " + DIGITS),
    ("pins", b"environment.yml\ndependencies: " + DEEP),
    ("runs", b'{"schema": 1, "run": ' + DEEP + b"\n{}\n"),
    ("runs", b'{"schema": 1, "run": "r", "complete": false}\n{"schema": 2, "cell": ' + DEEP + b"\n"),
    ("runs", b'{"schema": ' + DIGITS + b"}\n"),
    ("outcomes", b'{"schema": 1, "outcome": ' + DEEP),
    ("outcomes", b'{"schema": 1, "outcome": {"seconds": ' + DIGITS + b"}}"),
    ("replies", b'{"status": ' + DIGITS + b"}"),
    ("scenarios", b"A = " + b"(" * 3000),
    ("scenarios", b"A = " + b"-" * 100_000 + b"1"),
]


@pytest.mark.parametrize(("name", "data"), ONCE, ids=[f"{name}-{data[:24]!r}" for name, data in ONCE])
def test_what_once_was_a_fault_is_one_error(name: str, data: bytes, tmp_path: Path) -> None:
    tally = fuzz.Tally(name)
    fuzz.try_input(TARGETS[name].make(tmp_path), data, tally)
    assert tally.faults == {}
    assert tally.tried == 1
