"""The host side imports where POSIX is absent: the names that Windows lacks are taken away before."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
from repository import ROOT
from tfmatrix.core.errors import InfrastructureError
from tfmatrix.executors import choose
from tfmatrix.project.config import Defaults
from tfmatrix.project.project import Project

PROGRAM = """
import importlib, os, pkgutil, signal, sys
# What others wrote has branches for Windows that need Windows: imported before.
import asyncio, docker, filelock, jinja2, multiprocessing, numpy, pandas, platformdirs, pydantic, pygal, pypi_simple
import rich.console, rich.progress, ruamel.yaml, shutil, socket, subprocess, tabulate, tempfile, typer

for name in ("fcntl", "grp", "pty", "pwd", "resource", "termios", "tty"):
    sys.modules[name] = None
lacking = {
    os: "O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK chown fchdir fchmod fork fwalk getegid geteuid getgid getloadavg "
    "getpgid getuid killpg mkfifo mknod nice posix_fadvise sched_getaffinity setsid statvfs sysconf uname wait4",
    signal: "SIGALRM SIGCHLD SIGHUP SIGKILL SIGPIPE SIGQUIT SIGUSR1 SIGUSR2 alarm pthread_sigmask setitimer",
}
for module, names in lacking.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
import tfmatrix
count = 0
for module in pkgutil.walk_packages(tfmatrix.__path__, "tfmatrix."):
    # The worker's own modules run inside an environment; the host takes its formats, folders and protocol.
    if module.name.startswith("tfmatrix.worker.") and not module.name.startswith(HOST_SIDE):
        continue
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
        count += 1
print(count)
"""
HOST_SIDE = (
    "tfmatrix.worker.formats",
    "tfmatrix.worker.folders",
    "tfmatrix.worker.protocol",
    "tfmatrix.worker.versions",
)


def test_every_module_of_the_host_side_imports_without_posix():
    code = f"HOST_SIDE = {HOST_SIDE!r}\n{PROGRAM}"
    environ = {"PYTHONPATH": str(ROOT / "runner")}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 150


def test_nothing_is_measured_on_windows(tmp_path, monkeypatch):
    project, defaults = Project(root=tmp_path), Defaults()
    monkeypatch.setattr(choose, "os", SimpleNamespace(name="nt"))
    with pytest.raises(InfrastructureError, match="WSL 2"):
        choose.open_executor(project, (), defaults, asked="venv", say=lambda _line: None, run="x")
