"""Machines that share nothing but a bucket, under a run of real TensorFlow: its table is that of a local run.

The bucket is that of a server that speaks S3, on this machine: for jobs of GitHub on its loopback, for a second host
behind a cable that is cut. Slow: it is run with `pytest --slow`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import fake_queue
import pytest
from needs import lacking
from real_project import DENSE, RealProject, statuses, wait_until

pytestmark = [pytest.mark.real, pytest.mark.slow]

RUN = ("run", "--executor", "venv", "--no-remedies", "--json")
STORE = "s3://matrix/tfmatrix"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
SERVER = """\
import sys, time
import boto3
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address=sys.argv[1], port=0, verbose=False)
server.start()
_, port = server.get_host_and_port()
address = f"http://{sys.argv[1]}:{port}"
boto3.client("s3", endpoint_url=address, region_name="us-east-1").create_bucket(Bucket="matrix")
print(address, flush=True)
time.sleep(3600)
"""
HERE, THERE = "10.213.77.1", "10.213.77.2"


class Bucket:
    """A server in a process of its own, which all others reach by `environ`."""

    def __init__(self, ip: str) -> None:
        try:
            import boto3  # noqa: F401
            import moto.server  # noqa: F401
            import s3fs  # noqa: F401
        except ImportError as error:
            lacking(f"{error.name} is not installed")
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER, ip],
            env={**os.environ, **CREDENTIALS},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().strip()
        self.environ = {**CREDENTIALS, "AWS_ENDPOINT_URL": self.address}

    def outcomes(self) -> list[str]:
        """Keys of what was measured."""
        import boto3

        client = boto3.client(
            "s3",
            endpoint_url=self.address,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        listed = client.list_objects_v2(Bucket="matrix", Prefix="tfmatrix/outcomes/").get("Contents", [])
        return sorted(each["Key"] for each in listed)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def made(root: Path, name: str) -> RealProject:
    project = RealProject(root / name, ["2.15.1", "2.21.0"], (), "defaults: {timeout: 60}\n")
    for scenario in "ab":
        (project.root / "scenarios" / f"{scenario}.py").write_text(DENSE)
    return project


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> dict[str, str]:
    """That of an undisturbed local run."""
    done = made(tmp_path_factory.mktemp("local"), "project").tfmatrix(*RUN)
    found = {cell: record["status"] for cell, record in done.cells().items()}
    assert {"pass", "load-error"} <= set(found.values()), done.stderr
    return found


@pytest.fixture
def loopback() -> Iterator[Bucket]:
    bucket = Bucket("127.0.0.1")
    yield bucket
    bucket.close()


def test_jobs_of_github(tmp_path: Path, table, loopback: Bucket) -> None:
    """The shell step of the repository's workflow, run here for each index of its matrix."""
    fake_queue.install(tmp_path / "bin")
    (tmp_path / "bin" / "tfmatrix").symlink_to(Path(sys.executable).with_name("tfmatrix"))
    (tmp_path / "queue").mkdir()
    # As the secrets of a repository are: they reach a job by name.
    environ = {
        **loopback.environ,
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "FAKE_QUEUE": str(tmp_path / "queue"),
    }
    command = (*RUN, "--engine", "github", "--store", STORE, "--workers", "2", "--engine-option", "poll=0.5")
    done = made(tmp_path, "project").tfmatrix(*command, **environ)
    assert statuses(done.stdout) == table, done.stderr
    assert len(list((tmp_path / "queue").iterdir())) >= 2, "the saves, and then the loads"
    measured = loopback.outcomes()
    assert measured
    again = made(tmp_path, "again").tfmatrix(*command, **environ)
    assert statuses(again.stdout) == table, again.stderr
    assert loopback.outcomes() == measured


class Cable:
    """Another host: a network namespace, which reaches this one by a pair of virtual interfaces, and nothing else."""

    def __init__(self) -> None:
        self.name = f"tfmatrix{os.getpid()}"
        self._near = f"tfm{os.getpid()}"
        if os.getuid() != 0:
            lacking("only root makes a network namespace")
        try:
            self._ip("netns", "add", self.name)
            self._ip("link", "add", self._near, "type", "veth", "peer", "name", "far", "netns", self.name)
        except (OSError, subprocess.CalledProcessError) as error:
            lacking(f"no network namespaces here: {error}")
        self._ip("addr", "add", f"{HERE}/24", "dev", self._near)
        self._ip("link", "set", self._near, "up")
        for each in (
            ("addr", "add", f"{THERE}/24", "dev", "far"),
            ("link", "set", "far", "up"),
            ("link", "set", "lo", "up"),
        ):
            self._ip("-n", self.name, *each)

    def cut(self) -> None:
        self._ip("link", "set", self._near, "down")

    def mend(self) -> None:
        self._ip("link", "set", self._near, "up")

    def close(self) -> None:
        self._ip("netns", "del", self.name)

    def _ip(self, *arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def cable() -> Iterator[Cable]:
    there = Cable()
    yield there
    there.close()


def test_a_cable_that_is_cut_and_mended(tmp_path: Path, table, cable: Cable) -> None:
    """Client and units on one host, the store on another."""
    bucket = Bucket(HERE)
    try:
        project = made(tmp_path, "project")
        command = project.command(*RUN, "--engine", "local", "--store", STORE, "--workers", "1")
        process = subprocess.Popen(
            ["ip", "netns", "exec", cable.name, *command],
            env={**os.environ, **bucket.environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_until(bucket.outcomes, process)
        cable.cut()
        before = bucket.outcomes()
        time.sleep(20)
        assert process.poll() is None, process.communicate()
        assert bucket.outcomes() == before, "the cable was not cut"
        assert len(before) < len(table), "nothing was left to do"
        cable.mend()
        answer, said = process.communicate(timeout=500)
        assert statuses(answer) == table, said
        assert "Traceback" not in said
        assert len(bucket.outcomes()) > len(before)
    finally:
        bucket.close()
