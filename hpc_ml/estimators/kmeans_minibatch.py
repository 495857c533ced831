"""K-means by small batches, for rows that are too many for many passes over all of them."""

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn import cluster as local
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from hpc_ml.estimators.incremental import Incremental
from hpc_ml.estimators.kmeans import KMeans, learn, rows_of
from hpc_ml.estimators.kmeans_fit import check_rows, settle
from hpc_ml.estimators.kmeans_starts import StartRows, choose_start, plan_sample
from hpc_ml.estimators.kmeans_survey import take_survey


class MiniBatchKMeans(KMeans):
    """K-means by `partial_fit` of `sklearn.cluster.MiniBatchKMeans`, where the rows lie.

    The model goes from partition to partition and is trained on batches of their rows, in an
    order by seed. It starts from centres that `init` chooses from a sample of all rows, not of
    the first batch. D. Sculley, "Web-scale k-means clustering", 2010.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters.
    init : {"k-means++", "random"}, callable or array-like of shape (n_clusters, n_features), \
default="k-means++"
        Where to start from.
    max_iter : int, default=5
        Passes over the rows.
    batch_size : int, default=1024
        Rows of one step; at least `n_clusters`.
    reassignment_ratio : float, default=0.01
        Clusters with less than this share of the largest one's rows move to a row by chance.
    random_state : int, RandomState or None, default=None
        Decides the start, the order of the rows and what moves by chance.

    Attributes
    ----------
    cluster_centers_, labels_, inertia_, cluster_sizes_, n_features_in_, feature_names_in_
        As of `KMeans`; inertia and sizes are of a last pass over all rows.
    n_iter_ : int
        Passes over the rows that were made to train.
    n_steps_ : int
        Batches that were trained on.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **{name: KMeans._parameter_constraints[name] for name in ("n_clusters", "random_state")},
        "init": [StrOptions({"k-means++", "random"}), callable, "array-like"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "reassignment_ratio": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Any = "k-means++",
        max_iter: int = 5,
        batch_size: int = 1024,
        reassignment_ratio: float = 0.01,
        random_state: Any = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.reassignment_ratio = reassignment_ratio
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "MiniBatchKMeans":
        """Find the centres; parameters and errors are those of `KMeans.fit`."""
        self.validate_parameters()
        with rows_of([self], X, sample_weight) as collective:
            check_rows(collective, self.n_clusters)
            state = check_random_state(self.random_state)
            plan = plan_sample(sum(collective.rows), self.n_clusters, state)
            survey = take_survey(collective, (plan,))
            rows = StartRows.of(survey.samples[0], None, plan)
            start = choose_start(rows, self.init, self.n_clusters, state)
            trained = self._train(collective, start, int(state.randint(np.iinfo(np.int32).max)))
            centres = np.ascontiguousarray(trained.cluster_centers_)
            learn(self, settle(collective, centres, survey.find_offset()), X, collective)
        self.n_iter_ = self.max_iter
        self.n_steps_ = int(trained.n_steps_)
        return self

    def validate_parameters(self) -> None:
        super().validate_parameters()
        if self.batch_size < self.n_clusters:
            raise ValueError(
                f"batch_size={self.batch_size} should be >= n_clusters={self.n_clusters}."
            )

    def _train(self, collective: Any, start: np.ndarray, seed: int) -> Any:
        model = local.MiniBatchKMeans(
            self.n_clusters, init=start, n_init=1, batch_size=self.batch_size,
            reassignment_ratio=self.reassignment_ratio, compute_labels=False, random_state=seed,
        )  # fmt: skip
        training = Incremental(
            model, epochs=self.max_iter, batch_size=self.batch_size, random_state=seed
        )
        return training.fit(collective).estimator_

    def local_estimator(self) -> local.MiniBatchKMeans:
        """Return scikit-learn's own MiniBatchKMeans, fitted, without the labels."""
        check_is_fitted(self)
        model = local.MiniBatchKMeans(
            self.n_clusters, init=self.init, n_init=1, max_iter=self.max_iter,
            batch_size=self.batch_size, reassignment_ratio=self.reassignment_ratio,
            random_state=self.random_state,
        )  # fmt: skip
        self._teach(model)
        model.n_steps_ = self.n_steps_
        return model
