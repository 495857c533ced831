"""dask-jobqueue's clusters, with the job subclassed to submit our script unchanged."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import dask
from dask_jobqueue import PBSCluster, SLURMCluster
from dask_jobqueue.core import Job, JobQueueCluster
from dask_jobqueue.pbs import PBSJob
from dask_jobqueue.slurm import SLURMJob
from distributed.core import Status
from distributed.deploy.spec import ProcessInterface

from hpc_ml.clusters.job_scheduler import JobScheduler
from hpc_ml.clusters.scratch import make_scratch
from hpc_ml.errors import NoCluster
from hpc_ml.schedulers.dask_settings import HTTP_ADDRESS, configuration
from hpc_ml.sites.profile import SiteProfile
from hpc_ml.spec.resources import Resources

if TYPE_CHECKING:
    from distributed.security import Security

_CLUSTERS: dict[str, tuple[type[JobQueueCluster], type[Job]]] = {
    "slurm": (SLURMCluster, SLURMJob),
    "pbs": (PBSCluster, PBSJob),
    "torque": (PBSCluster, PBSJob),
}


class _SubmittedJob:
    """A dask-jobqueue job whose script is ours, and whose end is ours too.

    A refusal is not raised here: dask-jobqueue runs `start` in a callback of the event loop,
    where an error would be logged and lost. `submit` keeps it for the one who waits.
    """

    submit_worker: ClassVar[Callable[[], str]]
    job_id: str | None

    async def start(self) -> None:
        try:
            self.job_id = await asyncio.to_thread(type(self).submit_worker)
        except NoCluster:
            self.job_id = None
        await ProcessInterface.start(self)

    async def close(self) -> None:
        self.status = Status.closed


def make_cluster(
    profile: SiteProfile,
    resources: Resources,
    *,
    security: "Security",
    submit: Callable[[], str],
) -> JobQueueCluster:
    """Return a running Dask scheduler whose workers come by `submit`.

    Parameters
    ----------
    profile : SiteProfile
        Its scheduler and network interface.
    resources : Resources
        Cores, GPUs and memory of a job, for dask-jobqueue's own bookkeeping.
    security : Security
        TLS for the scheduler and for our connection to it.
    submit : callable
        Submits one worker's job and returns its id, or raises NoCluster and remembers it.
    """
    cluster_class, job_class = _CLUSTERS[profile.scheduler]
    job = type(
        f"Submitted{job_class.__name__}",
        (_SubmittedJob, job_class),
        {"submit_worker": staticmethod(submit)},
    )
    options: dict[str, Any] = {"interface": profile.interface} if profile.interface else {}
    with dask.config.set(configuration(make_scratch())):
        return cluster_class(
            job_cls=job,
            scheduler_cls=JobScheduler,
            cores=resources.cores,
            memory=f"{resources.memory or 2**30} B",
            processes=resources.gpus or resources.cores,
            security=security,
            protocol="tls://",
            scheduler_options={"dashboard": False, "dashboard_address": HTTP_ADDRESS, **options},
        )
