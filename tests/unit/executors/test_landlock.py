"""A process that is confined reads and writes what it was given, and nothing else."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from needs import lacking
from tfmatrix.worker import landlock

CHILD = """
import os, signal, socket, sys
sys.path.insert(0, sys.argv[1])
import landlock
own, given, foreign, port = sys.argv[2:6]
print("confined", landlock.confine(own, [given, sys.prefix, sys.base_prefix]))

def tried(name, function):
    try:
        function()
        print(name, "works")
    except OSError as error:
        print(name, "refused")

tried("write own", lambda: open(own + "/new", "w").close())
tried("read given", lambda: open(given + "/text").read())
tried("write given", lambda: open(given + "/text", "w").close())
tried("read foreign", lambda: open(foreign + "/text").read())
tried("list foreign", lambda: os.listdir(foreign))
tried("write foreign", lambda: open(foreign + "/new", "w").close())
tried("remove foreign", lambda: os.unlink(foreign + "/text"))
tried("link out", lambda: (os.symlink(foreign + "/text", own + "/link"), open(own + "/link").read()))
tried("move in", lambda: os.rename(foreign + "/text", own + "/text"))
tried("connect", lambda: socket.create_connection(("127.0.0.1", int(port)), 5).close())
tried("signal", lambda: os.kill(os.getppid(), 0))
"""


def test_what_was_not_given_is_refused(tmp_path: Path) -> None:
    version = landlock.abi()
    if not version:
        lacking("this kernel has no Landlock")
    for name in ("own", "given", "foreign"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "text").write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as server:
        places = [str(tmp_path / name) for name in ("own", "given", "foreign")]
        port = str(server.getsockname()[1])
        command = [sys.executable, "-c", CHILD, os.path.dirname(landlock.__file__), *places, port]  # noqa: PTH120
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())
    assert found.pop("confined") == "True"
    assert {name for name, what in found.items() if what == "works"} - ({"connect"} if version < 4 else set()) - (
        {"signal"} if version < 6 else set()
    ) == {"write own", "read given"}
    assert (tmp_path / "foreign" / "text").read_text() == "secret"


def test_the_paths_of_a_job_are_found_wherever_they_stand() -> None:
    job = {"artifact": "/store/a/m.h5", "format": {"load": "x"}, "given": [{"file": "/b"}, 3, None], "name": "c/d"}
    assert list(landlock.paths_in(job)) == ["/store/a/m.h5", "/b"]


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_there_is_none(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert landlock.abi() == 0
    assert landlock.confine("/nowhere", []) is False
