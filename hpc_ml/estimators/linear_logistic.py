"""Logistic regression on rows in partitions: binary and multinomial, by L-BFGS."""

import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from sklearn import linear_model
from sklearn.base import _fit_context
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

from hpc_ml.estimators.inputs import AnyCollective, is_partitioned
from hpc_ml.estimators.lbfgs import search_smooth, search_sparse
from hpc_ml.estimators.linear_base import DistributedLinearModel, check_weight_sum
from hpc_ml.estimators.linear_loss import MeanLoss, Objective, number_labels
from hpc_ml.estimators.minimisation import Minimum, Search, minimise
from hpc_ml.estimators.partitions import Block


class LogisticRegression(DistributedLinearModel, linear_model.LogisticRegression):
    """Logistic regression; see `sklearn.linear_model.LogisticRegression`.

    Same parameters, objective and attributes. `solver` is "lbfgs" for every `l1_ratio`: with
    absolute values in the penalty it finds the minimum that scikit-learn's "saga" looks for.
    `n_jobs` and `random_state` have no effect.

    Attributes
    ----------
    history_ : tuple of (float, float)
        Loss and largest component of its gradient after each iteration.
    loss_ : float
        The objective at the minimum: mean of the weighted losses, and penalties.
    """

    _counterpart = linear_model.LogisticRegression
    _checks: ClassVar = {"accept_sparse": "csr", "order": "C"}

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "LogisticRegression":
        """Fit the model.

        Parameters
        ----------
        X : array, CSR matrix, DataFrame, Dask array or DataFrame, Partitions or open Collective
            Rows of n_features columns.
        y : of shape (n_samples,), in the form of X
            Labels of any type that can be sorted; not where partitions hold them.
        sample_weight : of shape (n_samples,), in the form of X, default=None
            Weights of the rows.

        Returns
        -------
        self : object
            The fitted model.

        Raises
        ------
        ValueError
            For invalid parameters, values, or one class alone.
        HpcMlError
            When the cluster or the checkpoint ends the fit.
        """
        l1_ratio, C = self._read_penalty()
        with self._open(X, y, sample_weight) as collective:
            if not is_partitioned(X):
                check_classification_targets(y)
            labels = survey_labels(collective)
            self.classes_ = labels.classes
            if len(labels.classes) < 2:
                raise ValueError(
                    "This solver needs samples of at least 2 classes in the data, but the data "
                    f"contains only one class: {labels.classes[0]!r}"
                )
            minimum = self._minimise(collective, labels, l1_ratio, C)
        minimum.warn(self.max_iter)
        self.history_, self.loss_ = minimum.history, minimum.loss
        self.n_iter_ = np.array([min(minimum.n_iter, self.max_iter)], dtype=np.int32)
        return self

    def validate_parameters(self) -> None:
        """Raise ValueError for parameters that `fit` would refuse, whatever the rows."""
        super().validate_parameters()
        self._read_penalty()

    def decision_function(self, X: Any) -> Any:
        """As scikit-learn's; of a Dask collection lazily, chunk by chunk."""
        return self._follow("decision_function", X)

    def predict_proba(self, X: Any) -> Any:
        """As scikit-learn's; of a Dask collection lazily, chunk by chunk."""
        return self._follow("predict_proba", X)

    def predict_log_proba(self, X: Any) -> Any:
        """As scikit-learn's; of a Dask collection lazily, chunk by chunk."""
        return self._follow("predict_log_proba", X)

    def local_estimator(self) -> Any:
        """Return scikit-learn's own estimator, fitted as this one is."""
        local = super().local_estimator()
        # Only "saga" could fit it again there.
        return local.set_params(solver="saga") if self._read_penalty()[0] else local

    def _read_penalty(self) -> tuple[float, float]:
        """Return share of the absolute values in the penalty, and C; refuse what is not there."""
        if self.solver != "lbfgs":
            raise ValueError(
                f"solver={self.solver!r} is not there: 'lbfgs' finds the same minimum, for every "
                "l1_ratio"
            )
        if self.dual:
            raise ValueError("dual=True is not there: it is for liblinear alone")
        l1_ratio, C = float(self.l1_ratio or 0.0), float(self.C)
        if self.penalty == "deprecated":
            return l1_ratio, C
        warnings.warn(
            "'penalty' was deprecated in scikit-learn 1.8: use l1_ratio, and C=inf for no penalty",
            FutureWarning,
            stacklevel=4,
        )
        if self.penalty is None:
            return 0.0, np.inf
        return {"l1": 1.0, "l2": 0.0, "elasticnet": l1_ratio}[self.penalty], C

    def _minimise(
        self, collective: AnyCollective, labels: "Labels", l1_ratio: float, C: float
    ) -> Minimum:
        class_weight = None
        if self.class_weight is not None:
            class_weight = compute_class_weight(
                self.class_weight, classes=labels.classes, y=labels.classes,
                sample_weight=labels.weights,
            )  # fmt: skip
        objective = Objective(
            "multinomial" if len(labels.classes) > 2 else "binomial",
            fit_intercept=self.fit_intercept,
            classes=labels.classes,
            class_weight=class_weight,
        )
        weights = labels.weights if class_weight is None else labels.weights * class_weight
        weight_sum = check_weight_sum(weights.sum())
        strength = 1.0 / (C * weight_sum)
        minimum = minimise(
            MeanLoss(collective, objective, weight_sum, (1.0 - l1_ratio) * strength),
            self._start(objective, collective.n_features),
            self._search(objective, collective.n_features, l1_ratio * strength),
            max_iter=self.max_iter,
            checkpoint=collective.checkpoint,
            name=self._state_name(collective),
        )
        self._set_coefficients(objective, minimum.x.astype(labels.dtype))
        return minimum

    def _search(self, objective: Objective, n_features: int, l1: float) -> Search:
        if not l1:
            return partial(search_smooth, tol=self.tol)
        penalty = np.zeros(objective.count_parameters(n_features))
        objective.split(penalty, n_features)[0][:] = l1
        return partial(search_sparse, tol=self.tol, penalty=penalty)

    def _start(self, objective: Objective, n_features: int) -> Any:
        start = np.zeros(objective.count_parameters(n_features))
        if self.warm_start and hasattr(self, "coef_"):
            if self.coef_.shape != (objective.n_outputs, n_features):
                raise ValueError(
                    f"Initialization coef is of shape {self.coef_.shape}, expected shape "
                    f"{(objective.n_outputs, n_features)}"
                )
            coefficients, intercept = objective.split(start, n_features)
            coefficients[:] = self.coef_.reshape(coefficients.shape)
            if self.fit_intercept:
                intercept[:] = self.intercept_
        return start

    def _set_coefficients(self, objective: Objective, x: Any) -> None:
        coefficients, intercept = objective.split(x, self.n_features_in_)
        self.coef_ = np.atleast_2d(coefficients).copy()
        if not self.fit_intercept:
            intercept = np.zeros(objective.n_outputs, dtype=x.dtype)
        self.intercept_ = intercept.copy()


@dataclass(frozen=True)
class Labels:
    """What is known of the labels before a classifier is fitted.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted.
    weights : ndarray of shape (n_classes,)
        Sum of the weights of each class's rows.
    dtype : dtype
        Of the features.
    """

    classes: Any
    weights: Any
    dtype: Any


def survey_labels(collective: AnyCollective) -> Labels:
    """Return the labels of all partitions, by one pass.

    Raises ValueError where they are no labels but numbers.
    """
    found = [part for part in collective.map(_survey) if part is not None]
    dtypes, labels, weights = zip(*found, strict=True)
    classes = np.unique(np.concatenate(labels))
    if classes.dtype.kind == "f" and not (classes == np.trunc(classes)).all():
        raise ValueError("Unknown label type: continuous. The target is numbers, not classes.")
    sums = np.zeros(len(classes))
    for some, of_some in zip(labels, weights, strict=True):
        sums[np.searchsorted(classes, some)] += of_some
    return Labels(classes, sums, np.result_type(*dtypes))


def _survey(block: Block, state: None, memory: dict[str, Any]) -> tuple[Any, Any, Any] | None:
    if not len(block):
        return None
    labels, numbers = number_labels(block, memory)
    return block.X.dtype, labels, np.bincount(numbers, weights=block.weight, minlength=len(labels))
