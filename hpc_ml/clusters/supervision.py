"""What the scheduler says of the workers' jobs, set against the workers that came."""

import threading
import time
from collections.abc import Mapping
from pathlib import Path

from hpc_ml.clusters.base import ClusterRequest
from hpc_ml.errors import NoCluster, SubmissionRefused, WorkersLost
from hpc_ml.runs.logs import last_lines
from hpc_ml.schedulers.base import JobReport, JobState, Scheduler, SchedulerBusy
from hpc_ml.spec.quantities import format_walltime

_FIRST_POLL_S, _SLOWEST_POLL_S, _SLOWER_BY = 2.0, 30.0, 1.3
# A job that runs brings its worker within this time, or never: imports on a cold shared file
# system take a minute.
_ARRIVAL_LIMIT_S = 300
# One job that dies may be a bad node; the second is the job's own fault.
_DEATHS_BEFORE_ARRIVAL = 2
_LINES_READ, _LINES_TOLD = 30, 3
# For this long a scheduler may not yet know a job that it has taken.
_UNKNOWN_AT_FIRST_S = 15


class JobWatch:
    """Submits the workers' jobs and polls them in a thread of its own, in one batched call.

    Polls every 2 s at first and after each change, then ever more slowly up to 30 s.
    """

    def __init__(self, scheduler: Scheduler, request: ClusterRequest) -> None:
        self._scheduler = scheduler
        self._request = request
        self._reports: dict[str, JobReport] = {}
        self._refusal: NoCluster | None = None
        self._submitted_s: dict[str, float] = {}
        self._running_since_s: dict[str, float] = {}
        self._told: set[str] = set()
        self._opened_s = time.monotonic()
        self._arrived = False
        self._ended = threading.Event()
        self._changed = threading.Event()
        self._thread = threading.Thread(target=self._poll_until_end, daemon=True, name="job-watch")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._changed.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def submit(self, script: Path) -> str:
        """Submit a job; a refusal is kept for `check` and raised."""
        try:
            job_id = self._scheduler.submit(script)
        except NoCluster as refusal:
            self._refusal = refusal
            raise
        self._submitted_s[job_id] = time.monotonic()
        self._reports[job_id] = JobReport(job_id, JobState.PENDING)
        self._changed.set()
        return job_id

    def job_ids(self) -> list[str]:
        return list(self._reports)

    def reason(self) -> str:
        """Return why workers are missing, in the words of the first job that waits."""
        for report in list(self._reports.values()):
            if report.state is JobState.PENDING and report.explanation:
                return f"job {report.job_id} {report.explanation}"
        return ""

    def check(self, have: int) -> None:
        """Raise NoCluster when no worker will come, or none is left; `have` counts those here."""
        self._arrived = self._arrived or have > 0
        reports = list(self._reports.values())
        self._tell_deaths(reports)
        if have:
            return
        if self._refusal is not None and not any(not report.state.ended for report in reports):
            raise self._refusal
        dead = [report for report in reports if report.state.ended]
        alive = [report for report in reports if not report.state.ended]
        if dead and (not alive or (not self._arrived and len(dead) >= _DEATHS_BEFORE_ARRIVAL)):
            raise self._dead_error(dead[0])
        hopeless = [report for report in alive if report.never_runs]
        if hopeless and len(hopeless) == len(alive):
            raise SubmissionRefused(
                f"job {hopeless[0].job_id} will never run: it {hopeless[0].explanation}",
                hint="ask for less, or for another queue",
            )
        if not self._arrived:
            self._check_waiting(alive)

    def _check_waiting(self, alive: list[JobReport]) -> None:
        now_s = time.monotonic()
        limit_s = self._request.job.resources.wait
        if limit_s is not None and now_s - self._opened_s > limit_s:
            raise WorkersLost(
                f"no worker came within {format_walltime(limit_s)}"
                + (f": {self.reason()}" if self.reason() else ""),
                hint="wait longer with --wait, or ask for another queue or less",
            )
        for report in alive:
            since_s = self._running_since_s.get(report.job_id, now_s)
            if now_s - since_s > _ARRIVAL_LIMIT_S:
                raise WorkersLost(
                    f"job {report.job_id} runs, but its worker has not come within "
                    f"{_ARRIVAL_LIMIT_S} s{self._log_tail(report.job_id)}",
                    hint="check that compute nodes reach this host: interface in the site profile",
                )

    def _dead_error(self, report: JobReport) -> WorkersLost:
        when = "all workers' jobs ended" if self._arrived else "a job ended before its worker came"
        tail = self._log_tail(report.job_id) if report.state is JobState.FAILED else ""
        return WorkersLost(
            f"{when}: job {report.job_id} {report.explanation or report.state}{tail}",
            hint=f"its log: {self._log_file(report.job_id)}",
        )

    def _tell_deaths(self, reports: list[JobReport]) -> None:
        for report in reports:
            if report.state.ended and report.job_id not in self._told:
                self._told.add(report.job_id)
                self._request.tell(
                    f"worker job {report.job_id} {report.explanation or report.state}"
                )

    def _log_file(self, job_id: str) -> Path:
        return self._request.layout.job_log("worker", job_id)

    def _log_tail(self, job_id: str) -> str:
        """Return the last lines of a job's log, less what Dask tells of its ordinary doings."""
        lines = last_lines(self._log_file(job_id), _LINES_READ)
        telling = [line.strip() for line in lines if line.strip() and " - INFO - " not in line]
        return f" ({' | '.join(telling[-_LINES_TOLD:])})" if telling else ""

    def _poll_until_end(self) -> None:
        pause_s = _FIRST_POLL_S
        while not self._ended.is_set():
            if self._changed.wait(timeout=pause_s):
                self._changed.clear()
                pause_s = _FIRST_POLL_S
            changed = self._poll_once()
            pause_s = _FIRST_POLL_S if changed else min(_SLOWEST_POLL_S, pause_s * _SLOWER_BY)

    def _poll_once(self) -> bool:
        live = [job_id for job_id, report in self._reports.items() if not report.state.ended]
        if not live:
            return False
        try:
            fresh: Mapping[str, JobReport] = self._scheduler.poll(live)
        except SchedulerBusy as busy:
            self._request.tell(str(busy))
            return False
        changed = False
        now_s = time.monotonic()
        for job_id, report in fresh.items():
            age_s = now_s - self._submitted_s[job_id]
            if report.state is JobState.GONE and age_s < _UNKNOWN_AT_FIRST_S:
                continue
            changed = changed or report.state is not self._reports[job_id].state
            if report.state is JobState.RUNNING:
                self._running_since_s.setdefault(job_id, now_s)
            self._reports[job_id] = report
        return changed
