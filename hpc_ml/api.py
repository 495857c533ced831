"""What a notebook and the command line use: make a job, run it, submit it, find its run."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from hpc_ml.controller import conduct
from hpc_ml.errors import Cancelled
from hpc_ml.job_layers import make_job, resolve, site_layers
from hpc_ml.new_run import make_absolute, make_folder, place_run, plan_jobs
from hpc_ml.resumption import Resumption, check_changes, check_idle
from hpc_ml.run_jobs import take_run
from hpc_ml.runs.folder import RunFolder
from hpc_ml.runs.index import find_run
from hpc_ml.runs.index import runs_dir as choose_runs_dir
from hpc_ml.runs.layout import RunLayout
from hpc_ml.runs.listener import Listener, Silence
from hpc_ml.runs.ownership import drop_dead_owner
from hpc_ml.runs.record import RunState
from hpc_ml.runs.summary import RunSummary, summarise
from hpc_ml.schedulers import open_scheduler
from hpc_ml.schedulers.scripts import worker_script
from hpc_ml.sites.loading import choose_profile
from hpc_ml.spec.job import Job
from hpc_ml.spec.layers import Layer, dump_job, job_file_layer
from hpc_ml.spec.layers import resolve as resolve_layers
from hpc_ml.submission import await_turn, hand_over, render_scripts
from hpc_ml.tasks import registry

if TYPE_CHECKING:
    from hpc_ml.data.inspection import DataSummary

__all__ = [
    "check", "conduct_submitted", "dry_run", "make_job", "open_run", "resolve", "resume", "run",
    "submit",
]  # fmt: skip


def check(job: Job) -> "DataSummary":
    """Return what the data are, or refuse what they, the task and its settings rule out.

    Raises BadInput; nothing has been made or asked of a scheduler then.
    """
    from hpc_ml.data import inspect

    task = registry.load(job.task)
    source = task.source(job)
    summary = getattr(task, "inspect", inspect)(source)
    task.check(job, summary)
    return summary


def run(
    job: Job,
    *,
    runs_dir: Path | None = None,
    run_id: str | None = None,
    listener: Listener | None = None,
) -> RunSummary:
    """Run a job here, in the foreground, and return what came of it.

    Parameters
    ----------
    job : Job
        From `resolve` or `make_job`.
    runs_dir : Path, optional
        Where the run's folder is made; default HPC_ML_RUNS, else ./hpc-ml-runs.
    run_id : str, optional
        The run's id, as a dry run printed it; default: a new one.
    listener : Listener, optional
        Hears progress and messages.

    Raises
    ------
    HpcMlError
        With the exit code that the command line ends with.
    """
    listener = listener or Silence()
    job = make_absolute(job, runs_dir)
    layout = place_run(runs_dir, run_id)
    if job.on_scheduler:
        plan = plan_jobs(job, layout)
        worker_script(plan)  # what the site cannot honour is refused before anything is made
        open_scheduler(plan.profile).check_commands()
    folder = make_folder(job, layout, check(job), listener)
    listener.tell(f"run {folder.run_id} in {folder.path}")
    if job.controller.requeue:
        listener.tell("requeue is left out: it is for runs that are handed over by hpc-ml submit")
    return conduct(folder, job, listener)


def submit(
    job: Job,
    *,
    runs_dir: Path | None = None,
    run_id: str | None = None,
    listener: Listener | None = None,
) -> RunSummary:
    """Hand the whole run to the scheduler and return at once; parameters as for `run`.

    Raises
    ------
    SubmissionRefused
        With the scheduler's own words; the run is recorded as failed then.
    """
    listener = listener or Silence()
    job = make_absolute(job, runs_dir)
    layout = place_run(runs_dir, run_id)
    plan = plan_jobs(job, layout)
    scripts = render_scripts(plan)  # what the site cannot honour is refused before all else
    open_scheduler(plan.profile).check_commands()
    folder = make_folder(job, layout, check(job), listener)
    return hand_over(folder, plan, scripts, listener)


def resume(
    folder: RunFolder,
    *,
    flags: Layer | None = None,
    submitted: bool = False,
    accept_changes: bool = False,
    listener: Listener | None = None,
) -> RunSummary:
    """Go on with a run where it stopped; finished units are kept.

    Parameters
    ----------
    folder : RunFolder
        From `open_run`.
    flags : Layer, optional
        Keys of the place and its resources that differ from the run's own.
    submitted : bool, default=False
        Hand the run to the scheduler and return at once; else it goes on here, in the foreground.
    accept_changes : bool, default=False
        Go on though data or job are not what they were; what is finished is kept where it is valid
        all the same, and set aside where not.
    listener : Listener, optional
        Hears progress and messages.

    Returns
    -------
    RunSummary
        A completed run is left as it is.

    Raises
    ------
    BadRun
        When another controller works on the run, or its data or job have changed.
    """
    listener = listener or Silence()
    folder.check_owner()
    record = folder.read_record()
    if record.state is RunState.COMPLETED:
        listener.tell(f"run {folder.run_id} is completed: there is nothing to resume")
        drop_dead_owner(folder.layout)  # killed after its last word
        return summarise(folder)
    check_idle(folder, record)
    job = _resolve_stored(folder, record.task, flags)
    plan = plan_jobs(job, folder.layout) if submitted else None
    scripts = render_scripts(plan) if plan is not None else {}
    if job.on_scheduler:
        open_scheduler(choose_profile(job.on, job.site)).check_commands()
    data = check(job)
    keeps_work = check_changes(folder, record, job, data, accepted=accept_changes)
    resumption = Resumption(folder, record, job, data, keeps_work, listener)
    if plan is None:
        return conduct(folder, job, listener, begin=resumption.begin)
    owner = take_run(folder.layout, record, tell=listener.tell)
    try:
        resumption.begin()
        return hand_over(folder, plan, scripts, listener)
    finally:
        owner.release()


def _resolve_stored(folder: RunFolder, task: str, flags: Layer | None) -> Job:
    given = [job_file_layer(folder.layout.job_file), *([flags] if flags is not None else [])]
    layers = [*site_layers(given), *given]
    return make_absolute(resolve_layers(layers, registry.settings_class(task)).job)


def conduct_submitted(run_dir: Path, listener: Listener) -> RunSummary:
    """Take a submitted run to its end, from inside its controller's batch job.

    Raises Cancelled where the run was cancelled before this job began.
    """
    folder = RunFolder.open(run_dir)
    folder.check_owner()
    await_turn(folder)
    record = folder.read_record()
    if record.state is RunState.CANCELLED:
        raise Cancelled(f"run {folder.run_id} was cancelled")
    if record.state is RunState.COMPLETED:
        return summarise(folder)
    settings_class = registry.settings_class(record.task)
    job = resolve_layers([job_file_layer(folder.layout.job_file)], settings_class).job
    return conduct(folder, job, listener, submitted=True)


def dry_run(
    job: Job, *, runs_dir: Path | None = None, run_id: str | None = None, submitted: bool
) -> tuple[RunLayout, dict[str, str]]:
    """Return where a run would lie and the texts it would send; makes and asks nothing.

    The texts are those of the controller's script (for `submit`) and the workers' script, under
    their file names; on this machine the resolved job alone.
    """
    job = make_absolute(job, runs_dir)
    layout = place_run(runs_dir, run_id)
    check(job)
    if not job.on_scheduler:
        return layout, {layout.job_file.name: dump_job(job)}
    plan = plan_jobs(job, layout)
    if submitted:
        return layout, render_scripts(plan)
    return layout, {layout.worker_script.name: worker_script(plan)}


def open_run(words: str = "last", *, runs_dir: Path | None = None) -> RunFolder:
    """Return a run by id, unique prefix, name, path or `last`. Raises BadRun."""
    return find_run(words, choose_runs_dir(runs_dir, os.environ))
