"""What a job's exceptions say, whatever their classes do."""

from __future__ import annotations

import io
import sys

import pytest
from tfmatrix.worker.capture import flush, words


@pytest.mark.parametrize("raised", [MemoryError, RecursionError, ValueError])
def test_an_exception_whose_message_raises_has_words_all_the_same(raised: type[Exception]) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise raised

    assert words(Mute()) == f"<its message raises {raised.__name__}>"
    assert words(ValueError("plain")) == "plain"


def test_a_log_that_is_full_is_no_fault_of_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(27, "File too large")

    handed_over = []
    other = io.StringIO()
    monkeypatch.setattr(other, "flush", lambda: handed_over.append(True))
    monkeypatch.setattr(sys, "stdout", Full())
    monkeypatch.setattr(sys, "stderr", other)
    flush()
    assert handed_over == [True]
