from __future__ import annotations

import os

import pytest
from tfmatrix.core.errors import ExitCode, InfrastructureError
from tfmatrix.envs import uv as uvtool
from tfmatrix.envs.uv import Network, Uv, UvResult, find_uv, make_folder


def failed(stderr):
    return UvResult(exit_code=2, stdout="", stderr=stderr)


def test_uv_is_that_of_this_installation_whatever_path_says(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")

    assert find_uv().name.startswith("uv")
    assert find_uv().is_file()


def test_a_package_uv_without_its_program_is_told(monkeypatch):
    def absent():
        raise FileNotFoundError("no uv here")

    monkeypatch.setattr(uvtool.uv, "find_uv_bin", absent)

    with pytest.raises(InfrastructureError, match="no uv here"):
        find_uv()


def test_uv_runs_in_an_empty_folder_without_steering_variables_and_readable_for_all(fake_uv, tmp_path, monkeypatch):
    for name in ("UV_EXCLUDE_NEWER", "VIRTUAL_ENV", "PYTHONPATH", "CONDA_PREFIX", "PIP_INDEX_URL"):
        monkeypatch.setenv(name, "https://x.example")
    fake_uv.answer("hello", stdout="out", stderr="err", exit_code=3)
    before = os.umask(0o077)
    try:
        result = fake_uv.uv(tmp_path / "uv-cache", Network(timeout=7)).run(["hello"])
    finally:
        os.umask(before)

    assert result == UvResult(exit_code=3, stdout="out", stderr="err")
    (call,) = fake_uv.calls()
    assert call["umask"] == 0o022
    assert call["folder"] == []
    environment = call["environment"]
    assert not {"UV_EXCLUDE_NEWER", "VIRTUAL_ENV", "PYTHONPATH", "CONDA_PREFIX", "PIP_INDEX_URL"} & environment.keys()
    assert environment["UV_DEFAULT_INDEX"] == "https://x.example"
    assert environment["UV_CACHE_DIR"] == str(tmp_path / "uv-cache")
    assert environment["UV_HTTP_TIMEOUT"] == "7"
    assert "UV_OFFLINE" not in environment


def test_offline_is_passed_on(fake_uv, tmp_path):
    assert fake_uv.uv(tmp_path, Network(offline=True)).variables()["UV_OFFLINE"] == "1"


def test_a_limit_of_time_that_the_user_set_stays(fake_uv, tmp_path, monkeypatch):
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "300")

    assert fake_uv.uv(tmp_path, Network(timeout=7)).variables()["UV_HTTP_TIMEOUT"] == "300"


def test_a_program_that_cannot_be_started(tmp_path):
    with pytest.raises(InfrastructureError, match="cannot be started"):
        Uv(cache=tmp_path, executable=tmp_path / "absent").run(["--version"])


def test_a_run_without_an_end(fake_uv, tmp_path, monkeypatch):
    monkeypatch.setattr(uvtool, "TIME_LIMIT", 0.2)
    fake_uv.executable.write_text("#!/bin/sh\nexec sleep 20\n")

    with pytest.raises(InfrastructureError, match=r"did not end within 0\.2 s: uv pip sync"):
        fake_uv.uv(tmp_path).run(["pip", "sync"])


@pytest.mark.parametrize(
    ("stderr", "expected", "fix"),
    [
        ("failed to write `x`: No space left on device (os error 28)", "room in", "env prune"),
        ("Hash mismatch for `absl-py==2.1.0`\n Expected: a", "very files", "renew the lock"),
        ("error sending request for url\ncause: tcp connect error\ncause: Connection refused", "answers", "proxy"),
        ("cause: invalid peer certificate: UnknownIssuer", "answers", "certificates"),
        ("cause: operation timed out", "answers", "check the network"),
        ("error: something new", "", "uv's own"),
    ],
)
def test_kinds_of_failures_are_told_apart(tmp_path, fake_uv, stderr, expected, fix):
    error = fake_uv.uv(tmp_path / "cache" / "uv").failure("2.15.1 could not be installed:", failed(stderr))

    assert error.exit_code is ExitCode.INFRASTRUCTURE
    assert stderr.splitlines()[-1].strip() in str(error)
    assert expected in error.expected
    assert fix in error.fix


def test_offline_is_named_as_the_reason(tmp_path, fake_uv):
    result = failed("No solution found\nhint: Packages were unavailable because the network was disabled.")

    assert not result.is_unsolvable
    assert "network allowed" in fake_uv.uv(tmp_path, Network(offline=True)).failure("x", result).fix


@pytest.mark.parametrize(("exit_code", "end"), [(-9, "by signal 9"), (1, "by exit code 1")])
def test_an_end_without_a_word_is_told_by_its_number(tmp_path, fake_uv, exit_code, end):
    result = UvResult(exit_code=exit_code, stdout="", stderr="")

    assert end in str(fake_uv.uv(tmp_path).failure("x:", result))


def test_only_the_last_lines_are_shown():
    result = failed("\n".join(f"line {number}" for number in range(100)))

    assert result.explanation.splitlines()[-1] == "    line 99"
    assert len(result.explanation.splitlines()) == uvtool.TAIL_LINES


def test_a_cache_folder_is_readable_for_all_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        folder = make_folder(tmp_path / "a" / "b")
    finally:
        os.umask(before)

    assert folder.stat().st_mode & 0o777 == 0o755


def test_a_cache_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(InfrastructureError, match="TFMATRIX_CACHE"):
        make_folder(tmp_path / "file" / "cache")
