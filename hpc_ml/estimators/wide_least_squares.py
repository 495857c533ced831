"""Least squares with more columns than have room for the sums of their products: by L-BFGS."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from hpc_ml.estimators.inputs import AnyCollective
from hpc_ml.estimators.lbfgs import search_smooth, search_sparse
from hpc_ml.estimators.linear_base import check_weight_sum
from hpc_ml.estimators.linear_loss import MeanLoss, Objective, cut_rows
from hpc_ml.estimators.minimisation import Minimum, Search, minimise
from hpc_ml.estimators.partitions import Block


@dataclass(frozen=True)
class ColumnSums:
    """Weighted sums over all rows: of the weights, x, y, and x y."""

    weight_sum: float
    x: Any
    y: float
    xy: Any
    dtype: Any


def sum_columns(collective: AnyCollective) -> ColumnSums:
    """Return the sums, by one pass.

    Raises ValueError for more than one target and where the weights sum to zero.
    """
    weight_sum, x, y, xy = collective.reduce(_sum_columns)
    filled = next(number for number, rows in enumerate(collective.rows) if rows)
    (dtype,) = collective.map(_dtype, None, [filled])
    return ColumnSums(check_weight_sum(weight_sum), x, y, xy, dtype)


def _dtype(block: Block, state: None, memory: dict[str, Any]) -> Any:
    return block.X.dtype


def _sum_columns(
    block: Block, state: None, memory: dict[str, Any]
) -> tuple[float, Any, float, Any]:
    if np.ndim(block.y) > 1:
        raise ValueError("with so many columns, fit one target at a time")
    n_features = block.X.shape[1]
    x, xy = np.zeros(n_features), np.zeros(n_features)
    y = np.asarray(block.y, dtype=np.float64)
    weight = np.ones(len(y)) if block.weight is None else np.asarray(block.weight, dtype=np.float64)
    for rows in cut_rows(block.X):
        X = block.X[rows]
        x += X.T @ weight[rows]
        xy += X.T @ (weight[rows] * y[rows])
    return float(weight.sum()), x, float(weight @ y), xy


def fit_wide(
    collective: AnyCollective,
    sums: ColumnSums,
    penalties: tuple[float, float],
    *,
    fit_intercept: bool,
    tol: float,
    max_iter: int,
    name: str,
) -> tuple[Minimum, Any, float]:
    """Minimise the mean of half the squared errors and the penalties.

    Parameters
    ----------
    collective : Collective
        The rows.
    sums : ColumnSums
        Of these rows.
    penalties : tuple of float
        Weights of the absolute values and of half the squares of the coefficients.
    fit_intercept : bool
    tol : float
        The search ends where no component of the gradient is larger than this share of the
        largest at the start.
    max_iter : int
    name : str
        Under which the state is kept.

    Returns
    -------
    tuple
        The minimum, its coefficients of shape (n_features,) and intercept.
    """
    l1, l2 = penalties
    n_features = collective.n_features
    center = sums.x / sums.weight_sum if fit_intercept else None
    start = np.zeros(n_features + fit_intercept)
    at_start = sums.xy / sums.weight_sum
    if center is not None:
        start[-1] = sums.y / sums.weight_sum
        at_start = at_start - center * start[-1]
    loss = MeanLoss(collective, Objective("squared", fit_intercept), sums.weight_sum, l2, center)
    smallest = tol * float(np.max(np.abs(at_start)))
    search: Search = partial(search_smooth, tol=smallest)
    if l1:
        penalty = np.append(np.full(n_features, l1), np.zeros(int(fit_intercept)))
        search = partial(search_sparse, tol=smallest, penalty=penalty)
    minimum = minimise(
        loss, start, search, max_iter=max_iter, checkpoint=collective.checkpoint, name=name
    )
    x = loss.uncentre(minimum.x)
    return minimum, x[:n_features], float(x[-1]) if fit_intercept else 0.0
