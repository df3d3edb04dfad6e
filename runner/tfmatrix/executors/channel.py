"""Messages over the byte stream of a worker: lines, their limits, and what is said when the stream breaks."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from threading import Lock
from typing import Any, Protocol

from tfmatrix.executors.base import ProtocolError, WorkerLostError
from tfmatrix.worker import protocol

WRITE_SECONDS = 60.0
"""How long a worker may leave a request unread before it counts as lost."""

_LENGTH = re.compile(rb"[0-9]{1,9}(?: |\Z)")
_HEAD = re.compile(rb"[0-9]{1,9} ")


class LogTail:
    """Keeps the last `size` bytes of a log. Any thread may append or read."""

    def __init__(self, size: int = 64 * 1024) -> None:
        self._size = size
        self._data = b""
        self._lock = Lock()

    def append(self, data: bytes) -> None:
        """Adds to the log and forgets what is beyond its size."""
        with self._lock:
            self._data = (self._data + data)[-self._size :]

    def text(self, lines: int = 40) -> str:
        """The last lines, without terminal control characters."""
        with self._lock:
            text = self._data.decode("utf-8", "replace")
        printable = "".join(char for char in text if char.isprintable() or char in "\n\t")
        return "\n".join(printable.splitlines()[-lines:])


class Transport(Protocol):
    """Bytes to and from one process, and power over it."""

    @property
    def log(self) -> LogTail:
        """What the process wrote to standard error."""

    def read(self, timeout: float) -> bytes:
        """Bytes from standard output; b"" when it is closed. Raises TimeoutError, ProtocolError."""

    def write(self, data: bytes, timeout: float) -> None:
        """Writes all of it to standard input. Raises TimeoutError, and OSError when the other end is gone."""

    def fate(self) -> str:
        """How the process ended, as the end of a sentence: "exit code 3", "killed by SIGSEGV"."""

    def kill(self) -> None:
        """Ends the process with all it started and releases everything. Idempotent, thread-safe."""


class Channel:
    """Messages over a transport. `name` says whose worker it is, in errors."""

    def __init__(self, transport: Transport, *, name: str, write_seconds: float = WRITE_SECONDS) -> None:
        self._transport = transport
        self._name = name
        self._write_seconds = write_seconds
        self._buffer = bytearray()
        self._searched = 0

    def send(self, message: Mapping[str, Any]) -> None:
        """Sends one message. Raises WorkerLostError when the worker is gone or does not read."""
        try:
            self._transport.write(protocol.encode(dict(message)), self._write_seconds)
        except TimeoutError as error:
            raise self.lost(f"does not read its requests (waited {self._write_seconds:g} s)") from error
        except OSError as error:
            raise self.lost(f"was lost: {self._transport.fate()}") from error

    def receive(self, timeout: float) -> dict[str, Any]:
        """The next message, in order. Raises TimeoutError, WorkerLostError, ProtocolError."""
        deadline = time.monotonic() + timeout
        while True:
            line = self._next_line()
            if line is not None:
                try:
                    return dict(protocol.decode(line))
                except ValueError as error:
                    raise self.nonsense(str(error)) from error
            try:
                data = self._transport.read(max(0.0, deadline - time.monotonic()))
            except OSError as error:
                # TimeoutError is an OSError, too, and the only one that leaves the worker as it was.
                if isinstance(error, TimeoutError):
                    raise TimeoutError(f"the worker of {self._name} said nothing for {timeout:g} s") from error
                raise self.lost(f"was lost: {self._transport.fate()}") from error
            if not data:
                if self._buffer:
                    rest = bytes(self._buffer[:200])
                    raise self.nonsense(f"ended inside a message ({self._transport.fate()}): {rest!r}")
                raise self.lost(f"was lost: {self._transport.fate()}")
            self._buffer += data

    def _next_line(self) -> bytes | None:
        """A complete line from the buffer, or None. Garbage is found before its end of line comes."""
        end = self._buffer.find(b"\n", self._searched)
        if end >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            self._searched = 0
            return line
        self._searched = len(self._buffer)
        if self._buffer and not _LENGTH.match(self._buffer):
            raise self.nonsense(f"not a message (no length): {bytes(self._buffer[:200])!r}")
        head = _HEAD.match(self._buffer)
        if head:
            length = int(head.group())
            if length > protocol.MAX_BYTES:
                raise self.nonsense(f"a message of {length} bytes, at most {protocol.MAX_BYTES} are accepted")
            if len(self._buffer) > head.end() + length:
                raise self.nonsense(f"length says {length} bytes, the line goes on: {bytes(self._buffer[:200])!r}")
        return None

    def lost(self, what: str) -> WorkerLostError:
        """The error for a worker that is gone, with its log."""
        return WorkerLostError(f"the worker of {self._name} {what}", log_tail=self._transport.log.text())

    def nonsense(self, what: str) -> ProtocolError:
        """The error for a worker that cannot be understood, with its log."""
        return ProtocolError(
            f"the worker of {self._name} broke the protocol: {what}",
            log_tail=self._transport.log.text(),
            expected="one message per line: its length in bytes, a space, and JSON",
        )
