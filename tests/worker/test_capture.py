"""What a job's exceptions say, whatever their classes do."""

from __future__ import annotations

import pytest
from tfmatrix.worker.capture import words


@pytest.mark.parametrize("raised", [MemoryError, RecursionError, ValueError])
def test_an_exception_whose_message_raises_has_words_all_the_same(raised: type[Exception]) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise raised

    assert words(Mute()) == f"<its message raises {raised.__name__}>"
    assert words(ValueError("plain")) == "plain"
