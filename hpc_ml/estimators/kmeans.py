"""K-means with scikit-learn's interface and results, over partitions on Dask's workers."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn import cluster as local
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from hpc_ml.estimators.inputs import AnyCollective, is_dask, is_partitioned, learn_names, opened
from hpc_ml.estimators.kmeans_fit import Clustering, cluster, settle
from hpc_ml.estimators.kmeans_labels import labels_of
from hpc_ml.estimators.kmeans_lazy import map_rows


class KMeans(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):
    """Exact K-means by Lloyd's algorithm, where the rows lie.

    From the same centres it takes the steps of `sklearn.cluster.KMeans` and ends where that ends.
    Up to 20,000 rows it also starts from the same centres. Beyond, starts come from a seeded
    sample of about 20,000 rows, or 20 for each cluster where that is more: "random" takes rows of
    it, k-means++ the centres of the sample's own clusters, the best of four where `n_init` is 1
    (Bradley and Fayyad, 1998).

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters.
    init : {"k-means++", "k-means||", "random"}, callable or array-like of shape \
(n_clusters, n_features), default="k-means++"
        Where to start from; "k-means||" chooses from all rows in a few passes (Bahmani et al.,
        2012). A callable gets a sample of the rows, `n_clusters` and `random_state`.
    n_init : int or "auto", default="auto"
        Number of starts, of which that of least inertia is kept; they share their passes over
        the rows. "auto": 10 for "random" and callables, else 1.
    max_iter : int, default=300
        Most iterations of each start.
    tol : float, default=1e-4
        An iteration that moves the centres by less than this, squared and in units of the mean
        variance of the columns, is the last.
    random_state : int, RandomState or None, default=None
        Decides the starts.
    algorithm : {"lloyd"}, default="lloyd"
        There is no other.
    oversampling_factor : float, default=2
        k-means||: this times `n_clusters` candidates are drawn in each round.
    init_max_iter : int, default=5
        k-means||: number of rounds.

    Attributes
    ----------
    cluster_centers_ : ndarray of shape (n_clusters, n_features)
        The centres.
    labels_ : ndarray of shape (n_samples,), or Dask array
        The cluster of each row, where `fit` was given an array or Dask's collection. Of
        partitions and collectives, `predict` tells them.
    inertia_ : float
        Sum of squared distances from the rows to their centres, by weight.
    n_iter_ : int
        Iterations of the start that was kept.
    inertia_curve_, shift_curve_ : ndarray of shape (n_iter_,)
        After each iteration: the inertia, and by how much the centres have moved.
    cluster_sizes_ : ndarray of shape (n_clusters,)
        Rows of each cluster.
    n_features_in_ : int
        Columns of the rows.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where all of them are text.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "init": [StrOptions({"k-means++", "k-means||", "random"}), callable, "array-like"],
        "n_init": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
        "algorithm": [StrOptions({"lloyd"})],
        "oversampling_factor": [Interval(Real, 0, None, closed="neither")],
        "init_max_iter": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Any = "k-means++",
        n_init: int | str = "auto",
        max_iter: int = 300,
        tol: float = 1e-4,
        random_state: Any = None,
        algorithm: str = "lloyd",
        oversampling_factor: float = 2,
        init_max_iter: int = 5,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.algorithm = algorithm
        self.oversampling_factor = oversampling_factor
        self.init_max_iter = init_max_iter

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "KMeans":
        """Find the centres.

        Parameters
        ----------
        X : array, CSR matrix or DataFrame of shape (n_samples, n_features), Dask array or \
DataFrame, Partitions or Collective
            The rows, float32 or float64.
        y : ignored
        sample_weight : array-like of shape (n_samples,), optional
            In the form of X; partitions bring their own.

        Returns
        -------
        KMeans
            Itself.

        Raises
        ------
        ValueError
            For parameters, shapes or values that do not go.
        """
        fit_together([self], X, sample_weight)
        return self

    def validate_parameters(self) -> None:
        """Raise ValueError for parameters that do not go, before there are rows."""
        self._validate_params()

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Find the centres and return the cluster of each row."""
        self.fit(X, sample_weight=sample_weight)
        return self.labels_

    def fit_transform(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Find the centres and return the distance of each row to each of them."""
        return self.fit(X, sample_weight=sample_weight).transform(X)

    def predict(self, X: Any) -> Any:
        """Return the cluster of each row: an array, or what is lazy of a Dask collection."""
        return self._by_local("predict", X, np.empty(0, np.int32))

    def transform(self, X: Any) -> Any:
        """Return the distance of each row to each centre; lazily of a Dask collection."""
        check_is_fitted(self)
        shape = (0, self.n_clusters)
        return self._by_local("transform", X, np.empty(shape, self.cluster_centers_.dtype))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return minus the inertia of the rows, which are given as to `fit`."""
        check_is_fitted(self)
        if is_partitioned(X):
            with opened(X, sample_weight=sample_weight) as collective:
                return -settle(collective, self.cluster_centers_, None).inertia
        return float(self.local_estimator().score(X, sample_weight=sample_weight))

    def local_estimator(self) -> local.KMeans:
        """Return scikit-learn's own KMeans, fitted, without the labels."""
        check_is_fitted(self)
        model = local.KMeans(
            self.n_clusters, n_init=self.n_init, max_iter=self.max_iter, tol=self.tol,
            init="k-means++" if isinstance(self.init, str) and "||" in self.init else self.init,
            random_state=self.random_state,
        )  # fmt: skip
        self._teach(model)
        return model

    def _teach(self, model: Any) -> None:
        """Give scikit-learn's own model what this one has learned."""
        for name in ("cluster_centers_", "inertia_", "n_iter_", "n_features_in_"):
            setattr(model, name, getattr(self, name))
        if hasattr(self, "feature_names_in_"):
            model.feature_names_in_ = self.feature_names_in_
        model._n_features_out = self.n_clusters
        model._n_threads = 1

    @property
    def _n_features_out(self) -> int:
        return int(self.cluster_centers_.shape[0])

    def _by_local(self, method: str, X: Any, empty: np.ndarray) -> Any:
        """Apply a method of the local estimator; `empty` is what it returns of no rows."""
        check_is_fitted(self)
        work = getattr(self.local_estimator(), method)
        return map_rows(work, X, empty) if is_dask(X) else work(X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def fit_together(models: Sequence[KMeans], X: Any, sample_weight: Any = None) -> None:
    """Fit several models to the same rows, in passes that serve all of them.

    Each finds what it would find alone. Parameters and errors are those of `KMeans.fit`.
    """
    for model in models:
        model.validate_parameters()
    with rows_of(models, X, sample_weight) as collective:
        for model, found in zip(models, cluster(collective, models), strict=True):
            learn(model, found, X, collective)


@contextmanager
def rows_of(models: Sequence[KMeans], X: Any, sample_weight: Any) -> Iterator[AnyCollective]:
    """Let the block take steps over X, checked where it lies in this process."""
    if is_partitioned(X):
        for model in models:
            learn_names(model, X)
    else:
        for model in models:
            rows = validate_data(
                model, X, accept_sparse="csr", dtype=[np.float64, np.float32], order="C",
                accept_large_sparse=False,
            )  # fmt: skip
        X = rows
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, rows, dtype=rows.dtype)
    with opened(X, sample_weight=sample_weight) as collective:
        yield collective


def learn(model: KMeans, found: Clustering, X: Any, collective: AnyCollective) -> None:
    """Set what a model has learned of X, by what was found in the collective of it."""
    model.n_features_in_ = collective.n_features
    model._labelling = found.question
    model.cluster_centers_ = found.centres
    model.inertia_ = found.inertia
    model.n_iter_ = found.descent.n_iter
    model.inertia_curve_ = np.array(found.descent.inertias)
    model.shift_curve_ = np.array(found.descent.shifts)
    model.cluster_sizes_ = found.counts.astype(np.int64)
    if is_dask(X):
        model.labels_ = model.predict(X)
    elif not is_partitioned(X):
        model.labels_ = np.concatenate(labels_of(model, collective)).astype(np.int32)
    distinct = np.count_nonzero(found.counts)
    if distinct < model.n_clusters:
        warnings.warn(
            f"Number of distinct clusters ({distinct}) found smaller than n_clusters "
            f"({model.n_clusters}). Possibly due to duplicate points in X.",
            ConvergenceWarning,
            stacklevel=4,
        )
