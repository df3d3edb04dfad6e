"""Machines set up as people have them: odd paths, mounts, users' settings, and a view that the engine does not share.

Each runs in a process (and a mount namespace) of its own, with a worker without TensorFlow.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from needs import lacking
from tfmatrix.executors.engine import EngineUnavailableError, connect

HERE = Path(__file__).parent
ODD = "Größe & mit Leerzeichen 'x'"

SCRIPT = f"""\
import os, sys
from pathlib import Path
sys.path[:0] = {[str(HERE), str(HERE.parent / "builders")]!r}
import test_executors as suite
from tfmatrix.core.environment import Environment

def works(harness):
    worker = harness.start()
    try:
        assert suite.value(worker, act="ok", value=7) == 7
        path = harness.mounts.work / "left.txt"
        assert suite.value(worker, act="write", path=worker.to_worker(path), text="x") == "written"
        assert path.read_text() == "x"
    finally:
        worker.close()
        harness.executor.sweep()
    print("works")

folder = Path(sys.argv[1])
"""


def on_machine(
    folder: Path, body: str, *setup: str, variables: dict[str, str | None] | None = None, umask: int = 0o022
) -> subprocess.CompletedProcess[str]:
    """Runs the body, after `setup` in a mount namespace of its own where there is any."""
    environ = dict(os.environ, PYTEST_PLUGINS="")
    for name, value in (variables or {}).items():
        environ.pop(name, None)
        if value is not None:
            environ[name] = value
    command = [sys.executable, "-c", SCRIPT + textwrap.dedent(body), str(folder)]
    if setup:
        if os.getuid() != 0 or shutil.which("unshare") is None:
            lacking("only root makes a mount namespace")
        script = " && ".join([*setup, 'exec "$@"'])
        command = ["unshare", "--mount", "sh", "-c", script, "sh", *command]
    return subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=120, umask=umask, cwd="/", check=False
    )


@pytest.fixture
def shown() -> Iterator[Path]:
    """A folder that an engine on this machine sees, and that is no part of /tmp."""
    folder = Path("/var/tmp") / f"tfmatrix-{os.getpid()}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def needs_engine() -> None:
    try:
        connect()
    except EngineUnavailableError as error:
        lacking(error.what)


VENV = "works(suite.venv(folder))"
DOCKER = "works(suite.docker(folder, suite.connect()))"
EACH = [VENV, pytest.param(DOCKER, marks=pytest.mark.docker)]


@pytest.mark.parametrize("body", EACH)
@pytest.mark.parametrize("home", [None, "/proc/nowhere"])
def test_odd_paths_a_closed_umask_and_no_home(body, home, tmp_path):
    if body == DOCKER:
        needs_engine()
    folder = tmp_path / ODD
    folder.mkdir()
    done = on_machine(folder, body, variables={"HOME": home}, umask=0o077)
    assert done.stdout == "works\n", done.stderr


@pytest.mark.parametrize("body", EACH)
def test_a_temporary_folder_where_nothing_may_be_run_and_etc_read_only(body, tmp_path, shown):
    if body == DOCKER:
        needs_engine()
    temporary = shown / "tmp"
    temporary.mkdir()
    setup = (f"mount -t tmpfs -o noexec,mode=1777 tmpfs {temporary}", "mount --bind /etc /etc")
    done = on_machine(shown, body, *setup, "mount -o remount,bind,ro /etc", variables={"TMPDIR": str(temporary)})
    assert done.stdout == "works\n", done.stderr


@pytest.mark.docker
def test_folders_that_the_engine_does_not_see_are_told(shown):
    needs_engine()
    body = """\
        from tfmatrix.executors.images import BaseUnavailableError
        executor = suite.docker(folder / "cache-is-seen", suite.connect()).executor
        executor._folders = (folder / "project",)
        base = suite.BaseImages(suite.connect(), suite.HOST_USERLAND, print).host_userland("test")
        try:
            executor.check(base)
        except BaseUnavailableError as error:
            print(error)
        """
    (shown / "project").mkdir()
    alike = on_machine(shown, body)
    assert alike.stdout == "", alike.stderr
    hidden = on_machine(shown, body, f"mount -t tmpfs tmpfs {shown}/project")
    assert "bind source path does not exist" in hidden.stdout or "the engine does not see" in hidden.stdout, hidden
    assert f"{shown}/project" in hidden.stdout
    assert "at the paths that they have outside, or give --executor venv" in hidden.stdout


def test_a_cache_on_another_file_system_is_filled_by_copies(shown):
    """Files cannot be linked from uv's cache over file systems: the cache is one folder, so that they need not be."""
    body = """\
        from tfmatrix.envs.provision import EnvironmentCache
        cache = EnvironmentCache(root=folder / "cache")
        made = cache.build("0" * 32, lambda place: (place / "file").write_text("x"))
        assert (made / "file").read_text() == "x"
        assert cache.downloads.is_relative_to(cache.root)
        print("works")
        """
    done = on_machine(shown, body, f"mkdir -p {shown}/cache", f"mount -t tmpfs tmpfs {shown}/cache")
    assert done.stdout == "works\n", done.stderr
