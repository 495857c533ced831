"""The one orchestration of a run: cluster, data, task, artefacts, state."""

import os
import socket
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from threading import Lock
from typing import Any

from hpc_ml.clusters import make_cluster
from hpc_ml.clusters.base import Cluster, ClusterRequest
from hpc_ml.errors import (
    Cancelled,
    ExitCode,
    HpcMlError,
    Interrupted,
    RunStopped,
    TaskFailed,
)
from hpc_ml.live_run import LiveRun
from hpc_ml.runs.atomic import explained_writes, write_json
from hpc_ml.runs.cancellation import clear_cancel
from hpc_ml.runs.folder import RunFolder
from hpc_ml.runs.heartbeat import Heartbeat
from hpc_ml.runs.ledger import Ledger
from hpc_ml.runs.listener import Listener
from hpc_ml.runs.ownership import Ownership, OwnershipLost
from hpc_ml.runs.record import RunState, read_clock
from hpc_ml.runs.summary import RunSummary, summarise
from hpc_ml.signals import StopSignals
from hpc_ml.sites.loading import choose_profile
from hpc_ml.sites.profile import SiteProfile
from hpc_ml.spec.job import Job
from hpc_ml.tasks import registry

_BATCH_JOB_VARIABLES = ("SLURM_JOB_ID", "PBS_JOBID")


def conduct(
    folder: RunFolder, job: Job, listener: Listener, *, resumed: bool = False
) -> RunSummary:
    """Take a run that is made to its end, and return what came of it.

    A run that is `resumed` forgets that it was once to be cancelled. The state, exit code and
    error of the run are in its record when this returns or raises.
    Raises HpcMlError where the run failed or was stopped.
    """
    with ExitStack() as stack:
        # Libraries write files of the run too, and their temporary files.
        stack.callback(os.umask, os.umask(0o077))
        signals = stack.enter_context(StopSignals(f"go on with: hpc-ml resume {folder.run_id}"))
        owner = Ownership.take(folder.layout, _batch_job_id(), tell=listener.tell)
        stack.callback(owner.release)
        if resumed:  # not before the run is owned: its owner may be about to hear of it
            clear_cancel(folder.layout)
        heartbeat = stack.enter_context(Heartbeat(folder.layout))
        ledger = stack.enter_context(Ledger.open(folder.layout.ledger_file))
        run = LiveRun(
            folder, ledger=ledger, owner=owner, heartbeat=heartbeat, listener=listener,
            check_signals=signals.check, seed=job.seed,
        )  # fmt: skip
        stack.callback(run.close)
        try:
            with explained_writes(folder.path):
                _work(folder, job, run)
        except BaseException as error:
            _record_end(folder, run, error)
            raise
    return summarise(folder)


def _batch_job_id() -> str | None:
    return next(filter(None, map(os.environ.get, _BATCH_JOB_VARIABLES)), None)


def _work(folder: RunFolder, job: Job, run: LiveRun) -> None:
    profile = choose_profile(job.on, job.site) if job.on_scheduler else None
    folder.update(
        state=RunState.STARTING,
        started_at=read_clock(),
        ended_at=None,
        exit_code=None,
        error=None,
        on=job.on,
        site=job.site,
        scheduler=profile.scheduler if profile else None,
        host=socket.gethostname(),
        pid=os.getpid(),
    )
    folder.tell_event("starting", on=job.on)
    cluster = make_cluster(_request(folder, job, profile, run))
    run.watch(cluster)
    try:
        cluster.open()
        folder.update(state=RunState.RUNNING)
        folder.tell_event("running", workers=cluster.workers().have)
        result = _run_task(cluster, job, run)
        write_json(folder.layout.metrics_file, dict(result.metrics))
    except BaseException:
        run.unwatch()
        try:
            run.save()
        finally:
            cluster.close(at_once=True)
        raise
    run.unwatch()
    cluster.close()
    state, code = (
        (RunState.PARTIAL, ExitCode.PARTIAL)
        if result.partial
        else (RunState.COMPLETED, ExitCode.DONE)
    )
    folder.update(state=state, ended_at=read_clock(), exit_code=int(code))
    folder.tell_event(state, metrics=dict(result.metrics))


def _request(
    folder: RunFolder, job: Job, profile: SiteProfile | None, run: LiveRun
) -> ClusterRequest:
    record = folder.read_record()
    jobs = list(record.worker_jobs)
    known = [*jobs, *filter(None, [record.controller_job, _batch_job_id()])]
    lock = Lock()

    def note_job(job_id: str) -> None:
        with lock:  # jobs are submitted by several threads at once
            jobs.append(job_id)
            folder.update(worker_jobs=jobs)
        folder.tell_event("submitted", job=job_id)

    return ClusterRequest(
        job=job,
        layout=folder.layout,
        profile=profile,
        python=job.resources.python or sys.executable,
        tell=run.tell,
        check=run.check_opening,
        submitted=note_job,
        known_jobs=tuple(known),
    )


def _run_task(cluster: Cluster, job: Job, run: LiveRun) -> registry.TaskResult:
    task = registry.load(job.task)
    return task.run(cluster.client, task.source(job), job.settings, run)


def _record_end(folder: RunFolder, run: LiveRun, error: BaseException) -> None:
    if isinstance(error, OwnershipLost):
        return  # the record belongs to another controller now
    state, code = _end_of(error)
    message = str(error) or type(error).__name__
    run.tell_failure(message)
    ended: Mapping[str, Any] = {
        "state": state,
        "ended_at": read_clock(),
        "exit_code": int(code),
        "error": message,
    }
    try:
        folder.update(**ended)
    except TaskFailed as unwritten:
        run.tell_failure(str(unwritten))  # the error that ends the run is the other one


def _end_of(error: BaseException) -> tuple[RunState, ExitCode]:
    match error:
        case Cancelled():
            return RunState.CANCELLED, error.exit_code
        case RunStopped():
            return RunState.INTERRUPTED, error.exit_code
        case KeyboardInterrupt():
            return RunState.INTERRUPTED, Interrupted.exit_code
        case HpcMlError():
            return RunState.FAILED, error.exit_code
        case _:
            return RunState.FAILED, ExitCode.FAILED
