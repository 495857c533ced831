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


# What stands for hpc-ml where only the words are looked at that a script gives it.
ECHO = """#!/bin/sh
test -f "$4" && echo "$@"
"""


class Clone:
    """A folder with what a clone has of the wrappers, and a user who submits them there."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.jobs: dict[str, str] = {}
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environ = {**environ, "PATH": programs}
        for name in ("slurm", "pbs", "examples"):
            shutil.copytree(ROOT / name, folder / name)

    def submit(self, name: str, *words: str, data: str = "") -> None:
        """Submit a script whose run gets a name, and other data than its example's."""
        done = subprocess.run(
            words, cwd=self.folder, env=self.environ | {"HPC_ML_NAME": name, "HPC_ML_DATA": data},
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        self.jobs[name] = done.stdout.split()[-1]

    def log(self, name: str) -> str:
        """Return what a job has written."""
        # The Torque commands of Slurm keep the two streams apart, whatever the script says.
        return "".join(path.read_text() for path in self.folder.glob(f"*[-eo]{self.jobs[name]}*"))

    def check_ends(self) -> None:
        """Wait for all jobs, and check that they have ended well."""
        await_empty_queue()
        words = ("sacct", "-nPX", "-o", "State,ExitCode", "-j")
        ends = {name: ask(*words, job).strip() for name, job in self.jobs.items()}
        bad = "".join(self.log(name) for name, end in ends.items() if end != "COMPLETED|0:0")
        assert ends == dict.fromkeys(self.jobs, "COMPLETED|0:0"), bad

    def metrics(self) -> dict[str, Any]:
        """Return the metrics of each run, by its name."""
        found = {}
        for run in Path(self.environ["HPC_ML_RUNS"]).iterdir():
            name = json.loads((run / "run.json").read_text())["name"]
            found[name] = json.loads((run / "metrics.json").read_text())
        return found


@pytest.fixture
def clone(tmp_path: Path, environ: Mapping[str, str]) -> Clone:
    return Clone(tmp_path, environ)


def test_the_wrappers_run_their_examples_in_their_jobs(clone: Clone) -> None:
    clone.submit("gridsearch", "qsub", "pbs/gridsearch.pbs")
    for task, job in JOBS.items():
        clone.submit(task, "sbatch", f"slurm/{task}.sbatch", data=job.data)
    after = f"--dependency=afterok:{clone.jobs['linear']}"
    words = ("sbatch", after, "slurm/predict.sbatch", "--model", "linear")
    clone.submit("predict", *words, data=JOBS["linear"].data)
    clone.check_ends()

    metrics = clone.metrics()
    assert set(metrics) == set(registry.names())
    assert all(", completed)" in clone.log(name) for name in metrics)
    for task, job in JOBS.items():
        job.check({"metrics": metrics[task]})
    assert round(metrics["gridsearch"]["best_score"], 6) == 0.948997
    assert metrics["gridsearch"]["train_accuracy"] == 0.983
    assert metrics["predict"]["rows"] == 20_000
    assert metrics["predict"]["test_accuracy"] == pytest.approx(
        metrics["linear"]["test_accuracy"], abs=0.02
    )


def test_every_wrapper_gives_its_example_and_its_share_of_the_machine(clone: Clone) -> None:
    program = clone.folder / ".venv" / "bin" / "hpc-ml"
    program.parent.mkdir(parents=True)
    program.write_text(ECHO)
    program.chmod(0o755)
    for task in registry.names():
        clone.submit(f"slurm {task}", "sbatch", f"slurm/{task}.sbatch", "--seed", "1")
        clone.submit(f"pbs {task}", "qsub", f"pbs/{task}.pbs")
    clone.check_ends()

    for task in registry.names():
        words = f"run {task} --job examples/{task}.yaml --on local --workers 2 --cores 1"
        assert clone.log(f"slurm {task}").split() == f"{words} --memory 1792MiB --seed 1".split()
        assert clone.log(f"pbs {task}").split() == f"{words} --memory 1792MiB".split()


def test_the_exit_code_of_the_search_is_the_jobs(clone: Clone) -> None:
    done = subprocess.run(
        ["sbatch", "--wait", "slurm/gridsearch.sbatch", "--cv", "1"], cwd=clone.folder,
        env=clone.environ, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 2
    [log] = clone.folder.glob("gridsearch-*.log")
    assert "at least 2 folds" in log.read_text()
