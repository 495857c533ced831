"""Measures start-up: from the command to the first fit, beside a plain script of scikit-learn's.

    python benchmarks/startup.py [--pairs 7] [--out FILE]

Both sides are fresh processes that search three candidates of a logistic regression on iris with
two processes: fits of milliseconds, so that the wall time is start-up and end.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import click
from pairs import compare, run_in_turns, show, write
from rich.console import Console

WORDS = [
    "--data", "iris", "--estimator", "LogisticRegression", "--grid", "C=0.1,1,10", "--cv", "3",
    "--param", "max_iter=1000", "--workers", "2",
]  # fmt: skip
SCRIPT = """
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
X, y = load_iris(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.2, random_state=0, stratify=y)
search = GridSearchCV(LogisticRegression(max_iter=1000), {"C": [0.1, 1, 10]}, cv=3, n_jobs=2)
print(search.fit(X, y).score(X_test, y_test))
"""
LIMIT_S = 120
LOOK_EVERY_S = 0.01


def run_hpc_ml() -> Mapping[str, float]:
    """Run the command; return the seconds until the first fit stands in the ledger."""
    with tempfile.TemporaryDirectory() as folder:
        start_s = time.perf_counter()
        running = subprocess.Popen(
            [sys.executable, "-m", "hpc_ml", "run", "gridsearch", *WORDS],
            env=os.environ | {"HPC_ML_RUNS": folder},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not any(path.stat().st_size for path in Path(folder).glob("*/ledger/units.jsonl")):
            if running.poll() is not None:
                raise SystemExit(f"hpc-ml ended with {running.returncode} before its first fit")
            time.sleep(LOOK_EVERY_S)
        first_fit_s = time.perf_counter() - start_s
        if running.wait(LIMIT_S):
            raise SystemExit(f"hpc-ml ended with {running.returncode}")
    return {"first_fit_s": first_fit_s}


def run_script() -> Mapping[str, float]:
    """Run scikit-learn's own search in a process of its own."""
    subprocess.run(
        [sys.executable, "-c", SCRIPT], check=True, timeout=LIMIT_S, stdout=subprocess.DEVNULL
    )
    return {}


@click.command()
@click.option("--pairs", default=7, show_default=True, help="Rounds of both sides.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the numbers here, as JSON.")
def main(pairs: int, out: Path | None) -> None:
    """Measure start-up side by side."""
    console = Console()
    sides = {"hpc-ml run": run_hpc_ml, "script, n_jobs=2": run_script}
    measured = run_in_turns(sides, pairs, console)
    summary = compare(measured, "script, n_jobs=2")
    show("start-up", summary, console)
    if out is not None:
        write(out, {"startup": {"rounds": measured, "summary": summary}})


if __name__ == "__main__":
    main()
