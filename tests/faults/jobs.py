"""The jobs that are disturbed: each task, in each way in which it keeps what it has done.

Each works for some seconds on two workers, in units that a kill can fall between or into.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Words = tuple[str, ...]

# Of what is learned and scored, relative: nothing, or as much as a sum in another order changes.
EXACT, ROUNDED = 0.0, 1e-6
WORKERS = 2
# Fewer and more than a run begins with; fewer start sooner.
WORKERS_AFTER = (1, 1, 1, 3)


def _nothing(folder: Path) -> Words:
    return ()


@dataclass(frozen=True)
class FaultJob:
    """A job in words, and how exactly its result must come again.

    Parameters
    ----------
    words : tuple of str
        What follows `hpc-ml run`.
    tolerance : float
        Relative, of numbers in the result.
    prepare : callable
        Writes what the job reads to a folder, and returns the words that name it.
    """

    words: Words
    tolerance: float = EXACT
    prepare: Callable[[Path], Words] = _nothing

    @property
    def task(self) -> str:
        return self.words[0]


def _classes(rows: int, columns: int) -> Words:
    return ("--data", f"make_classification(n_samples={rows}, n_features={columns})")


def _numbers(rows: int, columns: int) -> Words:
    return ("--data", f"make_regression(n_samples={rows}, n_features={columns}, noise=20)")


def _blobs(rows: int, columns: int) -> Words:
    blobs = f"n_samples={rows}, n_features={columns}, centers=12, cluster_std=6"
    return ("--data", f"make_blobs({blobs})")


def _in_parts(size: str) -> Words:
    return ("--set", f"data.partition_size={size}")


def _write_rows_to_predict(folder: Path) -> Words:
    """Write a slow model and the rows that it predicts."""
    import skops.io
    from sklearn.datasets import make_classification
    from sklearn.neighbors import KNeighborsClassifier

    X, y = make_classification(n_samples=61_500, n_features=16, random_state=0)
    np.save(folder / "rows.npy", X[1500:])
    skops.io.dump(KNeighborsClassifier(9).fit(X[:1500], y[:1500]), folder / "model.skops")
    return ("--data", str(folder / "rows.npy"), "--model", str(folder / "model.skops"))


def _write_counts(folder: Path) -> Words:
    """Write numbers of events that follow a Poisson law."""
    random = np.random.default_rng(0)
    X = random.normal(size=(80_000, 40))
    y = random.poisson(np.exp(X @ random.normal(scale=0.1, size=40)))
    np.savez(folder / "counts.npz", X=X, y=y.astype(np.float64))
    return ("--data", str(folder / "counts.npz"))


_SEARCH: Words = ("gridsearch", "--cv", "3")
_SGD_SEARCH: Words = (
    "gridsearch", "--estimator", "SGDClassifier", "--grid", "alpha={loguniform: [0.000001, 0.1]}",
)  # fmt: skip
_BOOST: Words = ("--n-estimators", "60", "--segment-rounds", "8", "--early-stopping-rounds", "20")

JOBS: Mapping[str, FaultJob] = {
    "gridsearch-grid": FaultJob(
        (
            *_SEARCH, *_classes(1500, 20), "--estimator", "GradientBoostingClassifier",
            "--grid", "n_estimators=12,15,18,21", "--grid", "max_depth=2,3",
        )
    ),
    "gridsearch-halving": FaultJob(
        (
            *_SEARCH, *_classes(3000, 20), "--search", "halving", "--factor", "2",
            "--estimator", "GradientBoostingClassifier", "--param", "n_estimators=15",
            "--grid", "learning_rate=0.02,0.05,0.1,0.2", "--grid", "max_depth=2,3",
        )
    ),
    "gridsearch-tpe": FaultJob(
        (
            *_SEARCH, *_classes(1500, 20), "--search", "tpe", "--n-iter", "12",
            "--estimator", "GradientBoostingClassifier", "--param", "n_estimators=12",
            "--grid", "learning_rate={loguniform: [0.01, 0.5]}", "--grid", "max_depth=2,3,4",
        )
    ),
    "gridsearch-hyperband": FaultJob(
        (*_SGD_SEARCH, *_classes(60_000, 30), "--search", "hyperband", "--max-iter", "27",
         *_in_parts("1 MiB"))
    ),
    "gridsearch-incremental-halving": FaultJob(
        (*_SGD_SEARCH, *_classes(60_000, 30), "--search", "incremental-halving",
         "--n-iter", "12", "--max-iter", "30", *_in_parts("1 MiB"))
    ),
    "kmeans-random": FaultJob(
        (
            "kmeans", *_blobs(120_000, 12), *_in_parts("2 MiB"), "--n-clusters", "24",
            "--init", "random", "--n-init", "3", "--max-iter", "25", "--tol", "0",
            "--sample-rows", "500",
        )
    ),
    "kmeans-parallel": FaultJob(
        (
            "kmeans", *_blobs(120_000, 12), *_in_parts("2 MiB"), "--n-clusters", "24",
            "--init", "k-means||", "--max-iter", "60", "--tol", "0",
        )
    ),
    "kmeans-range": FaultJob(
        ("kmeans", *_blobs(80_000, 12), *_in_parts("2 MiB"), "--k", "8:12", "--max-iter", "30",
         "--silhouette-sample", "1000")
    ),
    "kmeans-minibatch": FaultJob(
        ("kmeans", *_blobs(100_000, 12), *_in_parts("1 MiB"), "--k", "6:9", "--minibatch",
         "--silhouette-sample", "1000")
    ),
    "sgd-pipeline": FaultJob(
        (
            "sgd", *_classes(100_000, 20), *_in_parts("1 MiB"), "--epochs", "8",
            "--estimator", "StandardScaler,SGDClassifier", "--train-scores",
        )
    ),
    "sgd-early": FaultJob(
        (
            "sgd", *_numbers(80_000, 20), *_in_parts("1 MiB"), "--epochs", "12",
            "--early-stopping", "--n-iter-no-change", "4", "--batch-size", "1000",
        )
    ),
    "linear-logistic": FaultJob(
        (
            "linear", *_classes(120_000, 50), *_in_parts("4 MiB"), "--param", "C=100",
            "--tol", "1e-9", "--max-iter", "100",
        ),
        ROUNDED,
    ),
    "linear-lasso": FaultJob(
        ("linear", *_numbers(100_000, 80), *_in_parts("4 MiB"), "--estimator", "Lasso"), ROUNDED
    ),
    "linear-squares": FaultJob(
        ("linear", *_numbers(100_000, 150), *_in_parts("8 MiB"), "--estimator", "Ridge"), ROUNDED
    ),
    "linear-poisson": FaultJob(
        ("linear", "--estimator", "PoissonRegressor", "--tol", "1e-9", *_in_parts("4 MiB")),
        ROUNDED,
        _write_counts,
    ),
    "xgboost-one": FaultJob(
        ("xgboost", *_classes(30_000, 30), *_BOOST, "--param", "subsample=0.7"), ROUNDED
    ),
    "xgboost-all": FaultJob(
        ("xgboost", *_classes(20_000, 30), *_in_parts("1 MiB"), *_BOOST, "--layout", "all",
         "--param", "subsample=0.7"),
        ROUNDED,
    ),
    "lightgbm-one": FaultJob(
        ("lightgbm", *_classes(30_000, 30), *_BOOST, "--param", "subsample=0.7",
         "--param", "subsample_freq=1"),
        ROUNDED,
    ),
    "lightgbm-all": FaultJob(
        ("lightgbm", *_classes(20_000, 30), *_in_parts("1 MiB"), *_BOOST, "--layout", "all",
         "--param", "subsample=0.7", "--param", "subsample_freq=1"),
        ROUNDED,
    ),
    "forest-whole": FaultJob(
        ("forest", *_classes(4000, 20), "--n-estimators", "60", "--oob-score")
    ),
    "forest-parts": FaultJob(
        ("forest", *_classes(100_000, 30), *_in_parts("1 MiB"), "--n-estimators", "40",
         "--max-depth", "8", "--memory", "0.4 GiB")
    ),
    "predict": FaultJob(
        ("predict", "--output", "label,probability", *_in_parts("1 MiB")),
        EXACT,
        _write_rows_to_predict,
    ),
}  # fmt: skip
