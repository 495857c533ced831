"""Runs that are dead: whose controller is gone, and that nobody else has taken up."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import click

from hpc_ml.errors import ExitCode, TaskFailed
from hpc_ml.run_jobs import take_run
from hpc_ml.runs.folder import RunFolder
from hpc_ml.runs.ownership import read_owner
from hpc_ml.runs.record import RunState, read_clock
from hpc_ml.runs.status import RunStatus

_EXIT_CODES = {RunState.FAILED: ExitCode.FAILED, RunState.CANCELLED: ExitCode.INTERRUPTED}


def is_dead(folder: RunFolder, status: RunStatus) -> bool:
    """Return whether a run has ended, and nobody has begun to resume it."""
    if not status.state.ended:
        return False
    owner = read_owner(folder.layout)
    return owner is None or owner.is_alive() is not True


@contextmanager
def hold(folder: RunFolder) -> Iterator[None]:
    """Own a dead run, so that nobody resumes it meanwhile. Raises BadRun where it lives.

    A controller elsewhere counts as dead when its heartbeat stands still by this host's clock.
    """
    try:
        owner = take_run(folder.layout, folder.read_record(), tell=partial(click.echo, err=True))
    except TaskFailed:
        # A disk that is full takes no mark, and is what runs are removed for.
        last = read_owner(folder.layout)
        if last is not None and last.is_alive() is not False:
            raise
        yield
        return
    try:
        yield
    finally:
        owner.release()


def settle(folder: RunFolder, status: RunStatus) -> None:
    """Let the record of a dead run say how it ended. Raises TaskFailed."""
    if not folder.read_record().state.ended:
        code = _EXIT_CODES.get(status.state, ExitCode.RESUMABLE)
        folder.update(
            state=status.state, ended_at=read_clock(), exit_code=int(code), error=status.reason
        )
