"""Signals that ask a run to stop, turned into errors at the next safe moment."""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from hpc_ml.errors import Interrupted, RunStopped, Stopped, WalltimeReached

_REASONS: dict[signal.Signals, tuple[type[RunStopped], str]] = {
    signal.SIGINT: (Interrupted, "interrupted by Ctrl-C"),
    signal.SIGTERM: (Stopped, "stopped by SIGTERM"),
    signal.SIGUSR1: (WalltimeReached, "stopped by the scheduler's warning signal"),
}


class StopSignals:
    """While open, SIGINT, SIGTERM and SIGUSR1 are noted, and `check` raises what they mean.

    A second Ctrl-C raises KeyboardInterrupt at once, but not once `check` or that Ctrl-C has
    raised, or after `shut`: what ends the jobs is never interrupted. Outside the main thread, where
    Python allows no handlers, signals are left as they are. `hint` tells how to go on.
    """

    def __init__(self, hint: str) -> None:
        self._hint = hint
        self._received: signal.Signals | None = None
        self._shut = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            handler: Callable[[int, FrameType | None], None] = self._note
            self._previous = {number: signal.signal(number, handler) for number in _REASONS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        again = self._received is signal.SIGINT and number == signal.SIGINT
        self._received = signal.Signals(number)
        if again and not self._shut:
            self._shut = True
            raise KeyboardInterrupt

    def check(self) -> None:
        """Raise Interrupted or Stopped when a signal has come."""
        if self._received is not None:
            self._shut = True
            kind, reason = _REASONS[self._received]
            raise kind(f"the run was {reason}", hint=self._hint)

    def shut(self) -> None:
        """From now on let no signal interrupt: the jobs are about to be ended."""
        self._shut = True
