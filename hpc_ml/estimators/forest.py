"""scikit-learn's forests, their trees grown by the workers of a Dask cluster.

Where the whole data fit into each worker's memory, the trees are scikit-learn's own: the same
seeds, draws and splits, so that the forest predicts what scikit-learn's predicts after a fit on
the same rows. Where they do not fit, each tree is grown from a part of the data, partition by
partition; that is another forest, usually a little weaker, and it is told.

Parameters are those of `sklearn.ensemble`; `n_jobs` and `verbose` have no effect on `fit`.
"""

import warnings
from typing import Any

import numpy as np
from sklearn.base import _fit_context
from sklearn.ensemble import ExtraTreesClassifier as SklearnExtraTreesClassifier
from sklearn.ensemble import ExtraTreesRegressor as SklearnExtraTreesRegressor
from sklearn.ensemble import RandomForestClassifier as SklearnRandomForestClassifier
from sklearn.ensemble import RandomForestRegressor as SklearnRandomForestRegressor
from sklearn.ensemble._forest import BaseForest
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from hpc_ml.estimators.forest_growth import ForestPlan, grow_forest
from hpc_ml.estimators.forest_oob import SOME_WITHOUT, predict_out_of_bag, score_out_of_bag
from hpc_ml.estimators.forest_plan import plan_by_partitions
from hpc_ml.estimators.forest_survey import (
    count_labels,
    fits_each_worker,
    merge_labels,
    weigh_classes,
)
from hpc_ml.estimators.forest_trees import ForestRecipe, TreePlan
from hpc_ml.estimators.inputs import AnyCollective, is_dask, is_partitioned, learn_names, opened
from hpc_ml.estimators.linear_base import apply_to_chunks

_NOT_OF_TREES = {"n_estimators", "n_jobs", "oob_score", "random_state", "verbose", "warm_start"}


class DistributedForest(BaseForest):
    """The `fit` that the four forests share."""

    _local: type

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "DistributedForest":
        """Grow the trees.

        Parameters
        ----------
        X : array, CSR matrix or DataFrame of shape (n_samples, n_features), Dask array or \
DataFrame, Partitions or Collective
            Rows; float32 inside.
        y : array of shape (n_samples,), optional
            Labels or numbers; not where the partitions hold them already.
        sample_weight : array of shape (n_samples,), optional
            Likewise.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            Where scikit-learn raises it.
        TaskFailed
            Where trees take down their workers again and again.
        """
        self._check_draw()
        if not is_partitioned(X):
            X, y, sample_weight = self._check_arrays(X, y, sample_weight)
        with opened(X, y, sample_weight=sample_weight) as collective:
            self._grow(collective, several=getattr(y, "ndim", 1) > 1 and not is_dask(y))
        if is_partitioned(X):
            learn_names(self, X)
        return self

    def validate_parameters(self) -> None:
        """Raise ValueError for parameters that `fit` would refuse, whatever the rows."""
        self._validate_params()
        self._check_draw()

    def _check_draw(self) -> None:
        if self.oob_score and not self.bootstrap:
            raise ValueError("Out of bag estimation only available if bootstrap=True")
        if self.max_samples is not None and not self.bootstrap:
            raise ValueError("`max_samples` cannot be set if `bootstrap=False`")

    def predict(self, X: Any) -> Any:
        """Predict as scikit-learn's forest does; of a Dask collection lazily, chunk by chunk."""
        return self._follow("predict", X)

    def apply(self, X: Any) -> Any:
        """Return the leaf of each tree that each row ends in, shape (n_samples, n_estimators)."""
        return self._follow("apply", X)

    def _follow(self, name: str, X: Any) -> Any:
        if not is_dask(X):
            return getattr(super(), name)(X)
        return apply_to_chunks(getattr(self.local_estimator(), name), X, self.n_features_in_)

    def local_estimator(self) -> Any:
        """Return the fitted forest as scikit-learn's, with the same trees."""
        check_is_fitted(self)
        parameters = self.get_params(deep=False)
        local = self._local(**parameters)
        for name, value in vars(self).items():
            if name not in parameters and name != "estimator":
                setattr(local, name, value)
        return local

    def _check_arrays(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
        X, y = validate_data(
            self, X, y, multi_output=True, accept_sparse="csr", dtype=np.float32,
            ensure_all_finite=False,
        )  # fmt: skip
        if y.ndim == 2 and y.shape[1] == 1:
            warnings.warn(
                "A column-vector y was passed when a 1d array was expected. Please change the "
                "shape of y to (n_samples,), for example using ravel().",
                DataConversionWarning,
                stacklevel=3,
            )
            y = y.ravel()
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)
        return X, y, sample_weight

    def _grow(self, collective: AnyCollective, *, several: bool) -> None:
        before = list(getattr(self, "estimators_", ())) if self.warm_start else []
        seeds = self._draw_seeds(len(before))
        if not seeds:
            warnings.warn(
                "Warm-start fitting without increasing n_estimators does not fit new trees.",
                stacklevel=3,
            )
            return
        plan = self._plan(collective, seeds)
        if before and not plan.whole:
            raise ValueError("warm_start needs all rows in the memory of each worker")
        if several and not plan.whole:
            raise ValueError("several targets need all rows in the memory of each worker")
        trees, facts = grow_forest(collective, plan)
        self.estimators_ = before + trees
        for name, value in facts.items():
            setattr(self, name, value)
        if self.oob_score:
            self._score_out_of_bag(collective, plan)

    def _draw_seeds(self, before: int) -> list[int]:
        """Return the seeds of the trees that are to be grown, as scikit-learn draws them."""
        if before > self.n_estimators:
            raise ValueError(
                f"n_estimators={self.n_estimators} must be larger or equal to "
                f"len(estimators_)={before} when warm_start==True"
            )
        self._validate_estimator()
        random_state = check_random_state(self.random_state)
        trees = (
            self._make_estimator(append=False, random_state=random_state)
            for _ in range(self.n_estimators)
        )
        return [tree.random_state for tree in trees][before:]

    def _plan(self, collective: AnyCollective, seeds: list[int]) -> ForestPlan:
        parameters = {
            name: value
            for name, value in self.get_params(deep=False).items()
            if name not in _NOT_OF_TREES
        }
        if fits_each_worker(collective):
            recipe = ForestRecipe(self._local, parameters)
            return ForestPlan(recipe, [TreePlan(seed) for seed in seeds])
        recipe = self._survey(collective, parameters)
        return ForestPlan(recipe, plan_by_partitions(seeds, collective.rows))

    def _survey(self, collective: AnyCollective, parameters: dict[str, Any]) -> ForestRecipe:
        """Find out what trees that see a part of the rows must know of the others."""
        self.n_features_in_, self.n_outputs_ = collective.n_features, 1
        if "class_weight" not in parameters:
            return ForestRecipe(self._local, parameters)
        classes, weights = merge_labels(collective.map(count_labels))
        self.classes_, self.n_classes_ = classes, len(classes)
        balanced = weigh_classes(
            self.class_weight, classes, weights, bootstrap=bool(self.bootstrap)
        )
        return ForestRecipe(self._local, parameters, classes, balanced)

    def _score_out_of_bag(self, collective: AnyCollective, plan: ForestPlan) -> None:
        if not plan.whole:
            if callable(self.oob_score):
                raise ValueError("oob_score as a function needs all rows in one place")
            found = score_out_of_bag(collective, plan, self.estimators_)
            self.oob_score_, complete = found.score, found.complete
        else:
            every = [TreePlan(tree.random_state) for tree in self.estimators_]
            complete = self._set_out_of_bag(collective, ForestPlan(plan.recipe, every))
        if not complete:
            collective.checkpoint.tell(SOME_WITHOUT)

    def _set_out_of_bag(self, collective: AnyCollective, plan: ForestPlan) -> bool:
        classification = plan.recipe.classification
        n_classes = int(np.max(self.n_classes_)) if classification else 0
        predictions, y, complete = predict_out_of_bag(collective, plan, self.estimators_, n_classes)
        if classification:
            predictions = predictions.squeeze(-1) if self.n_outputs_ == 1 else predictions
            self.oob_decision_function_ = predictions
            found = predictions.argmax(axis=1)
        else:
            found = predictions.squeeze(1)
            found = self.oob_prediction_ = found.squeeze(-1) if self.n_outputs_ == 1 else found
        score = accuracy_score if classification else r2_score
        if callable(self.oob_score):
            score = self.oob_score
        self.oob_score_ = score(y, found)
        return complete


class DistributedForestClassifier(DistributedForest):
    """What the forests of classification trees predict besides."""

    def predict_proba(self, X: Any) -> Any:
        """Return the share of each class, of a Dask collection lazily, chunk by chunk."""
        return self._follow("predict_proba", X)

    def predict_log_proba(self, X: Any) -> Any:
        """Return the logarithms of the shares, of a Dask collection lazily, chunk by chunk."""
        return self._follow("predict_log_proba", X)


class RandomForestClassifier(DistributedForestClassifier, SklearnRandomForestClassifier):
    """A random forest of classification trees; see `sklearn.ensemble.RandomForestClassifier`."""

    _local = SklearnRandomForestClassifier


class RandomForestRegressor(DistributedForest, SklearnRandomForestRegressor):
    """A random forest of regression trees; see `sklearn.ensemble.RandomForestRegressor`."""

    _local = SklearnRandomForestRegressor


class ExtraTreesClassifier(DistributedForestClassifier, SklearnExtraTreesClassifier):
    """Classification trees with random splits; see `sklearn.ensemble.ExtraTreesClassifier`."""

    _local = SklearnExtraTreesClassifier


class ExtraTreesRegressor(DistributedForest, SklearnExtraTreesRegressor):
    """Regression trees with random splits; see `sklearn.ensemble.ExtraTreesRegressor`."""

    _local = SklearnExtraTreesRegressor
