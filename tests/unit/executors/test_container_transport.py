from __future__ import annotations

import socket
import struct
import threading

import docker.errors
import pytest
from tfmatrix.core.errors import InfrastructureError
from tfmatrix.executors.base import ProtocolError
from tfmatrix.executors.containers import ContainerTransport, container_name
from tfmatrix.executors.docker import Limits, worker_limits


class Client:
    """The calls of the SDK that a transport makes."""

    def __init__(self):
        self.state = {"Running": False, "ExitCode": 0, "OOMKilled": False, "Error": ""}
        self.removed = []
        self.refusal = None

    def inspect_container(self, container):
        if self.refusal:
            raise self.refusal
        return {"State": self.state}

    def remove_container(self, container, **options):
        if self.refusal:
            raise self.refusal
        self.removed.append((container, options))


@pytest.fixture
def pair():
    ours, engines = socket.socketpair()
    client = Client()
    yield ContainerTransport(client, "c0ffee", ours), engines, client
    ours.close()
    engines.close()


def frame(kind, data):
    return struct.pack(">BxxxL", kind, len(data)) + data


@pytest.mark.parametrize("size", [1, 3, 8, 9, 1000])
def test_streams_are_told_apart_however_the_frames_are_cut(pair, size):
    transport, engine, _ = pair
    data = frame(1, b"one ") + frame(2, b"problem\n") + frame(1, b"") + frame(1, b"two")
    for at in range(0, len(data), size):
        engine.sendall(data[at : at + size])
    output = b""
    while len(output) < 7:
        output += transport.read(5)
    assert output == b"one two"
    assert transport.log.text() == "problem"


def test_the_end_of_the_stream(pair):
    transport, engine, _ = pair
    engine.sendall(frame(1, b"last"))
    engine.close()
    assert transport.read(5) == b"last"
    assert transport.read(5) == b""


def test_half_a_frame_is_kept_over_a_timeout(pair):
    transport, engine, _ = pair
    data = frame(1, b"whole")
    engine.sendall(data[:10])
    with pytest.raises(TimeoutError):
        transport.read(0.05)
    with pytest.raises(TimeoutError):
        transport.read(0)
    engine.sendall(data[10:])
    assert transport.read(5) == b"whole"


def test_what_is_no_frame_is_a_protocol_error(pair):
    transport, engine, _ = pair
    engine.sendall(b"HTTP/1.1 500 Internal Server Error")
    with pytest.raises(ProtocolError, match="no frame"):
        transport.read(5)


def test_writes_all_or_times_out(pair):
    transport, engine, _ = pair
    transport.write(b"request\n", 5)
    assert engine.recv(100) == b"request\n"
    with pytest.raises(TimeoutError):
        transport.write(b"x" * (1 << 24), 0.2)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"ExitCode": 3}, "exit code 3"),
        ({"ExitCode": 137, "OOMKilled": True}, "exit code 137 (SIGKILL), its container ran out of memory"),
        ({"ExitCode": 132}, "exit code 132 (SIGILL)"),
        ({"ExitCode": 250}, "exit code 250"),
        ({"ExitCode": 127, "Error": "no such file"}, "exit code 127, no such file"),
        ({"Running": True}, "it closed its output"),
    ],
)
def test_fate_is_what_the_engine_says(pair, monkeypatch, state, words):
    transport, _, client = pair
    monkeypatch.setattr("tfmatrix.executors.containers.EXIT_SECONDS", 0.0)
    client.state = {**client.state, **state}
    assert transport.fate() == words


def test_fate_when_the_engine_is_gone(pair):
    transport, _, client = pair
    client.refusal = docker.errors.NotFound("404", explanation="No such container")
    assert transport.fate() == "the engine does not know its container any more (No such container)"


def test_kill_removes_the_container_once_and_wakes_a_reader(pair):
    transport, _, client = pair
    threading.Timer(0.2, transport.kill).start()
    assert transport.read(30) == b""
    transport.kill()
    assert [container for container, _ in client.removed] == ["c0ffee"]
    assert transport.fate() == "its container was removed by tfmatrix"
    with pytest.raises(OSError, match=r"closed|Bad file"):
        transport.read(1)


def test_kill_is_well_with_a_container_that_is_gone(pair):
    transport, _, client = pair
    client.refusal = docker.errors.NotFound("404")
    transport.kill()


def test_kill_says_when_the_engine_fails(pair):
    transport, _, client = pair
    client.refusal = docker.errors.DockerException("daemon is gone")
    with pytest.raises(InfrastructureError, match="cannot remove container c0ffee: daemon is gone"):
        transport.kill()


def test_the_limits_of_every_worker():
    limits = worker_limits(Limits(memory=2 << 30, cpus=4, pids=100, tmp_bytes=1024), cpus=2)
    assert limits["mem_limit"] == limits["memswap_limit"] == 3 << 30
    assert limits["nano_cpus"] == 2_000_000_000, "an engine refuses more CPUs than it has"
    assert limits["pids_limit"] == 100
    assert limits["network_mode"] == "none"
    assert limits["read_only"] is True
    assert limits["cap_drop"] == ["ALL"]
    assert limits["security_opt"] == ["no-new-privileges"]
    assert limits["tmpfs"]["/tmp"].endswith("size=1024,mode=1777")


def test_names_are_readable_unique_and_fit_for_docker():
    names = {container_name("20240102-x", "2.16.2+tf-keras@today") for _ in range(10)}
    assert len(names) == 10
    assert all(name.startswith("tfmatrix-20240102-x-2.16.2-tf-keras-today-") for name in names)
