"""Metrics of a booster's rounds: the libraries' own, and scikit-learn's scorers by name."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import get_scorer, get_scorer_names


def split_metrics(
    names: Sequence[str], own: Collection[str] = ()
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names that are the library's metrics, and those that are scikit-learn's scorers.

    `own` are names that both have, and that mean the library's.
    """
    known = set(get_scorer_names()) - set(own)
    return (
        tuple(name for name in names if name not in known),
        tuple(name for name in names if name in known),
    )


def score(name: str, y: Any, predicted: Any, *, classes: Any = None, weight: Any = None) -> float:
    """Return a scikit-learn score of a booster's predictions.

    Parameters
    ----------
    name : str
        A scorer by scikit-learn's name; more is better.
    y : ndarray of shape (n_samples,)
        Numbers, or the labels of classes.
    predicted : ndarray of shape (n_samples,) or (n_samples, n_classes)
        Numbers; or probabilities, of the second class alone where there are two.
    classes : ndarray, optional
        The sorted labels.
    weight : ndarray of shape (n_samples,), optional
        Used where the scorer takes weights.
    """
    scorer = get_scorer(name)
    estimator: Any = _Numbers(predicted) if classes is None else _Classes(predicted, classes)
    rows = np.zeros((len(y), 1))
    if weight is None:
        return float(scorer(estimator, rows, y))
    try:
        return float(scorer(estimator, rows, y, sample_weight=weight))
    except TypeError:  # a metric that knows no weights
        return float(scorer(estimator, rows, y))


class _Numbers(RegressorMixin, BaseEstimator):
    """A regressor that has predicted already."""

    def __init__(self, predicted: Any = None) -> None:
        self.predicted = predicted

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, X: Any) -> Any:
        return self.predicted


class _Classes(ClassifierMixin, BaseEstimator):
    """A classifier that has predicted already."""

    def __init__(self, predicted: Any = None, classes: Any = None) -> None:
        self.predicted = predicted
        self.classes = classes

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def classes_(self) -> Any:
        return self.classes

    def predict_proba(self, X: Any) -> Any:
        if self.predicted.ndim == 2:
            return self.predicted
        return np.column_stack((1 - self.predicted, self.predicted))

    def predict(self, X: Any) -> Any:
        return self.classes[np.argmax(self.predict_proba(X), axis=1)]
