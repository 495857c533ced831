"""Coefficients from the sums of products of all columns: least squares, ridge, lasso."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigh
from scipy.linalg.lapack import dpocon
from scipy.optimize import nnls
from sklearn.linear_model import enet_path

from hpc_ml.estimators.gram import Moments, sum_residual_products
from hpc_ml.estimators.inputs import AnyCollective

Solve = Callable[[Any], Any]

# Products square the condition of the columns: past this one, coefficients are made exact by
# passes that multiply the columns with what the coefficients leave of the target.
_GOOD_CONDITION = 1e9
_MOST_REFINEMENTS = 3
_REFINED = 1e-8


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues, largest first, and eigenvectors of the centred products of the features.

    `rank` of them count; the others are zero but for rounding.
    """

    values: Any
    vectors: Any
    rank: int

    @classmethod
    def of(cls, moments: Moments, tol: float) -> "Spectrum":
        """Decompose the products; singular values below `tol` of the largest are taken as zero."""
        values, vectors = eigh(moments.xx)
        values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
        smallest = max(tol**2, len(values) * np.finfo(float).eps) * np.max(values, initial=0.0)
        return cls(values, vectors, int(np.sum(values > smallest)))

    def solve(self, products: Any, alpha: Any = 0.0) -> Any:
        """Return the solution of smallest norm, of shape (n_features, n_targets)."""
        vectors, values = self.vectors[:, : self.rank], self.values[: self.rank, None]
        return vectors @ ((vectors.T @ products) / (values + alpha))

    @property
    def condition(self) -> float:
        return float(self.values[0] / self.values[self.rank - 1]) if self.rank else 1.0


def solve_ridge(moments: Moments, alpha: Any) -> tuple[Solve, float]:
    """Return what solves the penalised equations, and their condition.

    Parameters
    ----------
    moments : Moments
    alpha : ndarray of shape (n_targets,)
        Weight of the squared norm of each target's coefficients, in the moments' units.
    """
    if np.all(alpha == alpha[0]):
        penalised = moments.xx + alpha[0] * np.eye(len(moments.xx))
        try:
            factor = cho_factor(penalised, lower=False)
        except LinAlgError:
            pass
        else:
            inverse_condition, _ = dpocon(factor[0], np.linalg.norm(penalised, 1))
            if inverse_condition > np.finfo(float).eps:
                return lambda products: cho_solve(factor, products), 1 / float(inverse_condition)
    spectrum = Spectrum.of(moments, 0.0)
    return lambda products: spectrum.solve(products, alpha), spectrum.condition


def solve_nonnegative(moments: Moments, alpha: Any) -> Any:
    """Return coefficients that are not negative, of shape (n_features, n_targets).

    `alpha`, of shape (n_targets,), weighs their squared norm.
    """
    values, vectors = eigh(moments.xx)
    found = []
    for products, penalty in zip(moments.xy.T, alpha, strict=True):
        # A square root R of the products has R'R = X'X, and z with R'z = X'y takes y's place.
        roots = np.sqrt(np.maximum(values, 0.0) + penalty)
        counts = roots > np.finfo(float).eps * len(roots) * np.max(roots)
        root = roots[counts, None] * vectors[:, counts].T
        found.append(nnls(root, (vectors[:, counts].T @ products) / roots[counts])[0])
    return np.column_stack(found)


def refine(
    collective: AnyCollective, moments: Moments, coefficients: Any, alpha: Any, solve: Solve
) -> tuple[Any, int]:
    """Return coefficients without what squaring the condition cost them, and the passes it took."""
    passes = 0
    while passes < _MOST_REFINEMENTS:
        passes += 1
        state = (moments.units, moments.means, coefficients)
        rest = collective.reduce(sum_residual_products, state) - alpha * coefficients
        step = solve(rest)
        coefficients = coefficients + step
        if np.linalg.norm(step) <= _REFINED * np.linalg.norm(coefficients):
            break
    return coefficients, passes


def needs_refinement(condition: float) -> bool:
    """Say whether sums of products alone leave too few digits."""
    return condition > _GOOD_CONDITION


def descend(
    moments: Moments, target: int, l1: float, l2: float, start: Any, options: dict[str, Any]
) -> tuple[Any, float, int]:
    """Minimise with absolute-value penalty by scikit-learn's coordinate descent.

    Parameters
    ----------
    moments : Moments
    target : int
        Which one.
    l1, l2 : float
        Penalties, in the moments' units.
    start : ndarray of shape (n_features,)
        Where the descent begins.
    options : dict
        Of `sklearn.linear_model.enet_path`: tol, max_iter, positive, selection, random_state.

    Returns
    -------
    tuple
        Coefficients, dual gap and number of iterations.
    """
    count, alpha = moments.weight_sum, l1 + l2
    # One row stands for all: where products are given, the path reads no more of X and y than
    # the number of rows and the norm of y.
    _, coefficients, gaps, iterations = enet_path(
        np.zeros((1, len(moments.xx)), order="F"),
        np.sqrt(moments.yy[target : target + 1] / count),
        alphas=[alpha],
        l1_ratio=l1 / alpha if alpha else 0.0,
        precompute=np.ascontiguousarray(moments.xx / count),
        Xy=np.ascontiguousarray(moments.xy[:, target] / count),
        coef_init=start,
        return_n_iter=True,
        check_input=False,
        **options,
    )
    return coefficients[:, 0], float(gaps[0]), int(iterations[0])
