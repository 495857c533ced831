"""The rows that a user hands to a meta-estimator over `partial_fit`, checked as by scikit-learn."""

from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.utils import check_consistent_length, get_tags
from sklearn.utils.validation import _check_sample_weight, _check_y, column_or_1d, validate_data

from hpc_ml.estimators.incremental_parts import first_step


def takes_texts(estimator: Any) -> bool:
    """Return whether rows are texts or the like, and no features."""
    return not get_tags(first_step(estimator)).input_tags.two_d_array


def check_training_rows(owner: Any, X: Any, y: Any, weight: Any) -> tuple[Any, Any, Any]:
    """Return X, y and sample weights as partitions are made of them.

    Parameters
    ----------
    owner : estimator
        Whose `estimator` is fitted; learns number and names of the features.
    X : array-like or sparse matrix of shape (n_samples, n_features), or texts (n_samples,)
    y, weight : array-like of shape (n_samples,) or None

    Raises
    ------
    ValueError, TypeError
        As scikit-learn does.
    """
    X = check_rows(owner, X, reset=True)
    y = _check_target(owner.estimator, y)
    check_consistent_length(X, y)
    if weight is not None:
        weight = _check_sample_weight(weight, X)
    return X, y, weight


def check_rows(owner: Any, X: Any, *, reset: bool = False) -> Any:
    """Return rows as features in floats, or texts as an array of them."""
    if takes_texts(owner.estimator):
        return np.asarray(X, dtype=object)
    return validate_data(owner, X, reset=reset, accept_sparse="csr", dtype=[np.float64, np.float32])


def _check_target(estimator: Any, y: Any) -> Any:
    if y is None:
        if get_tags(estimator).target_tags.required:
            raise ValueError(
                f"{type(estimator).__name__} requires y to be passed, but the target y is None"
            )
        return None
    if is_classifier(estimator):
        return column_or_1d(y, warn=True)
    return _check_y(y, y_numeric=is_regressor(estimator))
