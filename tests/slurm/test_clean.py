"""Jobs whose controller was killed are found, over a real Slurm, and ended."""

import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import LIMIT_S, Command, command_of, json_of
from tests.privacy import assert_private
from tests.slurm.conftest import SITES, queued_jobs


def kill_while_waiting(environ: dict[str, str], tmp_path: Path, on: str) -> Path:
    """Start a run whose workers' jobs wait, kill its controller, and return its folder."""
    words = ["kmeans", "--on", on, "--site", SITES[on], "--queue", "parked", "--workers", 2]
    running = subprocess.Popen(
        command_of("run", *words), cwd=tmp_path, env=environ, stderr=subprocess.DEVNULL
    )
    deadline_s = time.monotonic() + LIMIT_S
    while len(jobs_of(tmp_path)) < 2:
        assert running.poll() is None
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    running.kill()
    running.wait()
    [run_dir] = (tmp_path / "runs").iterdir()
    return run_dir


def jobs_of(tmp_path: Path) -> list[str]:
    records = list((tmp_path / "runs").glob("*/run.json"))
    return json.loads(records[0].read_text())["worker_jobs"] if records else []


@pytest.mark.parametrize("on", ["slurm", "pbs"])
def test_the_jobs_of_a_killed_controller_are_found_and_ended(
    hpc_ml: Command, environ: dict[str, str], tmp_path: Path, on: str
) -> None:
    run_dir = kill_while_waiting(environ, tmp_path, on)
    jobs = jobs_of(tmp_path)

    found = json_of(hpc_ml("clean", "--json"))
    mine = [job for job in found["jobs"] if job["dir"] == str(run_dir)]
    assert sorted(job["job"] for job in mine) == sorted(jobs)
    assert all("its controller is gone" in job["reason"] for job in mine)
    assert set(jobs) <= set(queued_jobs())

    done = json_of(hpc_ml("clean", "--jobs", "--leftovers", "--yes", "--json"))
    assert sorted(done["cancelled"]) == sorted(jobs)
    assert not set(jobs) & set(queued_jobs())
    assert_private(run_dir)
    [status] = json_of(hpc_ml("status", "last", "--json"))
    assert status["state"] == "interrupted"


def test_a_job_whose_run_was_deleted_is_ended_by_its_id_alone(
    hpc_ml: Command, environ: dict[str, str], tmp_path: Path
) -> None:
    run_dir = kill_while_waiting(environ, tmp_path, "slurm")
    jobs = jobs_of(tmp_path)
    shutil.rmtree(run_dir)

    found = json_of(hpc_ml("clean", "--jobs", "--yes", "--json"))
    assert [job["certain"] for job in found["jobs"] if job["job"] in jobs] == [False, False]
    assert set(jobs) <= set(queued_jobs())
    named = [word for job in jobs for word in ("--job-id", job)]
    assert sorted(json_of(hpc_ml("clean", *named, "--yes", "--json"))["cancelled"]) == sorted(jobs)
    assert not set(jobs) & set(queued_jobs())
