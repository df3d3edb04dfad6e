from __future__ import annotations

import io
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.engine.progress import BarProgress, LineProgress, Progress, make_progress, printable

SHOW_CURSOR = "\x1b[?25h"
HIDE_CURSOR = "\x1b[?25l"


def cell(status: Status = Status.PASS, *, known: bool = False, cached: bool = False) -> CellRecord:
    return CellRecord(
        run="r", cell="s/h5/a/b", scenario="s", format="h5", writer="a", reader="b", status=status, known=known,
        cached=cached,
    )  # fmt: skip


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def lines(use: Callable[[LineProgress], None], *, quiet: bool = False, clock: Clock | None = None) -> list[str]:
    stream = io.StringIO()
    with LineProgress(stream, quiet=quiet, clock=clock or Clock()) as progress:
        use(progress)
    return stream.getvalue().splitlines()


# lines


def test_what_others_made_and_is_made_here_nevertheless_is_one_more_save() -> None:
    def use(progress: LineProgress) -> None:
        progress.saves(1)
        progress.saved(True, True)
        progress.saves(1)
        progress.saved(True, False)

    assert lines(use) == ["saves 1/1: 1 ok, 1 from the store", "saves 2/2: 2 ok, 1 from the store"]


def test_the_lines_of_a_small_run() -> None:
    def use(progress: LineProgress) -> None:
        progress.print_preamble(["set: quick", "executor: venv"])
        progress.environments(2)
        for name, how in (("2.12.1", "built"), ("2.15.1", "")):
            progress.environment_started(name)
            progress.environment_ready(name, 6.21, how)
        progress.saves(3)
        progress.loads(4)
        progress.saved(True, True)
        progress.saved(True, False)
        progress.saved(False, False)
        progress.loaded(cell(cached=True))
        progress.loaded(cell(Status.DRIFT))
        progress.loaded(cell(Status.LOAD_ERROR, known=True))
        progress.loaded(cell())

    assert lines(use) == [
        "set: quick",
        "executor: venv",
        "environment 2.12.1 ready in 6.2 s (built)",
        "environment 2.15.1 ready in 6.2 s",
        "saves 3/3: 2 ok, 1 without an artifact, 1 from the store",
        "cells 4/4: drift 1, load-error 1, pass 2 (1 new, 1 from the store)",
    ]


def test_a_line_every_fifty_cells() -> None:
    def use(progress: LineProgress) -> None:
        progress.loads(120)
        for _ in range(120):
            progress.loaded(cell())

    assert lines(use) == ["cells 50/120: pass 50", "cells 100/120: pass 100", "cells 120/120: pass 120"]


def test_a_line_every_ten_seconds() -> None:
    clock = Clock()

    def use(progress: LineProgress) -> None:
        progress.loads(100)
        for _ in range(10):
            clock.now += 4
            progress.loaded(cell())
        progress.loads(10)

    assert [line.split(":")[0] for line in lines(use, clock=clock)] == ["cells 3/100", "cells 6/100", "cells 9/100"]


def test_quiet_tells_warnings_only() -> None:
    def use(progress: LineProgress) -> None:
        progress.print_preamble(["x"])
        progress.environment_ready("2.12.1", 1, "built")
        progress.saves(1)
        progress.saved(True, False)
        progress.message("m")
        progress.warning("no lock")

    assert lines(use, quiet=True) == ["warning: no lock"]


def test_an_interrupted_run_tells_how_far_it_came() -> None:
    stream = io.StringIO()

    def interrupted() -> None:
        with LineProgress(stream) as progress:
            progress.loads(10)
            progress.loaded(cell())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert stream.getvalue() == "cells 1/10: pass 1\n"


def test_a_worker_cannot_move_the_cursor() -> None:
    def use(progress: LineProgress) -> None:
        progress.warning("log:\n\x1b[2Jx\ry\x07\r\nlast [bold]z[/bold] \udc80")

    assert lines(use) == ["warning: log:", r"\x1b[2Jx\ry\x07", r"last [bold]z[/bold] \udc80"]


def test_printable_keeps_text() -> None:
    assert printable("a b ✓\nü") == "a b ✓\nü"


def test_lines_of_threads_do_not_mix() -> None:
    class Slow(io.StringIO):
        def write(self, text: str) -> int:
            for char in text:
                super().write(char)
                time.sleep(0)
            return len(text)

    stream = Slow()
    with LineProgress(stream) as progress:
        threads = [
            threading.Thread(target=lambda char=char: [progress.message(char * 40 + "\n" + char) for _ in range(20)])
            for char in "abcd"
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for block in re.findall(r"(\w+)\n(\w)\n", stream.getvalue()):
        assert block[0] == block[1] * 40
    assert len(stream.getvalue().splitlines()) == 160


# the choice


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "term", "quiet", "kind"),
    [
        (Terminal(), "xterm", False, BarProgress),
        (Terminal(), "xterm", True, LineProgress),
        (Terminal(), "dumb", False, LineProgress),
        (io.StringIO(), "xterm", False, LineProgress),
    ],
)
def test_bars_only_where_a_cursor_can_move(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, term: str, quiet: bool, kind: type
) -> None:
    monkeypatch.setenv("TERM", term)
    assert type(make_progress(stream, quiet=quiet)) is kind


def test_the_default_is_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with make_progress() as progress:
        progress.message("hello")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "hello\n"


# bars, on a real terminal


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, 110))
    try:
        yield leader, follower
    finally:
        os.close(leader)
        os.close(follower)


def read_all(leader: int) -> str:
    chunks = []
    while select.select([leader], [], [], 0.2)[0]:
        chunks.append(os.read(leader, 65536))
    return b"".join(chunks).decode()


def drive(progress: Progress) -> None:
    progress.print_preamble(["set: quick"])
    progress.environments(2)
    for name in ("2.12.1", "2.16.2"):
        progress.environment_started(name)
    progress.environment_ready("2.12.1", 6.2, "built")
    progress.warning("2.16.2: no \x1b[2J interpreter [red]")
    progress.saves(2)
    progress.loads(4)
    progress.saved(True, True)
    progress.loaded(cell(Status.DRIFT))
    progress.loaded(cell(Status.LOAD_ERROR, known=True))
    progress.loaded(cell(Status.INFRA_ERROR))


def shown_by(use: Callable[[Progress], None], monkeypatch: pytest.MonkeyPatch, **environ: str) -> str:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with terminal() as (leader, follower):
        stream = os.fdopen(os.dup(follower), "w", encoding="utf-8")
        try:
            with make_progress(stream) as progress:
                assert isinstance(progress, BarProgress)
                use(progress)
        except (RuntimeError, KeyboardInterrupt):
            pass
        stream.close()
        return read_all(leader)


def test_bars_count_and_messages_stand_above(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = shown_by(drive, monkeypatch)
    assert "\x1b[2J" not in raw
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", raw)
    above, bars = text[: text.rindex("environments")], text[text.rindex("environments") :]
    assert "set: quick\r\n" in above
    assert "environment 2.12.1 ready in 6.2 s (built)\r\n" in above
    assert "warning: 2.16.2: no \\x1b[2J interpreter [red]\r\n" in above
    rows = bars.splitlines()
    assert re.search(r"environments .* 1/2 ", rows[0])
    assert re.search(r"saves .* 1/2 .*1 ok, 1 from the store", rows[1])
    assert re.search(r"cells .* 3/4 .*2 failed \(1 new\), 1 not measured", rows[2])


def test_the_terminal_is_restored_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(error: BaseException) -> Callable[[Progress], None]:
        def use(progress: Progress) -> None:
            drive(progress)
            raise error

        return use

    for use in (drive, fail(RuntimeError()), fail(KeyboardInterrupt())):
        text = shown_by(use, monkeypatch)
        assert text.count(HIDE_CURSOR) == text.count(SHOW_CURSOR) == 1
        assert text.rindex(SHOW_CURSOR) > text.rindex("cells")


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    coloured = re.compile(r"\x1b\[[0-9;]*(3[0-9]|38;5;\d+)m")
    assert coloured.search(shown_by(drive, monkeypatch))
    assert not coloured.search(shown_by(drive, monkeypatch, NO_COLOR="1"))


def test_ctrl_c_leaves_a_usable_terminal_and_data_goes_to_stdout() -> None:
    code = (
        "import sys, time\n"
        "from tfmatrix.engine.progress import make_progress\n"
        "with make_progress() as progress:\n"
        "    progress.loads(10)\n"
        "    sys.stdout.write('data\\n')\n"
        "    sys.stdout.flush()\n"
        "    time.sleep(30)\n"
    )
    with terminal() as (leader, follower):
        before = termios.tcgetattr(follower)
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE, stderr=follower, text=True, env={**os.environ, "TERM": "xterm"},
        )  # fmt: skip
        assert process.stdout is not None
        is_there = select.select([process.stdout], [], [], 20)[0]
        process.send_signal(signal.SIGINT)
        data, _ = process.communicate(timeout=20)
        assert is_there
        assert data == "data\n"
        assert process.returncode != 0
        text = read_all(leader)
        assert termios.tcgetattr(follower) == before
    assert "KeyboardInterrupt" in text
    assert text.index(SHOW_CURSOR) < text.index("Traceback")
    assert "data" not in text
