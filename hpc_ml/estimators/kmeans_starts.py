"""The centres that K-means starts from, chosen from a sample of the rows as scikit-learn does."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array
from threadpoolctl import threadpool_limits

from hpc_ml.estimators.kmeans_survey import Sample, SamplePlan

_SAMPLE_ROWS = 20_000
_SAMPLE_ROWS_PER_CLUSTER = 20
_STARTS_OF_CHANCE = 10
_TRIES_ON_SAMPLE = 4
_MOST_LOCALLY = 50


def is_given(init: Any) -> bool:
    """Return whether `init` is centres and not a word or a callable."""
    return not isinstance(init, str) and not callable(init)


def plan_sample(n_rows: int, n_clusters: int, random_state: np.random.RandomState) -> SamplePlan:
    """Return which rows the starts are chosen from: all, or about 20,000 by chance."""
    wanted = max(_SAMPLE_ROWS, _SAMPLE_ROWS_PER_CLUSTER * n_clusters)
    if n_rows <= wanted:
        # No random number is drawn here, so that small data start as in scikit-learn.
        return SamplePlan(1.0, 0)
    return SamplePlan(wanted / n_rows, int(random_state.randint(np.iinfo(np.int32).max)))


def count_starts(n_init: int | str, init: Any) -> int:
    """Return the number of starts; "auto" is 10 where chance alone decides, else 1."""
    by_chance = callable(init) or (isinstance(init, str) and init == "random")
    count = (_STARTS_OF_CHANCE if by_chance else 1) if n_init == "auto" else int(n_init)
    if is_given(init) and count != 1:
        warnings.warn(
            "Explicit initial center position passed: performing only one init in KMeans "
            f"instead of n_init={count}.",
            RuntimeWarning,
            stacklevel=4,
        )
        return 1
    return count


@dataclass(frozen=True)
class StartRows:
    """What starts are chosen from.

    Attributes
    ----------
    X : array or CSR of shape (n_rows, n_features)
        All rows or a sample of them, less the offset.
    weight : ndarray of shape (n_rows,)
        Of X's type.
    offset : ndarray of shape (n_features,) or None
        What was subtracted.
    whole : bool
        Whether these are all rows.
    """

    X: Any
    weight: np.ndarray
    offset: np.ndarray | None
    whole: bool

    @classmethod
    def of(cls, sample: Sample, offset: np.ndarray | None, plan: SamplePlan) -> "StartRows":
        X = sample.X if offset is None else sample.X - offset
        return cls(X, sample.weight.astype(X.dtype), offset, whole=plan.share >= 1)


def choose_start(
    rows: StartRows,
    init: Any,
    n_clusters: int,
    random_state: np.random.RandomState,
    *,
    alone: bool = True,
) -> np.ndarray:
    """Return the first centres of one run, less the offset.

    Parameters
    ----------
    rows : StartRows
        The sample.
    init : {"k-means++", "random"}, callable or array of shape (n_clusters, n_features)
        As in scikit-learn.
    n_clusters : int
        Number of centres.
    random_state : RandomState
        Is drawn from; of all rows as scikit-learn does.
    alone : bool, default=True
        Whether this is the only start, which must be a good one.

    Raises
    ------
    ValueError
        When given centres have another shape.
    """
    if is_given(init):
        return _given_centres(rows, init, n_clusters)
    if callable(init):
        return _called_centres(rows, init, n_clusters, random_state)
    if init == "random":
        chosen = random_state.choice(
            rows.X.shape[0], size=n_clusters, replace=False, p=rows.weight / rows.weight.sum()
        )
        centres = rows.X[chosen]
    elif rows.whole:
        with threadpool_limits(limits=1):
            centres, _ = kmeans_plusplus(
                rows.X, n_clusters, sample_weight=rows.weight, random_state=random_state
            )
    else:
        tries = _TRIES_ON_SAMPLE if alone else 1
        centres = cluster_locally(rows.X, rows.weight, n_clusters, tries, random_state)
    return _as_centres(centres)


def cluster_locally(
    X: Any, weight: np.ndarray, n_clusters: int, tries: int, random_state: np.random.RandomState
) -> np.ndarray:
    """Return the centres of few rows: the best of some starts by k-means++.

    P. S. Bradley, U. M. Fayyad, "Refining initial points for K-means clustering", 1998: what a
    sample's own clusters begin takes fewer passes over all rows and ends in better places.
    """
    model = KMeans(n_clusters, n_init=tries, max_iter=_MOST_LOCALLY, random_state=random_state)
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is all rows that decide
        return model.fit(X, sample_weight=weight).cluster_centers_


def _given_centres(rows: StartRows, init: Any, n_clusters: int) -> np.ndarray:
    centres = check_array(init, dtype=rows.X.dtype, copy=True, order="C")
    _check_shape(centres, n_clusters, rows.X.shape[1])
    centres = _as_centres(centres)
    return centres if rows.offset is None else centres - rows.offset


def _called_centres(
    rows: StartRows,
    init: Callable[..., Any],
    n_clusters: int,
    random_state: np.random.RandomState,
) -> np.ndarray:
    centres = init(rows.X, n_clusters, random_state=random_state)
    centres = check_array(centres, accept_sparse="csr", dtype=rows.X.dtype, order="C")
    _check_shape(centres, n_clusters, rows.X.shape[1])
    return _as_centres(centres)


def _check_shape(centres: Any, n_clusters: int, n_features: int) -> None:
    if centres.shape[0] != n_clusters:
        raise ValueError(
            f"The shape of the initial centers {centres.shape} does not match the number of "
            f"clusters {n_clusters}."
        )
    if centres.shape[1] != n_features:
        raise ValueError(
            f"The shape of the initial centers {centres.shape} does not match the number of "
            f"features of the data {n_features}."
        )


def _as_centres(centres: Any) -> np.ndarray:
    return np.ascontiguousarray(centres.toarray() if sp.issparse(centres) else centres)
