"""How far a run is, told on stderr: a bar on a terminal, a line now and then elsewhere."""

import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from hpc_ml.cli.failures import PREFIX
from hpc_ml.runs.listener import Listener

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINE_EVERY_S = 30.0


@contextmanager
def make_listener(stream: TextIO | None = None) -> Iterator[Listener]:
    """Give the listener that fits stderr (or another stream) for the length of the block."""
    stream = sys.stderr if stream is None else stream
    if stream.isatty() and os.environ.get("TERM") != "dumb":
        with _open_bar(stream) as progress:
            yield Bar(progress)
    else:
        yield Lines(stream)


def describe_workers(have: int, want: int, reason: str) -> str:
    """Return ``1 of 4 workers (waiting: Priority)``."""
    waiting = f" (waiting: {reason})" if reason and have < want else ""
    return f"{have} of {want} workers{waiting}"


class Lines:
    """A listener that writes the first news of its kind, then one line each 30 s, and the last.

    Messages are written as they come.
    """

    def __init__(self, stream: TextIO, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock_s = clock_s
        self._started_s = clock_s()
        self._told: dict[str, tuple[float, object]] = {}
        self._lock = threading.Lock()

    def progress(self, done: int, total: int, unit: str) -> None:
        elapsed_s = self._clock_s() - self._started_s
        line = f"{done} of {total} {unit} after {elapsed_s:.0f} s"
        self._tell_now_and_then(unit, (done, total), line, done >= total)

    def workers(self, have: int, want: int, reason: str) -> None:
        # A new reason is told at once: it is what the user waits for.
        line = describe_workers(have, want, reason)
        self._tell_now_and_then(f"workers: {reason}", (have, want), line, have >= want)

    def tell(self, message: str) -> None:
        with self._lock:
            self._write(message)

    def _tell_now_and_then(self, kind: str, state: object, line: str, last: bool) -> None:
        with self._lock:
            now_s = self._clock_s()
            told_s, told_state = self._told.get(kind, (-math.inf, None))
            if state != told_state and (last or now_s >= told_s + LINE_EVERY_S):
                self._told[kind] = (now_s, state)
                self._write(line)

    def _write(self, line: str) -> None:
        print(f"{PREFIX}{line}", file=self._stream, flush=True)


class Bar:
    """A listener that keeps a bar of rich up to date; messages scroll by above it."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._lock = threading.Lock()

    def progress(self, done: int, total: int, unit: str) -> None:
        self._progress.update(self._open_task(), completed=done, total=total, description=unit)

    def workers(self, have: int, want: int, reason: str) -> None:
        self._progress.update(self._open_task(), workers=describe_workers(have, want, reason))

    def tell(self, message: str) -> None:
        self._progress.console.print(
            f"{PREFIX}{message}", markup=False, highlight=False, soft_wrap=True
        )

    def _open_task(self) -> "TaskID":
        with self._lock:
            if self._task is None:
                self._task = self._progress.add_task("starting", total=None, workers="")
            return self._task


def _open_bar(stream: TextIO) -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[workers]}", markup=False),
        console=Console(file=stream),
    )
