"""A controller stops by its own timer, early enough to save and to end its jobs."""

import pytest

from hpc_ml.errors import ExitCode, WalltimeReached
from hpc_ml.schedulers.own_job import OwnJob
from hpc_ml.schedulers.scripts import stop_margin_s
from hpc_ml.walltime import Countdown


@pytest.mark.parametrize(
    ("left_s", "margin_s"),
    [(20, 10), (60, 12), (180, 36), (600, 120), (4 * 3600, 120), (86_400, 120)],
)
def test_it_leaves_a_fifth_of_a_short_job_and_two_minutes_of_a_long_one(left_s, margin_s):
    assert stop_margin_s(left_s) == margin_s


def test_it_stops_by_a_clock_that_nobody_sets():
    now_s = 1000.0
    countdown = Countdown(OwnJob("12", 180.0, "slurm"), "go on so", clock_s=lambda: now_s)
    now_s += 143
    countdown.check()
    assert not countdown.is_over
    now_s += 1
    with pytest.raises(WalltimeReached) as caught:
        countdown.check()
    assert str(caught.value) == (
        "the run was stopped 36 s before the walltime of its controller's job 12, which had "
        "00:03:00 left when it began; go on so"
    )
    assert caught.value.exit_code is ExitCode.RESUMABLE


@pytest.mark.parametrize("own", [None, OwnJob("12", None, "pbs")])
def test_without_an_end_it_never_stops(own):
    countdown = Countdown(own, "", clock_s=lambda: 1e12)
    countdown.check()
    assert not countdown.is_over
