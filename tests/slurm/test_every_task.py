"""Every task's reference job with workers that are batch jobs of a real Slurm."""

from pathlib import Path

import pytest

from tests.conftest import Command, json_of
from tests.reference_jobs import JOBS, words_of
from tests.slurm.conftest import SITES, await_empty_queue


@pytest.mark.parametrize("task", JOBS)
def test_the_reference_job_over_slurm(hpc_ml: Command, tmp_path: Path, task: str) -> None:
    words = [*words_of(task, tmp_path), "--on", "slurm", "--site", SITES["slurm"], "--workers", 2]
    run = json_of(hpc_ml("run", *words, "--json"))

    assert run["state"] == "completed"
    JOBS[task].check(run)
    await_empty_queue()
