"""Least squares, ridge, lasso and elastic net on rows in partitions.

Everything that is said of scikit-learn's estimators of these names holds here: same parameters,
objectives and attributes. The rows are read once, for the sums of products of their columns, from
which the coefficients follow on the controller; `solver`, `precompute`, `copy_X` and `n_jobs` have
no effect. With more than `MOST_COLUMNS` columns, L-BFGS reads the rows once an iteration instead.
"""

import warnings
from math import sqrt
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn import linear_model
from sklearn.base import _fit_context

from hpc_ml.estimators.gram import Moments, find_moments, measure_units
from hpc_ml.estimators.inputs import AnyCollective
from hpc_ml.estimators.least_squares import (
    Solve,
    Spectrum,
    descend,
    needs_refinement,
    refine,
    solve_nonnegative,
    solve_ridge,
)
from hpc_ml.estimators.linear_base import DistributedLinearModel, is_small_and_wide
from hpc_ml.estimators.wide_least_squares import fit_wide, sum_columns

MOST_COLUMNS = 5_500
"""Up to this the sums of products, columns x columns numbers, take less than 256 MiB."""

_WIDE_MAX_ITER = 1000


class _LeastSquares(DistributedLinearModel):
    """What the four have in common: from rows to moments, from coefficients to attributes."""

    _checks: ClassVar = {
        "accept_sparse": "csr",
        "y_numeric": True,
        "multi_output": True,
        "order": "C",
    }

    if TYPE_CHECKING:
        fit_intercept: bool
        positive: bool
        tol: float
        coef_: Any
        intercept_: Any
        n_iter_: Any

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "_LeastSquares":
        """Fit the model.

        Parameters
        ----------
        X : array, CSR matrix, DataFrame, Dask array or DataFrame, Partitions or open Collective
            Rows of n_features columns.
        y : of shape (n_samples,) or (n_samples, n_targets), in the form of X
            Targets; not where partitions hold them.
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
        with self._open(X, y, sample_weight) as collective:
            if is_small_and_wide(collective):
                self._fit_whole(collective)
            elif collective.n_features > MOST_COLUMNS:
                self._fit_wide(collective)
            else:
                self._fit_moments(collective)
        return self

    def _fit_moments(self, collective: AnyCollective) -> None:
        filled = next(number for number, rows in enumerate(collective.rows) if rows)
        (units,) = collective.map(measure_units, self.fit_intercept, [filled])
        moments = find_moments(collective, units, self.fit_intercept, self._state_name(collective))
        coefficients = self._solve(collective, moments) * moments.ratio
        self._set_coefficients(
            coefficients.T, moments.y_mean - moments.x_mean @ coefficients, units.dtype
        )
        if units.flat:
            self.coef_, self.intercept_ = self.coef_[0], self.intercept_[0]
        if not self.fit_intercept:
            self.intercept_ = 0.0

    def _fit_wide(self, collective: AnyCollective) -> None:
        if self.positive:
            raise ValueError(f"positive=True is not there for more than {MOST_COLUMNS} columns")
        max_iter = getattr(self, "max_iter", None) or _WIDE_MAX_ITER
        collective.checkpoint.tell(
            f"{collective.n_features:,} columns: solved by L-BFGS, since the products of more "
            f"than {MOST_COLUMNS:,} columns are too large"
        )
        sums = sum_columns(collective)
        minimum, coefficients, intercept = fit_wide(
            collective, sums, self._penalties(sums.weight_sum), fit_intercept=self.fit_intercept,
            tol=self.tol, max_iter=max_iter, name=self._state_name(collective),
        )  # fmt: skip
        minimum.warn(max_iter)
        self._set_coefficients(coefficients, np.float64(intercept), sums.dtype)
        self.n_iter_ = minimum.n_iter

    def _set_coefficients(self, coefficients: Any, intercept: Any, dtype: Any) -> None:
        if not (np.isfinite(coefficients).all() and np.isfinite(intercept).all()):
            raise ValueError("the coefficients are not finite: scale the columns")
        self.coef_ = coefficients.astype(dtype)
        self.intercept_ = intercept.astype(dtype)

    def _solve(self, collective: AnyCollective, moments: Moments) -> Any:
        """Return the coefficients in the moments' units, of shape (n_features, n_targets)."""
        raise NotImplementedError

    def _penalties(self, weight_sum: float) -> tuple[float, float]:
        """Return the weights of absolute values and of half squares beside the mean loss."""
        raise NotImplementedError


def _refine_if_needed(
    collective: AnyCollective,
    moments: Moments,
    coefficients: Any,
    alpha: Any,
    solve: Solve,
    condition: float,
) -> Any:
    if not needs_refinement(condition):
        return coefficients
    coefficients, passes = refine(collective, moments, coefficients, alpha, solve)
    collective.checkpoint.tell(
        f"columns are nearly collinear (condition number {sqrt(condition):.1g}): coefficients "
        f"made exact in further passes over the rows ({passes})"
    )
    return coefficients


class LinearRegression(_LeastSquares, linear_model.LinearRegression):
    """Ordinary least squares; see `sklearn.linear_model.LinearRegression`.

    Where columns are collinear, the coefficients of smallest norm are found, with `tol` as the
    share of the largest singular value below which one counts as zero.
    """

    _counterpart = linear_model.LinearRegression

    def _solve(self, collective: AnyCollective, moments: Moments) -> Any:
        if self.positive:
            return solve_nonnegative(moments, np.zeros(moments.xy.shape[1]))
        spectrum = Spectrum.of(moments, self.tol)
        if not moments.units.sparse:
            self.rank_ = spectrum.rank
            self.singular_ = np.sqrt(spectrum.values) / moments.units.x_scale
        if spectrum.rank < collective.n_features:
            collective.checkpoint.tell(
                f"columns are constant or collinear (rank {spectrum.rank} of "
                f"{collective.n_features}): the coefficients of smallest norm are taken"
            )
        return _refine_if_needed(
            collective, moments, spectrum.solve(moments.xy), 0.0, spectrum.solve, spectrum.condition
        )

    def _penalties(self, weight_sum: float) -> tuple[float, float]:
        return 0.0, 0.0


class Ridge(_LeastSquares, linear_model.Ridge):
    """Least squares with a penalty on squared coefficients; see `sklearn.linear_model.Ridge`."""

    _counterpart = linear_model.Ridge

    def _solve(self, collective: AnyCollective, moments: Moments) -> Any:
        alpha = np.ravel(np.asarray(self.alpha, dtype=np.float64)) * moments.units.x_scale**2
        n_targets = moments.xy.shape[1]
        if len(alpha) not in (1, n_targets):
            raise ValueError(
                "Number of targets and number of penalties do not correspond: "
                f"{len(alpha)} != {n_targets}"
            )
        self.n_iter_, self.solver_ = None, "cholesky"
        if self.positive:
            return solve_nonnegative(moments, np.broadcast_to(alpha, n_targets))
        solve, condition = solve_ridge(moments, alpha)
        return _refine_if_needed(collective, moments, solve(moments.xy), alpha, solve, condition)

    def _penalties(self, weight_sum: float) -> tuple[float, float]:
        (alpha,) = np.ravel(self.alpha)
        return 0.0, float(alpha) / weight_sum


class _Descent(_LeastSquares):
    """What lasso and elastic net have in common: coordinate descent on the sums of products."""

    if TYPE_CHECKING:
        alpha: float
        l1_ratio: float
        max_iter: int | None
        random_state: Any
        selection: str
        warm_start: bool

    def _solve(self, collective: AnyCollective, moments: Moments) -> Any:
        if self.alpha == 0:
            warnings.warn(
                "With alpha=0, this algorithm does not converge well. You are advised to use the "
                "LinearRegression estimator",
                stacklevel=4,
            )
        l1, l2 = self._penalties(moments.weight_sum)
        x_scale, y_scale = moments.units.x_scale, moments.units.y_scale
        found = [
            descend(
                moments, target, l1 * x_scale * y_scale, l2 * x_scale**2, start, self._options()
            )
            for target, start in enumerate(self._starts(moments))
        ]
        coefficients, gaps, iterations = (list(parts) for parts in zip(*found, strict=True))
        gaps = [gap / y_scale**2 for gap in gaps]
        flat = moments.units.flat
        self.n_iter_ = iterations[0] if flat else iterations
        self.dual_gap_ = np.asarray(gaps, dtype=moments.units.dtype)[0 if flat else slice(None)]
        return np.column_stack(coefficients)

    def _starts(self, moments: Moments) -> Any:
        """Return where the descent begins for each target, in the moments' units."""
        if self.warm_start and hasattr(self, "coef_"):
            return np.atleast_2d(np.asarray(self.coef_, dtype=np.float64)) / moments.ratio
        return np.zeros(moments.xy.T.shape)

    def _options(self) -> dict[str, Any]:
        names = ("tol", "max_iter", "positive", "selection", "random_state")
        return {name: getattr(self, name) for name in names}

    def _penalties(self, weight_sum: float) -> tuple[float, float]:
        return self.alpha * self.l1_ratio, self.alpha * (1 - self.l1_ratio)


class ElasticNet(_Descent, linear_model.ElasticNet):
    """Least squares with both penalties; see `sklearn.linear_model.ElasticNet`."""

    _counterpart = linear_model.ElasticNet


class Lasso(_Descent, linear_model.Lasso):
    """Least squares with a penalty on absolute values; see `sklearn.linear_model.Lasso`."""

    _counterpart = linear_model.Lasso
