"""Poisson regression on rows in partitions, by L-BFGS."""

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn import linear_model
from sklearn.base import _fit_context

from hpc_ml.estimators.lbfgs import search_smooth
from hpc_ml.estimators.linear_base import DistributedLinearModel, Targets, survey_targets
from hpc_ml.estimators.linear_loss import MeanLoss, Objective
from hpc_ml.estimators.minimisation import minimise


class PoissonRegressor(DistributedLinearModel, linear_model.PoissonRegressor):
    """Poisson regression with a log link; see `sklearn.linear_model.PoissonRegressor`.

    Same parameters, objective and attributes; the solver is "lbfgs".

    Attributes
    ----------
    history_ : tuple of (float, float)
        Loss and largest component of its gradient after each iteration.
    loss_ : float
        The objective at the minimum: mean of the weighted losses, and penalty.
    """

    _counterpart = linear_model.PoissonRegressor
    _checks: ClassVar = {"accept_sparse": "csr", "y_numeric": True, "order": "C"}

    if TYPE_CHECKING:
        coef_: Any
        intercept_: Any

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "PoissonRegressor":
        """Fit the model.

        Parameters
        ----------
        X : array, CSR matrix, DataFrame, Dask array or DataFrame, Partitions or open Collective
            Rows of n_features columns.
        y : of shape (n_samples,), in the form of X
            Counts or rates, none negative; not where partitions hold them.
        sample_weight : of shape (n_samples,), in the form of X, default=None
            Weights of the rows.

        Returns
        -------
        self : object
            The fitted model.

        Raises
        ------
        ValueError
            For invalid parameters or values.
        HpcMlError
            When the cluster or the checkpoint ends the fit.
        """
        self.validate_parameters()
        with self._open(X, y, sample_weight) as collective:
            targets = survey_targets(collective)
            if not targets.smallest >= 0:
                raise ValueError(
                    "Some value(s) of y are out of the valid range of the loss 'HalfPoissonLoss'."
                )
            if targets.mean == 0:
                raise ValueError("all values of y are 0: there is nothing to learn")
            objective = Objective("poisson", self.fit_intercept)
            minimum = minimise(
                MeanLoss(collective, objective, targets.weight_sum, float(self.alpha)),
                self._start(collective.n_features, targets),
                partial(search_smooth, tol=self.tol),
                max_iter=self.max_iter,
                checkpoint=collective.checkpoint,
                name=self._state_name(collective),
            )
        minimum.warn(self.max_iter)
        self.history_, self.loss_ = minimum.history, minimum.loss
        self.n_iter_ = min(minimum.n_iter, self.max_iter)
        self._set_coefficients(minimum.x.astype(targets.dtype))
        return self

    def validate_parameters(self) -> None:
        """Raise ValueError for parameters that `fit` would refuse, whatever the rows."""
        super().validate_parameters()
        if self.solver != "lbfgs":
            raise ValueError(f"solver={self.solver!r} is not there: 'lbfgs' finds the same minimum")

    def _start(self, n_features: int, targets: Targets) -> Any:
        if self.warm_start and hasattr(self, "coef_"):
            parts = (self.coef_, [self.intercept_] if self.fit_intercept else [])
            return np.concatenate(parts).astype(np.float64)
        start = np.zeros(n_features + self.fit_intercept)
        if self.fit_intercept:
            start[-1] = np.log(targets.mean)
        return start

    def _set_coefficients(self, x: Any) -> None:
        self._base_loss = self._get_loss()
        self.coef_, self.intercept_ = (x[:-1], x[-1]) if self.fit_intercept else (x, 0.0)
