"""One kill of the controller for each task; `python -m tests.faults` has twenty for each job."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.faults.__main__ import draw
from tests.faults.bench import Bench
from tests.faults.controller_faults import kill_controller
from tests.faults.jobs import EXACT, JOBS, ROUNDED, FaultJob
from tests.privacy import assert_private
from tests.reference_jobs import JOBS as REFERENCE_JOBS
from tests.reference_jobs import words_of

# These reference jobs run nowhere else on this machine.
REFERENCES = {"kmeans": EXACT, "lightgbm": ROUNDED, "xgboost": ROUNDED}
# Of other tasks the first job.
FIRST: Mapping[str, FaultJob] = {job.task: job for job in reversed(JOBS.values())} | {
    task: FaultJob(words_of(task), tolerance) for task, tolerance in REFERENCES.items()
}


@pytest.mark.parametrize("task", sorted(FIRST))
def test_the_run_of_a_killed_controller_is_resumed_to_the_undisturbed_result(
    task: str, tmp_path: Path
) -> None:
    bench = Bench(task, FIRST[task], tmp_path / "bench")
    whole = bench.undisturbed
    if task in REFERENCES:
        metrics = json.loads((whole.run / "metrics.json").read_text())
        REFERENCE_JOBS[task].check({"metrics": metrics})
    assert_private(whole.run)

    # The suite kills runs as they start too; one moment is better spent on the work.
    [moment_s] = draw(whole.wall_s / 2, 1, task)
    outcome = kill_controller(bench, whole.wall_s / 2 + moment_s, workers_after=1)

    assert outcome.good, outcome.describe()
