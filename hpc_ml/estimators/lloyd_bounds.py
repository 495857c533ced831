"""Bounds of the distances between rows and centres, by which rows keep their cluster unmeasured.

G. Hamerly, "Making k-means even faster", SIAM International Conference on Data Mining, 2010: a row
whose own centre is nearer than all others by more than the centres have moved since is where it
was. Here rounding counts too: a row is settled only where the kernel cannot but find the same.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg.blas import get_blas_funcs

# Distances at once, which stay in a core's cache.
_BLOCK_DISTANCES = 2**16
_LEAST_ROWS = 64


class Ground:
    """Centres, and how far off the squared distances are that are computed from them.

    scikit-learn's kernel compares |c|^2 - 2 x.c, as is done here; whatever the order in which its
    terms are added, it is off by no more than about (n_features + 8) roundings of them all.
    """

    def __init__(self, centres: np.ndarray) -> None:
        self.centres = centres
        self.dtype = centres.dtype
        n_clusters, n_features = centres.shape
        self.block_rows = max(_LEAST_ROWS, _BLOCK_DISTANCES // n_clusters)
        digits = np.finfo(self.dtype)
        self.share = (n_features + 8) * float(digits.eps) / 2
        self._least = (n_features + 8) * float(digits.tiny)
        norms = np.einsum("ij,ij->i", centres, centres)
        self.reach = float(np.sqrt(norms.max(), dtype=np.float64)) * (1 + self.share)
        self._norms = norms[:, None]
        self._room = np.empty(n_clusters * self.block_rows, self.dtype)
        self._multiply = get_blas_funcs("gemm", dtype=self.dtype)

    def error(self, lengths: np.ndarray) -> np.ndarray:
        """Return how far off the values are that rows of these lengths are compared by."""
        return (self.share * self.reach) * (self.reach + 2 * lengths) + self._least

    def compare(self, X: np.ndarray) -> np.ndarray:
        """Return |c|^2 - 2 x.c by centre and row; what is returned holds until the next call."""
        n_clusters = len(self.centres)
        values = self._room[: n_clusters * len(X)].reshape(n_clusters, len(X))
        values[:] = self._norms
        products: np.ndarray = self._multiply(
            -2.0, X.T, self.centres.T, beta=1.0, c=values.T, trans_a=True, overwrite_c=True
        )
        return products.T

    def decide(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the nearest centre of rows in float64, and where the kernel may find another."""
        rows, centres = X.astype(np.float64), self.centres.astype(np.float64)
        norms = np.einsum("ij,ij->i", centres, centres)
        values = norms - 2 * (rows @ centres.T)
        off = self.share * (norms + 2 * (abs(rows) @ abs(centres.T))) + self._least
        # What is found here is itself off by as much where the rows are float64.
        off *= 1.001 if self.dtype == np.float32 else 2
        own = (np.arange(len(rows)), values.argmin(axis=1))
        reached = values - off
        reached[own] = np.inf
        return own[1], reached.min(axis=1) <= (values + off)[own]


@dataclass(frozen=True)
class Measured:
    """What was found of rows: the nearest centre, bounds, and whether the kernel may differ."""

    labels: np.ndarray
    upper: np.ndarray
    lower: np.ndarray
    unsure: np.ndarray


def measure(X: np.ndarray, guesses: np.ndarray, ground: Ground) -> Measured:
    """Return the nearest centre of rows, and bounds of the distances to it and to all others.

    It is quick where most guesses, the labels before, are right.
    """
    values, rows = ground.compare(X), np.arange(len(X))
    nearest, labels = values.min(axis=0), guesses.astype(np.intp)
    wrong = np.flatnonzero(values[labels, rows] != nearest)
    labels[wrong] = values[:, wrong].argmin(axis=0)
    values[labels, rows] = np.inf
    second = values.min(axis=0)
    squares = np.einsum("ij,ij->i", X, X)
    error = ground.error(np.sqrt(squares))
    off = error + ground.share * squares
    upper = np.sqrt(np.maximum(nearest + squares + off, 0))
    lower = np.sqrt(np.maximum(second + squares - off, 0))
    unsure = second - nearest <= 4 * error
    if unsure.any():
        labels[unsure], unsure[unsure] = ground.decide(X[unsure])
    return Measured(labels, upper, lower, unsure)


@dataclass(frozen=True)
class Movement:
    """How far centres have moved: each, and at most of all the others."""

    own: np.ndarray
    others: np.ndarray

    @classmethod
    def between(cls, before: np.ndarray, after: np.ndarray) -> "Movement":
        steps = np.linalg.norm(after.astype(np.float64) - before, axis=1)
        own = (steps * (1 + 4 * np.finfo(after.dtype).eps)).astype(after.dtype)
        others = np.full_like(own, own.max())
        farthest = int(own.argmax())
        others[farthest] = np.delete(own, farthest).max(initial=0)
        return cls(own, others)


class Bounds:
    """Of each row: its centre is not beyond `upper`, and no other centre is within `lower`."""

    def __init__(self, n_rows: int, dtype: np.dtype) -> None:
        self.upper = np.empty(n_rows, dtype)
        self.lower = np.zeros(n_rows, dtype)

    def put(self, rows: np.ndarray | slice, found: Measured) -> None:
        """Take what was found of rows."""
        self.upper[rows] = found.upper
        self.lower[rows] = np.where(found.unsure, 0, found.lower)

    def move(self, labels: np.ndarray, movement: Movement) -> None:
        """Widen the bounds by how far the centres have moved."""
        more, numbers = 4 * float(np.finfo(self.upper.dtype).eps), labels.astype(np.intp)
        self.upper += movement.own.take(numbers)
        self.upper *= 1 + more
        self.lower -= movement.others.take(numbers)
        self.lower *= 1 - more

    def unsettled(self, ground: Ground) -> np.ndarray:
        """Return the numbers of the rows that may have changed their cluster."""
        return np.flatnonzero(~is_settled(self.upper, self.lower, ground))


def is_settled(upper: np.ndarray, lower: np.ndarray, ground: Ground) -> np.ndarray:
    """Return where the kernel cannot but find the centre that the upper bound is of."""
    gap = (lower - upper) * (lower + upper)
    return (lower > 0) & (gap > 2.1 * ground.error(ground.reach + upper))
