"""Sums of products of all columns, from one pass over the rows, for exact least squares.

Sums of products lose what large means and odd units hide. So columns are shifted by the means and
scaled by the size of the first rows, which are known before the pass, and centred exactly after it.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg.blas import dsyrk
from scipy.sparse import issparse

from hpc_ml.estimators.inputs import AnyCollective
from hpc_ml.estimators.partitions import Block

_BLOCK_BYTES = 2**20
_FEWEST_ROWS = 256
# Above this share of values, products of sparse rows take longer than those of dense ones.
_DENSE_SHARE = 0.1


@dataclass(frozen=True)
class Units:
    """How the columns of features and targets are shifted and scaled before they are multiplied.

    Parameters
    ----------
    x_shift, y_shift : ndarray of shape (n_features,) and (n_targets,)
        Subtracted; zero for sparse features and where no intercept is fitted.
    x_scale, y_scale : float
        Powers of two by which the differences are multiplied, which costs no digit.
    dtype : dtype
        Of the features.
    sparse : bool
        Whether the features are sparse.
    flat : bool
        Whether the target has one dimension.
    """

    x_shift: Any
    y_shift: Any
    x_scale: float
    y_scale: float
    dtype: Any
    sparse: bool
    flat: bool

    @property
    def n_features(self) -> int:
        return len(self.x_shift)

    @property
    def width(self) -> int:
        """Columns of the matrix whose products are summed: features, targets, and ones."""
        return len(self.x_shift) + len(self.y_shift) + 1


@dataclass(frozen=True)
class Moments:
    """Weighted sums over all rows, in the units of `units`, centred where an intercept is fitted.

    Attributes
    ----------
    weight_sum : float
    means : ndarray of shape (n_features + n_targets,)
        Of features and targets in these units; zero where no intercept is fitted.
    x_mean, y_mean : ndarray of shape (n_features,) and (n_targets,)
        In the units of the data; zero where no intercept is fitted.
    xx, xy, yy : ndarray of shape (n_features, n_features), (n_features, n_targets), (n_targets,)
        Sums of products.
    """

    units: Units
    weight_sum: float
    means: Any
    x_mean: Any
    y_mean: Any
    xx: Any
    xy: Any
    yy: Any

    @property
    def ratio(self) -> float:
        """What turns coefficients of scaled columns into those of the data."""
        return self.units.x_scale / self.units.y_scale


def measure_units(block: Block, fit_intercept: bool, memory: dict[str, Any]) -> Units:
    """Return units that suit the rows of a partition; a step of a `Collective`."""
    y = _as_columns(block.y)
    sparse = issparse(block.X)
    n_features = block.X.shape[1]
    with np.errstate(all="ignore"):
        x_shift = np.zeros(n_features)
        y_shift = np.zeros(y.shape[1])
        if fit_intercept:
            y_shift = np.asarray(np.mean(y, axis=0))
            if not sparse:
                x_shift = np.asarray(np.mean(block.X, axis=0, dtype=np.float64))
    x_shift[~np.isfinite(x_shift)] = 0.0
    y_shift[~np.isfinite(y_shift)] = 0.0
    x_scale = min(_scale(block.X[rows], x_shift) for rows in cut_rows(block, n_features + 1))
    return Units(
        x_shift=x_shift,
        y_shift=y_shift,
        x_scale=x_scale,
        y_scale=_scale(y, y_shift),
        dtype=block.X.dtype,
        sparse=sparse,
        flat=np.ndim(block.y) == 1,
    )


def _scale(values: Any, shift: Any) -> float:
    """Return the power of two that brings the largest of the shifted values to about 1."""
    values = values.data if issparse(values) else values - shift
    largest = float(np.max(np.abs(values), initial=0.0))
    if largest == 0 or not np.isfinite(largest):
        return 1.0
    return float(2.0 ** -np.clip(np.frexp(largest)[1], -1000, 1000))


def sum_products(block: Block, units: Units, memory: dict[str, Any]) -> Any:
    """Return the upper triangle of the weighted products of (features, targets, 1).

    A step of a `Collective`: an array of shape (width, width) in float64.
    """
    if units.sparse and block.X.nnz < _DENSE_SHARE * block.X.shape[0] * block.X.shape[1]:
        return _multiply_sparse(block, units)
    total = np.zeros((units.width, units.width), order="F")
    for rows in cut_rows(block, units.width):
        part = scale_rows(block, rows, units)
        if block.weight is not None:
            part *= np.sqrt(block.weight[rows], dtype=np.float64)[:, None]
        # The transpose is in Fortran's order, so that nothing is copied.
        total = dsyrk(1.0, part.T, beta=1.0, c=total, overwrite_c=True)
    return total


def scale_rows(block: Block, rows: slice, units: Units) -> Any:
    """Return (features, targets, 1) of some rows, shifted and scaled, in float64."""
    n_features = units.n_features
    X = block.X[rows]
    part = np.empty((X.shape[0], units.width))
    np.subtract(X.toarray() if units.sparse else X, units.x_shift, out=part[:, :n_features])
    part[:, :n_features] *= units.x_scale
    np.subtract(_as_columns(block.y[rows]), units.y_shift, out=part[:, n_features:-1])
    part[:, n_features:-1] *= units.y_scale
    part[:, -1] = 1.0
    return part


def cut_rows(block: Block, width: int) -> Iterator[slice]:
    """Yield the rows of a block in parts that take about a core's cache as float64."""
    step = max(_FEWEST_ROWS, _BLOCK_BYTES // (8 * width))
    for first in range(0, len(block), step):
        yield slice(first, min(first + step, len(block)))


def _multiply_sparse(block: Block, units: Units) -> Any:
    n_features, y = units.n_features, _as_columns(block.y)
    X = block.X.astype(np.float64)
    rest = np.column_stack(((y - units.y_shift) * units.y_scale, np.ones(len(block))))
    weighted_X, weighted_rest = X, rest
    if block.weight is not None:
        weight = np.asarray(block.weight, dtype=np.float64)
        weighted_X = X.multiply(weight[:, None]).tocsr()
        weighted_rest = rest * weight[:, None]
    total = np.zeros((units.width, units.width), order="F")
    total[:n_features, :n_features] = (X.T @ weighted_X).toarray() * units.x_scale**2
    total[:n_features, n_features:] = (X.T @ weighted_rest) * units.x_scale
    total[n_features:, n_features:] = rest.T @ weighted_rest
    return np.asfortranarray(np.triu(total))


def _as_columns(y: Any) -> Any:
    y = np.asarray(y, dtype=np.float64)
    return y[:, None] if y.ndim == 1 else y


def find_moments(
    collective: AnyCollective, units: Units, fit_intercept: bool, name: str
) -> Moments:
    """Return the moments of all rows, by one pass or from a state that was kept under `name`.

    Raises ValueError where the weights sum to zero or values are too large to be squared.
    """
    kept = collective.checkpoint.kept_state(name)
    if kept is not None:
        products = np.load(io.BytesIO(kept), allow_pickle=False)
    else:
        products = collective.reduce(sum_products, units)
        collective.checkpoint.keep_state(name, lambda: _to_bytes(products))
    return _centre(products, units, fit_intercept)


def _to_bytes(products: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, products)
    return file.getvalue()


def _centre(products: Any, units: Units, fit_intercept: bool) -> Moments:
    n_features = units.n_features
    weight_sum = float(products[-1, -1])
    if not np.isfinite(products).all():
        raise ValueError("the values are too large to be squared: scale the columns")
    if weight_sum <= 0:
        raise ValueError("the sample weights sum to zero: no row counts")
    means = products[:-1, -1] / weight_sum
    x_mean, y_mean = np.zeros(n_features), np.zeros(units.width - 1 - n_features)
    if not fit_intercept:
        means = np.zeros_like(means)
    else:
        x_mean = units.x_shift + means[:n_features] / units.x_scale
        y_mean = units.y_shift + means[n_features:] / units.y_scale
    x, y = means[:n_features], means[n_features:]
    # Only the upper triangle of the products is filled.
    xx = np.triu(products[:n_features, :n_features] - weight_sum * np.outer(x, x))
    xx += np.triu(xx, 1).T
    diagonal = np.diag(products)[n_features:-1]
    return Moments(
        units=units,
        weight_sum=weight_sum,
        means=means,
        x_mean=x_mean,
        y_mean=y_mean,
        xx=xx,
        xy=products[:n_features, n_features:-1] - weight_sum * np.outer(x, y),
        yy=np.maximum(diagonal - weight_sum * y * y, 0.0),
    )


def sum_residual_products(
    block: Block, state: tuple[Units, Any, Any], memory: dict[str, Any]
) -> Any:
    """Return the weighted products of centred features with residuals; a step of a `Collective`.

    The state holds the units, and in these the means of features and targets and the coefficients,
    whose shape, (n_features, n_targets), the answer has.
    """
    units, means, coefficients = state
    n_features = units.n_features
    total = np.zeros_like(coefficients)
    for rows in cut_rows(block, units.width):
        part = scale_rows(block, rows, units)[:, :-1] - means
        features, residuals = part[:, :n_features], part[:, n_features:]
        residuals -= features @ coefficients
        if block.weight is not None:
            residuals *= np.asarray(block.weight[rows], dtype=np.float64)[:, None]
        total += features.T @ residuals
    return total
