"""The wrapper scripts, submitted as they lie there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.slurm.conftest import ask, await_empty_queue

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    ("command", "script"),
    [("sbatch", "slurm/gridsearch.sbatch"), ("qsub", "pbs/gridsearch.pbs")],
)
def test_a_wrapper_runs_the_search_in_its_job(
    tmp_path: Path, environ: dict[str, str], command: str, script: str
) -> None:
    for folder in ("slurm", "pbs", "examples"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    done = subprocess.run(
        [command, script], cwd=tmp_path, env=environ | {"PATH": programs}, capture_output=True,
        text=True, check=True, timeout=60,
    )  # fmt: skip
    job = done.stdout.split()[-1]
    await_empty_queue()

    # The Torque commands of Slurm keep the two streams apart, whatever the script says.
    logs = [path.read_text() for path in tmp_path.glob(f"gridsearch*{job}*")]
    [results] = [log for log in logs if "best_score" in log]
    words = results.split()
    assert words[words.index("best_score") + 1] == "0.948997"
    assert words[words.index("train_accuracy") + 1] == "0.983"
    assert ask("sacct", "-nPX", "-o", "State,ExitCode", "-j", job).split() == ["COMPLETED|0:0"]


def test_the_exit_code_of_the_search_is_the_jobs(tmp_path: Path, environ: dict[str, str]) -> None:
    for folder in ("slurm", "examples"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    done = subprocess.run(
        ["sbatch", "--wait", "slurm/gridsearch.sbatch", "--cv", "1"], cwd=tmp_path,
        env=environ | {"PATH": programs}, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 2
    [log] = tmp_path.glob("gridsearch-*.log")
    assert "at least 2 folds" in log.read_text()
