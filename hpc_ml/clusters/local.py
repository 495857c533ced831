"""Workers on this machine: one process a core, or one a GPU."""

import logging
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any

from hpc_ml.clusters.base import Cluster, ClusterRequest, Workers
from hpc_ml.clusters.memory_watch import MemoryWatch
from hpc_ml.clusters.scratch import make_scratch
from hpc_ml.clusters.tls import create_keys, remove_keys
from hpc_ml.errors import NoCluster, WorkersLost
from hpc_ml.schedulers.dask_settings import HTTP_ADDRESS, configuration

if TYPE_CHECKING:
    from distributed import Client, LocalCluster
    from distributed.security import Security

_NVIDIA_SMI_LIMIT_S = 20
# Dask would close a nanny whose worker is being started again for longer than 15 s.
_NANNIES = {"distributed.deploy.lost-worker-timeout": "1h"}
# A worker process that dies is started again by its nanny within seconds.
_RESTART_LIMIT_S = 30


@contextmanager
def _interrupts_kept_from_children() -> Iterator[None]:
    """Block Ctrl-C in this thread, and so in those it starts and in their processes.

    A terminal sends it to every process of the run; the controller alone ends the workers.
    """
    # Started here, since it unblocks the signal in the thread that starts it.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class LocalWorkers(Cluster):
    """A LocalCluster sized to the machine, its cgroup limits included, and quiet."""

    def __init__(self, request: ClusterRequest) -> None:
        self._request = request
        self._want = 0
        self._last_seen_s = 0.0
        self._memory = MemoryWatch()
        self._settings = ExitStack()
        self._cluster: LocalCluster | None = None
        self.client: Client

    def open(self) -> None:
        import dask
        from distributed import Client

        from hpc_ml.clusters.worker_output import PrintToStderr

        gpus = self._claim_gpus()
        security = create_keys(self._request.layout)
        try:
            # Until the close: Dask reads some of them only when a worker dies.
            self._settings.enter_context(dask.config.set(configuration(make_scratch()) | _NANNIES))
            with _interrupts_kept_from_children():
                self._cluster = self._start(security, gpus)
        except (RuntimeError, OSError) as error:
            raise NoCluster(
                f"the workers of this machine did not start: {' '.join(str(error).split())}",
                hint="see whether memory, processes or the disk of TMPDIR are used up",
            ) from error
        resources = self._request.job.resources
        self._want = len(self._cluster.worker_spec) // (resources.gpus or resources.cores)
        self.client = Client(self._cluster, security=security, set_as_default=False)
        self.client.register_plugin(PrintToStderr())
        self._last_seen_s = time.monotonic()

    def _claim_gpus(self) -> int:
        asked = self._request.job.resources.gpus
        if asked:
            have = count_gpus()
            if have < asked * (self._request.job.resources.workers or 1):
                raise NoCluster(
                    f"this machine has {have or 'no'} GPUs and {asked} a worker were asked for",
                    where="--gpus",
                    hint="leave --gpus out, or run where GPUs are: --on slurm or --on pbs",
                )
        return asked * (self._request.job.resources.workers or 1)

    def _start(self, security: "Security", gpus: int) -> "LocalCluster":
        from dask.system import CPU_COUNT
        from distributed import LocalCluster
        from distributed.system import MEMORY_LIMIT

        resources = self._request.job.resources
        processes = gpus or resources.cores * (
            resources.workers or max(1, CPU_COUNT // resources.cores)
        )
        workers = processes // max(1, resources.gpus or resources.cores)
        memory_bytes = resources.memory or MEMORY_LIMIT // workers
        options: dict[str, Any] = {
            "security": security,
            "protocol": "tls://",
            "host": "127.0.0.1",
            "dashboard_address": None,
            "worker_dashboard_address": HTTP_ADDRESS,
            "scheduler_kwargs": {"dashboard_address": HTTP_ADDRESS},
            "silence_logs": logging.CRITICAL,
            "threads_per_worker": 1,
            "memory_limit": memory_bytes * workers // processes,
        }
        if gpus:
            return _start_on_gpus(gpus, options)
        if processes > CPU_COUNT:
            self._request.tell(f"{processes} worker processes share {CPU_COUNT} cores")
        return LocalCluster(n_workers=processes, **options)

    def check(self) -> None:
        now_s = time.monotonic()
        self._memory.check(self._processes())
        if self.workers().have:
            self._last_seen_s = now_s
        elif now_s - self._last_seen_s > _RESTART_LIMIT_S:
            raise WorkersLost(
                "all workers of this machine are gone",
                hint="they may have run out of memory: give fewer --workers or more --memory",
            )

    def workers(self) -> Workers:
        resources = self._request.job.resources
        have = -(-len(self._processes()) // (resources.gpus or resources.cores))
        return Workers(have, self._want)

    def expects_workers(self) -> bool:
        nannies = [] if self._cluster is None else list(self._cluster.workers.values())
        alive = sum(nanny.status.name == "running" for nanny in nannies)
        return alive > len(self._processes())

    def _processes(self) -> list[Any]:
        return list(self._cluster.scheduler.workers.values()) if self._cluster is not None else []

    def close(self, *, at_once: bool = False) -> None:
        cluster, self._cluster = self._cluster, None
        try:
            if cluster is not None:
                self.client.close(timeout=5)
                cluster.close(timeout=10)
        finally:  # a second Ctrl-C may end the closing
            self._settings.close()
            remove_keys(self._request.layout)


def count_gpus() -> int:
    """Return how many GPUs the NVIDIA driver of this machine lists."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return 0
    try:
        listing = subprocess.run(
            [command, "-L"], capture_output=True, text=True, timeout=_NVIDIA_SMI_LIMIT_S, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    return sum(line.startswith("GPU ") for line in listing.splitlines())


def _start_on_gpus(gpus: int, options: dict[str, Any]) -> "LocalCluster":
    try:
        from dask_cuda import LocalCUDACluster
    except ImportError:
        return _start_plain_on_gpus(gpus, options)
    return LocalCUDACluster(CUDA_VISIBLE_DEVICES=list(range(gpus)), **options)


def _start_plain_on_gpus(gpus: int, options: dict[str, Any]) -> "LocalCluster":
    """Start one plain worker for each GPU, each of which sees its own device alone."""
    from distributed import LocalCluster

    cluster = LocalCluster(n_workers=0, **options)
    template = cluster.new_worker_spec()[0]
    for device in range(gpus):
        cluster.worker_spec[device] = {
            "cls": template["cls"],
            "options": template["options"] | {"env": {"CUDA_VISIBLE_DEVICES": str(device)}},
        }
    cluster.sync(cluster._correct_state)
    return cluster
