"""The losses of linear models: summed over a partition in one pass, and their mean over all."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from hpc_ml.estimators.inputs import AnyCollective
from hpc_ml.estimators.linear_kernels import KERNELS
from hpc_ml.estimators.partitions import Block

# Rows are taken in blocks that stay in a core's cache from the product to the gradient, so that
# an evaluation reads the partition once; far smaller blocks cost more in calls than they save.
_IN_CACHE_BYTES = 2**20
_FEWEST_ROWS = 32


@dataclass(frozen=True)
class Objective:
    """What a worker must know to sum the losses of its rows.

    Parameters
    ----------
    loss : {"squared", "poisson", "binomial", "multinomial"}
        scikit-learn's losses of these names.
    fit_intercept : bool
    classes : ndarray of shape (n_classes,), optional
        The labels, sorted, where the target is one of them.
    class_weight : ndarray of shape (n_classes,), optional
        Multiplies the weights of the rows of each class.
    """

    loss: str
    fit_intercept: bool
    classes: Any = None
    class_weight: Any = None

    @property
    def n_outputs(self) -> int:
        """Raw predictions of a row: one a class in the multinomial case, else 1."""
        return len(self.classes) if self.loss == "multinomial" else 1

    def count_parameters(self, n_features: int) -> int:
        return (n_features + self.fit_intercept) * self.n_outputs

    def split(self, x: Any, n_features: int) -> tuple[Any, Any]:
        """Return views of the coefficients and of the intercept of a vector of parameters.

        Shapes are (n_classes, n_features) and (n_classes,) in the multinomial case, else
        (n_features,) and (1,); without an intercept its view is empty.
        """
        size = n_features * self.n_outputs
        coefficients = x[:size]
        if self.loss == "multinomial":
            coefficients = coefficients.reshape(self.n_outputs, n_features)
        return coefficients, x[size:]


def sum_losses(
    block: Block, state: tuple[Objective, Any], memory: dict[str, Any]
) -> tuple[float, Any]:
    """Return the weighted sum of the losses of a partition's rows, and its gradient, in float64.

    A step of a `Collective`. Rows of float32 are multiplied as such, as scikit-learn does it; the
    sums over blocks of rows are taken in float64.
    """
    objective, x = state
    n_features = block.X.shape[1]
    coefficients, intercept = objective.split(x.astype(block.X.dtype), n_features)
    total, gradient = 0.0, np.zeros(len(x))
    to_coefficients, to_intercept = objective.split(gradient, n_features)
    for rows in cut_rows(block.X):
        X = block.X if rows == slice(None) else block.X[rows]
        target, weight = read_rows(block, rows, objective, memory)
        # A line search may look where losses overflow, and turns back.
        with np.errstate(all="ignore"):
            raw = _multiply(coefficients, X)
            if objective.fit_intercept:
                raw += intercept[:, None] if raw.ndim == 2 else intercept
            losses, slopes = KERNELS[objective.loss](raw, target)
            if weight is not None:
                losses *= weight
                slopes *= weight
            total += float(losses.sum(dtype=np.float64))
            to_coefficients += slopes @ X
        if objective.fit_intercept:
            to_intercept += slopes.sum(axis=-1, dtype=np.float64)
    return total, gradient


def _multiply(coefficients: Any, X: Any) -> Any:
    """Return raw predictions of shape (n_rows,) or (n_classes, n_rows), in C's order."""
    if coefficients.ndim == 2 and issparse(X):
        return np.ascontiguousarray((X @ coefficients.T).T)
    return coefficients @ X.T if coefficients.ndim == 2 else X @ coefficients


def cut_rows(X: Any) -> Iterator[slice]:
    """Yield the rows of a block in parts that fit a core's cache; sparse ones in one part."""
    if issparse(X):
        yield slice(None)
        return
    n_rows = X.shape[0]
    step = max(_FEWEST_ROWS, _IN_CACHE_BYTES // max(1, X.shape[1] * X.itemsize))
    for first in range(0, n_rows, step):
        yield slice(first, min(first + step, n_rows))


def read_rows(
    block: Block, rows: slice, objective: Objective, memory: dict[str, Any]
) -> tuple[Any, Any]:
    """Return targets and weights (or None) of some rows, in the dtype of X.

    Classes are numbered; in the multinomial case by integers.
    """
    dtype = block.X.dtype
    weight = None if block.weight is None else block.weight[rows].astype(dtype, copy=False)
    if objective.classes is None:
        return np.ascontiguousarray(block.y[rows], dtype=dtype), weight
    labels, numbers = number_labels(block, memory)
    class_of = np.searchsorted(objective.classes, labels)
    if objective.class_weight is not None:
        of_class = objective.class_weight.astype(dtype)[class_of][numbers[rows]]
        weight = of_class if weight is None else weight * of_class
    if objective.loss != "multinomial":
        class_of = class_of.astype(dtype)
    return class_of[numbers[rows]], weight


def number_labels(block: Block, memory: dict[str, Any]) -> tuple[Any, Any]:
    """Return the labels of a partition, each once, and which of them each row has.

    They are found once, and kept in as few bytes as do. Raises ValueError for a missing label.
    """
    if "labels" not in memory:
        numbers, labels = pd.factorize(block.y)
        if numbers.min(initial=0) < 0:
            raise ValueError("Input y contains NaN.")
        if block.y.dtype.kind in "US":
            labels = labels.astype(block.y.dtype)
        smallest = np.min_scalar_type(max(0, len(labels) - 1))
        memory["labels"] = labels, numbers.astype(smallest)
    labels, numbers = memory["labels"]
    return labels, numbers


@dataclass
class MeanLoss:
    """The objective as scikit-learn scales it; calling it is one step of the workers.

    ``sum_i w_i loss_i / sum_i w_i + l2 / 2 * norm(coefficients) ** 2``; the intercept bears no
    penalty.

    Parameters
    ----------
    collective : Collective
        The rows.
    objective : Objective
        The loss.
    weight_sum : float
        Sum of the weights of all rows.
    l2 : float
        Weight of the squared norm.
    center : ndarray of shape (n_features,), optional
        The parameters are then those of a model of centred columns, which is as good and better
        conditioned; for one output with an intercept.
    """

    collective: AnyCollective
    objective: Objective
    weight_sum: float
    l2: float
    center: Any = field(default=None)

    def __call__(self, x: Any) -> tuple[float, Any]:
        n_features = self.collective.n_features
        x = self.uncentre(np.asarray(x, dtype=np.float64))
        total, gradient = self.collective.reduce(sum_losses, (self.objective, x))
        gradient = gradient / self.weight_sum
        coefficients, _ = self.objective.split(x, n_features)
        to_coefficients, to_intercept = self.objective.split(gradient, n_features)
        if self.center is not None:
            to_coefficients -= self.center * to_intercept
        to_coefficients += self.l2 * coefficients
        penalty = 0.5 * self.l2 * float(np.vdot(coefficients, coefficients))
        return total / self.weight_sum + penalty, gradient

    def uncentre(self, x: Any) -> Any:
        """Return the parameters of the columns as they are."""
        if self.center is None:
            return x
        return np.append(x[:-1], x[-1] - self.center @ x[:-1])
