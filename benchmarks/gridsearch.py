"""Our grid search against others on the same two cores, side by side in one run.

    python benchmarks/gridsearch.py            seven pairs of searches of about a minute
    python benchmarks/gridsearch.py --quick    two pairs of a few seconds, to see that it works

`ratio` is the wall time by that of scikit-learn's `n_jobs=2` in the same round; `overhead` the wall
time by the sum of all fit and score times over the cores. Run it on a machine that does nothing
else.
"""

import argparse
import os
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
import joblib
import numpy as np
from distributed import Client, LocalCluster
from pairs import compare, run_in_turns, show, write
from rich.console import Console
from sklearn import model_selection
from sklearn.base import BaseEstimator
from sklearn.datasets import make_classification
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from hpc_ml import estimators
from hpc_ml.schedulers.dask_settings import configuration

CORES = 2
FOLDS = 3
BASE = "scikit-learn n_jobs=2"
# Seconds of all fits of one candidate of the plain search, by which it is scaled.
CANDIDATE_S = 0.35


@dataclass(frozen=True)
class Workload:
    """One search that every side runs."""

    title: str
    estimator: BaseEstimator
    grid: Mapping[str, Any]
    X: Any
    y: Any


def plain(wall_s: float) -> Workload:
    """Return a search without common steps that takes about so long."""
    X, y = make_classification(n_samples=1500, n_features=40, n_informative=20, random_state=0)
    count = max(4, round(wall_s * CORES / CANDIDATE_S))
    grid = {"C": list(np.logspace(-1, 1, count))}
    return Workload("no common steps", SVC(gamma="auto", random_state=0), grid, X, y)


def text(documents: int) -> Workload:
    """Return the text pipeline: 8 candidates over one vectoriser."""
    rng = np.random.default_rng(0)
    words = np.array([f"w{number}" for number in range(20_000)])
    shares = 1 / np.arange(1, len(words) + 1)
    y = rng.integers(0, 2, size=documents)
    # Each class prefers other words.
    texts = [
        " ".join(words[(rng.choice(len(words), 300, p=shares / shares.sum()) + 37 * kind) % 20_000])
        for kind in y
    ]
    steps = [
        ("vect", HashingVectorizer()),
        ("tfidf", TfidfTransformer()),
        ("clf", SGDClassifier(max_iter=1000, random_state=0)),
    ]
    grid = {
        "tfidf__use_idf": [True, False],
        "tfidf__norm": ["l1", "l2"],
        "clf__alpha": [1e-5, 1e-6],
    }
    return Workload("text, common first steps", Pipeline(steps), grid, texts, y)


def search_ours(work: Workload) -> Any:
    search = estimators.GridSearchCV(work.estimator, work.grid, cv=FOLDS, refit=False)
    return search.fit(work.X, work.y)


def search_scikit_learn(work: Workload) -> Any:
    search = model_selection.GridSearchCV(
        work.estimator, work.grid, cv=FOLDS, refit=False, n_jobs=CORES
    )
    return search.fit(work.X, work.y)


def search_joblib_on_dask(work: Workload) -> Any:
    with joblib.parallel_config(backend="dask"):
        return search_scikit_learn(work)


def search_dask_ml(work: Workload) -> Any:
    from dask_ml.model_selection import GridSearchCV

    return GridSearchCV(work.estimator, work.grid, cv=FOLDS, refit=False).fit(work.X, work.y)


def find_sides(*, on_dask: bool) -> dict[str, Callable[[Workload], Any]]:
    """Return the sides that are installed here, ours first; the other ones on Dask if wanted."""
    sides: dict[str, Callable[[Workload], Any]] = {
        "hpc-ml": search_ours,
        BASE: search_scikit_learn,
    }
    if not on_dask:
        return sides
    sides["joblib on Dask"] = search_joblib_on_dask
    with suppress(ImportError):
        import dask_ml.model_selection  # noqa: F401

        sides["dask-ml"] = search_dask_ml
    return sides


def measure(search: Callable[[Workload], Any], work: Workload) -> Callable[[], dict[str, float]]:
    """Return a run of a side that also tells how long its fits and scores took together."""

    def run() -> dict[str, float]:
        results = search(work).cv_results_
        mean_s = np.sum(results["mean_fit_time"]) + np.sum(results["mean_score_time"])
        return {"fits_s": float(mean_s * FOLDS)}

    return run


def run_workload(
    work: Workload, sides: Mapping[str, Callable[[Workload], Any]], pairs: int, console: Console
) -> dict[str, Any]:
    """Measure all sides on one search, after each has run a small part of it."""
    console.print(f"[bold]{work.title}[/bold]")
    name, values = next(iter(work.grid.items()))
    small = Workload(work.title, work.estimator, {name: values[:2]}, work.X, work.y)
    for search in sides.values():
        search(small)
    measured = run_in_turns(
        {name: measure(search, work) for name, search in sides.items()}, pairs, console
    )
    for rounds in measured.values():
        for one in rounds:
            one["overhead"] = one["wall_s"] * CORES / one["fits_s"]
    summary = compare(measured, BASE)
    show(f"{work.title}: median (quartiles) of {pairs}", summary, console)
    return {"rounds": measured, "summary": summary}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=7, help="rounds of each side")
    parser.add_argument("--seconds", type=float, default=60, help="length of the plain search")
    parser.add_argument("--documents", type=int, default=6000, help="size of the text search")
    parser.add_argument("--two", action="store_true", help="hpc-ml and scikit-learn alone")
    parser.add_argument("--quick", action="store_true", help="two rounds of a few seconds")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/gridsearch.json"))
    words = parser.parse_args()
    if words.quick:
        words.pairs, words.seconds, words.documents = 2, 3, 600
    console = Console()
    if os.getloadavg()[0] > 0.5:
        console.print("[yellow]This machine is busy: the numbers will not mean much.[/yellow]")
    # dask-ml warns of what scikit-learn has deprecated; that is no part of the comparison.
    warnings.simplefilter("ignore")
    with (
        # The settings of hpc-ml's own clusters; all sides on Dask profit.
        dask.config.set(configuration()),
        LocalCluster(
            n_workers=CORES, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0"
        ) as cluster,
        Client(cluster),
    ):
        works = [plain(words.seconds), text(words.documents)]
        sides = find_sides(on_dask=not words.two)
        results = {work.title: run_workload(work, sides, words.pairs, console) for work in works}
    write(words.out, results)
    console.print(f"Every round is in {words.out}.")


if __name__ == "__main__":
    main()
