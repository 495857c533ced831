"""A run whose work is five times its controller's walltime, on the partition of three minutes.

As a command, in the repository's root, with the test cluster running (about half an hour):

    python -m tests.faults.requeue FOLDER
"""

import csv
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV

from hpc_ml.runs.layout import RunLayout
from tests.faults.slow import SlowClassifier

ROOT = Path(__file__).parent.parent.parent
SITE = ROOT / "tests" / "cluster" / "testslurm.yaml"
WALLTIME_S, TIMES = 180, 5
CANDIDATES, FOLDS = 30, 3
# One worker takes five times the controller's walltime for all fits.
FIT_S = TIMES * WALLTIME_S / (CANDIDATES * FOLDS)
GRID = {"C": [round(0.01 * 1.3**number, 6) for number in range(CANDIDATES)]}
_REQUEUE = 20
_LIMIT_S = 3600
_LOOK_EVERY_S = 2


@dataclass(frozen=True)
class Passage:
    """How a run went past the walltimes of its controllers.

    `differences` says where its result is not that of scikit-learn, `left` which jobs are left.
    """

    run: Path
    state: str
    controllers: int
    computed_twice: int
    wall_s: float
    differences: list[str]
    left: list[str]

    @property
    def passed(self) -> bool:
        return self.state == "completed" and not self.differences and not self.left


def run_past_walltimes(folder: Path) -> Passage:
    """Submit the run once, and return what has become of it without a further hand."""
    environ = os.environ | {"HPC_ML_RUNS": str(folder / "runs"), "PYTHONPATH": str(ROOT)}
    began_s = time.monotonic()
    submitted = subprocess.run(
        [sys.executable, "-m", "hpc_ml", "submit", *_words()], env=environ, text=True,
        capture_output=True, check=True,
    )  # fmt: skip
    run = Path(json.loads(submitted.stdout)["dir"])
    record = _await_end(run)
    wall_s = time.monotonic() - began_s
    units = (run / "ledger" / "units.jsonl").read_text().splitlines()
    return Passage(
        run=run,
        state=record["state"],
        controllers=len(record["controller_jobs"]),
        computed_twice=len(units) - CANDIDATES * FOLDS,
        wall_s=wall_s,
        differences=_compare(run),
        left=_await_no_jobs(run),
    )


def _words() -> list[str]:
    grid = ",".join(map(str, GRID["C"]))
    return [
        "gridsearch", "--data", "iris", "--estimator", "tests.faults.slow.SlowClassifier",
        "--param", f"seconds={FIT_S:g}", "--grid", f"C={grid}", "--cv", str(FOLDS),
        "--refit", "false", "--set", "data.test_size=0", "--on", "slurm", "--site", str(SITE),
        "--workers", "1", "--queue", "short", "--walltime", f"{WALLTIME_S}s",
        "--requeue", str(_REQUEUE), "--json",
    ]  # fmt: skip


def _await_end(run: Path) -> dict[str, Any]:
    deadline_s = time.monotonic() + _LIMIT_S
    told = ""
    while True:
        record: dict[str, Any] = json.loads((run / "run.json").read_text())
        said = f"{record['state']}, controllers: {' '.join(record['controller_jobs'])}"
        if said != told:
            print(f"{time.strftime('%T')} {said}", flush=True)
            told = said
        if record["ended_at"] is not None and record["state"] != "pending":
            return record
        if time.monotonic() > deadline_s:
            return record
        time.sleep(_LOOK_EVERY_S)


def _compare(run: Path) -> list[str]:
    X, y = load_iris(return_X_y=True)
    search = GridSearchCV(SlowClassifier(), GRID, cv=FOLDS, refit=False).fit(X, y)
    try:
        with (run / "cv_results.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        return [str(error)]
    expected = search.cv_results_["mean_test_score"].tolist()
    found = [float(row["mean_test_score"]) for row in rows]
    return [] if found == expected else [f"mean_test_score: {found} and not {expected}"]


def _await_no_jobs(run: Path) -> list[str]:
    """Return the jobs that do not end within a minute of the run's end."""
    words = ["squeue", "-h", "-o", "%i", "-n", RunLayout(run).tag]
    deadline_s = time.monotonic() + 60
    while True:
        left = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
        if not left or time.monotonic() > deadline_s:
            return left
        time.sleep(_LOOK_EVERY_S)


if __name__ == "__main__":
    passage = run_past_walltimes(Path(sys.argv[1]).absolute())
    print(passage)
    sys.exit(not passage.passed)
