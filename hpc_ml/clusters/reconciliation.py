"""What to do about a run's worker jobs, by what the scheduler and Dask say of them; pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from hpc_ml.clusters.losses import Course, Loss, Seen, find_loss
from hpc_ml.errors import NoCluster, SubmissionRefused, WorkersLost
from hpc_ml.schedulers.base import JobReport, JobState
from hpc_ml.spec.quantities import format_walltime

# One job that dies before any worker came may be a bad node; the second is the job's own fault.
_BARREN_AT_FIRST, _BARREN_LATER = 2, 3
_DEATHS_OF_A_BAD_NODE = 2
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 5.0, 300.0
# Memory that runs out is the work's fault, and whoever cancels has reasons of his own.
_NODES_FAULT = (JobState.FAILED, JobState.NODE_FAILED)


@dataclass(frozen=True)
class Rules:
    """What does not change during a run.

    Parameters
    ----------
    replacements : int
        How many lost workers may be replaced.
    walltime_s : int
        Of a worker's job.
    wait_s : int or None
        How long the first worker is waited for.
    leaves_out_nodes : bool
        Whether the scheduler can be told to leave out nodes.
    """

    replacements: int
    walltime_s: int
    wait_s: int | None = None
    leaves_out_nodes: bool = True


@dataclass(frozen=True)
class History:
    """All that was so far.

    Parameters
    ----------
    opened_s : float
        When the first job was submitted.
    courses : mapping
        By job.
    replaced : int
        Losses that were replaced and count.
    owed : int
        Jobs to submit, as soon as `not_before_s` has come.
    quick_deaths : int
        Jobs in a row that died soon after their start.
    barren : int
        Jobs in a row that brought no worker.
    deaths : mapping
        By node.
    stopped : bool
        Whether nothing is replaced any more.
    """

    opened_s: float
    courses: Mapping[str, Course] = field(default_factory=dict)
    replaced: int = 0
    owed: int = 0
    not_before_s: float = 0.0
    quick_deaths: int = 0
    barren: int = 0
    deaths: Mapping[str, int] = field(default_factory=dict)
    stopped: bool = False
    last_loss: Loss | None = None

    @property
    def anyone_came(self) -> bool:
        return any(course.arrived_s is not None for course in self.courses.values())

    @property
    def bad_nodes(self) -> frozenset[str]:
        return frozenset(node for node, n in self.deaths.items() if n >= _DEATHS_OF_A_BAD_NODE)


@dataclass(frozen=True)
class Decisions:
    """What to do now: jobs to submit and to cancel, lines to tell, and the error that ends it all.

    `dead_job` is the job whose log says more about the error.
    """

    submit: int = 0
    cancel: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    error: NoCluster | None = None
    dead_job: str | None = None


def reconcile(history: History, seen: Seen, rules: Rules) -> tuple[History, Decisions]:
    """Set the scheduler's word against Dask's; return the history one moment later, and what to do.

    What is decided to be submitted is no longer owed: whoever cannot submit it adds it again.
    """
    courses = {
        job_id: history.courses.get(job_id, Course()).follow(job_id, seen)
        for job_id in seen.reports
    }
    history = replace(history, courses=courses)
    if any(course.arrived_s == seen.now_s for course in courses.values()):
        history = replace(history, barren=0)
    losses = [
        loss
        for job_id, course in courses.items()
        if (loss := find_loss(job_id, course, seen, rules.walltime_s)) is not None
    ]
    lines: list[str] = []
    for loss in losses:
        history, told = _settle(history, loss, seen.now_s, rules)
        lines += told
    error, dead_job = _find_error(history, seen, rules)
    submit = history.owed if seen.now_s >= history.not_before_s and error is None else 0
    history = replace(history, owed=history.owed - submit)
    cancel = tuple(loss.job_id for loss in losses if loss.still_runs)
    return history, Decisions(submit, cancel, tuple(lines), error, dead_job)


def _settle(history: History, loss: Loss, now_s: float, rules: Rules) -> tuple[History, list[str]]:
    """Take a loss into account, and say what becomes of it."""
    courses = {**history.courses}
    courses[loss.job_id] = replace(courses[loss.job_id], settled=True)
    history = replace(history, courses=courses, last_loss=loss)
    if loss.orderly:
        if history.stopped:
            return history, [loss.tell("no job takes its place")]
        history = replace(history, owed=history.owed + 1, quick_deaths=0)
        return history, [loss.tell("another takes its place")]
    history, lines = _blame_node(_count(history, loss), loss, rules)
    history, what = _replace(history, loss, now_s, rules)
    return history, [loss.tell(what), *lines]


def _count(history: History, loss: Loss) -> History:
    return replace(
        history,
        quick_deaths=history.quick_deaths + 1 if loss.quick else 0,
        barren=history.barren + 1 if loss.barren else history.barren,
    )


def _blame_node(history: History, loss: Loss, rules: Rules) -> tuple[History, list[str]]:
    if loss.state not in _NODES_FAULT or not loss.node:
        return history, []
    deaths = {**history.deaths, loss.node: history.deaths.get(loss.node, 0) + 1}
    history = replace(history, deaths=deaths)
    if deaths[loss.node] != _DEATHS_OF_A_BAD_NODE:
        return history, []
    died = f"{_DEATHS_OF_A_BAD_NODE} worker jobs died on node {loss.node}"
    if rules.leaves_out_nodes:
        return history, [f"{died}: new jobs leave it out"]
    return history, [f"{died}; this scheduler cannot be told to leave it out"]


def _replace(history: History, loss: Loss, now_s: float, rules: Rules) -> tuple[History, str]:
    """Decide whether a lost worker is replaced, and when; return what to say of it."""
    if history.anyone_came and history.barren >= _BARREN_LATER:
        history = replace(history, stopped=True, owed=0)
        return history, f"{history.barren} jobs in a row brought no worker: no more are submitted"
    if history.stopped:
        return history, "no job takes its place"
    if history.replaced >= rules.replacements:
        return history, (
            f"no job takes its place: {rules.replacements} of --replacements "
            f"{rules.replacements} are used up"
        )
    history = replace(history, replaced=history.replaced + 1, owed=history.owed + 1)
    left = f"{rules.replacements - history.replaced} replacements left"
    if not loss.quick:
        return history, f"another takes its place, {left}"
    pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** (history.quick_deaths - 1))
    history = replace(history, not_before_s=max(history.not_before_s, now_s + pause_s))
    return history, f"another takes its place in {pause_s:.0f} s, {left}"


def _find_error(history: History, seen: Seen, rules: Rules) -> tuple[NoCluster | None, str | None]:
    """Return the error where no worker is there and none will come, and the job to blame."""
    if seen.present:
        return None, None
    alive = [
        report
        for job_id, report in seen.reports.items()
        if not (report.state.ended or history.courses[job_id].settled)
    ]
    loss, came = history.last_loss, history.anyone_came
    if loss is not None and not came and (loss.still_runs or history.barren >= _BARREN_AT_FIRST):
        when = "" if loss.still_runs else "a job ended before its worker came: "
        return WorkersLost(f"{when}job {loss.job_id} {loss.why}", hint=loss.hint), loss.job_id
    if loss is not None and not alive and not history.owed:
        error = WorkersLost(f"all workers' jobs ended: job {loss.job_id} {loss.why}")
        return error, loss.job_id
    hopeless = [report for report in alive if report.never_runs]
    if hopeless and len(hopeless) == len(alive) and not history.owed:
        return SubmissionRefused(
            f"job {hopeless[0].job_id} will never run: it {hopeless[0].explanation}",
            hint="ask for less, or for another queue",
        ), None
    if not came and rules.wait_s is not None and seen.now_s - history.opened_s > rules.wait_s:
        return _waited_in_vain(rules.wait_s, alive), None
    return None, None


def _waited_in_vain(wait_s: int, alive: Collection[JobReport]) -> WorkersLost:
    waiting = why_waiting(alive)
    return WorkersLost(
        f"no worker came within {format_walltime(wait_s)}" + (f": {waiting}" if waiting else ""),
        hint="wait longer with --wait, or ask for another queue or less",
    )


def why_waiting(reports: Collection[JobReport]) -> str:
    """Return why workers are missing, in the words of the first job that waits."""
    for report in reports:
        if report.state is JobState.PENDING and report.explanation:
            return f"job {report.job_id} {report.explanation}"
    return ""
