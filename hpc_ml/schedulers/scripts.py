"""The two batch jobs of a run, its controller and its workers, from the plan; pure."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hpc_ml.runs.layout import RunLayout
from hpc_ml.schedulers import open_scheduler
from hpc_ml.schedulers.base import BatchJob
from hpc_ml.schedulers.dask_settings import HTTP_ADDRESS, exports
from hpc_ml.schedulers.rendering import fill_template
from hpc_ml.sites.profile import SiteProfile
from hpc_ml.spec.job import Job
from hpc_ml.spec.quantities import MIB

# A controller stops this long before the end of its own job, or a fifth of a short one: its states
# are written in seconds, and its jobs are given 30 s to end.
_STOP_S, _STOP_SHARE, _LEAST_STOP_S = 120.0, 0.2, 10.0
# A worker gives up when no scheduler answers it for this long. A cold import over a parallel file
# system counts too, with a whole node's processes at it at once.
DEATH_TIMEOUT_S = 120
NO_GPU_EXIT_CODE = 69
NO_SCRATCH_EXIT_CODE = 73
# When a worker's walltime ends, in seconds of the epoch on its own node's clock.
ENDS_AT = "HPCML_ENDS_AT"
_HTTP_OPTIONS = f"--no-dashboard --dashboard-address {HTTP_ADDRESS}"

_PINNED = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


@dataclass(frozen=True)
class Plan:
    """What the scripts of a run follow from.

    `python` is the interpreter on the compute nodes; `gpu_launcher` says how GPU workers start:
    by dask-cuda, or as one plain worker for each GPU where it is not installed.
    """

    run_dir: Path
    job: Job[Any]
    profile: SiteProfile
    python: str
    gpu_launcher: Literal["dask-cuda", "plain"]


def stop_margin_s(left_s: float) -> float:
    """Return how long before the end of its job, `left_s` away at its start, a controller stops."""
    return min(_STOP_S, max(_LEAST_STOP_S, _STOP_SHARE * left_s))


def controller_walltime_s(job: Job[Any]) -> int:
    """Return the walltime of the controller's own job, in seconds."""
    return job.controller.walltime or job.resources.walltime


def controller_job(plan: Plan) -> BatchJob:
    """Return the job that runs the controller under `hpc-ml submit`."""
    layout = RunLayout(plan.run_dir)
    resources, controller = plan.job.resources, plan.job.controller
    walltime_s = controller_walltime_s(plan.job)
    command = [plan.python, "-m", "hpc_ml", "controller", str(plan.run_dir)]
    return BatchJob(
        name=layout.tag,
        cores=controller.cores,
        memory_bytes=controller.memory,
        gpus=0,
        walltime_s=walltime_s,
        queue=controller.queue or resources.queue or plan.profile.cpu_queue,
        account=resources.account,
        directives=resources.directives,
        log_folder=layout.logs,
        log_stem="controller",
        # exec: bash would keep the scheduler's signals to itself until its child has ended.
        body=(*_prepare(plan, threads=1), f"exec {shlex.join(command)}"),
        # The controller's own timer comes first; Slurm's signal may come a minute early.
        warn_s=int(stop_margin_s(walltime_s) / 2),
    )


def worker_job(plan: Plan) -> BatchJob:
    """Return the job of one worker: a process for each of its GPUs, or else of its cores."""
    layout, resources, profile = RunLayout(plan.run_dir), plan.job.resources, plan.profile
    start = _start_gpu_workers if resources.gpus else _start_cpu_workers
    return BatchJob(
        name=layout.tag,
        cores=resources.cores,
        memory_bytes=resources.memory,
        gpus=resources.gpus,
        walltime_s=resources.walltime,
        queue=resources.queue or (profile.gpu_queue if resources.gpus else profile.cpu_queue),
        account=resources.account,
        directives=resources.directives,
        log_folder=layout.logs,
        log_stem="worker",
        body=tuple(start(plan)),
    )


def controller_script(plan: Plan) -> str:
    """Return the text of the controller's script. Raises BadJob."""
    return open_scheduler(plan.profile).render(controller_job(plan))


def worker_script(plan: Plan) -> str:
    """Return the text of the workers' script, the same for all of them. Raises BadJob."""
    return open_scheduler(plan.profile).render(worker_job(plan))


def _prepare(plan: Plan, *, threads: int) -> Iterator[str]:
    yield f"cd {shlex.quote(str(plan.run_dir))}"
    yield "export " + " ".join(f"{name}={threads}" for name in _PINNED)


def _make_scratch() -> Iterator[str]:
    yield 'scratch="${TMPDIR:-/tmp}/hpc-ml-$UID"'
    yield 'mkdir -p "$scratch"'
    yield "# Dask imports from it: it must be this user's own."
    yield "if [[ -L $scratch || ! -O $scratch ]]; then"
    yield '  echo "hpc-ml: $scratch belongs to another user; set TMPDIR to a folder of your own"'
    yield f"  exit {NO_SCRATCH_EXIT_CODE}"
    yield "fi"
    yield 'chmod 700 "$scratch"'


def _note_end(plan: Plan) -> str:
    """Return the line that notes when the walltime ends; the prologue may have taken a while."""
    return f"export {ENDS_AT}=$(($(date +%s) - SECONDS + {plan.job.resources.walltime}))"


def _start_cpu_workers(plan: Plan) -> Iterator[str]:
    cores = plan.job.resources.cores
    yield from _prepare(plan, threads=1)
    yield _note_end(plan)
    yield exports()
    yield from _make_scratch()
    module = f"distributed.cli.dask_worker --nworkers {cores}"
    yield f"exec {_worker_command(plan, module, open_scheduler(plan.profile).job_id_word, cores)}"


def _start_gpu_workers(plan: Plan) -> Iterator[str]:
    resources, job_id = plan.job.resources, open_scheduler(plan.profile).job_id_word
    yield from _prepare(plan, threads=max(1, resources.cores // resources.gpus))
    yield _note_end(plan)
    yield exports()
    yield from _make_scratch()
    yield from _find_gpus(plan.profile, resources.gpus)
    yield f'echo "hpc-ml: GPU ${plan.profile.gpu_variable}"'
    # dask-cuda drives NVIDIA's GPUs alone.
    if plan.gpu_launcher == "dask-cuda" and plan.profile.gpu_variable == "CUDA_VISIBLE_DEVICES":
        yield f"exec {_worker_command(plan, 'dask_cuda.cli', job_id, resources.gpus)}"
        return
    variable = plan.profile.gpu_variable
    command = _worker_command(plan, "distributed.cli.dask_worker", "$name", resources.gpus)
    yield fill_template(
        "plain_gpu_workers.sh.j2", variable=variable, job_id=job_id, command=command
    ).rstrip("\n")


def _find_gpus(profile: SiteProfile, gpus: int) -> Iterator[str]:
    variable = profile.gpu_variable
    if profile.gpu_style == "queue":
        every = ",".join(map(str, range(gpus)))
        yield "# The node is the job's own, with all of its GPUs."
        yield f'export {variable}="${{{variable}:-{every}}}"'
        return
    # NoDevFiles: Slurm's word where a job has none.
    yield f"if [[ -z ${{{variable}:-}} || ${variable} == NoDevFiles ]]; then"
    yield f'  echo "hpc-ml: this node gave the job no GPU: {variable} is empty"'
    yield f"  exit {NO_GPU_EXIT_CODE}"
    yield "fi"


def _worker_command(plan: Plan, module: str, name: str, processes: int) -> str:
    """Return the command of a worker; the options are those that Dask and dask-cuda share."""
    layout, memory_bytes = RunLayout(plan.run_dir), plan.job.resources.memory
    options = {
        "--scheduler-file": shlex.quote(str(layout.scheduler_file)),
        "--tls-ca-file": shlex.quote(str(layout.tls_ca_file)),
        "--tls-cert": shlex.quote(str(layout.tls_cert_file)),
        "--tls-key": shlex.quote(str(layout.tls_key_file)),
        "--name": f'"{name}"',
        "--nthreads": "1",
        "--death-timeout": str(DEATH_TIMEOUT_S),
        "--local-directory": '"$scratch"',
    }
    if memory_bytes is not None:
        options["--memory-limit"] = f"{memory_bytes // processes // MIB}MiB"
    if plan.profile.interface is not None:
        options["--interface"] = plan.profile.interface
    words = [f"{option} {value}" for option, value in options.items()]
    lines = [f"{shlex.quote(plan.python)} -m {module} {_HTTP_OPTIONS}", *words]
    return " \\\n    ".join(lines)
