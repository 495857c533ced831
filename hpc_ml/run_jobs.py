"""The batch jobs of a run: which it has had, which are left, and the end of those."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from hpc_ml.errors import HpcMlError
from hpc_ml.runs.layout import RunLayout
from hpc_ml.runs.ownership import Ownership
from hpc_ml.runs.record import RunRecord
from hpc_ml.schedulers.base import job_number

if TYPE_CHECKING:
    from hpc_ml.schedulers.base import Scheduler
    from hpc_ml.schedulers.patience import PatientScheduler

_END_LIMIT_S = 30.0


def open_run_scheduler(record: RunRecord) -> "Scheduler":
    """Return the scheduler that a run's jobs went to. Raises BadSite and SchedulerMissing."""
    from hpc_ml.schedulers import open_scheduler
    from hpc_ml.sites.loading import choose_profile

    return open_scheduler(choose_profile(record.on, record.site))


def list_jobs(record: RunRecord) -> list[str]:
    """Return the ids of the jobs of a run, the present controller's first."""
    controller = [record.controller_job] if record.controller_job else []
    return [*controller, *record.worker_jobs]


def find_live(
    scheduler: "Scheduler | PatientScheduler", layout: RunLayout, record: RunRecord
) -> list[str]:
    """Return the jobs that wait or run: of those on record, and of all under the run's name."""
    job_ids = list(dict.fromkeys([*list_jobs(record), *scheduler.find(layout.tag)]))
    reports = scheduler.poll(job_ids) if job_ids else {}
    return [job_id for job_id in job_ids if not reports[job_id].state.ended]


def is_job_alive(record: RunRecord, job_id: str) -> bool | None:
    """Return whether a job waits or runs; None where the scheduler cannot be asked."""
    if record.scheduler is None:
        return None
    try:
        return not open_run_scheduler(record).poll([job_id])[job_id].state.ended
    except HpcMlError:
        return None


def take_run(
    layout: RunLayout,
    record: RunRecord,
    *,
    own_job: str | None = None,
    tell: Callable[[str], None],
) -> Ownership:
    """Own a run, the scheduler being asked whether an owner in a batch job lives.

    Raises BadRun and TaskFailed as `Ownership.take` does.
    """
    return Ownership.take(
        layout, own_job, alive=lambda job_id: is_job_alive(record, job_id), tell=tell
    )


def is_same_job(job_id: str | None, other: str | None) -> bool:
    """Return whether two ids are those of one job, cluster or server named or not."""
    return job_id is not None and other is not None and job_number(job_id) == job_number(other)


def end_leftovers(
    layout: RunLayout, record: RunRecord, own_job: str | None, tell: Callable[[str], None]
) -> None:
    """End what an older controller of the run has left: its workers have keys that are void now.

    Where the scheduler cannot be asked, that is told: workers end when no one answers them.
    """
    if record.scheduler is None:
        return
    from hpc_ml.schedulers.endings import end_jobs

    try:
        scheduler = open_run_scheduler(record)
        live = find_live(scheduler, layout, record)
        left = [job_id for job_id in live if not is_same_job(job_id, own_job)]
        if left:
            tell(f"ending what the run's last controller left: {_name_jobs(left)}")
            end_jobs(scheduler, left, limit_s=_END_LIMIT_S)
    except HpcMlError as error:
        tell(f"jobs of the run's last controller may be left, and end by themselves: {error}")


def _name_jobs(job_ids: list[str]) -> str:
    return f"job{'s' if len(job_ids) > 1 else ''} {', '.join(job_ids)}"
