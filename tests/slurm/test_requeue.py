"""A run goes on when its controller's job ends, over a real Slurm."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hpc_ml.runs.layout import RunLayout
from tests.conftest import LIMIT_S, Command, command_of, json_of
from tests.slurm.conftest import SITES, ask

# Fits of a quarter of a second or so: some are done when a controller is stopped, others not.
SEARCH: list[object] = [
    "gridsearch", "--data", "make_classification(n_samples=1500, n_features=30, random_state=0)",
    "--estimator", "GradientBoostingClassifier", "--grid", "n_estimators=20,21,22,23,24",
    "--cv", 2, "--refit", "false", "--set", "data.test_size=0",
]  # fmt: skip
ON_SLURM: list[object] = ["--on", "slurm", "--site", SITES["slurm"], "--workers", 1]


@pytest.fixture(autouse=True)
def no_jobs_left(tmp_path: Path) -> Iterator[None]:
    """Every test leaves no job of its runs."""
    yield
    left = [job for run in (tmp_path / "runs").glob("2*") for job in jobs_of(run)]
    if left:
        subprocess.run(["scancel", *left], check=False)
    assert left == []


def jobs_of(run: Path) -> list[str]:
    """Return the ids of a run's jobs that wait or run."""
    states = "PENDING,RUNNING,CONFIGURING"
    return ask("squeue", "-h", "-o", "%i", "-t", states, "-n", RunLayout(run).tag).split()


def await_no_jobs(run: Path) -> None:
    """Return when the run has no job any more."""
    deadline_s = time.monotonic() + LIMIT_S
    while left := jobs_of(run):
        assert time.monotonic() < deadline_s, left
        time.sleep(0.2)


def await_record(run: Path, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return what run.json says as soon as it says so."""
    deadline_s = time.monotonic() + LIMIT_S
    while not true(record := json.loads((run / "run.json").read_text())):
        assert time.monotonic() < deadline_s, record
        time.sleep(0.1)
    return record


def await_units(runs: Path) -> Path:
    """Return the one run as soon as there is a finished unit of it."""
    deadline_s = time.monotonic() + LIMIT_S
    while not any(path.stat().st_size for path in runs.glob("*/ledger/units.jsonl")):
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    [run] = runs.glob("2*")
    return run


def test_a_controller_that_is_warned_of_its_walltime_is_followed_by_another(
    hpc_ml: Command, tmp_path: Path
) -> None:
    submitted = json_of(hpc_ml("submit", *SEARCH, *ON_SLURM, "--requeue", 1, "--json"))
    run = await_units(tmp_path / "runs")
    subprocess.run(["scancel", "--batch", "--signal=USR1", submitted["job"]], check=True)

    record = await_record(run, lambda record: record["state"] in ("completed", "failed"))
    await_no_jobs(run)
    assert record["state"] == "completed"
    assert record["controller_jobs"][0] == submitted["job"]
    assert (len(record["controller_jobs"]), record["walltimes_reached"]) == (2, 1)
    units = (run / "ledger" / "units.jsonl").read_text().splitlines()
    assert len(units) == 10  # none was computed twice


def test_a_controller_whose_job_a_user_cancels_is_not_followed(
    hpc_ml: Command, tmp_path: Path
) -> None:
    submitted = json_of(hpc_ml("submit", *SEARCH, *ON_SLURM, "--requeue", 9, "--json"))
    run = await_units(tmp_path / "runs")
    subprocess.run(["scancel", submitted["job"]], check=True)
    record = await_record(run, lambda record: record["ended_at"] is not None)
    await_no_jobs(run)
    assert (record["state"], record["controller_jobs"]) == ("interrupted", [submitted["job"]])

    resumed = json_of(hpc_ml("resume", "last", "--submit", "--json"))
    assert (resumed["run"], resumed["state"]) == (run.name, "pending")
    refused = hpc_ml("resume", "last")
    assert refused.returncode == 2
    assert f"job {resumed['job']}" in refused.stderr
    cancelled = hpc_ml("cancel", "last")
    assert cancelled.returncode == 0, cancelled.stderr
    record = await_record(run, lambda record: True)
    assert (record["state"], record["controller_jobs"][1:]) == ("cancelled", [resumed["job"]])
    assert jobs_of(run) == []


def test_what_a_killed_controller_left_is_ended_by_the_next(
    hpc_ml: Command, environ: dict[str, str], tmp_path: Path
) -> None:
    running = subprocess.Popen(
        command_of("run", *SEARCH, *ON_SLURM), cwd=tmp_path, env=environ,
        stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    run = await_units(tmp_path / "runs")
    running.kill()
    running.wait()
    left = jobs_of(run)
    assert len(left) == 1

    done = hpc_ml("resume", "last", "--on", "local", "--workers", 2)
    assert done.returncode == 0, done.stderr
    assert f"ending what the run's last controller left: job {left[0]}" in done.stderr
    assert jobs_of(run) == []
    assert "CANCELLED" in ask("sacct", "-X", "-n", "-o", "State", "-j", left[0])
    record = await_record(run, lambda record: True)
    assert (record["state"], record["on"]) == ("completed", "local")
