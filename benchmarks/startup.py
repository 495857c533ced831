"""Measures start-up: from the command to the first fit, beside a plain script of scikit-learn's.

    python benchmarks/startup.py            seven pairs
    python benchmarks/startup.py --quick    two, to see that it works

Both sides are fresh processes that search three candidates of a logistic regression on iris with
two processes: fits of milliseconds, so that the wall time is start-up and end.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from frame import QUICK_PAIRS, warn_if_busy
from pairs import compare, run_in_turns, write
from tables import open_console, show

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
BASE = "script, n_jobs=2"
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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=7, help="rounds of both sides (7)")
    parser.add_argument("--quick", action="store_true", help="two rounds, as a trial")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/startup.json"))
    words = parser.parse_args()
    console = open_console()
    warn_if_busy(console)
    sides = {"hpc-ml run": run_hpc_ml, BASE: run_script}
    measured = run_in_turns(sides, QUICK_PAIRS if words.quick else words.pairs, console)
    summary = compare(measured, BASE)
    show(f"start-up; ratios to {BASE}", summary, console)
    write(words.out, {"startup": {"base": BASE, "rounds": measured, "summary": summary}})
    console.print(f"Every round is in {words.out}.")


if __name__ == "__main__":
    main()
