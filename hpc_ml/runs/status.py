"""How a run is doing: what its files say, corrected by what can be seen from here."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from hpc_ml.runs.folder import RunFolder
from hpc_ml.runs.heartbeat import Beat, Progress, Workers, read_beat
from hpc_ml.runs.ownership import read_owner
from hpc_ml.runs.processes import ProcessMark
from hpc_ml.runs.record import RunRecord, RunState, read_clock
from hpc_ml.runs.summary import RunSummary, summarise

# Generous, because it sets one host's clock against another's.
SILENT_S = 120
_LIVE_JOB = ("pending", "running")
_FAILED_JOB = ("failed", "out of memory")
_KEPT = "what is finished is kept in its folder"


class JobWord(Protocol):
    """What a scheduler says of a job: `schedulers.base.JobReport`, as far as it counts here.

    The explanation follows on "job 12": "waits for free nodes", "reached its walltime".
    """

    @property
    def state(self) -> str: ...

    @property
    def explanation(self) -> str: ...


@dataclass(frozen=True)
class Sight:
    """What can be seen of a run from this host at one moment.

    `controller_alive` is None where this host cannot tell; `jobs` has the scheduler's words for
    the jobs it was asked about.
    """

    now: datetime
    beat: Beat | None = None
    controller_alive: bool | None = None
    jobs: Mapping[str, JobWord] | None = None

    def job(self, job_id: str | None) -> JobWord | None:
        return (self.jobs or {}).get(job_id) if job_id else None


@dataclass(frozen=True)
class JobStatus:
    """One batch job of a run; `state` is None where the scheduler was not asked."""

    id: str
    role: str
    state: str | None
    explanation: str


@dataclass(frozen=True)
class RunStatus:
    """How a run is doing; `reason` says why it waits or how it ended."""

    record: RunRecord
    summary: RunSummary
    progress: Progress | None
    workers: Workers
    jobs: tuple[JobStatus, ...]
    reason: str | None

    @property
    def state(self) -> RunState:
        return self.summary.state

    def as_json(self) -> dict[str, Any]:
        """Return what `status --json` prints of a run."""
        return self.summary.as_json() | {
            "progress": self.progress.model_dump() if self.progress else None,
            "workers": self.workers.model_dump(),
            "jobs": [vars(job) for job in self.jobs],
            "reason": self.reason,
        }


def look(folder: RunFolder, jobs: Mapping[str, JobWord] | None = None) -> RunStatus:
    """Return how a run is doing; `jobs` is the scheduler's word, where it was asked.

    Raises BadRun when the run's record cannot be read.
    """
    record = folder.read_record()
    alive = is_controller_alive(folder, record)
    sight = Sight(read_clock(), read_beat(folder.layout), alive, jobs)
    # Read again: the run may have ended while its process and its jobs were looked for.
    return describe(folder.read_record(), summarise(folder), sight)


def is_controller_alive(folder: RunFolder, record: RunRecord) -> bool | None:
    """Return whether the controller's process runs on this host; None where it is elsewhere."""
    mark: ProcessMark | None = read_owner(folder.layout)
    if mark is None and record.host and record.pid:
        mark = ProcessMark(host=record.host, pid=record.pid)
    return mark.is_alive() if mark else None


def describe(record: RunRecord, summary: RunSummary, sight: Sight) -> RunStatus:
    """Return the status of a run from what is recorded and what is seen."""
    state, reason = judge(record, sight)
    workers = (sight.beat and sight.beat.workers) or Workers(want=len(record.worker_jobs), have=0)
    return RunStatus(
        record=record,
        summary=replace(summary, state=state),
        progress=sight.beat.progress if sight.beat else None,
        workers=workers.model_copy(update={"have": 0}) if state.ended else workers,
        jobs=_list_jobs(record, sight),
        reason=reason,
    )


def judge(record: RunRecord, sight: Sight) -> tuple[RunState, str | None]:
    """Return the state that a run really is in, and why it waits or how it ended."""
    if record.state.ended:
        return record.state, record.error
    job = sight.job(record.controller_job)
    if job is not None and job.state not in _LIVE_JOB:
        return _judge_ended_job(record, job)
    if record.state is RunState.PENDING and record.controller_job:
        return _judge_waiting_job(record, job)
    if sight.controller_alive is False:
        where = f"process {record.pid} on {record.host}" if record.pid else "its process"
        return RunState.INTERRUPTED, f"its controller is gone ({where}); {_KEPT}"
    silent_s = _count_silence(record, sight)
    where = record.host or "its host"
    if sight.controller_alive is None and job is None and silent_s < -SILENT_S:
        return record.state, (
            f"its last sign of life, from {where}, is dated {-silent_s // 60:.0f} min ahead: "
            "one of the clocks is wrong"
        )
    if sight.controller_alive is None and job is None and silent_s > SILENT_S:
        return RunState.INTERRUPTED, (
            f"no sign of life from {where} for {silent_s // 60:.0f} min; {_KEPT}"
        )
    return record.state, _find_reason(record, sight)


def _judge_ended_job(record: RunRecord, job: JobWord) -> tuple[RunState, str]:
    how = job.explanation or f"has ended ({job.state})"
    reason = f"its controller's job {record.controller_job} {how}"
    if job.state == "cancelled" and record.state is RunState.PENDING:
        return RunState.CANCELLED, reason
    if job.state in _FAILED_JOB:
        return RunState.FAILED, (
            f"{reason}; read `hpc-ml logs {record.id}`, go on with `hpc-ml resume {record.id}`"
        )
    return RunState.INTERRUPTED, f"{reason}; {_KEPT}"


def _judge_waiting_job(record: RunRecord, job: JobWord | None) -> tuple[RunState, str | None]:
    if job is None:
        return RunState.PENDING, None
    if job.state == "running":
        return RunState.STARTING, f"job {record.controller_job} has begun"
    turn = len(record.controller_jobs)
    after = f"; it goes on as controller {turn} of the run" if turn > 1 else ""
    waits = job.explanation or "waits its turn"
    return RunState.PENDING, f"job {record.controller_job} {waits}{after}"


def _count_silence(record: RunRecord, sight: Sight) -> float:
    last = sight.beat.time if sight.beat else record.started_at or record.created_at
    return (sight.now - last).total_seconds()


def _find_reason(record: RunRecord, sight: Sight) -> str | None:
    if sight.beat is not None and sight.beat.reason:
        return sight.beat.reason
    if sight.beat is not None and sight.beat.workers and sight.beat.workers.have:
        return None
    for job_id in record.worker_jobs:
        job = sight.job(job_id)
        if job is not None and job.state == "pending" and job.explanation:
            return f"job {job_id} {job.explanation}"
    return None


def _list_jobs(record: RunRecord, sight: Sight) -> tuple[JobStatus, ...]:
    roles = [(record.controller_job, "controller")] if record.controller_job else []
    listed = []
    for job_id, role in [*roles, *((job, "worker") for job in record.worker_jobs)]:
        word = sight.job(job_id)
        state = str(word.state) if word else None
        listed.append(JobStatus(str(job_id), role, state, word.explanation if word else ""))
    return tuple(listed)
