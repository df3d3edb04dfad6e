"""One text for all occurrences of one warning or error: without what changes from run to run and machine to machine.

The worker sends raw text; this is the only place that normalises it. `normalise` gives the readable text, by which
people know it; `fingerprint` a short key of it, by which cells are grouped.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

_ANSI = (re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]"), "")

_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # Log prefixes: "2024-05-01 12:00:00.123456: W core/x.cc:12] ", "W0000 00:00:1714560000.1 42 x.cc:12] ".
        (r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.,]?\d*:? (?=[IWEF] )", ""),
        (r"(?m)^([IWEF])\d{4} \d\d:\d\d:\d+(?:\.\d+)?\s+\d+ ", r"\1 "),
        (r"\b([\w./-]+\.(?:cc|h|cpp|cu|py)):\d+\]", r"\1]"),
        # Dates and times.
        (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?", "<time>"),
        (r"\b\d{4}-\d\d-\d\d\b", "<date>"),
        (r"\b\d\d:\d\d:\d\d(?:\.\d+)?\b", "<time>"),
        # Addresses, identifiers.
        (r"\b0x[0-9a-fA-F]{4,}\b", "<address>"),
        (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<uuid>"),
        (r"\b(pid|PID|process|thread|tid)([ =:]+)\d+\b", r"\1\2<n>"),
        # Paths: a line in a file, then any absolute path. C++ sources are relative and stay: they say where it is from.
        (r'File "[^"]+", line \d+', 'File "<path>"'),
        (r"(?:file://)?(?<![\w<>.\\/])(?:[A-Za-z]:\\|~?/(?!/))(?:[^\s'\"`:;,<>()\[\]{}|]+/?)+", "<path>"),
        (r"\btmp[a-z0-9_]{6,10}\b", "<temp>"),
        # Times that something took.
        (r"\b\d+(?:\.\d+)?(?:e-?\d+)? ?(?:ns|us|µs|ms|s|sec|secs|seconds?|minutes?)\b", "<duration>"),
        # Counters that TensorFlow and Keras append to names within one process.
        (r"\b(__(?:inference|forward|backward)_\w*?)_\d+\b", r"\1"),
        (r"(?<=['\"`])([A-Za-z][\w/>]*?)_\d+(?=['\"`])", r"\1"),
        (r"\b\d+ out of the last \d+ calls\b", "<n> out of the last <n> calls"),
    )
)

_CONFIG = re.compile(r"\bconfig ?= ?(?=\{)")
MAX_TEXT = 2000
"""Characters of a normalised text; what comes later in a longer one does not tell causes apart."""


@lru_cache(maxsize=4096)
def normalise(text: str) -> str:
    """The text without paths, addresses, times, process ids, temporary names, counters and whole configs."""
    text = _ANSI[0].sub(_ANSI[1], text)
    text = _without_configs(text)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return re.sub(r"\s+", " ", text).strip()[:MAX_TEXT]


def fingerprint(text: str) -> str:
    """A short key, equal for texts that normalise to the same."""
    return hashlib.sha256(normalise(text).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def with_fingerprints(warnings: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A worker's warnings, each with `text` (normalised) and `fingerprint` beside its raw `message`."""
    return [
        {**warning, "text": normalise(str(warning["message"])), "fingerprint": fingerprint(str(warning["message"]))}
        for warning in warnings
    ]


def _without_configs(text: str) -> str:
    """`config={…}` in place of a layer's whole config, in which every model differs."""
    parts: list[str] = []
    position = 0
    for match in _CONFIG.finditer(text):
        if match.start() < position:
            continue
        end = _closing_brace(text, match.end())
        parts += [text[position : match.end()], "{…}"]
        position = end
    return "".join([*parts, text[position:]])


def _closing_brace(text: str, start: int) -> int:
    """Behind the brace that closes the one at `start`; the end of the text where none does (it was cut)."""
    depth = 0
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return position + 1
    return len(text)
