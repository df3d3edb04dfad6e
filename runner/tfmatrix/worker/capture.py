"""What a job says while it runs: Python warnings, log records, and the C++ lines on stderr, told apart by phase."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import re
import sys
import time
import warnings
from typing import Any, Callable, Iterator

MAX_MESSAGE = 4000
"""Characters kept of one message; longer ones end in a count of what was cut."""

MAX_KINDS = 200
"""Different warnings kept per phase; a scenario that prints megabytes must not fill the results."""

# "2024-05-01 12:00:00.123456: W tensorflow/core/x.cc:12] text" until 2.16, "W0000 00:00:1714560000.1 42 x.cc:12] text"
# since; I(nfo) lines are not warnings.
_NATIVE = re.compile(
    r"^(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: (?P<old>[WEF]) (?P<old_text>.*)"
    r"|(?P<new>[WEF])\d{4} \d\d:\d\d:\d\d(?:\.\d+)?\s+\d+ (?P<new_text>.*))$"
)
_SEVERITY = {"W": "WARNING", "E": "ERROR", "F": "FATAL"}
_LOGGERS = (None, "tensorflow", "absl")


def shorten(text: str, limit: int = MAX_MESSAGE) -> str:
    """The text, with its middle left out where it has more than `limit` characters: Keras says what matters last."""
    if len(text) <= limit:
        return text
    return "%s\n[… %d characters …]\n%s" % (text[: limit // 2], len(text) - limit, text[-limit // 2 :])


def words(error: BaseException) -> str:
    """The message of an exception; one whose own code raises has none, and is the model's all the same."""
    try:
        return str(error)
    except Exception as another:
        return "<its message raises %s>" % type(another).__name__


class _Handler(logging.Handler):
    def __init__(self, add: Callable[[str, str, str], None]) -> None:
        logging.Handler.__init__(self, level=logging.WARNING)
        self._add = add
        self._last: logging.LogRecord | None = None

    def emit(self, record: logging.LogRecord) -> None:
        # The same record reaches the handler again through the root logger.
        if record is self._last:
            return
        self._last = record
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = "%s %r" % (record.msg, record.args)
        self._add("logging", record.levelname, message)


class Recorder(object):
    """Collects warnings and times of the phases of one job.

    `output` is a descriptor of the file that the process's stdout and stderr are redirected to; it must be readable.
    """

    def __init__(self, output: int = 1) -> None:
        self._output = output
        self._counts: dict[tuple[str, str, str, str], int] = {}
        self.seconds: dict[str, float] = {}
        self.phase_name = "start"

    def _add(self, channel: str, category: str, message: str) -> None:
        key = (self.phase_name, channel, category, shorten(message.strip()))
        if key not in self._counts and sum(known[0] == self.phase_name for known in self._counts) >= MAX_KINDS:
            key = (self.phase_name, channel, category, "[more than %d different messages]" % MAX_KINDS)
        self._counts[key] = self._counts.get(key, 0) + 1

    @property
    def warnings(self) -> list[dict[str, Any]]:
        """The warnings so far as a list of dicts: phase, channel, category, message, count."""
        return [
            {"phase": phase, "channel": channel, "category": category, "message": message, "count": count}
            for (phase, channel, category, message), count in self._counts.items()
        ]

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Runs the body as phase `name`: its warnings and its wall time in seconds are kept under that name."""
        self.phase_name = name
        start = time.perf_counter()
        offset = _size(self._output)
        handler = _Handler(self._add)
        saved = []
        for logger_name in _LOGGERS:
            logger = logging.getLogger(logger_name)
            saved.append((logger, list(logger.handlers)))
            # The loggers' own handlers would print the record to stderr, and it would count twice.
            logger.handlers = [handler]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("always")
                warnings.showwarning = self._show_warning  # type: ignore[assignment]
                try:
                    yield
                finally:
                    # Some warnings come when an object goes: a checkpoint's restore status reports on deletion.
                    gc.collect()
        finally:
            for logger, handlers in saved:
                logger.handlers = handlers
            flush()
            self._read_native(offset)
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def _show_warning(self, message: Warning | str, category: type[Warning], *_place: Any) -> None:
        self._add("python", category.__name__, str(message))

    def _read_native(self, offset: int) -> None:
        # A scenario may print without end: the first megabyte of a phase is enough to find its warnings.
        text = os.pread(self._output, 1024 * 1024, min(offset, _size(self._output))).decode("utf-8", "replace")
        for line in text.splitlines():
            match = _NATIVE.match(line)
            if match:
                severity = _SEVERITY[match.group("old") or match.group("new")]
                self._add("stderr", severity, match.group("old_text") or match.group("new_text"))


def flush() -> None:
    """Hands over what was printed. A log that is full loses it: that is of who printed, and no fault of the worker."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()


def _size(descriptor: int) -> int:
    return os.fstat(descriptor).st_size


def said_once() -> Any:
    """What TensorFlow and absl have said in this process and will not say again."""
    return [dict(registry) for registry in _registries()]


def restore_said_once(said: Any) -> None:
    """Lets them say again what they said since then: each job hears what it would hear alone."""
    for registry, before in zip(_registries(), said):
        registry.clear()
        registry.update(before)


def _registries() -> list[Any]:
    found = []
    for module, name in (
        ("tensorflow.python.util.deprecation", "_PRINTED_WARNING"),
        ("tensorflow.python.platform.tf_logging", "_log_counter_per_token"),
        ("absl.logging", "_log_counter_per_token"),
    ):
        registry = getattr(sys.modules.get(module), name, None)
        if isinstance(registry, dict):
            found.append(registry)
    return found
