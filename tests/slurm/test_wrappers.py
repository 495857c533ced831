"""The wrapper scripts, submitted as they lie there."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hpc_ml.tasks import registry
from tests.reference_jobs import JOBS
from tests.slurm.conftest import ask, await_empty_queue

ROOT = Path(__file__).parent.parent.parent


class Clone:
    """A folder with what a clone has of the wrappers, and a user who submits them there."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environ = {**environ, "PATH": programs}
        for name in ("slurm", "pbs", "examples"):
            shutil.copytree(ROOT / name, folder / name)

    def submit(self, *words: str, check: bool = True, **settings: str) -> Any:
        """Submit a script, with variables HPC_ML_* for its job."""
        variables = {f"HPC_ML_{key}": value for key, value in settings.items()}
        return subprocess.run(
            words, cwd=self.folder, env=self.environ | variables, capture_output=True, text=True,
            check=check, timeout=240,
        )  # fmt: skip

    def metrics(self) -> dict[str, Any]:
        """Return the metrics of each run, by its name."""
        runs = Path(self.environ["HPC_ML_RUNS"]).iterdir()
        return {
            json.loads((run / "run.json").read_text())["name"]: json.loads(
                (run / "metrics.json").read_text()
            )
            for run in runs
        }


@pytest.fixture
def clone(tmp_path: Path, environ: Mapping[str, str]) -> Clone:
    return Clone(tmp_path, environ)


def judge(task: str, metrics: Mapping[str, Any]) -> None:
    """Check what comes of an example, of fewer rows where it has many."""
    if task in JOBS:
        JOBS[task].check({"metrics": metrics})
    elif task == "predict":
        assert metrics == {"rows": 150, "files": 1, "test_accuracy": 0.96}
    else:
        assert round(metrics["best_score"], 6) == 0.948997
        assert metrics["train_accuracy"] == 0.983


def test_every_wrapper_runs_its_example_in_its_job(clone: Clone) -> None:
    jobs = {}
    for command, folder, ending in (("sbatch", "slurm", "sbatch"), ("qsub", "pbs", "pbs")):
        for task in registry.names():
            fewer = {"DATA": JOBS[task].data} if task in JOBS else {}
            words = (command, f"{folder}/{task}.{ending}")
            done = clone.submit(*words, NAME=f"{folder}-{task}", **fewer)
            jobs[f"{folder}-{task}"] = done.stdout.split()[-1]
    words = f"slurm/predict.sbatch --model slurm-linear --data {JOBS['linear'].data}".split(" ", 4)
    after = f"--dependency=afterok:{jobs['slurm-linear']}"
    jobs["after"] = clone.submit("sbatch", after, *words, NAME="after").stdout.split()[-1]
    await_empty_queue()

    ends = {
        name: ask("sacct", "-nPX", "-o", "State,ExitCode", "-j", job).strip()
        for name, job in jobs.items()
    }
    logs = "\n".join(path.read_text() for path in clone.folder.glob("*.[elo]*") if path.is_file())
    assert ends == dict.fromkeys(jobs, "COMPLETED|0:0"), logs
    metrics = clone.metrics()
    assert set(metrics) == set(jobs)
    assert metrics.pop("after")["rows"] == 20_000
    for name, found in metrics.items():
        judge(name.partition("-")[2], found)
    assert logs.count(", completed)") == len(jobs)


def test_the_exit_code_of_the_search_is_the_jobs(clone: Clone) -> None:
    words = ("sbatch", "--wait", "slurm/gridsearch.sbatch", "--cv", "1")
    assert clone.submit(*words, check=False).returncode == 2
    [log] = clone.folder.glob("gridsearch-*.log")
    assert "at least 2 folds" in log.read_text()
