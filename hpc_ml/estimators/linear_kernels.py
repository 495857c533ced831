"""The losses of linear models, row by row, from the raw predictions.

They are scikit-learn's half losses (`sklearn._loss`), without constants of the target, in whole
arrays: NumPy takes exponentials and logarithms of many values at a time where the processor can.
"""

from typing import Any

import numpy as np


def square(raw: Any, target: Any) -> tuple[Any, Any]:
    """Return half the squared errors and their slopes, each of shape (n_rows,)."""
    slopes = raw - target
    return 0.5 * slopes * slopes, slopes


def poisson(raw: Any, target: Any) -> tuple[Any, Any]:
    """Return the losses and slopes of counts whose logarithm is predicted."""
    mean = np.exp(raw)
    return mean - target * raw, mean - target


def binomial(raw: Any, target: Any) -> tuple[Any, Any]:
    """Return the losses and slopes of classes 0 and 1 whose log-odds are predicted.

    No digit is lost however certain the prediction is.
    """
    sign = 2 * target - 1
    margin = sign * raw
    small = np.exp(-np.abs(margin))
    losses = np.log1p(small)
    losses -= np.minimum(margin, 0)
    slopes = np.where(margin >= 0, small, 1)
    slopes /= 1 + small
    slopes *= -sign
    return losses, slopes


def multinomial(raw: Any, target: Any) -> tuple[Any, Any]:
    """Return losses of shape (n_rows,) and slopes of shape (n_classes, n_rows).

    `raw`, of shape (n_classes, n_rows), is overwritten; `target` holds the numbers of classes.
    """
    rows = np.arange(len(target))
    raw -= raw.max(axis=0)
    of_target = raw[target, rows]
    np.exp(raw, out=raw)
    sums = raw.sum(axis=0)
    raw /= sums
    raw[target, rows] -= 1
    return np.log(sums) - of_target, raw


KERNELS = {"squared": square, "poisson": poisson, "binomial": binomial, "multinomial": multinomial}
