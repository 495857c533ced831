"""A run handed to the scheduler: the submission, and the beginning of the job that comes of it."""

import os
import time
from collections.abc import Mapping

from hpc_ml.errors import HpcMlError
from hpc_ml.run_jobs import is_job_alive, is_same_job
from hpc_ml.runs.atomic import write_text
from hpc_ml.runs.folder import RunFolder
from hpc_ml.runs.layout import RunLayout
from hpc_ml.runs.listener import Listener
from hpc_ml.runs.ownership import read_owner
from hpc_ml.runs.record import RunState, read_clock
from hpc_ml.runs.summary import RunSummary, summarise
from hpc_ml.schedulers import open_scheduler
from hpc_ml.schedulers.own_job import own_job_id
from hpc_ml.schedulers.patience import PatientScheduler
from hpc_ml.schedulers.scripts import Plan, controller_script, worker_script

_LOOK_EVERY_S = 0.1
_SUBMITTER_LIMIT_S = 10.0
_ASK_EVERY_S = 5.0
_PREDECESSOR_LIMIT_S = 300.0


def render_scripts(plan: Plan) -> dict[str, str]:
    """Return the texts of both scripts by file name.

    Raises BadJob for what the site cannot honour.
    """
    layout = RunLayout(plan.run_dir)
    return {
        layout.controller_script.name: controller_script(plan),
        layout.worker_script.name: worker_script(plan),
    }


def hand_over(
    folder: RunFolder, plan: Plan, scripts: Mapping[str, str], listener: Listener
) -> RunSummary:
    """Submit a run whose folder is there; a scheduler that does not answer is asked again.

    `scripts` are those of the plan, rendered before anything was made or changed.
    Raises SubmissionRefused with the scheduler's own words; the run is recorded as failed then.
    """
    scheduler = PatientScheduler(open_scheduler(plan.profile), listener.tell)
    for name, text in scripts.items():
        write_text(folder.path / name, text)
    record = folder.update(
        state=RunState.PENDING, ended_at=None, exit_code=None, error=None, controller_job=None,
        on=plan.job.on, site=plan.job.site, scheduler=plan.profile.scheduler,
    )  # fmt: skip
    try:
        scheduler.validate(folder.layout.worker_script)
        known = [*record.controller_jobs, *record.worker_jobs]
        job_id = scheduler.submit(folder.layout.controller_script, known=lambda: known)
    except HpcMlError as error:
        folder.update(
            state=RunState.FAILED,
            ended_at=read_clock(),
            exit_code=int(error.exit_code),
            error=str(error),
        )
        raise
    folder.update(controller_job=job_id, controller_jobs=[*record.controller_jobs, job_id])
    folder.tell_event("submitted", job=job_id)
    return summarise(folder)


def await_turn(folder: RunFolder) -> None:
    """Wait, in a controller's own job, for whoever submitted it to be done with the run.

    First for the job's id, which its submitter writes: two writers at once would lose one's change.
    Then, where the site knows no dependencies of jobs, for the controller before this one.
    """
    own = own_job_id(os.environ)
    if own is None:
        return
    deadline_s = time.monotonic() + _SUBMITTER_LIMIT_S
    while not _is_submitted(folder, own) and time.monotonic() < deadline_s:
        time.sleep(_LOOK_EVERY_S)
    deadline_s = time.monotonic() + _PREDECESSOR_LIMIT_S
    while _has_live_predecessor(folder, own) and time.monotonic() < deadline_s:
        time.sleep(_ASK_EVERY_S)


def _is_submitted(folder: RunFolder, own: str) -> bool:
    owner = read_owner(folder.layout)
    held = owner is not None and owner.job_id is None  # by a submitter that is not done yet
    return is_same_job(folder.read_record().controller_job, own) and not held


def _has_live_predecessor(folder: RunFolder, own: str) -> bool:
    owner = read_owner(folder.layout)
    if owner is None or owner.job_id is None or is_same_job(owner.job_id, own):
        return False
    return is_job_alive(folder.read_record(), owner.job_id) is True
