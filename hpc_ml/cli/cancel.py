"""`hpc-ml cancel`: stops a run and every job of it, and sees that they are gone."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hpc_ml.cli.options import debug_option, runs_option
from hpc_ml.clusters.tls import remove_keys
from hpc_ml.errors import ExitCode, HpcMlError, NoCluster
from hpc_ml.run_jobs import find_live, open_run_scheduler
from hpc_ml.runs.cancellation import request_cancel
from hpc_ml.runs.folder import RunFolder
from hpc_ml.runs.heartbeat import read_beat
from hpc_ml.runs.index import find_run
from hpc_ml.runs.ownership import read_owner
from hpc_ml.runs.record import RunRecord, RunState, read_clock
from hpc_ml.runs.status import is_controller_alive

if TYPE_CHECKING:
    from hpc_ml.schedulers.base import Scheduler

# A controller hears the request within 2 s and then ends its jobs.
_CLEAN_END_S = 8.0
_FAR_END_S = 30.0
_LAST_END_S = 30.0
_JOBS_END_S = 30.0
_PATIENCE_S = 60.0
_LOOK_EVERY_S = 0.1


@click.command()
@click.argument("run")
@runs_option
@debug_option
def cancel(run: str, runs_dir: Path) -> None:
    """Stop a run and every job of it, and check that they are gone.

    RUN is an id, the start of one, a name, a path, or 'last'. What is finished is kept.
    """
    click.echo(cancel_run(find_run(run, runs_dir)))


def cancel_run(folder: RunFolder) -> str:
    """Stop a run and return, in a line, what has become of it.

    Raises NoCluster, with what remains and the command to type, when it does not end.
    """
    folder.check_owner()
    record = folder.read_record()
    if record.state.ended:
        gone = _end_jobs(folder, record)
        return f"run {folder.run_id} has ended already: {record.state}{gone}"
    request_cancel(folder.layout)
    folder.tell_event("cancel requested")
    _stop_controller(folder, record)
    gone = _end_jobs(folder, folder.read_record())
    _check_process(folder, record)
    remove_keys(folder.layout)  # those that a killed controller left
    state = _record_end(folder)
    return f"run {folder.run_id} is {state}{gone}"


def _stop_controller(folder: RunFolder, record: RunRecord) -> None:
    """Give the controller time to end by itself; its batch job is ended later."""
    alive = is_controller_alive(folder, record)
    if alive is False:
        return
    if record.controller_job is not None:
        _wait_for_job(folder, record, record.controller_job)
    elif alive:
        _stop_process(folder, record)
    elif record.host is not None:
        _wait_for_host(folder, record)


def _stop_process(folder: RunFolder, record: RunRecord) -> None:
    if _wait(lambda: _has_stopped(folder, record), _CLEAN_END_S):
        return
    process_id = _find_process(folder)
    if process_id is None:
        return
    click.echo(f"process {process_id} has not stopped; sending it SIGTERM", err=True)
    with suppress(ProcessLookupError):
        os.kill(process_id, signal.SIGTERM)


def _check_process(folder: RunFolder, record: RunRecord) -> None:
    """Raise NoCluster when the controller runs on, on this host."""
    if is_controller_alive(folder, record) and not _wait(
        lambda: _has_stopped(folder, record), _LAST_END_S
    ):
        process_id = _find_process(folder)
        raise NoCluster(
            f"process {process_id} of run {folder.run_id} goes on",
            hint=f"end it with `kill -KILL {process_id}`, then cancel again",
        )


def _find_process(folder: RunFolder) -> int | None:
    owner = read_owner(folder.layout)
    return owner.pid if owner is not None else folder.read_record().pid


def _wait_for_job(folder: RunFolder, record: RunRecord, job_id: str) -> None:
    if open_run_scheduler(record).poll([job_id])[job_id].state == "running":
        _wait(lambda: _has_stopped(folder, record), _CLEAN_END_S)


def _wait_for_host(folder: RunFolder, record: RunRecord) -> None:
    """Wait for a controller on another host; one that gives no sign meanwhile is dead."""
    click.echo(f"waiting for the controller on {record.host} to stop", err=True)
    before = read_beat(folder.layout)
    if _wait(lambda: folder.read_record().state.ended, _FAR_END_S):
        return
    if read_beat(folder.layout) != before:
        raise NoCluster(
            f"the controller on {record.host} goes on, process {record.pid}",
            hint=f"type `hpc-ml cancel {folder.run_id}` on {record.host}",
        )


def _has_stopped(folder: RunFolder, record: RunRecord) -> bool:
    return is_controller_alive(folder, record) is False or folder.read_record().state.ended


def _end_jobs(folder: RunFolder, record: RunRecord) -> str:
    """End the jobs that are recorded and those that carry the run's name; say how many."""
    if record.scheduler is None:
        return ""
    from hpc_ml.schedulers.patience import PatientScheduler

    try:
        scheduler = open_run_scheduler(record)
        patient = PatientScheduler(scheduler, partial(click.echo, err=True), patience_s=_PATIENCE_S)
        live = find_live(patient, folder.layout, record)
    except HpcMlError as error:
        if not record.state.ended:
            raise
        # The controller that recorded its own end has ended its jobs before.
        return f"; the scheduler could not be asked whether a job is left: {error}"
    ended = 0
    while live:  # again, since a controller may have submitted one more before it ended
        _end_live(scheduler, live)
        ended += len(live)
        live = find_live(patient, folder.layout, record)
    if not ended:
        return "; no job of it was left"
    return f"; its last {'job was' if ended == 1 else f'{ended} jobs were'} ended"


def _end_live(scheduler: "Scheduler", live: list[str]) -> None:
    from hpc_ml.schedulers.endings import end_jobs

    try:
        end_jobs(scheduler, live, limit_s=_JOBS_END_S)
    except NoCluster as error:
        command = f"{scheduler.commands[-1]} {' '.join(live)}"
        raise NoCluster(error.problem, hint=f"type `{command}`, then cancel again") from error


def _record_end(folder: RunFolder) -> RunState:
    state = folder.read_record().state
    if state.ended and state is not RunState.INTERRUPTED:
        return state
    folder.update(
        state=RunState.CANCELLED,
        ended_at=read_clock(),
        exit_code=int(ExitCode.INTERRUPTED),
        error="the run was cancelled",
    )
    folder.tell_event(RunState.CANCELLED)
    return RunState.CANCELLED


def _wait(true: Callable[[], bool], limit_s: float) -> bool:
    deadline_s = time.monotonic() + limit_s
    while not true():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(_LOOK_EVERY_S)
    return True
