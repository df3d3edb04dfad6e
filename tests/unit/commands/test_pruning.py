"""`env prune` and `clean`: the cache is shared, so that what others use or ask for stays, and nobody is surprised."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from tfmatrix.cli import run_command
from tfmatrix.core.errors import ExitCode
from tfmatrix.envs.provision import MARKER, EnvironmentCache

OURS, THEIRS, NOBODYS, RECENT = (digit * 32 for digit in "1234")
SCENARIO = '"""A layer."""\n\n\ndef build_model(): ...\ndef inputs(rng): ...\n'
DIGESTS = {key: key[0] * 64 for key in (OURS, THEIRS, NOBODYS, RECENT)}


def fill(folder: Path) -> None:
    (folder / "file").write_bytes(b"x" * 1_000_000)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Four environments, all but one unused for 40 days: of this project, of another one, and of none."""
    monkeypatch.setenv("TFMATRIX_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    cache = EnvironmentCache(root=tmp_path / "cache")
    for key in DIGESTS:
        lock = None
        if key in (OURS, THEIRS):
            project = tmp_path / ("ours" if key == OURS else "theirs")
            (project / "locks").mkdir(parents=True)
            (project / "scenarios").mkdir()
            (project / "scenarios" / "dense.py").write_text(SCENARIO)
            (project / "matrix.yaml").write_text('schema: 1\nenvironments: [{image: "x/y:1", id: own}]\n')
            lock = project / "locks" / "2.15.1.txt"
            lock.write_text(f"# digest: sha256:{DIGESTS[key]}\n")
        cache.build(key, fill, description={"environment": f"env-{key[0]}", "lock": DIGESTS[key]}, user=lock)
        days = 0 if key == RECENT else 40
        os.utime(cache.folder(key) / MARKER, (time.time() - days * 86400,) * 2)
    return cache


def left(cache) -> set[str]:
    return {each.key for each in cache.list_environments()}


def test_only_what_nobody_asks_for_and_nobody_used_lately_goes(cache, capsys):
    assert run_command(["env", "prune", "-C", "ours", "--yes"]) == ExitCode.OK
    assert left(cache) == {OURS, THEIRS, RECENT}
    out = capsys.readouterr().out
    assert "env-3" in out
    assert "no project" in out
    assert "removed 1 environments, 1 MB freed" in out


def test_fewer_days(cache):
    assert run_command(["env", "prune", "-C", "ours", "--unused-for", "0", "--yes"]) == ExitCode.OK
    assert left(cache) == {OURS, THEIRS}


def test_everything_names_who_asks_for_it(cache, capsys, tmp_path):
    assert run_command(["env", "prune", "-C", "ours", "--all", "--unused-for", "30", "--yes"]) == ExitCode.OK
    assert left(cache) == {RECENT}
    assert str(tmp_path / "theirs") in capsys.readouterr().out


def test_without_anybody_to_ask_nothing_goes(cache, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert run_command(["env", "prune", "-C", "ours"]) == ExitCode.USAGE
    assert "tfmatrix env prune --yes" in capsys.readouterr().err
    assert left(cache) == set(DIGESTS)


@pytest.mark.parametrize(("answer", "stays"), [(True, {OURS, THEIRS, RECENT}), (False, set(DIGESTS))])
def test_on_a_terminal_it_asks(cache, monkeypatch, answer, stays):
    asked = []

    def confirm(text: str, **_: object) -> bool:
        asked.append(text)
        return answer

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", confirm)
    assert run_command(["env", "prune", "-C", "ours"]) == ExitCode.OK
    assert asked == ["remove 1 environments, 1 MB? 3 stay"]
    assert left(cache) == stays


def test_where_nothing_can_go_nobody_is_asked(cache, capsys):
    assert run_command(["env", "prune", "-C", "ours", "--unused-for", "50"]) == ExitCode.OK
    assert capsys.readouterr().out == "nothing to remove: 4 environments are used or asked for\n"


def test_clean_removes_half_built_environments_and_no_whole_one(cache, capsys, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent")
    (cache.folder(OURS).parent / f"{OURS}.0abc.tmp").mkdir()
    assert run_command(["clean", "-C", "ours"]) == ExitCode.OK
    assert "removed 1 half-built environments" in capsys.readouterr().out
    assert left(cache) == set(DIGESTS)
    assert list(cache.folder(OURS).parent.glob("*.tmp")) == []


def test_the_list_has_what_other_projects_have(cache, capsys):
    assert run_command(["env", "list", "-C", "ours", "--json"]) == ExitCode.OK
    rows = {row["environment"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == {"own", "env-1", "env-2", "env-3", "env-4"}
    theirs = rows["env-2"]
    assert (theirs["MB"], theirs["locked"]) == (1, "elsewhere")
    assert theirs["projects"] == [str(cache.root.parent / "theirs")]
    assert theirs["path"] == str(cache.folder(THEIRS))
    assert theirs["last_used"] < rows["env-4"]["last_used"]
    assert run_command(["env", "list", "-C", "ours"]) == ExitCode.OK
    assert str(cache.folder(THEIRS)) in capsys.readouterr().out
