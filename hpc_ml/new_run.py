"""What a run begins with: its place, its plan and its folder."""

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpc_ml.errors import BadJob
from hpc_ml.identity import data_facts, deciding_keys
from hpc_ml.runs.folder import RunFolder
from hpc_ml.runs.index import allocate_id, check_id
from hpc_ml.runs.index import runs_dir as choose_runs_dir
from hpc_ml.runs.layout import RunLayout
from hpc_ml.runs.listener import Listener
from hpc_ml.runs.record import RunRecord, RunState, read_clock
from hpc_ml.schedulers.launchers import gpu_launcher
from hpc_ml.schedulers.scripts import Plan
from hpc_ml.sites.loading import PROFILE_ENDINGS, choose_profile
from hpc_ml.spec.job import Job
from hpc_ml.spec.layers import dump_job
from hpc_ml.spec.paths import expand_home
from hpc_ml.tasks import registry
from hpc_ml.version import __version__

if TYPE_CHECKING:
    from hpc_ml.data.inspection import DataSummary


def place_run(runs_dir: Path | None, run_id: str | None) -> RunLayout:
    """Return where a run will lie, under a new id unless one is given. Raises BadRun."""
    folder = choose_runs_dir(runs_dir, os.environ).absolute()
    identity = allocate_id(datetime.now(), folder) if run_id is None else check_id(run_id)
    return RunLayout(folder / identity)


def make_absolute(job: Job, runs_dir: Path | None = None) -> Job:
    """Return the job with paths that hold from any folder and host, also that of another run."""
    changes: dict[str, Any] = {}
    if job.data.path is not None and "://" not in job.data.path:
        changes["data"] = job.data.model_copy(update={"path": _absolute_path(job.data.path)})
    if job.site is not None and job.site.endswith(PROFILE_ENDINGS):
        changes["site"] = _absolute_path(job.site)
    job = job.model_copy(update=changes)
    settle = getattr(registry.load(job.task), "settle", None)
    return job if settle is None else settle(job, runs_dir)


def _absolute_path(path: str) -> str:
    return str(expand_home(path).absolute())


def plan_jobs(job: Job, layout: RunLayout) -> Plan:
    """Return what the scripts of a run follow from. Raises BadJob where no scheduler is named."""
    if not job.on_scheduler:
        raise BadJob(
            f"submit hands a run to a scheduler, and the job runs on {job.on!r}",
            hint="add --on slurm or --on pbs; without a scheduler type `hpc-ml run`, or "
            "`hpc-ml resume` without --submit",
        )
    python = job.resources.python or sys.executable
    return Plan(layout.path, job, choose_profile(job.on, job.site), python, gpu_launcher())


def make_folder(job: Job, layout: RunLayout, data: "DataSummary", listener: Listener) -> RunFolder:
    """Make the folder of a run, and tell what its data are. Raises BadRun."""
    profile = choose_profile(job.on, job.site) if job.on_scheduler else None
    record = RunRecord(
        id=layout.run_id,
        task=job.task,
        state=RunState.PENDING,
        created_at=read_clock(),
        name=job.name,
        on=job.on,
        site=job.site,
        scheduler=profile.scheduler if profile else None,
        workers=job.resources.workers,
        seed=job.seed,
        versions=read_versions(),
        data_digest=data.digest,
        data=data_facts(data),
        job=deciding_keys(job),
    )
    folder = RunFolder.create(layout.path.parent, layout.run_id, dump_job(job), record)
    for note in data.notes:
        listener.tell(note)
        folder.tell_event("message", text=note)
    return folder


def read_versions() -> dict[str, str]:
    """Return the versions that the result may depend on."""
    from importlib.metadata import version
    from platform import python_version

    names = ("dask", "distributed", "numpy", "scikit-learn")
    return {
        "hpc-ml": __version__,
        "python": python_version(),
        **{name: version(name) for name in names},
    }
