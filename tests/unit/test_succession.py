"""When a controller's job ends, another follows, or it is said why none does."""

import pytest

from hpc_ml.errors import Cancelled, Interrupted, Stopped, TaskFailed, WalltimeReached
from hpc_ml.runs.ledger import Ledger
from hpc_ml.runs.states import States
from hpc_ml.schedulers.own_job import JobEnd, OwnJob
from hpc_ml.succession import Succession, Term, find_end, judge, mark_progress

WALLTIME, PREEMPTION = JobEnd.WALLTIME, JobEnd.PREEMPTION
OWN = OwnJob("12", 60.0, "slurm")


@pytest.mark.parametrize(
    ("term", "go_on", "said"),
    [
        (Term(WALLTIME, limit=0, walltimes_reached=0, idle_terms=0), False, ""),
        (Term(WALLTIME, limit=2, walltimes_reached=0, idle_terms=0), True, ""),
        (Term(WALLTIME, limit=2, walltimes_reached=1, idle_terms=1), True, ""),
        (Term(WALLTIME, limit=2, walltimes_reached=2, idle_terms=0), False, "--requeue allowed"),
        (Term(WALLTIME, limit=9, walltimes_reached=2, idle_terms=2), False, "nothing new"),
        (Term(PREEMPTION, limit=1, walltimes_reached=1, idle_terms=0), True, ""),
        (Term(PREEMPTION, limit=1, walltimes_reached=0, idle_terms=2), False, "nothing new"),
        (Term(PREEMPTION, limit=0, walltimes_reached=0, idle_terms=0), False, ""),
        (Term(None, limit=9, walltimes_reached=0, idle_terms=0), False, ""),
    ],
)
def test_walltimes_are_counted_preemptions_not_and_idle_terms_end_it(term, go_on, said):
    verdict = judge(term)
    assert verdict.go_on is go_on
    assert said in verdict.reason
    assert bool(verdict.reason) == bool(said)


@pytest.mark.parametrize(
    ("error", "told", "time_is_up", "end"),
    [
        (WalltimeReached("timer"), None, True, WALLTIME),
        (WalltimeReached("USR1"), None, False, WALLTIME),
        (Stopped("SIGTERM"), PREEMPTION, False, PREEMPTION),
        (Stopped("SIGTERM"), WALLTIME, False, WALLTIME),
        (Stopped("SIGTERM"), None, False, None),  # scancel or qdel
        (Stopped("SIGTERM"), None, True, WALLTIME),
        (Interrupted("Ctrl-C"), PREEMPTION, True, None),
        (Cancelled("hpc-ml cancel"), PREEMPTION, True, None),
        (TaskFailed("no"), PREEMPTION, True, None),
        (KeyboardInterrupt(), PREEMPTION, True, None),
    ],
)
def test_only_what_the_scheduler_ends_is_gone_on_with(error, told, time_is_up, end):
    assert find_end(error, lambda: told, time_is_up) is end


def test_a_unit_or_another_state_is_progress_and_the_same_state_is_not(make_run):
    layout = make_run().layout
    states = States(layout)

    def keep(state):
        states.keep("centres", lambda: state)
        states.flush()
        return mark_progress(layout.ledger_file.parent)

    begun = mark_progress(layout.ledger_file.parent)
    first = keep(b"1" * 1000)
    assert first != begun
    assert keep(b"1" * 1000) == first
    assert keep(b"1" * 999 + b"2") != first
    with Ledger.open(layout.ledger_file) as ledger:
        before = mark_progress(layout.ledger_file.parent)
        ledger.append("1/0/0", {})
    assert mark_progress(layout.ledger_file.parent) != before


def test_the_successor_is_on_record_before_the_controller_ends(make_run, scheduler):
    run = make_run(state="running", on="slurm", scheduler="slurm", controller_job="12",
                   controller_jobs=["12"])  # fmt: skip
    told = []
    succession = Succession(run, OWN, 3, told.append)
    run.layout.ledger_file.write_text("a unit\n")
    succession.arrange(WalltimeReached("timer"), time_is_up=True)

    record = run.read_record()
    assert scheduler.submitted == [(run.layout.controller_script, "12")]
    assert (record.controller_job, record.controller_jobs) == ("s1", ["12", "s1"])
    assert (record.walltimes_reached, record.idle_terms) == (1, 0)
    assert told == ["the controller's job is at the end of its walltime (1 of 3): job s1 goes on"]


def test_a_second_idle_controller_is_the_last(make_run, scheduler):
    run = make_run(state="running", on="slurm", scheduler="slurm", idle_terms=1)
    succession = Succession(run, OWN, 3, print)
    succession.arrange(WalltimeReached("timer"), time_is_up=True)
    assert scheduler.submitted == []
    assert "the last 2 finished nothing new" in succession.note


def test_a_site_without_dependencies_gets_the_job_without_one(make_run, scheduler):
    run = make_run(state="running", on="slurm", scheduler="slurm")
    scheduler.takes_dependencies = False
    succession = Succession(run, OWN, 1, print)
    succession.arrange(WalltimeReached("timer"), time_is_up=True)
    assert scheduler.submitted == [(run.layout.controller_script, None)]
    assert succession.successor == "s1"
