"""Workers that are batch jobs: dask-jobqueue submits the script that we rendered."""

import logging
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hpc_ml.clusters.base import Cluster, ClusterRequest, Workers
from hpc_ml.clusters.lifetimes import Lifetime
from hpc_ml.clusters.memory_watch import MemoryWatch
from hpc_ml.clusters.supervision import JobWatch
from hpc_ml.clusters.tls import create_keys, remove_keys
from hpc_ml.errors import NoCluster
from hpc_ml.runs.atomic import write_json, write_text
from hpc_ml.schedulers import open_scheduler
from hpc_ml.schedulers.base import job_number
from hpc_ml.schedulers.endings import end_jobs
from hpc_ml.schedulers.launchers import gpu_launcher
from hpc_ml.schedulers.patience import PATIENCE_S
from hpc_ml.schedulers.scripts import Plan, worker_script

if TYPE_CHECKING:
    from dask_jobqueue.core import JobQueueCluster
    from distributed import Client
    from distributed.security import Security

    from hpc_ml.clusters.job_scheduler import JobScheduler
    from hpc_ml.clusters.leaving import Leaving

_LOOK_EVERY_S = 0.2
_END_LIMIT_S = 30
_VERDICT_LIMIT_S = 45
# Workers end by themselves when their scheduler closes: Dask's nannies take some 5 s for it. Cut
# short they would stand as cancelled in the accounts of a run that went well.
_GRACE_S = 10


@contextmanager
def _own_interrupt_handler() -> Iterator[None]:
    """Keep our handler of Ctrl-C: dask_jobqueue.runner takes SIGINT over when it is imported."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


class JobWorkers(Cluster):
    """Batch jobs that each run the worker script of the run, watched until the end."""

    def __init__(self, request: ClusterRequest) -> None:
        if request.profile is None:
            raise ValueError("a cluster of batch jobs needs a site profile")
        self._request = request
        self._scheduler = open_scheduler(request.profile)
        self._watch = JobWatch(self._scheduler, request)
        self._memory = MemoryWatch()
        self._lifetime = Lifetime(request.job.resources.walltime)
        self._cluster: JobQueueCluster | None = None
        self.client: Client

    def open(self) -> None:
        from distributed import Client

        layout = self._request.layout
        write_text(layout.worker_script, worker_script(self._plan()))
        self._watch.patient.validate(layout.worker_script)
        security = create_keys(layout)
        self._cluster = self._start_scheduler(security)
        write_json(
            layout.scheduler_file,
            {"type": "Scheduler", "address": self._cluster.scheduler_address, "workers": {}},
        )
        self.client = Client(self._cluster, security=security, set_as_default=False)
        self.client.register_plugin(self._leaving())
        self._dask.life_s = self.worker_life_s
        self._cluster.scale(jobs=self._request.job.resources.workers or 1)
        self._watch.start(self._dask)
        self._await_first_worker()

    def _plan(self) -> Plan:
        request = self._request
        assert request.profile is not None
        return Plan(
            request.layout.path, request.job, request.profile, request.python, gpu_launcher()
        )

    def _start_scheduler(self, security: "Security") -> "JobQueueCluster":
        with _own_interrupt_handler():
            from hpc_ml.clusters.jobqueue import make_cluster

        assert self._request.profile is not None
        try:
            return make_cluster(
                self._request.profile,
                self._request.job.resources,
                security=security,
                submit=self._submit,
            )
        except (RuntimeError, OSError, ValueError) as error:
            raise NoCluster(
                f"the Dask scheduler did not start: {' '.join(str(error).split())}",
                hint="check the network interface of the site profile",
            ) from error

    def _leaving(self) -> "Leaving":
        from hpc_ml.clusters.leaving import Leaving

        return Leaving(self._lifetime)

    @property
    def _dask(self) -> "JobScheduler":
        assert self._cluster is not None
        scheduler: JobScheduler = self._cluster.scheduler
        return scheduler

    def _submit(self) -> str:
        """Submit one worker's job; called by dask-jobqueue once for each job at the start."""
        return self._watch.submit(self._request.layout.worker_script)

    def _await_first_worker(self) -> None:
        while not self.workers().have:
            self._request.check()
            self._watch.check(have=0)
            time.sleep(_LOOK_EVERY_S)

    def check(self) -> None:
        self._watch.check(len(self._arrived_jobs()))
        self._memory.check(self._processes())

    def workers(self) -> Workers:
        have = len(self._arrived_jobs(leaving=False))
        want = self._request.job.resources.workers or 1
        return Workers(have, want, "" if have >= want else self._watch.reason())

    def expects_workers(self) -> bool:
        return self._watch.expects_workers(len(self._arrived_jobs()))

    @property
    def worker_life_s(self) -> float:
        return self._lifetime.work_s

    def is_blameless(self, worker: str) -> bool:
        deadline_s = time.monotonic() + _VERDICT_LIMIT_S
        while (verdict := self._dask.verdict(worker)) is None and time.monotonic() < deadline_s:
            self._request.check()
            self.check()
            time.sleep(_LOOK_EVERY_S)
        return bool(verdict)

    def _arrived_jobs(self, *, leaving: bool = True) -> set[str]:
        """Return the jobs that have a process here, named JOB, or JOB-0, JOB-1 of several."""
        names = {} if self._cluster is None else self._dask.names()
        return {job_number(name) for name, leaves in names.items() if leaving or not leaves}

    def _processes(self) -> list[Any]:
        return list(self._cluster.scheduler.workers.values()) if self._cluster is not None else []

    def close(self, *, at_once: bool = False) -> None:
        try:
            self._close_and_end_jobs(at_once)
        finally:  # a second Ctrl-C may end the closing
            remove_keys(self._request.layout)

    def _close_and_end_jobs(self, at_once: bool) -> None:
        grace_s = 0
        try:
            self._watch.stop()
            self._close_scheduler()
            grace_s = 0 if at_once else _GRACE_S
        finally:
            job_ids = [*self._watch.job_ids(), *self._watch.find_unanswered()]
            patience_s = 0.0 if at_once else PATIENCE_S
            end_jobs(
                self._scheduler, job_ids, limit_s=_END_LIMIT_S, grace_s=grace_s,
                patience_s=patience_s,
            )  # fmt: skip

    def _close_scheduler(self) -> None:
        if self._cluster is None:
            return
        from distributed.utils import silence_logging_cmgr

        cluster, self._cluster = self._cluster, None
        self.client.close(timeout=5)
        # What the closing scheduler logs of workers that it loses now is no news to the user.
        with silence_logging_cmgr(logging.CRITICAL):
            cluster.close(timeout=20)
