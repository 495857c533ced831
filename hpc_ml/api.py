"""What a notebook and the command line use: make a job, run it, submit it, find its run."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpc_ml.controller import conduct
from hpc_ml.errors import BadJob, BadRun, HpcMlError
from hpc_ml.runs.atomic import write_text
from hpc_ml.runs.cancellation import clear_cancel
from hpc_ml.runs.folder import RunFolder
from hpc_ml.runs.index import allocate_id, check_id, find_run
from hpc_ml.runs.index import runs_dir as choose_runs_dir
from hpc_ml.runs.layout import RunLayout
from hpc_ml.runs.listener import Listener, Silence
from hpc_ml.runs.record import RunRecord, RunState, read_clock
from hpc_ml.runs.summary import RunSummary, summarise
from hpc_ml.schedulers import open_scheduler
from hpc_ml.schedulers.launchers import gpu_launcher
from hpc_ml.schedulers.scripts import Plan, controller_script, worker_script
from hpc_ml.sites.loading import PROFILE_ENDINGS, choose_profile
from hpc_ml.spec.job import Job
from hpc_ml.spec.layers import (
    Layer,
    Resolved,
    assignment_layer,
    dask_jobqueue_layer,
    dump_job,
    environment_layer,
    job_file_layer,
    peek,
    profile_layer,
    project_layer,
    task_layer,
    user_config_layer,
)
from hpc_ml.spec.layers import resolve as resolve_layers
from hpc_ml.tasks import registry
from hpc_ml.version import __version__

if TYPE_CHECKING:
    from hpc_ml.data.inspection import DataSummary

_LOOK_EVERY_S = 0.1
_SUBMITTER_LIMIT_S = 10


def resolve(
    task: str | None = None,
    *,
    flags: Layer | None = None,
    job_file: Path | None = None,
    assignments: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Resolved:
    """Return the job that all layers of configuration make, and where each value came from.

    Later layers win: the site's defaults, the user's configuration, `hpc-ml.yaml` in `folder`
    (default: the present one), the job file, `HPC_ML_*` of `environ`, assignments, flags.

    Raises
    ------
    BadJob, BadSite
        Naming file and line, key, what was given and what is allowed.
    """
    files = [
        user_config_layer(),
        project_layer(folder or Path.cwd()),
        *([job_file_layer(job_file)] if job_file is not None else []),
        environment_layer(os.environ if environ is None else environ),
    ]
    words = [*([flags] if flags is not None else []), *([task_layer(task)] if task else [])]
    name = peek([*files, *words], "task")
    if name is None:
        raise BadJob("the job has no task", hint=f"known: {', '.join(registry.names())}")
    settings_class = registry.settings_class(name)
    given = [*files, assignment_layer(assignments, settings_class), *words]
    return resolve_layers(
        [*_site_layers(given), _example_layer(name, given), *given], settings_class
    )


def make_job(task: str, **keys: Any) -> Job:
    """Return a job from keys as a job file has them: ``make_job("gridsearch", on="slurm", ..)``."""
    return resolve(task, flags=Layer("make_job", keys)).job


def _site_layers(given: Sequence[Layer]) -> list[Layer]:
    on, site = peek(given, "on"), peek(given, "site")
    if on not in ("slurm", "pbs"):
        return []
    profile = choose_profile(on, site)
    return [dask_jobqueue_layer(profile.scheduler), profile_layer(profile.name, profile.defaults)]


def _example_layer(task: str, given: Sequence[Layer]) -> Layer:
    """Return the task's example, where the job names neither data nor an estimator of its own."""
    example = dict(registry.load(task).EXAMPLE)
    if peek(given, "data.path") or peek(given, "data.name"):
        return Layer("example", {})
    if peek(given, "estimator"):
        example = {"data": example["data"]}
    return Layer("example", example)


def check(job: Job) -> "DataSummary":
    """Return what the data are, or refuse what they, the task and its settings rule out.

    Raises BadInput; nothing has been made or asked of a scheduler then.
    """
    from hpc_ml.data import inspect

    task = registry.load(job.task)
    source = task.source(job)
    summary = inspect(source)
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
    job = _absolute(job)
    layout = _layout(runs_dir, run_id)
    if job.on_scheduler:
        plan = _plan(job, layout)
        worker_script(plan)  # what the site cannot honour is refused before anything is made
        open_scheduler(plan.profile).check_commands()
    folder = _make_folder(job, layout, check(job), listener)
    listener.tell(f"run {folder.run_id} in {folder.path}")
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
    job = _absolute(job)
    layout = _layout(runs_dir, run_id)
    plan = _plan(job, layout)
    script = controller_script(plan)
    worker = worker_script(plan)
    scheduler = open_scheduler(plan.profile)
    scheduler.check_commands()
    folder = _make_folder(job, layout, check(job), listener or Silence())
    write_text(layout.controller_script, script)
    write_text(layout.worker_script, worker)
    try:
        scheduler.validate(layout.worker_script)
        job_id = scheduler.submit(layout.controller_script)
    except HpcMlError as error:
        folder.update(
            state=RunState.FAILED,
            ended_at=read_clock(),
            exit_code=int(error.exit_code),
            error=str(error),
        )
        raise
    folder.update(controller_job=job_id)
    folder.tell_event("submitted", job=job_id)
    return summarise(folder)


def resume(
    folder: RunFolder, *, flags: Layer | None = None, listener: Listener | None = None
) -> RunSummary:
    """Go on with a run where it stopped, here in the foreground; finished units are kept.

    Parameters
    ----------
    folder : RunFolder
        From `open_run`.
    flags : Layer, optional
        Keys of the place and its resources that differ from the run's own.
    listener : Listener, optional
        Hears progress and messages.

    Returns
    -------
    RunSummary
        A completed run is left as it is.

    Raises
    ------
    BadRun
        When another controller works on the run, or its data have changed.
    """
    listener = listener or Silence()
    record = folder.read_record()
    if record.state is RunState.COMPLETED:
        listener.tell(f"run {folder.run_id} is completed: there is nothing to resume")
        return summarise(folder)
    if not record.state.ended and record.controller_job is not None:
        raise BadRun(
            f"run {folder.run_id} is {record.state} under job {record.controller_job}",
            hint=f"end that first: hpc-ml cancel {folder.run_id}",
        )
    stored = job_file_layer(folder.layout.job_file)
    given = [stored, *([flags] if flags is not None else [])]
    layers = [*_site_layers(given), *given]
    job = resolve_layers(layers, registry.settings_class(record.task)).job
    if check(job).digest != record.data_digest:
        raise BadRun(
            f"the data of run {folder.run_id} have changed since it began",
            where=job.data.path or job.data.name,
            hint=f"run the job anew: hpc-ml run {job.task} --job {folder.layout.job_file}",
        )
    if job.on_scheduler:
        open_scheduler(choose_profile(job.on, job.site)).check_commands()
    clear_cancel(folder.layout)
    return conduct(folder, job, listener)


def conduct_submitted(run_dir: Path, listener: Listener) -> RunSummary:
    """Take a submitted run to its end, from inside its controller's batch job."""
    folder = RunFolder.open(run_dir)
    _await_submitter(folder)
    settings_class = registry.settings_class(folder.read_record().task)
    job = resolve_layers([job_file_layer(folder.layout.job_file)], settings_class).job
    return conduct(folder, job, listener)


def _await_submitter(folder: RunFolder) -> None:
    """Let `submit` write the job's id first: two writers at once would lose one's change."""
    deadline_s = time.monotonic() + _SUBMITTER_LIMIT_S
    while folder.read_record().controller_job is None and time.monotonic() < deadline_s:
        time.sleep(_LOOK_EVERY_S)


def dry_run(
    job: Job, *, runs_dir: Path | None = None, run_id: str | None = None, submitted: bool
) -> tuple[RunLayout, dict[str, str]]:
    """Return where a run would lie and the texts it would send; makes and asks nothing.

    The texts are those of the controller's script (for `submit`) and the workers' script, under
    their file names; on this machine the resolved job alone.
    """
    job = _absolute(job)
    layout = _layout(runs_dir, run_id)
    check(job)
    if not job.on_scheduler:
        return layout, {layout.job_file.name: dump_job(job)}
    plan = _plan(job, layout)
    scripts = {layout.controller_script.name: controller_script(plan)} if submitted else {}
    return layout, scripts | {layout.worker_script.name: worker_script(plan)}


def open_run(words: str = "last", *, runs_dir: Path | None = None) -> RunFolder:
    """Return a run by id, unique prefix, name, path or `last`. Raises BadRun."""
    return find_run(words, choose_runs_dir(runs_dir, os.environ))


def _layout(runs_dir: Path | None, run_id: str | None) -> RunLayout:
    identity = allocate_id(datetime.now()) if run_id is None else check_id(run_id)
    return RunLayout(choose_runs_dir(runs_dir, os.environ).absolute() / identity)


def _absolute(job: Job) -> Job:
    """Return the job with paths that hold from any folder and host."""
    changes: dict[str, Any] = {}
    if job.data.path is not None and "://" not in job.data.path:
        changes["data"] = job.data.model_copy(update={"path": _absolute_path(job.data.path)})
    if job.site is not None and job.site.endswith(PROFILE_ENDINGS):
        changes["site"] = _absolute_path(job.site)
    return job.model_copy(update=changes)


def _absolute_path(path: str) -> str:
    return str(Path(path).expanduser().absolute())


def _plan(job: Job, layout: RunLayout) -> Plan:
    if not job.on_scheduler:
        raise BadJob(
            f"submit hands a run to a scheduler, and the job runs on {job.on!r}",
            hint="add --on slurm or --on pbs, or type `hpc-ml run`",
        )
    python = job.resources.python or sys.executable
    return Plan(layout.path, job, choose_profile(job.on, job.site), python, gpu_launcher())


def _make_folder(job: Job, layout: RunLayout, data: "DataSummary", listener: Listener) -> RunFolder:
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
        seed=job.seed,
        versions=_versions(),
        data_digest=data.digest,
    )
    folder = RunFolder.create(layout.path.parent, layout.run_id, dump_job(job), record)
    for note in data.notes:
        listener.tell(note)
        folder.tell_event("message", text=note)
    return folder


def _versions() -> dict[str, str]:
    from importlib.metadata import version
    from platform import python_version

    names = ("dask", "distributed", "numpy", "scikit-learn")
    return {
        "hpc-ml": __version__,
        "python": python_version(),
        **{name: version(name) for name in names},
    }
