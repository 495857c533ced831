"""Dask clusters by place: this machine, batch jobs, or one that exists already."""

from importlib import import_module

from hpc_ml.clusters.base import Cluster, ClusterRequest

_PLACES = {
    "local": "hpc_ml.clusters.local:LocalWorkers",
    "slurm": "hpc_ml.clusters.jobs:JobWorkers",
    "pbs": "hpc_ml.clusters.jobs:JobWorkers",
    "tcp": "hpc_ml.clusters.attach:AttachedWorkers",
    "tls": "hpc_ml.clusters.attach:AttachedWorkers",
}


def make_cluster(request: ClusterRequest) -> Cluster:
    """Return the cluster for the job's place, not yet open."""
    module, _, name = _PLACES[request.job.on.partition("://")[0]].partition(":")
    return getattr(import_module(module), name)(request)
