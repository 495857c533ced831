"""The one orchestration of a run: cluster, data, task, artefacts, state."""

import os
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any

from hpc_ml.clusters import make_cluster
from hpc_ml.clusters.base import Cluster, ClusterRequest
from hpc_ml.errors import (
    Cancelled,
    ExitCode,
    HpcMlError,
    Interrupted,
    RunFolderGone,
    RunStopped,
    TaskFailed,
)
from hpc_ml.live_run import LiveRun
from hpc_ml.run_jobs import end_leftovers, is_same_job, take_run
from hpc_ml.runs.atomic import explained_writes, write_json
from hpc_ml.runs.folder import RunFolder
from hpc_ml.runs.heartbeat import Heartbeat
from hpc_ml.runs.ledger import Ledger
from hpc_ml.runs.leftovers import remove_begun
from hpc_ml.runs.listener import Listener
from hpc_ml.runs.ownership import Ownership, OwnershipLost
from hpc_ml.runs.record import RunRecord, RunState, read_clock
from hpc_ml.runs.summary import RunSummary, summarise
from hpc_ml.schedulers.own_job import OwnJob, find_own_job, own_job_id
from hpc_ml.schedulers.scripts import controller_walltime_s
from hpc_ml.signals import StopSignals
from hpc_ml.sites.loading import choose_profile
from hpc_ml.sites.profile import SiteProfile
from hpc_ml.spec.job import Job
from hpc_ml.succession import Succession
from hpc_ml.tasks import registry
from hpc_ml.walltime import Countdown


def conduct(
    folder: RunFolder,
    job: Job,
    listener: Listener,
    *,
    submitted: bool = False,
    begin: Callable[[], None] | None = None,
) -> RunSummary:
    """Take a run that is made to its end, and return what came of it.

    The state, exit code and error of the run are in its record when this returns or raises.

    Parameters
    ----------
    folder, job : RunFolder, Job
        The run and its job.
    listener : Listener
        Hears progress and messages.
    submitted : bool, default=False
        Whether this process is all that the batch job around it does, so that another job of the
        same script can go on when this one must end.
    begin : callable, optional
        Called as soon as the run is owned, before anything of it is read.

    Raises
    ------
    HpcMlError
        Where the run failed or was stopped.
    """
    own = find_own_job(os.environ, controller_walltime_s(job) if submitted else None)
    hint = f"go on with: hpc-ml resume {folder.run_id}{' --submit' if submitted else ''}"
    countdown = Countdown(own, hint)
    with ExitStack() as stack:
        # Libraries write files of the run too, and their temporary files.
        stack.callback(os.umask, os.umask(0o077))
        signals = stack.enter_context(StopSignals(hint))
        before = folder.read_record()
        own_job = own.id if own else None
        owner = take_run(folder.layout, before, own_job=own_job, tell=listener.tell)
        stack.callback(owner.release)
        if begin is not None:
            begin()
        remove_begun(folder.layout)

        def check_stop() -> None:
            signals.check()
            countdown.check()

        run = _open_run(stack, folder, owner, listener, check_stop, job.seed)
        limit = job.controller.requeue if submitted else 0
        succession = Succession(folder, own, limit, run.tell)
        controller = _Controller(folder, job, run, own, signals, countdown, succession, submitted)
        try:
            with explained_writes(folder.path):
                controller.work(before)
        except BaseException as error:
            _record_end(folder, run, error, succession)
            raise
    return summarise(folder)


def _open_run(
    stack: ExitStack,
    folder: RunFolder,
    owner: Ownership,
    listener: Listener,
    check_stop: Callable[[], None],
    seed: int,
) -> LiveRun:
    run = LiveRun(
        folder,
        ledger=stack.enter_context(Ledger.open(folder.layout.ledger_file)),
        owner=owner,
        heartbeat=stack.enter_context(Heartbeat(folder.layout)),
        listener=listener,
        check_stop=check_stop,
        seed=seed,
    )
    stack.callback(run.close)
    return run


@dataclass(frozen=True)
class _Controller:
    """What one controller has at hand while it works on its run."""

    folder: RunFolder
    job: Job
    run: LiveRun
    own: OwnJob | None
    signals: StopSignals
    countdown: Countdown
    succession: Succession
    submitted: bool

    def work(self, before: RunRecord) -> None:
        self.run.tell_repairs()
        if before.started_at is not None:
            own_id = self.own.id if self.own else None
            end_leftovers(self.folder.layout, before, own_id, self.run.tell)
        profile = choose_profile(self.job.on, self.job.site) if self.job.on_scheduler else None
        self._record_start(before, profile)
        cluster = make_cluster(_request(self.folder, self.job, profile, self.run))
        self.run.watch(cluster)
        try:
            cluster.open()
            workers = cluster.workers()
            self.run.first_workers = before.workers or workers.want
            self.folder.update(state=RunState.RUNNING, workers=self.run.first_workers)
            self.folder.tell_event("running", workers=workers.have)
            result = _run_task(cluster, self.job, self.run)
            write_json(self.folder.layout.metrics_file, dict(result.metrics))
        except BaseException as error:
            self._stop(cluster, error)
            raise
        self._close(cluster, at_once=False)
        state, code = (
            (RunState.PARTIAL, ExitCode.PARTIAL)
            if result.partial
            else (RunState.COMPLETED, ExitCode.DONE)
        )
        self.run.tell_price()
        self.folder.update(state=state, ended_at=read_clock(), exit_code=int(code))
        self.folder.tell_event(state, metrics=dict(result.metrics))

    def _record_start(self, before: RunRecord, profile: SiteProfile | None) -> None:
        self.folder.update(
            state=RunState.STARTING,
            started_at=read_clock(),
            ended_at=None,
            exit_code=None,
            error=None,
            on=self.job.on,
            site=self.job.site,
            scheduler=profile.scheduler if profile else None,
            host=socket.gethostname(),
            pid=os.getpid(),
            **self._name_own_job(before),
        )
        self.folder.tell_event("starting", on=self.job.on)

    def _name_own_job(self, before: RunRecord) -> dict[str, Any]:
        if not self.submitted or self.own is None:
            return {"controller_job": None}
        if is_same_job(before.controller_job, self.own.id):
            return {}
        # Whoever submitted this job was killed before it could say so.
        return {
            "controller_job": self.own.id,
            "controller_jobs": [*before.controller_jobs, self.own.id],
        }

    def _stop(self, cluster: Cluster, error: BaseException) -> None:
        """Save first: of a job that is being ended, seconds may be left."""
        self.signals.shut()
        if isinstance(error, Interrupted | KeyboardInterrupt):
            self.run.tell("stopping: what is finished is saved, and the workers are ended")
        try:
            self.run.save()
            self.succession.arrange(error, time_is_up=self.countdown.is_over)
        finally:
            self._close(cluster, at_once=True)

    def _close(self, cluster: Cluster, *, at_once: bool) -> None:
        self.signals.shut()
        self.run.unwatch()
        cluster.close(at_once=at_once)


def _request(
    folder: RunFolder, job: Job, profile: SiteProfile | None, run: LiveRun
) -> ClusterRequest:
    record = folder.read_record()
    jobs = list(record.worker_jobs)
    controllers = [*record.controller_jobs, record.controller_job, own_job_id(os.environ)]
    known = [*jobs, *filter(None, controllers)]
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


def _record_end(
    folder: RunFolder, run: LiveRun, error: BaseException, succession: Succession
) -> None:
    if isinstance(error, OwnershipLost | RunFolderGone) or not folder.path.is_dir():
        return  # the record belongs to another controller now, or is no more
    if succession.successor is not None and isinstance(error, RunStopped):
        error.hint = f"job {succession.successor} goes on with it"
    message = str(error) or type(error).__name__
    with suppress(TaskFailed):  # the disk may be full, which the error says
        run.tell_price()
    run.tell_failure(message)
    if succession.note:
        run.tell(succession.note)
        message = f"{message}; {succession.note}"
    if succession.successor is not None:
        folder.update(state=RunState.PENDING, error=None)
        return
    state, code = _end_of(error)
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
