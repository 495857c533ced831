"""Rows for the tests of linear models, and how these are set against scikit-learn's."""

import numpy as np
import scipy.sparse as sp
from sklearn.datasets import make_classification

from hpc_ml.estimators.inputs import ArrayPartitions
from hpc_ml.estimators.surroundings import NoCheckpoint

WORDS = np.array(["pear", "apple", "fig"])


class Listener(NoCheckpoint):
    """Hears what is told, and keeps states; stops a run after so many of them."""

    def __init__(self, stop_after: int = -1) -> None:
        self.told: list[str] = []
        self.states: dict[str, bytes] = {}
        self._stop_after = stop_after

    def tell(self, message: str) -> None:
        self.told.append(message)

    def kept_state(self, name):
        return self.states.get(name)

    def keep_state(self, name, make) -> None:
        if self._stop_after == 0:
            raise KeyboardInterrupt
        self._stop_after -= 1
        self.states[name] = make()


def cut(X, y, weight=None, bounds=None, n_partitions=5):
    """Return partitions of arrays with these bounds."""
    partitions = ArrayPartitions(X, y, weight)
    ends = np.linspace(0, len(y), n_partitions + 1).astype(int) if bounds is None else bounds
    partitions._bounds = [int(end) for end in ends]
    partitions.rows = tuple(int(rows) for rows in np.diff(ends))
    partitions.bytes_each = tuple(8 * rows * X.shape[1] for rows in partitions.rows)
    return partitions


def rows_of(kind, n_classes=2, dtype=np.float64):
    """Return dense or sparse rows, their classes, and weights."""
    X, y = make_classification(
        1500, 20, n_informative=8, n_redundant=0, n_classes=n_classes, n_clusters_per_class=1,
        random_state=0,
    )  # fmt: skip
    weight = np.random.default_rng(0).uniform(0.2, 2, len(y))
    if kind == "sparse":
        X = sp.csr_array(np.where(np.abs(X) > 1, X, 0))
    return X.astype(dtype), y, weight


def assert_same(ours, theirs, X, tolerance=1e-6):
    scale = np.max(np.abs(theirs.coef_))
    assert ours.coef_.shape == theirs.coef_.shape
    assert ours.coef_.dtype == theirs.coef_.dtype
    assert np.shape(ours.intercept_) == np.shape(theirs.intercept_)
    assert np.max(np.abs(ours.coef_ - theirs.coef_)) <= tolerance * scale
    assert np.max(np.abs(ours.intercept_ - theirs.intercept_)) <= tolerance * max(scale, 1)
    local = ours.local_estimator()
    assert type(local) is type(theirs)
    assert np.array_equal(local.predict(X), ours.predict(X))
