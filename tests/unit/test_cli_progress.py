"""Progress on stderr: a bar on a terminal, a line now and then elsewhere."""

import io
import os
import pty
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from hpc_ml.cli.progress import Bar, Lines, make_listener


class Clock:
    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def stream():
    return io.StringIO()


@pytest.fixture
def lines(stream, clock):
    return Lines(stream, clock)


def test_the_first_news_then_a_line_each_30_s_and_the_last(lines, stream, clock):
    for done in range(49):
        lines.progress(done, 48, "fits")
        clock.now_s += 10
    said = stream.getvalue().splitlines()
    assert said[0] == "hpc-ml: 0 of 48 fits after 0 s"
    assert said[1] == "hpc-ml: 3 of 48 fits after 30 s"
    assert said[-1] == "hpc-ml: 48 of 48 fits after 480 s"
    assert len(said) == 17


def test_the_end_is_told_once(lines, stream):
    lines.progress(1, 48, "fits")
    for _ in range(3):
        lines.progress(48, 48, "fits")
    assert len(stream.getvalue().splitlines()) == 2


def test_why_workers_are_missing_is_told_when_the_reason_changes(lines, stream):
    lines.workers(0, 4, "Priority")
    lines.workers(0, 4, "Priority")
    lines.workers(0, 4, "Resources")
    lines.workers(2, 4, "")
    lines.workers(4, 4, "")
    lines.workers(4, 4, "")
    assert stream.getvalue().splitlines() == [
        "hpc-ml: 0 of 4 workers (waiting: Priority)",
        "hpc-ml: 0 of 4 workers (waiting: Resources)",
        "hpc-ml: 2 of 4 workers",
        "hpc-ml: 4 of 4 workers",
    ]


def test_messages_come_at_once(lines, stream):
    lines.tell("scoring the best candidate")
    lines.tell("scoring the best candidate")
    assert stream.getvalue() == "hpc-ml: scoring the best candidate\n" * 2


def test_without_a_terminal_there_is_no_bar(stream):
    with make_listener(stream) as listener:
        listener.progress(1, 2, "fits")
    assert "\x1b" not in stream.getvalue()


def read_screen(terminal):
    """Return all that is written to a terminal until it is closed."""
    shown = b""
    with suppress(OSError):  # EIO: the other end is closed
        while part := os.read(terminal, 4096):
            shown += part
    return shown.decode()


def test_a_terminal_shows_bar_workers_and_messages(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    parent, child = pty.openpty()
    with ThreadPoolExecutor() as reader:
        screen = reader.submit(read_screen, parent)
        with os.fdopen(child, "w") as terminal, make_listener(terminal) as listener:
            assert isinstance(listener, Bar)
            listener.workers(1, 2, "Priority")
            listener.tell("[red]500 rows[/red]")
            listener.progress(2, 8, "fits")
        shown = screen.result()
    os.close(parent)
    assert "1 of 2 workers (waiting: Priority)" in shown
    assert "hpc-ml: [red]500 rows[/red]" in shown
    assert "2/8" in shown


def test_a_dumb_terminal_gets_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    parent, child = pty.openpty()
    with os.fdopen(child, "w") as terminal, make_listener(terminal) as listener:
        assert isinstance(listener, Lines)
    os.close(parent)
