from __future__ import annotations

import datetime
import errno
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tfmatrix.core.errors import ConfigError, InfrastructureError
from tfmatrix.envs import provision
from tfmatrix.envs.interpreters import Interpreter
from tfmatrix.envs.lock import Lock
from tfmatrix.envs.provision import (
    MARKER,
    EnvironmentCache,
    default_cache_root,
    disk_usage,
    environment_key,
    environment_python,
    install_commands,
    provision_on_host,
)

KEY, OTHER, THIRD = (digit * 32 for digit in "123")


@pytest.fixture
def cache(tmp_path):
    return EnvironmentCache(root=tmp_path / "cache")


def names(cache):
    """What lies among the environments."""
    return sorted(path.name for path in (cache.root / "envs").iterdir())


def fill(folder):
    (folder / "file").write_text("content")


def refuse(folder):
    raise AssertionError("there is nothing to build")


def set_last_used(cache, key, days_ago):
    moment = time.time() - days_ago * 86400
    os.utime(cache.folder(key) / MARKER, (moment, moment))


def run_python(code, cache, *, wait=True):
    """Runs code in another process, with `cache` and `KEY` defined."""
    prelude = f"""
        import os, sys, time
        from pathlib import Path
        from tfmatrix.envs.provision import EnvironmentCache
        cache, KEY = EnvironmentCache(root=Path({str(cache.root)!r})), {KEY!r}
    """
    text = textwrap.dedent(prelude) + textwrap.dedent(code)
    process = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)
    if wait:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        return out
    return process


# Building


def test_what_is_built_once_is_used_again(cache):
    folder = cache.build(KEY, fill, description={"environment": "2.15.1"})

    assert cache.build(KEY, refuse) == folder
    assert (folder / "file").read_text() == "content"
    assert names(cache) == [KEY]


def test_the_builder_works_elsewhere_and_the_marker_comes_last(cache):
    seen = {}

    def look(folder):
        seen.update(folder=folder, final=cache.folder(KEY).exists(), before=list(folder.iterdir()))

    assert cache.build(KEY, look) == cache.folder(KEY)
    assert seen["folder"].parent == cache.folder(KEY).parent
    assert (seen["final"], seen["before"]) == (False, [])


@pytest.mark.parametrize("error", [RuntimeError("half way"), KeyboardInterrupt()])
def test_a_builder_that_fails_leaves_nothing(cache, error):
    def fail(folder):
        fill(folder)
        raise error

    with pytest.raises(type(error)):
        cache.build(KEY, fail)

    assert names(cache) == []
    assert (cache.build(KEY, fill) / "file").exists()


@pytest.mark.parametrize(("number", "word"), [(errno.ENOSPC, "3 GB"), (errno.EDQUOT, "3 GB"), (errno.EACCES, "remove")])
def test_a_disk_that_fails_is_a_matter_of_the_infrastructure(cache, number, word):
    def fail(folder):
        raise OSError(number, os.strerror(number))

    with pytest.raises(InfrastructureError, match=word):
        cache.build(KEY, fail)

    assert names(cache) == []


@pytest.mark.parametrize("marker", [None, "", "[]", "{"])
def test_a_folder_without_a_whole_marker_is_built_again(cache, marker):
    cache.folder(KEY).mkdir(parents=True)
    (cache.folder(KEY) / "rest").touch()
    if marker is not None:
        (cache.folder(KEY) / MARKER).write_text(marker)

    folder = cache.build(KEY, fill)

    assert sorted(path.name for path in folder.iterdir()) == sorted(["file", MARKER])


@pytest.mark.parametrize("key", ["", "..", "x" * 32, KEY + "/x", KEY.replace("1", "A")])
def test_only_keys_are_keys(cache, key):
    with pytest.raises(ValueError, match="not a key"):
        cache.build(key, fill)


@pytest.mark.skipif(os.name == "nt", reason="modes of POSIX")
def test_others_may_read_whatever_the_umask(cache):
    run_python("os.umask(0o077); cache.build(KEY, lambda folder: None)", cache)

    for path in (cache.root, cache.folder(KEY).parent, cache.folder(KEY)):
        assert path.stat().st_mode & 0o777 == 0o755
    assert (cache.folder(KEY) / MARKER).stat().st_mode & 0o777 == 0o644


def test_using_an_environment_is_noted(cache):
    cache.build(KEY, fill)
    set_last_used(cache, KEY, days_ago=9)
    (before,) = cache.list_environments()

    cache.build(KEY, refuse)

    (after,) = cache.list_environments()
    assert after.last_used - before.last_used > datetime.timedelta(days=8)


# Several at once

BUILD_SLOWLY = """
    def build(folder):
        (cache.root / f"built-by-{os.getpid()}").touch()
        time.sleep(0.3)
        (folder / "file").write_text("content")
    print((cache.build(KEY, build, progress=print) / "file").read_text())
"""


def test_of_several_processes_one_builds_and_the_others_wait(cache):
    cache.root.mkdir()
    processes = [run_python(BUILD_SLOWLY, cache, wait=False) for _ in range(4)]
    said = [process.communicate(timeout=60)[0] for process in processes]

    assert [process.returncode for process in processes] == [0] * 4
    assert all(text.endswith("content\n") for text in said)
    assert len(list(cache.root.glob("built-by-*"))) == 1
    assert names(cache) == [KEY]


def test_of_several_threads_one_builds_and_the_others_say_that_they_wait(cache):
    building, told = threading.Event(), threading.Event()
    built, said = [], []

    def build(folder):
        built.append(folder)
        building.set()
        assert told.wait(20)

    def tell(text):
        said.append(text)
        told.set()

    first = threading.Thread(target=cache.build, args=(KEY, build))
    first.start()
    assert building.wait(20)
    cache.build(KEY, build, progress=tell)
    first.join(20)

    assert len(built) == 1
    assert said == [f"waiting for another run that is building {KEY}"]


def test_what_a_killed_builder_left_is_removed_and_its_lock_is_free(cache):
    code = """
        def build(folder):
            (folder / "half").touch()
            print("building", flush=True)
            time.sleep(60)
        cache.build(KEY, build)
    """
    process = run_python(code, cache, wait=False)
    assert process.stdout.readline() == "building\n"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=20)
    (left,) = names(cache)
    assert left.endswith(".tmp")

    folder = cache.build(KEY, fill)

    assert names(cache) == [KEY]
    assert not (folder / "half").exists()


# Listing and pruning


def test_environments_are_listed_the_latest_used_first(cache):
    cache.build(KEY, fill, description={"environment": "2.15.1", "python": "3.11.7", "lock": "ab"})
    cache.build(OTHER, fill, description={"environment": "2.16.2", "python": "3.11.7", "lock": "cd"})
    set_last_used(cache, KEY, days_ago=3)

    other, first = cache.list_environments()

    assert (other.key, first.key) == (OTHER, KEY)
    assert (first.environment_id, first.python, first.lock) == ("2.15.1", "3.11.7", "ab")
    assert first.folder == cache.folder(KEY)
    assert first.bytes == disk_usage([cache.folder(KEY)]) > 0


def test_no_cache_yet(cache):
    assert cache.list_environments() == ()
    assert cache.prune() == provision.Pruned(keys=(), freed_bytes=0)


def test_pruning_spares_what_is_named_and_what_was_used_lately(cache):
    for key, days in ((KEY, 40), (OTHER, 40), (THIRD, 20)):
        cache.build(key, fill)
        set_last_used(cache, key, days)

    pruned = cache.prune([OTHER], older_than=datetime.timedelta(days=30))

    assert pruned.keys == (KEY,)
    assert names(cache) == [OTHER, THIRD]


def test_pruning_removes_what_dead_builders_left_and_nothing_that_is_being_built(cache):
    (cache.folder(OTHER).parent / f"{OTHER}.0abc.tmp").mkdir(parents=True)
    seen = []

    def build(folder):
        seen.append(run_python("print(cache.prune())", cache))
        fill(folder)

    cache.build(KEY, build)

    assert "keys=()" in seen[0]
    assert names(cache) == [KEY]
    assert (cache.folder(KEY) / "file").exists()


def test_what_a_dead_builder_left_is_removed_by_itself(cache):
    cache.build(KEY, fill)
    left = cache.folder(OTHER).parent / f"{OTHER}.0abc.tmp"
    left.mkdir()
    (left / "wheel").write_bytes(b"x" * 100_000)

    removed = cache.remove_half_built()

    assert removed.keys == (OTHER,)
    assert removed.freed_bytes >= 100_000
    assert names(cache) == [KEY]
    assert cache.remove_half_built() == provision.Pruned(keys=(), freed_bytes=0)


def locked_project(folder, digest):
    """The lock of an environment in a project, as far as the cache looks at it."""
    (folder / "locks").mkdir(parents=True)
    (folder / "matrix.yaml").write_text("schema: 1\n")
    lock = folder / "locks" / "2.15.1.txt"
    lock.write_text(f"# digest: sha256:{digest}\n")
    return lock


def test_an_environment_knows_the_projects_that_still_ask_for_it(cache, tmp_path):
    digest = "ab" * 32
    here, there = (locked_project(tmp_path / name, digest) for name in ("here", "there"))
    question = tmp_path / "here" / "results" / "locks" / "2.15.1.txt"
    question.parent.mkdir(parents=True)
    question.write_text(f"# digest: sha256:{digest}\n")
    for lock in (here, there, here, question):
        cache.build(KEY, fill, description={"lock": digest}, user=lock)

    (found,) = cache.list_environments()
    assert found.users == (here, question, there)
    assert found.projects == (tmp_path / "here", tmp_path / "there")

    there.write_text("# digest: sha256:another\n")
    assert cache.list_environments()[0].projects == (tmp_path / "here",)
    (tmp_path / "here" / "matrix.yaml").unlink()
    assert cache.list_environments()[0].projects == ()

    cache.prune()
    cache.build(KEY, fill, description={"lock": digest})
    assert cache.list_environments()[0].users == (), "who used the one that was removed says nothing of this one"


def test_a_damaged_list_of_users_is_as_good_as_none(cache, tmp_path):
    lock = locked_project(tmp_path / "here", "ab" * 32)
    cache.build(KEY, fill, description={"lock": "ab" * 32}, user=lock)
    (cache.root / "users" / f"{KEY}.json").write_text("{")
    assert cache.list_environments()[0].users == ()
    cache.build(KEY, fill, user=lock)
    assert cache.list_environments()[0].users == (lock,)


def test_a_whole_environment_is_not_pruned_while_somebody_takes_it(cache):
    cache.build(KEY, fill)
    with cache._reserved(KEY, None):
        assert "keys=()" in run_python("print(cache.prune())", cache)

    assert cache.prune().keys == (KEY,)


def start_user(cache):
    """A process that has taken the environment and works until its standard input ends."""
    code = f"""
import sys
from pathlib import Path
from tfmatrix.envs.provision import EnvironmentCache
EnvironmentCache(root=Path({str(cache.root)!r})).build({KEY!r}, lambda folder: sys.exit("built again"))
print("ready", flush=True)
sys.stdin.read()
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.skipif(os.name == "nt", reason="without flock")
def test_an_environment_that_a_run_uses_is_not_pruned_until_the_run_ends(cache):
    cache.build(KEY, fill)
    with start_user(cache) as first, start_user(cache) as second:
        assert cache.prune().keys == ()
        first.kill()
        first.wait()
        assert cache.prune().keys == ()
        assert (cache.folder(KEY) / "file").exists()
        second.stdin.close()
        second.wait()
    assert cache.prune().keys == (KEY,)


@pytest.mark.skipif(os.name == "nt", reason="without flock")
def test_a_damaged_environment_is_built_anew_only_when_nobody_uses_it(cache):
    cache.build(KEY, fill)
    with start_user(cache) as user:
        (cache.folder(KEY) / MARKER).unlink()
        said = []

        def tell(text):
            assert (cache.folder(KEY) / "file").exists()
            said.append(text)
            user.stdin.close()

        cache.build(KEY, fill, progress=tell)
    assert "waiting for another run that uses" in said[0]
    assert (cache.folder(KEY) / MARKER).exists()


def test_only_room_that_nobody_else_uses_is_freed(cache):
    cache.downloads.mkdir(parents=True)
    shared = cache.downloads / "wheel"
    shared.write_bytes(b"x" * 100_000)

    def link(folder):
        (folder / "one").hardlink_to(shared)
        (folder / "two").hardlink_to(shared)
        (folder / "own").write_bytes(b"x" * 50_000)

    cache.build(KEY, link)
    whole = disk_usage([cache.folder(KEY)])

    assert 150_000 <= whole < 250_000
    assert disk_usage([cache.folder(KEY), cache.downloads]) == whole
    assert 50_000 <= cache.prune().freed_bytes < 100_000
    assert shared.exists()


def test_where_the_cache_lies(monkeypatch, tmp_path):
    monkeypatch.setenv("TFMATRIX_CACHE", str(tmp_path / "here"))
    assert default_cache_root() == tmp_path / "here"

    monkeypatch.delenv("TFMATRIX_CACHE")
    assert default_cache_root().name == "tfmatrix"


@pytest.mark.skipif(os.name != "posix", reason="users as they are here")
@pytest.mark.parametrize("home", ["absent", "closed"])
def test_a_user_without_a_home_has_a_cache_among_temporary_files(monkeypatch, tmp_path, home):
    for name in ("TFMATRIX_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    if home == "absent":
        monkeypatch.setattr("platformdirs.user_cache_dir", _no_home)
    else:
        # Root may write anywhere: what the system answers is what counts.
        monkeypatch.setattr("os.access", lambda path, mode: False)
    folder = default_cache_root()
    assert folder == tmp_path / f"tfmatrix-cache-{os.getuid()}"
    folder.mkdir()
    assert default_cache_root() == folder
    monkeypatch.setattr("os.getuid", lambda uid=os.getuid(): uid + 1)
    (tmp_path / f"tfmatrix-cache-{os.getuid()}").mkdir()
    with pytest.raises(InfrastructureError, match="is somebody else's"):
        default_cache_root()


def _no_home(name: str) -> str:
    raise RuntimeError(f"no home for {name}")


# Provisioning with a uv that does nothing

INTERPRETER = Interpreter(
    path=Path("/opt/python/bin/python3.11"),
    version="3.11.7",
    prefix=Path("/opt/python"),
    implementation="cpython",
    platform="linux-x86_64",
    abi="cpython-311-x86_64-linux-gnu",
)


@pytest.fixture
def lock(tmp_path, monkeypatch):
    monkeypatch.setattr(provision, "host_platform", lambda: "linux-x86_64")
    return Lock(
        environment_id="2.15.1",
        path=tmp_path / "2.15.1.txt",
        digest="ab" * 32,
        python="3.11",
        packages={"keras": "2.15.0", "tensorflow-cpu": "2.15.1"},
        tensorflow="2.15.1",
        keras="2.15.0",
        distribution="tensorflow-cpu",
        platform="linux-x86_64",
        exclude_newer="2024-03-22T00:00:00Z",
    )


def test_provisioning_creates_and_installs_once(cache, fake_uv, lock):
    fake_uv.answer("venv")
    fake_uv.answer("pip sync")
    uv, said = fake_uv.uv(cache.downloads), []

    made = provision_on_host(lock, INTERPRETER, cache, uv, progress=said.append)
    again = provision_on_host(lock, INTERPRETER, cache, uv, progress=said.append)

    assert again == made
    assert made.folder == cache.folder(made.key)
    assert made.python == environment_python(made.folder)
    assert made.packages == lock.packages
    assert said == ["installing 2.15.1: 2 packages"]
    create, install = (call["arguments"] for call in fake_uv.calls())
    assert str(INTERPRETER.path) in create
    assert {"--require-hashes", str(lock.path)} <= set(install)
    (listed,) = cache.list_environments()
    assert (listed.environment_id, listed.python, listed.lock) == ("2.15.1", "3.11.7", lock.digest)


def test_an_install_that_fails_is_told_in_the_words_of_uv_and_leaves_nothing(cache, fake_uv, lock):
    fake_uv.answer("venv")
    fake_uv.answer("pip sync", exit_code=1, stderr="error: Hash mismatch for `absl-py==2.1.0`")

    with pytest.raises(InfrastructureError, match=r"(?s)2\.15\.1 could not be installed.*Hash mismatch for `absl-py"):
        provision_on_host(lock, INTERPRETER, cache, fake_uv.uv(cache.downloads))

    assert names(cache) == []


def test_a_lock_of_another_platform_is_refused(cache, fake_uv, lock):
    with pytest.raises(
        ConfigError, match=r"made on darwin-arm64, this machine is linux-x86_64.*\n.*\n.*tfmatrix lock 2"
    ):
        provision_on_host(replace(lock, platform="darwin-arm64"), INTERPRETER, cache, fake_uv.uv(cache.downloads))


@pytest.mark.parametrize(
    "change",
    [
        {"path": Path("/usr/bin/python3.11")},
        {"version": "3.11.8"},
        {"platform": "linux-aarch64"},
        {"abi": "cpython-311d"},
    ],
)
def test_the_key_depends_on_the_interpreter(lock, change):
    assert environment_key(lock, INTERPRETER.identity) != environment_key(lock, replace(INTERPRETER, **change).identity)


def test_the_key_depends_on_the_packages_and_on_nothing_else_of_a_lock(lock, monkeypatch):
    key = environment_key(lock, "base")

    assert environment_key(replace(lock, base_image="python@sha256:1", environment_id="x"), "base") == key
    assert environment_key(replace(lock, digest="cd" * 32), "base") != key
    monkeypatch.setattr(provision, "RECIPE", provision.RECIPE + 1)
    assert environment_key(lock, "base") != key


def test_commands_are_the_same_for_a_container():
    commands = install_commands(
        lock=Path("/p/locks/x.txt"), target=Path("/c/envs/t"), python="python3", uv=Path("/bin/uv"), cache=Path("/c/uv")
    )

    start = ["/bin/uv", "--cache-dir", "/c/uv"]
    create = "venv --quiet --relocatable --no-project --no-python-downloads --python python3 /c/envs/t"
    install = (
        "pip sync --quiet --require-hashes --link-mode hardlink --compile-bytecode --python /c/envs/t /p/locks/x.txt"
    )
    assert commands == [[*start, *create.split()], [*start, *install.split()]]
