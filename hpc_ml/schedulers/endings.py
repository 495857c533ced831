"""Ending jobs, and making sure that they are gone."""

import time
from collections.abc import Iterable

from hpc_ml.errors import NoCluster
from hpc_ml.schedulers.base import JobState, Scheduler, SchedulerBusy

_LOOK_EVERY_S = 0.5
# What is still there after this long is asked to end again: qdel and scancel may be lost.
_ASK_AGAIN_S = 10.0


def end_jobs(
    scheduler: Scheduler,
    job_ids: Iterable[str],
    *,
    limit_s: float,
    grace_s: float = 0.0,
    patience_s: float = 0.0,
) -> None:
    """End jobs and return when the scheduler says that all have ended.

    Parameters
    ----------
    scheduler : Scheduler
        Where the jobs are.
    job_ids : iterable of str
        The jobs; those that have ended already are no error.
    limit_s : float
        How long the end may take, in seconds.
    grace_s : float, default=0.0
        How long a running job may take to end by itself before it is cancelled. A waiting job
        is cancelled at once.
    patience_s : float, default=0.0
        How much longer it may take where the scheduler gives no answer meanwhile.

    Raises
    ------
    NoCluster
        Naming the jobs that are still there after `limit_s`.
    """
    left = list(job_ids)
    started_s = time.monotonic()
    asked_s: dict[str, float] = {}
    trouble, unanswered_s = "", 0.0
    while left:
        asked_at_s = time.monotonic()
        running, waiting, answered = _look(scheduler, left)
        left = [*running, *waiting]
        now_s = time.monotonic()
        if not answered:
            unanswered_s += now_s - asked_at_s + _LOOK_EVERY_S
        if left and now_s - started_s > limit_s + min(patience_s, unanswered_s):
            raise NoCluster(
                f"jobs {', '.join(left)} have not ended{trouble}",
                hint=f"end them with: {scheduler.commands[-1]} {' '.join(left)}",
            )
        over = left if now_s - started_s >= grace_s else waiting
        due = [job for job in over if now_s - asked_s.get(job, -_ASK_AGAIN_S) >= _ASK_AGAIN_S]
        if due:
            asked_s |= dict.fromkeys(due, now_s)
            trouble = _cancel(scheduler, due)
        if left:
            time.sleep(_LOOK_EVERY_S)


def _cancel(scheduler: Scheduler, job_ids: list[str]) -> str:
    try:
        scheduler.cancel(job_ids)
    except SchedulerBusy as busy:
        return f": {busy}"
    return ""


def _look(scheduler: Scheduler, job_ids: list[str]) -> tuple[list[str], list[str], bool]:
    """Return the jobs that run, those that wait, and whether the scheduler answered.

    Without an answer all are taken to run.
    """
    try:
        reports = scheduler.poll(job_ids)
    except SchedulerBusy:
        return job_ids, [], False
    states = {job_id: reports[job_id].state for job_id in job_ids}
    running = [job_id for job_id, state in states.items() if state is JobState.RUNNING]
    waiting = [job_id for job_id, state in states.items() if state is JobState.PENDING]
    return running, waiting, True
