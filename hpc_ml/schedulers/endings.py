"""Ending jobs for certain: cancelled, and seen to be gone."""

import time
from collections.abc import Collection

from hpc_ml.errors import NoCluster
from hpc_ml.schedulers.base import Scheduler, SchedulerBusy

_LOOK_EVERY_S = 0.5
_SLOWEST_LOOK_S = 5.0


def end_jobs(scheduler: Scheduler, job_ids: Collection[str], *, limit_s: float) -> None:
    """Cancel jobs and return when all of them have ended.

    A scheduler that does not answer is asked again. Raises NoCluster, naming the jobs that
    were not seen to end, after `limit_s` seconds.
    """
    deadline_s = time.monotonic() + limit_s
    left, cancelled, pause_s = list(job_ids), False, _LOOK_EVERY_S
    while left:
        try:
            if not cancelled:
                scheduler.cancel(left)
                cancelled = True
            left = [job for job, report in scheduler.poll(left).items() if not report.state.ended]
        except SchedulerBusy:
            pass  # the deadline decides
        if left and time.monotonic() + pause_s > deadline_s:
            raise NoCluster(
                f"after {limit_s:.0f} s these jobs have not been seen to end: {', '.join(left)}",
                hint="cancel them with the scheduler's own command",
            )
        if left:
            time.sleep(pause_s)
            pause_s = min(_SLOWEST_LOOK_S, 2 * pause_s)
