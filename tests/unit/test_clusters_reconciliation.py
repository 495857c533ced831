"""What is done about workers' jobs, by what the scheduler and Dask say of them."""

from dataclasses import replace
from typing import Any

import pytest

from hpc_ml.clusters.losses import ARRIVAL_LIMIT_S, is_blameless
from hpc_ml.clusters.reconciliation import Decisions, History, Rules, Seen, reconcile
from hpc_ml.errors import SubmissionRefused, WorkersLost
from hpc_ml.schedulers.base import JobReport, JobState

RULES = Rules(replacements=6, walltime_s=3600)


class Fleet:
    """Jobs whose reports a test changes; each `look` reconciles, some seconds later."""

    def __init__(self, *jobs: str, rules: Rules = RULES) -> None:
        self.rules = rules
        self.now_s = 1000.0
        self.history = History(self.now_s)
        self.reports = {job: JobReport(job, JobState.PENDING) for job in jobs}
        self.present: set[str] = set()
        self.leaving: set[str] = set()

    def report(self, job: str, state: JobState, explanation: str = "", **more: Any) -> None:
        self.reports[job] = JobReport(job, state, explanation=explanation, **more)

    def arrive(self, *jobs: str) -> None:
        for job in jobs:
            self.report(job, JobState.RUNNING, node=f"n{job}")
        self.present |= set(jobs)

    def die(self, job: str, state: JobState = JobState.FAILED, node: str | None = None) -> None:
        self.present.discard(job)
        words = {
            JobState.FAILED: "failed with exit code 1",
            JobState.CANCELLED: "was cancelled by root",
            JobState.TIMEOUT: "reached its walltime",
        }
        self.report(job, state, words.get(state, ""), node=node or f"n{job}")

    def look(self, after_s: float = 2.0) -> Decisions:
        self.now_s += after_s
        seen = Seen(self.now_s, self.reports, self.present, self.leaving)
        self.history, decisions = reconcile(self.history, seen, self.rules)
        return decisions


@pytest.fixture
def fleet() -> Fleet:
    """Two workers that have been there for ten minutes."""
    fleet = Fleet("1", "2")
    fleet.arrive("1", "2")
    fleet.look()
    fleet.look(600.0)
    return fleet


def test_nothing_is_done_while_all_is_well(fleet: Fleet) -> None:
    assert fleet.look() == Decisions()


def test_a_cancelled_job_is_replaced_once_and_counts(fleet: Fleet) -> None:
    fleet.die("1", JobState.CANCELLED)
    done = fleet.look()
    assert done.submit == 1
    assert done.lines == (
        "worker job 1 on n1 was cancelled by root; another takes its place, 5 replacements left",
    )
    assert fleet.look() == Decisions()


@pytest.mark.parametrize("state", [JobState.TIMEOUT, JobState.PREEMPTED])
def test_walltime_and_preemption_do_not_count(fleet: Fleet, state: JobState) -> None:
    fleet.die("1", state)
    done = fleet.look()
    assert done.submit == 1
    assert done.lines[0].endswith("; another takes its place")
    assert fleet.history.replaced == 0


def test_a_worker_that_leaves_is_replaced_before_it_has_gone(fleet: Fleet) -> None:
    fleet.leaving = {"1"}
    done = fleet.look()
    assert done.submit == 1
    assert done.lines == (
        "worker job 1 on n1 leaves before its walltime ends; another takes its place",
    )
    fleet.die("1", JobState.COMPLETED)
    assert fleet.look() == Decisions()


def test_a_job_that_ends_by_itself_early_counts(fleet: Fleet) -> None:
    fleet.die("1", JobState.COMPLETED)
    fleet.look()
    assert fleet.history.replaced == 1


@pytest.mark.parametrize("state", [JobState.CANCELLED, JobState.NODE_FAILED])
def test_what_others_ended_soon_is_replaced_at_once(fleet: Fleet, state: JobState) -> None:
    fleet.arrive("3")
    fleet.look()
    fleet.die("3", state)
    assert fleet.look().submit == 1
    assert fleet.history.barren == 0


def test_jobs_that_die_soon_are_replaced_ever_more_slowly(fleet: Fleet) -> None:
    pauses = []
    for job in "3456":
        fleet.arrive(job)
        fleet.look()
        fleet.die(job)
        done = fleet.look()
        assert done.submit == 0
        pauses.append(fleet.history.not_before_s - fleet.now_s)
        assert f"in {pauses[-1]:.0f} s" in done.lines[0]
        assert fleet.look(pauses[-1]).submit == 1
    assert pauses == [5, 10, 20, 40]
    fleet.die("1")  # which had lived for long
    assert fleet.look().submit == 1


def test_replacements_come_to_an_end_and_the_others_go_on(fleet: Fleet) -> None:
    fleet.rules = replace(RULES, replacements=0)
    fleet.die("1", JobState.CANCELLED)
    done = fleet.look()
    assert (done.submit, done.error) == (0, None)
    assert "no job takes its place" in done.lines[0]
    fleet.die("2", JobState.CANCELLED)
    done = fleet.look()
    assert isinstance(done.error, WorkersLost)
    assert str(done.error).startswith("all workers' jobs ended: job 2 was cancelled by root")


def test_before_any_worker_came_the_second_death_ends_all() -> None:
    fleet = Fleet("1", "2", "3")
    fleet.die("1")
    done = fleet.look()
    assert (done.submit, done.error) == (0, None)
    fleet.die("2")
    done = fleet.look()
    assert isinstance(done.error, WorkersLost)
    assert "a job ended before its worker came: job 2 failed with exit code 1" in str(done.error)
    assert done.dead_job == "2"


def test_a_node_that_fails_under_all_jobs_is_no_fault_of_theirs() -> None:
    fleet = Fleet("1", "2")
    for job in ("1", "2"):
        fleet.report(job, JobState.RUNNING, node="n1")
    fleet.look()
    for job in ("1", "2"):
        fleet.die(job, JobState.NODE_FAILED, node="n1")
    done = fleet.look()
    assert (done.submit, done.error) == (2, None)


def test_the_only_job_gets_a_second_try() -> None:
    fleet = Fleet("1")
    fleet.die("1")
    assert fleet.look().error is None
    assert fleet.look(5.0).submit == 1
    fleet.die("2")
    assert fleet.look().error is not None


def test_three_replacements_in_a_row_without_a_worker_are_the_last(fleet: Fleet) -> None:
    for job in "345":
        fleet.die(job)
        done = fleet.look()
        fleet.look(300.0)
    assert "3 jobs in a row brought no worker: no more are submitted" in done.lines[0]
    assert done.error is None  # the two that are there go on
    fleet.die("1")
    fleet.die("2")
    done = fleet.look()
    assert (done.submit, done.dead_job) == (0, "2")
    assert isinstance(done.error, WorkersLost)


def test_a_node_on_which_two_jobs_died_is_left_out(fleet: Fleet) -> None:
    fleet.die("1", node="bad")
    assert fleet.history.bad_nodes == frozenset()
    fleet.look()
    fleet.die("2", JobState.NODE_FAILED, node="bad")
    lines = fleet.look().lines
    assert fleet.history.bad_nodes == {"bad"}
    assert lines[-1] == "2 worker jobs died on node bad: new jobs leave it out"


@pytest.mark.parametrize(
    "state", [JobState.TIMEOUT, JobState.CANCELLED, JobState.PREEMPTED, JobState.OUT_OF_MEMORY]
)
def test_a_node_is_not_to_blame_for(fleet: Fleet, state: JobState) -> None:
    fleet.die("1", state, node="good")
    fleet.die("2", state, node="good")
    fleet.look()
    assert fleet.history.bad_nodes == frozenset()


def test_a_scheduler_that_cannot_leave_out_a_node_is_told_of_once(fleet: Fleet) -> None:
    fleet.rules = replace(RULES, leaves_out_nodes=False)
    fleet.die("1", node="bad")
    fleet.die("2", node="bad")
    assert "cannot be told to leave it out" in fleet.look().lines[-1]
    fleet.arrive("3")
    fleet.look()
    fleet.die("3", node="bad")
    assert len(fleet.look().lines) == 1


def test_a_job_whose_worker_is_gone_is_cancelled_and_replaced(fleet: Fleet) -> None:
    fleet.present.discard("1")
    assert fleet.look(60.0) == Decisions()
    done = fleet.look(61.0)
    assert (done.cancel, done.submit) == (("1",), 1)
    assert "its worker has been gone for 120 s, and is cancelled" in done.lines[0]
    fleet.die("1", JobState.CANCELLED)
    assert fleet.look() == Decisions()


def test_a_worker_that_comes_back_is_none_lost(fleet: Fleet) -> None:
    fleet.present.discard("1")
    fleet.look(60.0)
    fleet.present.add("1")
    fleet.look(50.0)
    fleet.present.discard("1")
    assert fleet.look(60.0) == Decisions()


def test_a_job_that_runs_without_a_worker_is_cancelled_later_and_ends_all_at_first(
    fleet: Fleet,
) -> None:
    fleet.report("3", JobState.RUNNING)
    fleet.look()
    done = fleet.look(ARRIVAL_LIMIT_S + 1.0)
    assert (done.cancel, done.error) == (("3",), None)

    alone = Fleet("1")
    alone.report("1", JobState.RUNNING)
    alone.look()
    done = alone.look(ARRIVAL_LIMIT_S + 1.0)
    assert "interface in the site profile" in str(done.error)


def test_waiting_has_an_end_where_one_is_asked_for() -> None:
    fleet = Fleet("1", rules=replace(RULES, wait_s=30))
    fleet.report("1", JobState.PENDING, "waits behind jobs of higher priority")
    assert fleet.look(20.0).error is None
    assert "within 00:00:30: job 1 waits behind" in str(fleet.look(20.0).error)


def test_jobs_that_never_run_end_the_run() -> None:
    fleet = Fleet("1")
    fleet.report("1", JobState.PENDING, "asks for what no node has", never_runs=True)
    assert isinstance(fleet.look().error, SubmissionRefused)


@pytest.mark.parametrize(
    ("state", "is_back", "age_s", "blameless"),
    [
        (JobState.TIMEOUT, False, 0, True),
        (JobState.PREEMPTED, False, 0, True),
        (JobState.CANCELLED, False, 0, True),
        (JobState.NODE_FAILED, False, 0, True),
        (JobState.FAILED, False, 0, False),
        (JobState.OUT_OF_MEMORY, False, 0, False),
        (JobState.RUNNING, False, 10, None),  # its end may be about to be known
        (JobState.RUNNING, True, 1, None),  # its other processes may be about to end
        (JobState.RUNNING, True, 10, False),
        (JobState.RUNNING, False, 40, False),
    ],
)
def test_whose_doing_a_loss_was(
    state: JobState, is_back: bool, age_s: float, blameless: bool | None
) -> None:
    report = JobReport("1", state)
    assert is_blameless(report, is_back=is_back, age_s=age_s) is blameless
