from __future__ import annotations

from collections import deque

import pytest
from tfmatrix.executors.base import ProtocolError, WorkerLostError
from tfmatrix.executors.channel import Channel, LogTail
from tfmatrix.worker import protocol


class Script:
    """A transport that reads out what it was given, piece by piece; an exception among the pieces is raised."""

    def __init__(self, *pieces):
        self.pieces = deque(pieces)
        self.written = b""
        self.refusal = None
        self.log = LogTail()
        self.log.append(b"loading\nlast words\n")

    def read(self, timeout):
        if not self.pieces:
            raise TimeoutError
        piece = self.pieces.popleft()
        if isinstance(piece, Exception):
            raise piece
        return piece

    def write(self, data, timeout):
        if self.refusal:
            raise self.refusal
        self.written += data

    def fate(self):
        return "exit code 9"


MESSAGE = {"schema": 1, "id": 1, "event": "hello", "text": "späte\nZeile"}


def receive(*pieces):
    return Channel(Script(*pieces), name="2.15.1").receive(1.0)


def test_sends_one_line_per_message():
    script = Script()
    Channel(script, name="2.15.1").send(MESSAGE)
    assert script.written == protocol.encode(MESSAGE)
    assert script.written.count(b"\n") == 1


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_messages_may_come_in_pieces_of_any_size(size):
    data = protocol.encode(MESSAGE) + protocol.encode({**MESSAGE, "id": 2})
    channel = Channel(Script(*(data[at : at + size] for at in range(0, len(data), size))), name="2.15.1")
    assert channel.receive(1.0) == MESSAGE
    assert channel.receive(1.0)["id"] == 2
    with pytest.raises(TimeoutError):
        channel.receive(1.0)


def test_a_short_message_behind_a_long_one_is_found():
    long, short = protocol.encode({**MESSAGE, "text": "x" * 1000}), protocol.encode({"schema": 1, "id": 2})
    channel = Channel(Script(long[:900], long[900:] + short), name="2.15.1")
    assert channel.receive(1.0)["text"] == "x" * 1000
    assert channel.receive(1.0)["id"] == 2


def test_a_timeout_keeps_the_half_message():
    data = protocol.encode(MESSAGE)
    channel = Channel(Script(data[:10], TimeoutError(), data[10:]), name="2.15.1")
    with pytest.raises(TimeoutError, match=r"the worker of 2\.15\.1 said nothing for 0\.5 s"):
        channel.receive(0.5)
    assert channel.receive(0.5) == MESSAGE


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"Hello!\n", "not a message"),
        (b"Hello without end", "not a message"),
        (b"\n", "not a message"),
        (b"12345678901 {}", "not a message"),
        (b"12345678901 {}\n", "length says 12345678901 bytes"),
        (b"-5 {}\n", "not a message"),
        (b"3 {}\n", "length says 3 bytes"),
        (b'5 {"schema": 1, "no end of line": ', "length says 5 bytes, the line goes on"),
        (b"2 []\n", "not an object"),
        (b"2 {]\n", "not JSON"),
        (b'13 {"schema": 2}\n', "schema 2"),
        (b"99999999 {", "a message of 99999999 bytes"),
    ],
)
def test_garbage_is_a_protocol_error(data, words):
    with pytest.raises(ProtocolError) as caught:
        receive(data)
    message = str(caught.value)
    assert "the worker of 2.15.1 broke the protocol" in message
    assert words in message
    assert "last words" in message


def test_the_end_inside_a_message_is_a_protocol_error():
    with pytest.raises(ProtocolError, match=r"ended inside a message \(exit code 9\)"):
        receive(protocol.encode(MESSAGE)[:12], b"")


@pytest.mark.parametrize("end", [b"", ConnectionResetError(104, "Connection reset by peer")])
def test_the_end_between_messages_is_a_lost_worker(end):
    with pytest.raises(WorkerLostError) as caught:
        receive(end)
    assert not isinstance(caught.value, ProtocolError)
    assert str(caught.value) == (
        "the worker of 2.15.1 was lost: exit code 9\n  last lines of its log:\n    loading\n    last words"
    )


@pytest.mark.parametrize(
    ("refusal", "words"),
    [(BrokenPipeError(), "was lost: exit code 9"), (TimeoutError(), "does not read its requests (waited 3 s)")],
)
def test_a_worker_that_does_not_take_a_request_is_lost(refusal, words):
    script = Script()
    script.refusal = refusal
    with pytest.raises(WorkerLostError) as caught:
        Channel(script, name="2.15.1", write_seconds=3).send(MESSAGE)
    assert words in str(caught.value)


def test_not_a_number_cannot_be_sent():
    with pytest.raises(ValueError, match="JSON"):
        Channel(Script(), name="2.15.1").send({**MESSAGE, "timeout": float("nan")})


def test_the_log_keeps_its_end_and_shows_no_terminal_codes():
    log = LogTail(size=100)
    for number in range(50):
        log.append(f"line {number}\n".encode())
    assert log.text(lines=2) == "line 48\nline 49"
    assert len(log.text(lines=1000)) <= 100
    log.append(b"\x1b[31mred\x00 \xff end\r\n")
    assert log.text(lines=1) == "[31mred � end"
