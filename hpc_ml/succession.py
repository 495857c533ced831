"""Who goes on with a submitted run when its controller's own batch job ends: a further one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpc_ml.errors import HpcMlError, Stopped, SubmissionRefused, WalltimeReached
from hpc_ml.run_jobs import open_run_scheduler
from hpc_ml.runs.folder import RunFolder
from hpc_ml.runs.record import RunRecord
from hpc_ml.schedulers.own_job import JobEnd, OwnJob
from hpc_ml.schedulers.patience import PatientScheduler

# A controller may have had bad luck with its workers; two in a row will not do better.
_IDLE_TERMS = 2
_STATE_HEAD_BYTES = 64
# A scheduler that does not answer is asked again for as long as the margin of a short job allows.
_PATIENCE_S = 15.0


@dataclass(frozen=True)
class Term:
    """One controller's time with a run, as far as it decides whether another follows.

    Parameters
    ----------
    end : JobEnd or None
        Why its job ends; None: for a reason after which nobody goes on.
    limit : int
        How many controllers may follow one that reached its walltime: `controller.requeue`.
    walltimes_reached : int
        How many have, up to now.
    idle_terms : int
        How many controllers in a row, this one included, have finished nothing new.
    """

    end: JobEnd | None
    limit: int
    walltimes_reached: int
    idle_terms: int


@dataclass(frozen=True)
class Verdict:
    """Whether another controller follows; `reason` says why not, where that is worth a line."""

    go_on: bool
    reason: str = ""


def judge(term: Term) -> Verdict:
    """Return whether another controller shall follow. Preemptions are not counted."""
    if term.end is None or term.limit == 0:
        return Verdict(False)
    if term.idle_terms >= _IDLE_TERMS:
        return Verdict(
            False,
            f"no further controller is submitted, for the last {term.idle_terms} finished nothing "
            "new: a unit of work may take longer than the controller's walltime, or its workers "
            "may not come in time; give it more by --controller-walltime",
        )
    if term.end is JobEnd.WALLTIME and term.walltimes_reached >= term.limit:
        times = f"{term.limit} time{'s' if term.limit > 1 else ''}"
        return Verdict(False, f"no further controller is submitted: --requeue allowed it {times}")
    return Verdict(True)


def find_end(
    error: BaseException, ask: Callable[[], JobEnd | None], time_is_up: bool
) -> JobEnd | None:
    """Return why a controller's job ends, by what stopped the controller.

    Only of SIGTERM the scheduler is asked: a user's own scancel or qdel sends it too. A job whose
    time was up anyway has reached its walltime.
    """
    match error:
        case WalltimeReached():
            return JobEnd.WALLTIME
        case Stopped():
            return ask() or (JobEnd.WALLTIME if time_is_up else None)
        case _:
            return None


def mark_progress(ledger_folder: Path) -> Any:
    """Return what differs as soon as a unit or a state more is kept in a ledger's folder.

    The head of a state has its checksum, so that a state that was only written again counts for
    nothing.
    """
    marks = {}
    for path in sorted(ledger_folder.glob("[!.]*")):
        try:
            with path.open("rb") as file:
                head = b"" if path.suffix == ".jsonl" else file.read(_STATE_HEAD_BYTES)
            marks[path.name] = (path.stat().st_size, head)
        except OSError:
            continue
    return marks


class Succession:
    """Submits the controller's script again where another controller shall follow.

    Parameters
    ----------
    folder : RunFolder
        A run that was submitted.
    own : OwnJob or None
        The controller's own job.
    limit : int
        The job's `controller.requeue`.
    tell : callable
        Hears what is done, in one line.

    `successor` is the job that follows, `note` why none does, where that is worth a line.
    """

    def __init__(
        self, folder: RunFolder, own: OwnJob | None, limit: int, tell: Callable[[str], None]
    ) -> None:
        self.successor: str | None = None
        self.note = ""
        self._folder = folder
        self._own = own
        self._limit = limit
        self._tell = tell
        self._before = self._mark()

    def arrange(self, error: BaseException, *, time_is_up: bool) -> None:
        """Decide and submit, when all that is finished is on the disk; a refusal is told."""
        end = find_end(error, self._ask_end, time_is_up)
        if self._own is None or end is None:
            return
        record = self._folder.read_record()
        idle_terms = 0 if self._mark() != self._before else record.idle_terms + 1
        verdict = judge(Term(end, self._limit, record.walltimes_reached, idle_terms))
        if not verdict.go_on:
            self.note = verdict.reason
            return
        try:
            self._submit(self._own, record, end, idle_terms)
        except HpcMlError as refusal:
            self.note = f"no further controller could be submitted: {refusal}"

    def _ask_end(self) -> JobEnd | None:
        if self._own is None:
            return None
        return self._own.why_ended(self._folder.layout.job_log("controller", self._own.id))

    def _submit(self, own: OwnJob, record: RunRecord, end: JobEnd, idle_terms: int) -> None:
        scheduler = PatientScheduler(open_run_scheduler(record), self._tell, patience_s=_PATIENCE_S)
        script = self._folder.layout.controller_script
        known = [own.id, *record.controller_jobs, *record.worker_jobs]
        try:
            job_id = scheduler.submit(script, after=own.id, known=lambda: known)
        except SubmissionRefused:
            # Some sites allow no dependencies. The new job may then start before this one's end:
            # it waits for the run.
            job_id = scheduler.submit(script, known=lambda: known)
        reached = record.walltimes_reached + (end is JobEnd.WALLTIME)
        self._folder.update(
            controller_job=job_id,
            controller_jobs=[*record.controller_jobs, job_id],
            walltimes_reached=reached,
            idle_terms=idle_terms,
        )
        count = f" ({reached} of {self._limit})" if end is JobEnd.WALLTIME else ""
        self._tell(f"{_WORDS[end]}{count}: job {job_id} goes on")
        self._folder.tell_event("requeued", job=job_id, reason=str(end))
        self.successor = job_id

    def _mark(self) -> Any:
        return mark_progress(self._folder.layout.ledger_file.parent)


_WORDS = {
    JobEnd.WALLTIME: "the controller's job is at the end of its walltime",
    JobEnd.PREEMPTION: "the controller's job makes way for one of higher priority",
}
