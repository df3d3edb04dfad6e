"""Engine `local`: units are processes of this machine.

What `tfmatrix run` does without an engine is faster. This one shows what every engine does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Mapping, Sequence

from tfmatrix.engine.engines.base import LIMIT, TIME_OPTION, End, Sent, Setting, time_limit, unit_arguments
from tfmatrix.engine.host import cpus
from tfmatrix.engine.unit import ENDING_SECONDS, batch_name

OPTIONS = {"time": TIME_OPTION}

_SLICE = 0.05
_LAST_WORDS = 2000
"""Bytes of its standard error that tell why a unit failed."""


class LocalEngine:
    """Processes, at most `workers` at once; each in a session of its own, so that all of it can be ended."""

    name = "local"
    in_rounds = False

    def __init__(self, url: str, workers: int, *, limit: float = LIMIT) -> None:
        """`limit` is how many seconds a unit may take: one that hangs is ended then, and its batch begins again."""
        self._url = url
        self._workers = workers
        self._limit = limit
        self.longest = limit / 2
        self._waiting: deque[Sent] = deque()
        self._running: dict[str, UnitProcess] = {}

    def workers(self) -> int:
        """See Engine."""
        return self._workers

    def submit(self, batches: Sequence[Sent]) -> None:
        """See Engine."""
        self._waiting.extend(batches)
        self._start()

    def ends(self, timeout: float) -> list[End]:
        """See Engine."""
        deadline = time.monotonic() + timeout
        while True:
            over = [name for name, unit in self._running.items() if unit.is_over()]
            if over or time.monotonic() >= deadline:
                break
            time.sleep(_SLICE)
        ends = [End(name=name, failure=self._running.pop(name).failure()) for name in over]
        self._start()
        return ends

    def cancel(self) -> None:
        """See Engine."""
        self._waiting.clear()
        for unit in self._running.values():
            unit.end()
        self._running.clear()

    def close(self) -> None:
        """See Engine."""

    def _start(self) -> None:
        while self._waiting and len(self._running) < self._workers:
            batch = self._waiting.popleft()
            command = unit_arguments(batch_name(batch.name), self._url)
            self._running[batch.name] = UnitProcess(command, os.environ, limit=self._limit)


class UnitProcess:
    """A unit as a process of this machine, in a session of its own, so that all of it can be ended."""

    def __init__(self, command: Sequence[str], variables: Mapping[str, str], *, limit: float) -> None:
        """`limit` is how many seconds it may take."""
        self._limit = limit
        self._begun = time.monotonic()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (open as long as the unit lives)
        self._process = subprocess.Popen(
            command,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._log,
            start_new_session=True,
        )

    def is_over(self) -> bool:
        """Whether it has ended, or has taken longer than it may."""
        return self._has_ended() or time.monotonic() - self._begun > self._limit

    def _has_ended(self) -> bool:
        """It is not waited for: its number stays its own, and with it that of its group."""
        waited = self._process.returncode is not None
        return waited or os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def failure(self) -> str:
        """Why it did not come to its end, with its last words; empty where it did. What it left is ended."""
        if not self._has_ended():
            self.end()
            return f"it took over {self._limit:.0f} s, and was ended"
        self.end()
        code = self._process.wait()
        with self._log:
            if code == 0:
                return ""
            self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - _LAST_WORDS))
            words = self._log.read().decode(errors="replace").strip()
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"{how}: {words}" if words else how

    def end(self) -> None:
        """Tells it to end, which sweeps what it started; then kills what is left of its process group."""
        if self._process.returncode is not None:
            return
        deadline = time.monotonic() + ENDING_SECONDS
        if not self._has_ended():
            self._process.terminate()
        while not self._has_ended() and time.monotonic() < deadline:
            time.sleep(_SLICE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def open_engine(setting: Setting) -> LocalEngine:
    """See Open."""
    return LocalEngine(setting.remote.url, setting.workers or cpus(), limit=time_limit(setting))
