"""Which workers are lost, and whose doing it was; pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from hpc_ml.schedulers.base import JobReport, JobState

# A job that runs brings its worker within this time, or never: imports on a cold shared file
# system take a minute.
ARRIVAL_LIMIT_S = 300
# A worker process that died is started again by its nanny, in seconds; a hung node is missed by
# Dask itself only after minutes.
_MISSING_LIMIT_S = 120
_QUICK_S = 60
# A job is known to have ended some seconds after its worker is gone; its processes end one by one.
_VERDICT_LIMIT_S, _LAST_ONE_S = 30, 5
_INTERFACE_HINT = "check that compute nodes reach this host: interface in the site profile"
_BLAMELESS = (
    JobState.COMPLETED, JobState.TIMEOUT, JobState.PREEMPTED, JobState.CANCELLED,
    JobState.NODE_FAILED,
)  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """What is known at one moment.

    Parameters
    ----------
    now_s : float
    reports : mapping
        The scheduler's word on each job.
    present : collection of str
        The jobs that have a worker process in Dask.
    leaving : collection of str
        The jobs whose workers have said that they leave at the end of their walltime.
    """

    now_s: float
    reports: Mapping[str, JobReport]
    present: Collection[str] = ()
    leaving: Collection[str] = ()


@dataclass(frozen=True)
class Course:
    """One job so far: when it was first seen to run, when its worker came and was last there."""

    running_s: float | None = None
    arrived_s: float | None = None
    present_s: float | None = None
    settled: bool = False

    def follow(self, job_id: str, seen: Seen) -> "Course":
        """Return the course one moment later."""
        course, now_s = self, seen.now_s
        if course.running_s is None and seen.reports[job_id].state is JobState.RUNNING:
            course = replace(course, running_s=now_s)
        if job_id in seen.present:
            arrived_s = now_s if course.arrived_s is None else course.arrived_s
            course = replace(course, arrived_s=arrived_s, present_s=now_s)
        return course


@dataclass(frozen=True)
class Loss:
    """One worker that is lost.

    Parameters
    ----------
    job_id, node : str
    why : str
        In words that follow on "job ID".
    state : JobState
    orderly : bool
        Whether it left at the end of its walltime or was preempted: that does not count.
    barren : bool
        Whether the job ended by itself before its worker came, on a node that lives.
    quick : bool
        Whether it died soon after its start, so that the next may too.
    still_runs : bool
        Whether its job runs on, in vain.
    """

    job_id: str
    node: str
    why: str
    state: JobState
    orderly: bool = False
    barren: bool = False
    quick: bool = False
    still_runs: bool = False

    @property
    def hint(self) -> str | None:
        return _INTERFACE_HINT if self.still_runs else None

    def tell(self, what: str) -> str:
        """Return the line that says what became of the job and what is done about it."""
        where = f" on {self.node}" if self.node else ""
        return f"worker job {self.job_id}{where} {self.why}; {what}"


def find_loss(job_id: str, course: Course, seen: Seen, walltime_s: int) -> Loss | None:
    """Return how the job's worker is lost, unless it is not, or was counted before."""
    report = seen.reports[job_id]
    if course.settled:
        return None
    if report.state.ended:
        return _ended(report, course, seen.now_s, walltime_s)
    if job_id in seen.leaving:
        why = "leaves before its walltime ends"
        return Loss(job_id, report.node, why, report.state, orderly=True)
    if report.state is not JobState.RUNNING or course.running_s is None:
        return None
    if course.arrived_s is None and seen.now_s - course.running_s > ARRIVAL_LIMIT_S:
        why = f"runs, but its worker has not come within {ARRIVAL_LIMIT_S} s"
        return Loss(
            job_id, report.node, why, report.state, barren=True, quick=True, still_runs=True
        )
    if course.present_s is not None and seen.now_s - course.present_s > _MISSING_LIMIT_S:
        why = f"runs, but its worker has been gone for {_MISSING_LIMIT_S} s, and is cancelled"
        return Loss(job_id, report.node, why, report.state, still_runs=True)
    return None


def _ended(report: JobReport, course: Course, now_s: float, walltime_s: int) -> Loss:
    why = report.explanation or f"is {report.state}"
    came = course.arrived_s is not None
    lived_s = 0.0 if course.arrived_s is None else now_s - course.arrived_s
    faultless = report.state in (JobState.CANCELLED, JobState.NODE_FAILED)
    return Loss(
        report.job_id,
        report.node,
        why,
        report.state,
        orderly=report.state is JobState.PREEMPTED
        or (came and report.state is JobState.TIMEOUT)
        or (report.state is JobState.COMPLETED and lived_s > walltime_s / 2),
        barren=not (came or faultless),
        quick=not faultless and lived_s < _QUICK_S,
    )


def is_blameless(report: JobReport | None, *, is_back: bool, age_s: float) -> bool | None:
    """Return whether a worker process was ended by the scheduler and not by its own work.

    Parameters
    ----------
    report : JobReport or None
        The scheduler's word on its job.
    is_back : bool
        Whether other processes of the job are there: then this one died alone.
    age_s : float
        Seconds since the loss.

    Returns
    -------
    bool or None
        None while it is not known yet.
    """
    if report is not None and report.state.ended:
        return report.state in _BLAMELESS
    if age_s > (_LAST_ONE_S if is_back else _VERDICT_LIMIT_S):
        return False
    return None
