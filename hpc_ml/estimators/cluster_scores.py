"""Scores of clusterings that need no labels, as scorers for the searches.

They are judged where the clusters were made: behind the first steps of a pipeline.
"""

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

_SILHOUETTE_ROWS = 5000
"""The silhouette takes the distance of each row to each other: more rows are drawn from."""

CLUSTER_SCORES = ("silhouette", "calinski_harabasz", "neg_davies_bouldin")


class ClusterScorer:
    """Scores a fitted clusterer, or a pipeline that ends in one; higher is better.

    One without `predict` (DBSCAN, AgglomerativeClustering) clusters the rows that it is scored on.

    Parameters
    ----------
    name : str
        One of `CLUSTER_SCORES`. The silhouette is taken of 5,000 rows at most.
    seed : int
        Draws these rows.
    """

    def __init__(self, name: str, seed: int) -> None:
        if name not in CLUSTER_SCORES:
            raise ValueError(f"{name!r} is none of {', '.join(CLUSTER_SCORES)}")
        self.name = name
        self.seed = seed

    def __call__(self, estimator: Any, X: Any, y: Any = None) -> float:
        """Return the score of the clusters of X. Raises ValueError where there is but one."""
        if hasattr(estimator, "steps"):
            X = estimator[:-1].transform(X) if len(estimator.steps) > 1 else X
            estimator = estimator[-1]
        if hasattr(estimator, "predict"):
            labels = estimator.predict(X)
        else:
            labels = clone(estimator).fit_predict(X)
        return float(self._score(X, np.asarray(labels)))

    def _score(self, X: Any, labels: Any) -> Any:
        if self.name == "calinski_harabasz":
            return calinski_harabasz_score(X, labels)
        if self.name == "neg_davies_bouldin":
            return -davies_bouldin_score(X, labels)
        some = None if len(labels) <= _SILHOUETTE_ROWS else _SILHOUETTE_ROWS
        return silhouette_score(X, labels, sample_size=some, random_state=self.seed)
