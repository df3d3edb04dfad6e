"""A CPU that TensorFlow's wheels are not compiled for: a matter of the infrastructure, told as what it is."""

from __future__ import annotations

import os
import sys
import textwrap

import pytest
from fakes import fake_mounts, fake_prepared
from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import ExitCode
from tfmatrix.executors import process
from tfmatrix.executors.base import WorkerLostError
from tfmatrix.executors.process import PathMap, start_worker
from tfmatrix.executors.venv import PipeTransport

ENVIRONMENT = Environment(id="2.15.1", tensorflow="2.15.1", python="3.11")


@pytest.fixture
def start(tmp_path):
    """Starts a worker that ends by a signal while it imports its TensorFlow."""
    started = []

    def start(signal):
        code = f"""
        import os, signal, sys
        sys.stdin.readline()
        print("importing tensorflow", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.{signal})
        """
        transport = PipeTransport(
            [sys.executable, "-c", textwrap.dedent(code)],
            cwd=tmp_path,
            variables={},
            marker=("TFMATRIX_TEST", f"{os.getpid()}-{tmp_path.name}"),
        )
        started.append(transport)
        mounts = fake_mounts(tmp_path)
        return start_worker(transport, prepared=fake_prepared(ENVIRONMENT), paths=PathMap.unchanged(mounts))

    yield start
    for transport in started:
        transport.kill()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (frozenset({"sse4_2"}), "this CPU does not have AVX"),
        (frozenset({"avx", "sse4_2"}), "this CPU has AVX"),
        (None, "dies by an illegal instruction"),
    ],
)
def test_an_illegal_instruction_names_the_cpu(start, monkeypatch, flags, words):
    monkeypatch.setattr(process, "_cpu_flags", lambda: flags)
    with pytest.raises(WorkerLostError, match=words) as caught:
        start("SIGILL")
    assert "2.15.1" in caught.value.what
    assert "SIGILL" in caught.value.what
    assert "AVX" in caught.value.expected
    assert "another machine" in caught.value.fix
    assert "importing tensorflow" in str(caught.value)
    assert caught.value.exit_code is ExitCode.INFRASTRUCTURE


def test_another_signal_says_nothing_of_the_cpu(start):
    with pytest.raises(WorkerLostError, match="SIGSEGV") as caught:
        start("SIGSEGV")
    assert "AVX" not in str(caught.value)
