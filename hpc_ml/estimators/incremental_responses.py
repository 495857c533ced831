"""What a fitted meta-estimator over `partial_fit` answers: as the estimator inside it does."""

import copy
from functools import partial
from typing import Any

from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from hpc_ml.estimators.incremental_parts import first_step
from hpc_ml.estimators.incremental_rows import check_rows
from hpc_ml.estimators.inputs import is_dask
from hpc_ml.estimators.linear_base import apply_to_chunks


def _has(method: str) -> Any:
    """Return a decorator: the method is there where the estimator inside has it."""

    def check(self: "IncrementalBase") -> bool:
        inside = getattr(self, self._fitted_name, self.estimator)
        getattr(inside, method)
        return True

    return available_if(check)


class IncrementalBase(MetaEstimatorMixin, BaseEstimator):
    """Hands predictions, scores and tags on to the estimator inside."""

    estimator: Any
    fit: Any
    n_features_in_: int
    _fitted_name = "estimator_"

    def local_estimator(self) -> Any:
        """Return the trained estimator, which needs nothing of hpc-ml."""
        check_is_fitted(self)
        return getattr(self, self._fitted_name)

    @_has("predict")
    def predict(self, X: Any) -> Any:
        """Return the estimator's predictions for rows, or for a Dask collection of them."""
        return self._respond("predict", X)

    @_has("predict_proba")
    def predict_proba(self, X: Any) -> Any:
        """Return the estimator's probabilities."""
        return self._respond("predict_proba", X)

    @_has("predict_log_proba")
    def predict_log_proba(self, X: Any) -> Any:
        """Return the logarithms of the estimator's probabilities."""
        return self._respond("predict_log_proba", X)

    @_has("decision_function")
    def decision_function(self, X: Any) -> Any:
        """Return the estimator's decision values."""
        return self._respond("decision_function", X)

    @_has("transform")
    def transform(self, X: Any) -> Any:
        """Return the rows as the estimator transforms them."""
        return self._respond("transform", X)

    @_has("transform")
    def fit_transform(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Fit, and return the rows transformed."""
        return self.fit(X, y, sample_weight).transform(X)

    @_has("score")
    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the estimator's own score of rows and their targets."""
        fitted = self.local_estimator()
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        return float(fitted.score(check_rows(self, X), y, **weights))

    def _respond(self, method: str, X: Any) -> Any:
        fitted = self.local_estimator()
        if is_dask(X):
            return apply_to_chunks(partial(self._respond, method), X, self.n_features_in_)
        return getattr(fitted, method)(check_rows(self, X))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, self._fitted_name)

    def __sklearn_tags__(self) -> Any:
        own = super().__sklearn_tags__()
        tags = copy.deepcopy(get_tags(self.estimator))
        tags.input_tags = copy.deepcopy(get_tags(first_step(self.estimator)).input_tags)
        tags.requires_fit, tags.no_validation = own.requires_fit, own.no_validation
        return tags
