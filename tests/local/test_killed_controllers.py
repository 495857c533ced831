"""One kill of the controller for each task; `python -m tests.faults` has twenty for each job."""

from pathlib import Path

import pytest

from tests.faults.__main__ import draw
from tests.faults.bench import Bench
from tests.faults.controller_faults import kill_controller
from tests.faults.jobs import JOBS

# The first job of each task, which is the one that most is kept of.
FIRST = {job.task: name for name, job in reversed(JOBS.items())}


@pytest.mark.parametrize("task", FIRST)
def test_a_killed_controller_s_run_is_resumed_to_the_undisturbed_result(
    task: str, tmp_path: Path
) -> None:
    bench = Bench(FIRST[task], JOBS[FIRST[task]], tmp_path / "bench")
    [early] = draw(bench.undisturbed.wall_s / 2, 1, task)
    # Twenty moments show the start of a run too; one is better spent on its work.
    outcome = kill_controller(bench, early + bench.undisturbed.wall_s / 2, workers_after=1)
    assert outcome.good, outcome.describe()
