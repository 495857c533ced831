"""Data that are larger than the memory of all workers together, by the benchmark's own command."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import LIMIT_S, Command

BENCHMARK = Path(__file__).parent.parent.parent / "benchmarks" / "larger_than_memory.py"
MEMORY_GIB = 0.4
DATA_GIB = 0.82


def test_tasks_on_data_larger_than_all_workers(tmp_path: Path, environ: dict[str, str]) -> None:
    output = tmp_path / "memory.json"
    done = subprocess.run(
        [
            sys.executable, BENCHMARK, "--data", str(DATA_GIB), "--memory", str(MEMORY_GIB),
            "--tasks", "kmeans", "linear", "--output", output,
        ],
        cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip

    # Exit code 1 is also that of a peak over its limit.
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(output.read_text())
    assert found["data_gib"] > 2 * MEMORY_GIB
    kmeans, linear = found["tasks"]["kmeans"], found["tasks"]["linear"]
    for one in (kmeans, linear):
        assert 0 < one["worker_bytes"] < MEMORY_GIB * 2**30
        assert 0 < one["controller_bytes"] < 500 * 2**20
    # Five blobs of variance 1 in 50 columns, each with a centre of its own.
    assert kmeans["metrics"]["inertia"] == pytest.approx(50 * found["rows"], rel=0.01)
    assert linear["metrics"]["n_iter"] == 5
    assert linear["metrics"]["test_accuracy"] > 0.7


def test_boosters_that_no_memory_suffices_for_are_refused_before_the_run(
    hpc_ml: Command, tmp_path: Path
) -> None:
    np.lib.format.open_memmap(tmp_path / "rows.npy", "w+", np.float32, (10_000_000, 51))
    asked = ("--on", "slurm", "--workers", 2, "--cores", 1, "--memory", "1 GiB")
    done = hpc_ml("submit", "xgboost", "--data", "rows.npy", "--predict", "numbers", *asked)

    assert done.returncode == 2, done.stderr
    need = r"on 8,000,000 rows x 50 needs 4\.4 GiB of memory, and the workers have 2\.0 GiB"
    ways = r"give more --memory or more --workers; from disk, --workers 1 needs 1\.1 GiB"
    assert re.search(f"{need}; {ways}", done.stderr), done.stderr
    assert not (tmp_path / "runs").exists()
