"""TensorFlow in an image like the official one of Python, run as root and as an ordinary user, in both directions.

`/root` of that image is closed to all but root, it has no compiler and no git, and jobs run in it as nobody.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import docker
import pytest
from needs import lacking
from real_project import Finished, RealProject
from repository import ROOT

sys.path.append(str(ROOT / "tests" / "contract"))
from python_image import make_python_image

# Two environments are installed for each user: `--slow`.
pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.docker, pytest.mark.timeout(1800)]

OLD, NEW = "2.15.1", "2.16.2"
IMAGE = "tfmatrix-test/official-python"
SETTINGS = f"""\
formats: [h5, keras, tf-savedmodel-raw]
defaults:
  docker: {{image: "{IMAGE}:{{python}}-slim", pull: never, host_userland: never}}
"""
USER = 1234
HIDE_ROOT = 'mount --bind "$1" /mnt && mount -t tmpfs -o mode=755 none /root && mkdir -p "$1" && mount --bind /mnt "$1"'
"""The interpreter of the tests may lie below /root, where nobody else comes: in this process's view it is open."""


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Iterator[str]:
    client = docker.from_env().api
    reference = f"{IMAGE}:3.11-slim"
    make_python_image(client, reference, Path(sys.base_prefix, "bin", "python3.11"))
    yield reference
    client.remove_image(reference, force=True)


@pytest.fixture
def home() -> Iterator[Path]:
    """A home that the engine sees and that is the user's alone."""
    folder = Path("/var/tmp") / f"tfmatrix-home-{os.getpid()}"
    folder.mkdir(mode=0o700)
    os.chown(folder, USER, USER)
    yield folder
    shutil.rmtree(folder)


def as_root(command: Sequence[str], home: Path) -> list[str]:
    return list(command)


def as_ordinary_user(command: Sequence[str], home: Path) -> list[str]:
    group = Path("/var/run/docker.sock").stat().st_gid
    become = ["setpriv", f"--reuid={USER}", f"--regid={USER}", f"--groups={group}", "env", f"HOME={home}"]
    hide = f'{HIDE_ROOT} && shift && exec "$@"'
    return ["unshare", "--mount", "sh", "-ec", hide, "sh", sys.base_prefix, *become, *command]


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the image is made of this interpreter")
@pytest.mark.parametrize("become", [as_root, as_ordinary_user])
def test_both_directions_are_measured(become, engine, image, home):
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        lacking("only root becomes somebody else")
    project = RealProject(home / "project", [OLD, NEW], ["dense"], SETTINGS)
    for path in (home / "project", *(home / "project").rglob("*")):
        os.chown(path, USER, USER)
    command = become([*project.command("run", "--json", "--executor", "docker", "--no-remedies")], home)
    environ = {name: value for name, value in os.environ.items() if name not in ("TMPDIR", "XDG_CACHE_HOME")}
    done = subprocess.run(command, cwd=home, env=environ, capture_output=True, text=True, timeout=1500, check=False)
    found = Finished(done.returncode, done.stdout, done.stderr).cells()
    told = {cell.partition("/")[2]: record["status"] for cell, record in found.items()}
    assert len(told) == 12
    unmeasured = {cell: status for cell, status in told.items() if status in ("infra-error", "skipped")}
    assert unmeasured == {}, done.stderr
    assert told[f"h5/{OLD}/{OLD}"] == told[f"keras/{NEW}/{NEW}"] == "pass"
    assert told[f"tf-savedmodel-raw/{OLD}/{NEW}"] == told[f"tf-savedmodel-raw/{NEW}/{OLD}"] == "pass"
    assert "image " + image in done.stderr
