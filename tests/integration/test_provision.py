"""One environment for real: locked packages, checked hashes, a folder that works read-only for another user."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from needs import lacking
from repository import ROOT
from tfmatrix.core.errors import InfrastructureError
from tfmatrix.envs.interpreters import find_interpreter
from tfmatrix.envs.lock import host_platform, make_lock, read_lock
from tfmatrix.envs.provision import EnvironmentCache, default_cache_root, provision_on_host
from tfmatrix.envs.uv import Uv
from tfmatrix.project.config import load_config

pytestmark = pytest.mark.real


REPORT = """
import json, os, sys
import tensorflow, keras, numpy
print(json.dumps([tensorflow.__version__, keras.__version__, numpy.__version__, keras.__cached__, os.getuid()]))
"""


@pytest.fixture(scope="module")
def environment():
    config = load_config(ROOT / "matrix.yaml")
    return next(each for each in config.environments if each.id == "2.15.1")


@pytest.fixture(scope="module")
def lock(environment):
    lock = read_lock(ROOT / "locks", environment)
    if lock.platform != host_platform():
        pytest.skip(f"the committed lock is for {lock.platform}")
    return lock


@pytest.fixture(scope="module")
def cache():
    return EnvironmentCache(root=default_cache_root())


@pytest.fixture(scope="module")
def uv(cache):
    return Uv(cache=cache.downloads)


@pytest.fixture(scope="module")
def interpreter(lock, uv):
    return find_interpreter(lock.python, uv)


@pytest.fixture(scope="module")
def provisioned(lock, interpreter, cache, uv):
    return provision_on_host(lock, interpreter, cache, uv)


def test_installed_is_what_the_lock_says(provisioned, lock):
    folders = provisioned.folder.glob("lib/python*/site-packages/*.dist-info/METADATA")
    found = {}
    for path in folders:
        text = path.read_text(encoding="utf-8")
        name, version = (re.search(rf"^{key}: (.+)$", text, re.MULTILINE)[1] for key in ("Name", "Version"))
        found[re.sub(r"[-_.]+", "-", name).lower()] = version

    assert found == lock.packages


def test_everybody_may_read_it(provisioned):
    assert [
        path for path in provisioned.folder.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o004 == 0
    ] == []


def test_it_shares_its_files_with_the_cache_of_uv(provisioned):
    library = next(provisioned.folder.rglob("libtensorflow_framework.so.2"))

    assert library.stat().st_nlink > 1


def test_tensorflow_is_imported_compiled_from_it(provisioned, lock):
    process = subprocess.run(
        [provisioned.python, "-I", "-c", REPORT], capture_output=True, text=True, timeout=120, check=True
    )

    report = process.stdout
    assert f'["{lock.tensorflow}", "{lock.keras}", "{lock.packages["numpy"]}"' in report
    compiled = Path(re.search(r'"([^"]+\.pyc)"', report)[1])
    assert compiled.is_relative_to(provisioned.folder)
    assert compiled.exists()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="needs root to mount and to become somebody else")
def test_it_works_mounted_read_only_for_another_user(provisioned, interpreter, tmp_path):
    folder, nobody = provisioned.folder, 65534
    if shutil.which("unshare") is None or not _passable(interpreter.path) or not _passable(folder):
        pytest.skip("another user cannot reach the interpreter or the cache on this machine")
    script = f"""
        mount --bind {folder} {folder} && mount -o remount,ro,bind {folder} || exit 77
        ! touch {folder}/x 2>/dev/null || exit 78
        cd / && HOME=/nonexistent exec setpriv --reuid {nobody} --regid {nobody} --clear-groups \
            {provisioned.python} -I -c '{REPORT}'
    """
    process = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=120)
    if process.returncode == 77:
        pytest.skip("mounts are not allowed here")

    assert process.returncode == 0, process.stderr
    assert process.stdout.strip().endswith(f"{nobody}]")


def _passable(path):
    return all(parent.stat().st_mode & 0o005 == 0o005 for parent in path.parents)


def test_a_hash_that_does_not_match_is_refused(tmp_path, environment, lock, interpreter, cache, uv):
    text = lock.path.read_text()
    pinned = re.search(r"^six==.*\n(?:    --hash=.*\n)+", text, re.MULTILINE)[0]
    (tmp_path / "forged.txt").write_text(re.sub("sha256:[0-9a-f]{8}", "sha256:00000000", pinned))
    target = tmp_path / "target"

    assert uv.run(["venv", "--python", str(interpreter.path), str(target)]).succeeded
    result = uv.run(["pip", "sync", "--require-hashes", "--python", str(target), str(tmp_path / "forged.txt")])

    assert not result.succeeded
    assert "Hash mismatch" in result.stderr
    assert "renew the lock" in uv.failure("x", result).fix


def test_locking_again_gives_the_committed_bytes(tmp_path, environment, lock, uv):
    try:
        again = make_lock(tmp_path, environment, uv)
    except InfrastructureError as error:
        lacking(f"no package index: {error.what}")

    assert again.path.read_bytes() == lock.path.read_bytes()
