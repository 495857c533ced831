"""The workers' jobs from their submission to the end: polled, set against Dask, replaced."""

import queue
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hpc_ml.clusters.base import ClusterRequest
from hpc_ml.clusters.losses import Seen, is_blameless
from hpc_ml.clusters.reconciliation import Decisions, History, Rules, reconcile, why_waiting
from hpc_ml.errors import NoCluster, SubmissionRefused, WorkersLost
from hpc_ml.runs.logs import last_lines
from hpc_ml.schedulers.base import JobReport, JobState, Scheduler, SchedulerBusy, job_number
from hpc_ml.schedulers.patience import PatientScheduler

if TYPE_CHECKING:
    from hpc_ml.clusters.job_scheduler import JobScheduler

_FIRST_POLL_S, _SLOWEST_POLL_S, _SLOWER_BY = 2.0, 30.0, 1.3
_TICK_S, _LOOK_EVERY_S = 0.5, 0.2
_LINES_READ, _LINES_TOLD = 30, 3
# For this long a scheduler may not yet know a job that it has taken.
_UNKNOWN_AT_FIRST_S = 15
_REPLACEMENTS_A_WORKER = 3


class JobWatch:
    """Submits the workers' jobs, and reconciles them with Dask in a thread of its own.

    Polls in one batched call every 2 s at first and after each change, then ever more slowly up
    to 30 s. What it has to tell is told by `check`, in the thread that calls it.
    """

    def __init__(self, scheduler: Scheduler, request: ClusterRequest) -> None:
        self._scheduler = scheduler
        self._request = request
        self._home = threading.current_thread()
        self.patient = PatientScheduler(scheduler, self._say, pause=self._pause)
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reports: dict[str, JobReport] = {}
        self._submitted_s: dict[str, float] = {}
        self._refusal: NoCluster | None = None
        self._error: NoCluster | None = None
        self._history = History(time.monotonic())
        self._submitting = 0
        self._dask: JobScheduler | None = None
        self._present: frozenset[str] = frozenset()
        self._ended = threading.Event()
        self._changed = threading.Event()
        self._thread = threading.Thread(target=self._watch_until_end, daemon=True, name="job-watch")

    def start(self, dask: "JobScheduler") -> None:
        self._dask = dask
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._changed.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        self._tell_lines()

    def submit(self, script: Path) -> str:
        """Submit one of the first jobs; a refusal is kept for `check` and raised."""
        try:
            return self._submit(script)
        except NoCluster as refusal:
            self._refusal = refusal
            raise

    def _submit(self, script: Path) -> str:
        job_id = self.patient.submit(script, without_nodes=self._left_out(), known=self._known_jobs)
        self._submitted_s[job_id] = time.monotonic()
        self._reports[job_id] = JobReport(job_id, JobState.PENDING)
        self._request.submitted(job_id)
        self._changed.set()
        if self._ended.is_set():  # nobody would end it
            self._try(lambda: self._scheduler.cancel([job_id]))
        return job_id

    def job_ids(self) -> list[str]:
        return list(self._reports)

    def find_unanswered(self) -> list[str]:
        """Return jobs that were submitted without an answer, where the scheduler tells now."""
        if not self.patient.unanswered:
            return []
        try:
            found = self._scheduler.find(self._request.layout.tag)
        except NoCluster:
            return []
        known = {job_number(job_id) for job_id in self._known_jobs()}
        return [job_id for job_id in found if job_number(job_id) not in known]

    def reason(self) -> str:
        """Return why workers are missing, in the words of the first job that waits."""
        return why_waiting(list(self._reports.values()))

    def expects_workers(self, have: int) -> bool:
        """Return whether jobs wait, begin or are still to be submitted beside those that serve."""
        alive = sum(not report.state.ended for report in list(self._reports.values()))
        return alive > have or bool(self._history.owed or self._submitting)

    def check(self, have: int) -> None:
        """Tell what there is to tell, and raise NoCluster when no worker will come any more."""
        self._tell_lines()
        if self._error is not None and not have:
            raise self._error
        reports = list(self._reports.values())
        if self._refusal is not None and all(report.state.ended for report in reports) and not have:
            raise self._refusal

    def _say(self, line: str) -> None:
        self._lines.put(line)
        if threading.current_thread() is self._home:
            self._tell_lines()

    def _tell_lines(self) -> None:
        while not self._lines.empty():
            self._request.tell(self._lines.get())

    def _pause(self, seconds: float) -> bool:
        """Wait; in the run's own thread, hear meanwhile that it must stop."""
        if threading.current_thread() is not self._home:
            return self._ended.wait(seconds)
        deadline_s = time.monotonic() + seconds
        while time.monotonic() < deadline_s:
            self._request.check()
            time.sleep(min(_LOOK_EVERY_S, seconds))
        return False

    def _known_jobs(self) -> Collection[str]:
        return [*self._request.known_jobs, *self._reports]

    def _left_out(self) -> Collection[str]:
        return self._history.bad_nodes if self._scheduler.leaves_out_nodes else ()

    def _watch_until_end(self) -> None:
        try:
            self._watch()
        except Exception as error:  # in a thread it would be lost, and so would be workers
            self._error = WorkersLost(
                f"workers' jobs are not watched: {type(error).__name__}: {error}"
            )
            self._say(str(self._error))

    def _watch(self) -> None:
        pause_s, polled_s = _FIRST_POLL_S, float("-inf")
        while not self._ended.is_set():
            if self._changed.wait(timeout=min(_TICK_S, pause_s)):
                self._changed.clear()
                pause_s = _FIRST_POLL_S
            present, leaving = self._ask_dask()
            if not present >= self._present:
                pause_s, polled_s = _FIRST_POLL_S, float("-inf")
            self._present = present
            if time.monotonic() - polled_s >= pause_s:
                changed = self._poll_once()
                polled_s = time.monotonic()
                pause_s = _FIRST_POLL_S if changed else min(_SLOWEST_POLL_S, pause_s * _SLOWER_BY)
            if not self._ended.is_set():
                self._reconcile(present, leaving)

    def _ask_dask(self) -> tuple[frozenset[str], frozenset[str]]:
        """Return the jobs that have processes in Dask, and those that leave or have left."""
        assert self._dask is not None
        stay: dict[str, list[bool]] = {}
        for name, leaves in self._dask.names().items():
            stay.setdefault(job_number(name), []).append(not leaves)
        left = {job_number(name) for name in list(self._dask.left)}
        present = frozenset(job_id for job_id in self.job_ids() if job_number(job_id) in stay)
        leaving = frozenset(
            job_id
            for job_id in self.job_ids()
            if not any(stay.get(job_number(job_id), ()))
            and (job_id in present or job_number(job_id) in left)
        )
        return present, leaving

    def _poll_once(self) -> bool:
        live = [job_id for job_id, report in list(self._reports.items()) if not report.state.ended]
        if not live:
            return False
        try:
            fresh = self._scheduler.poll(live)
        except SchedulerBusy as busy:
            self.patient.outage.note(busy)
            return False
        except NoCluster as error:
            self._say(f"the workers' jobs cannot be looked up: {error}")
            return False
        self.patient.outage.end()
        changed = False
        for job_id, report in fresh.items():
            age_s = time.monotonic() - self._submitted_s[job_id]
            if report.state is JobState.GONE and age_s < _UNKNOWN_AT_FIRST_S:
                continue
            changed = changed or report.state is not self._reports[job_id].state
            self._reports[job_id] = report
        return changed

    def _reconcile(self, present: Collection[str], leaving: Collection[str]) -> None:
        assert self._dask is not None
        reports = dict(self._reports)
        by_number = {job_number(job_id): report for job_id, report in reports.items()}
        there = {job_number(job_id) for job_id in present}

        def decide(name: str, age_s: float) -> bool | None:
            number = job_number(name)
            return is_blameless(by_number.get(number), is_back=number in there, age_s=age_s)

        self._dask.judge(decide)
        seen = Seen(time.monotonic(), reports, present, leaving)
        history, decisions = reconcile(self._history, seen, self._rules())
        self._submitting = decisions.submit
        self._history = history
        self._act(decisions)
        self._submitting = 0

    def _rules(self) -> Rules:
        resources = self._request.job.resources
        replacements = resources.replacements
        if replacements is None:
            replacements = _REPLACEMENTS_A_WORKER * (resources.workers or 1)
        return Rules(
            replacements, resources.walltime, resources.wait, self._scheduler.leaves_out_nodes
        )

    def _act(self, decisions: Decisions) -> None:
        for line in decisions.lines:
            self._say(line)
        if decisions.error is not None and self._error is None:
            self._error = self._with_log(decisions.error, decisions.dead_job)
        if decisions.cancel:
            self._try(lambda: self.patient.cancel(decisions.cancel))
        for _ in range(decisions.submit):
            if not (self._ended.is_set() or self._history.stopped):
                self._submit_replacement()

    def _submit_replacement(self) -> None:
        script = self._request.layout.worker_script
        try:
            self._submit(script)
        except SubmissionRefused as refusal:
            if self._left_out():
                self._say(f"{refusal.problem}: submitting to all nodes again")
                self._history = replace(self._history, deaths={}, owed=self._history.owed + 1)
                return
            self._say(f"{refusal}; no more jobs are submitted")
            self._history = replace(self._history, stopped=True, owed=0)
            self._error = refusal
        except NoCluster as error:
            self._history = replace(self._history, owed=self._history.owed + 1)
            self._say(str(error))

    def _try(self, command: Callable[[], None]) -> None:
        try:
            command()
        except NoCluster as error:
            self._say(str(error))

    def _with_log(self, error: NoCluster, job_id: str | None) -> NoCluster:
        """Return the error with the last lines of a job's log."""
        if job_id is None:
            return error
        log = self._request.layout.job_log("worker", job_id)
        lines = last_lines(log, _LINES_READ)
        # Less what Dask tells of its ordinary doings.
        telling = [line.strip() for line in lines if line.strip() and " - INFO - " not in line]
        tail = f" ({' | '.join(telling[-_LINES_TOLD:])})" if telling else ""
        hint = error.hint or f"its log: {log}"
        return type(error)(f"{error.problem}{tail}", hint=hint)
