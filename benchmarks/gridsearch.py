"""Our grid search against others on the same two cores, side by side in one run.

    python benchmarks/gridsearch.py            seven pairs of searches of about a minute
    python benchmarks/gridsearch.py --quick    two pairs of a few seconds, to see that it works

`ratio` is the wall time by that of scikit-learn's `n_jobs=2` in the same round; `overhead` the wall
time by the sum of all fit and score times over the cores. The data are small and in memory; what
it takes to bring them to the workers counts. Run it on a machine that does nothing else.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import joblib
import numpy as np
from distributed import Client
from frame import CORES, Bench, Work, make_parser, open_bench, read_words
from growth import ONE_WORKER
from pairs import Measure
from sides import HAS_DASK_ML, Side, time_call
from sklearn import model_selection
from sklearn.base import BaseEstimator
from sklearn.datasets import make_classification
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from hpc_ml import estimators

FOLDS = 3
BASE = "scikit-learn n_jobs=2"
# Seconds of all fits of one candidate of the plain search, by which it is scaled.
CANDIDATE_S = 0.35


@dataclass(frozen=True)
class Search:
    """One search that every side runs."""

    estimator: BaseEstimator
    grid: Mapping[str, Any]
    X: Any
    y: Any


def plain(wall_s: float) -> Search:
    """Return a search without common steps that takes about so long."""
    X, y = make_classification(n_samples=1500, n_features=40, n_informative=20, random_state=0)
    count = max(4, round(wall_s * CORES / CANDIDATE_S))
    grid = {"C": list(np.logspace(-1, 1, count))}
    return Search(SVC(gamma="auto", random_state=0), grid, X, y)


def reference() -> Search:
    """Return the search of 48 support vector machines that README runs."""
    X, y = make_classification(n_samples=1000, random_state=0)
    grid = {
        "C": [0.001, 0.01, 0.1, 0.5, 1, 2, 5, 10],
        "kernel": ["rbf", "poly", "sigmoid"],
        "shrinking": [True, False],
    }
    return Search(SVC(gamma="auto", random_state=0), grid, X, y)


def text(documents: int) -> Search:
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
    return Search(Pipeline(steps), grid, texts, y)


def search_ours(search: Search, client: Client) -> Any:
    with estimators.surroundings(client):
        ours = estimators.GridSearchCV(search.estimator, search.grid, cv=FOLDS, refit=False)
        return ours.fit(search.X, search.y)


def search_scikit_learn(search: Search) -> Any:
    theirs = model_selection.GridSearchCV(
        search.estimator, search.grid, cv=FOLDS, refit=False, n_jobs=CORES
    )
    return theirs.fit(search.X, search.y)


def search_joblib_on_dask(search: Search) -> Any:
    with joblib.parallel_config(backend="dask"):
        return search_scikit_learn(search)


def search_dask_ml(search: Search) -> Any:
    from dask_ml.model_selection import GridSearchCV

    theirs = GridSearchCV(search.estimator, search.grid, cv=FOLDS, refit=False)
    return theirs.fit(search.X, search.y)


def judge(fitted: Any) -> dict[str, float]:
    """Return how long all fits and scores took together, and the best score."""
    found = fitted.cv_results_
    mean_s = np.sum(found["mean_fit_time"]) + np.sum(found["mean_score_time"])
    return {
        "fits_s": float(mean_s * FOLDS),
        "best_score": float(np.max(found["mean_test_score"])),
    }


def measure_search(call: Callable[[], Any], cores: int) -> Measure:
    """Return a measure of a search that also tells what it took beside its fits."""
    measure = time_call(call, judge)

    def run() -> Mapping[str, float]:
        found = measure()
        return {**found, "overhead": found["wall_s"] * cores / found["fits_s"]}

    return run


def find_sides(bench: Bench, search: Search, stack: ExitStack) -> dict[str, Side]:
    """Return the sides that are installed here, ours first, after a small part of each search."""
    name, values = next(iter(search.grid.items()))
    small = replace(search, grid={name: values[:2]})

    def side(call: Any, *more: Any, cores: int = CORES, extra: bool = False) -> Side:
        if not (extra and bench.words.two):
            call(small, *more)
        measure = measure_search(partial(call, search, *more), cores)
        return Side(measure, extra, is_warm=True)

    sides = {
        "hpc-ml": side(search_ours, bench.client),
        BASE: side(search_scikit_learn),
        ONE_WORKER: side(search_ours, bench.one, cores=1, extra=True),
        "joblib on Dask": side(search_joblib_on_dask, extra=True),
    }
    if HAS_DASK_ML:
        sides["dask-ml"] = side(search_dask_ml, extra=True)
    return sides


def make_works(bench: Bench) -> list[Work]:
    """Return both searches, and a tenth of each."""
    words = bench.words

    def work(family: str, search: Search, size: int, unit: str, more: str = "") -> Work:
        sides = partial(find_sides, bench, search)
        return Work(family + more, family, size, BASE, sides, unit)

    large, small = plain(words.seconds), plain(words.seconds / 10)
    few = words.documents // 10
    count, fewer = len(large.grid["C"]), len(small.grid["C"])
    no_steps, steps = "no common steps", "text, common first steps"
    return [
        work("reference search", reference(), 48, "candidates"),
        work(no_steps, large, count, "candidates"),
        work(steps, text(words.documents), words.documents, "documents"),
        work(no_steps, small, fewer, "candidates", f", {fewer} candidates"),
        work(steps, text(few), few, "documents", f", {few:,} documents"),
    ]


def main() -> None:
    parser = make_parser(__doc__, "gridsearch")
    parser.add_argument("--seconds", type=float, default=60, help="length of the plain search")
    parser.add_argument("--documents", type=int, default=6000, help="size of the text search")
    with open_bench(read_words(parser, seconds=3, documents=600)) as bench:
        bench.run(make_works(bench))


if __name__ == "__main__":
    main()
