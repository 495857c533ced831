"""Signals stop a run at the next safe moment."""

import os
import signal
import subprocess
import sys

import pytest

from hpc_ml.errors import ExitCode, Interrupted, Stopped, WalltimeReached
from hpc_ml.signals import StopSignals


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (signal.SIGINT, Interrupted, ExitCode.INTERRUPTED),
        (signal.SIGTERM, Stopped, ExitCode.RESUMABLE),
        (signal.SIGUSR1, WalltimeReached, ExitCode.RESUMABLE),
    ],
)
def test_a_signal_is_raised_by_the_next_check(
    number: signal.Signals, kind: type[Exception], code: ExitCode
) -> None:
    before = signal.getsignal(number)
    with StopSignals("go on") as signals:
        signals.check()
        os.kill(os.getpid(), number)
        with pytest.raises(kind, match="go on") as caught:
            signals.check()
    assert caught.value.exit_code == code
    assert signal.getsignal(number) == before


def test_a_second_interrupt_does_not_wait() -> None:
    with StopSignals("go on"), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("begin", ["shut", "check", "twice"])
def test_no_interrupt_reaches_what_ends_the_jobs(begin: str) -> None:
    with StopSignals("go on") as signals:
        os.kill(os.getpid(), signal.SIGINT)
        if begin == "shut":
            signals.shut()
        else:
            with pytest.raises((Interrupted, KeyboardInterrupt)):
                signals.check() if begin == "check" else os.kill(os.getpid(), signal.SIGINT)
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
            os.kill(os.getpid(), number)


def test_dask_jobqueue_does_not_take_the_interrupt_over() -> None:
    code = """
import signal
from hpc_ml.clusters.jobs import _own_interrupt_handler
before = signal.getsignal(signal.SIGINT)
with _own_interrupt_handler():
    import dask_jobqueue
    assert signal.getsignal(signal.SIGINT) is not before, "the import leaves it alone now"
assert signal.getsignal(signal.SIGINT) is before
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
