"""When workers leave, and what is too long for them."""

import pytest

from hpc_ml.clusters.lifetimes import Lifetime
from hpc_ml.estimators.cut_off import outlives, too_long

JOBS = [str(job) for job in range(1000, 1100)]


@pytest.mark.parametrize("walltime_s", [60, 180, 3600, 172_800])
def test_workers_leave_in_time_and_not_all_at_once(walltime_s: int) -> None:
    lifetime = Lifetime(walltime_s)
    before_end_s = [lifetime.before_end_s(job) for job in JOBS]
    assert min(before_end_s) >= lifetime.grace_s + lifetime.closing_s
    assert max(before_end_s) <= 0.3 * walltime_s
    spread_s = max(before_end_s) - min(before_end_s)
    assert 0.8 * lifetime.stagger_s < spread_s <= lifetime.stagger_s


def test_processes_of_a_job_leave_together() -> None:
    assert Lifetime(3600).before_end_s("12") == Lifetime(3600).before_end_s("12")


def test_dasks_lateness_and_slurms_kill_wait_fit_in_an_hour() -> None:
    assert Lifetime(3600).closing_s >= 30


@pytest.mark.parametrize(
    ("cuts_s", "too_long_for_it"),
    [
        ([85.0], True),  # nearly all of a worker's life
        ([50.0], False),
        ([50.0, 50.0], False),  # unlucky twice
        ([50.0, 50.0, 50.0], True),
        ([5.0] * 10, False),
    ],
)
def test_what_needs_longer_than_a_worker_lives(cuts_s: list[float], too_long_for_it: bool) -> None:
    assert outlives(cuts_s, 100.0) is too_long_for_it


def test_it_is_said_how_long_there_was() -> None:
    assert str(too_long("a fit", [130.0, 20.0])) == (
        "a fit needs longer than a worker lives: it was cut off 2 times by the end of its worker's "
        "walltime, after 130 s; give workers a longer --walltime, or make the work smaller"
    )
