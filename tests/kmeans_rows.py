"""Rows in partitions of any size for the tests of K-means."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.datasets import make_blobs

from hpc_ml.estimators.partitions import Block

# Partitions of any size, one of them empty.
ENDS = (3, 500, 500, 1300)


class GivenPartitions:
    """Rows cut at given places; small enough to travel with the plan."""

    def __init__(self, X: Any, ends: Sequence[int] = (), weight: Any = None) -> None:
        bounds = (0, *ends, X.shape[0])
        parts = [slice(a, b) for a, b in pairwise(bounds)]
        self.key = "given"
        self.blocks = [
            Block(X[part], weight=None if weight is None else weight[part]) for part in parts
        ]
        self.rows = tuple(len(block) for block in self.blocks)
        self.bytes_each = tuple(block.nbytes for block in self.blocks)
        self.n_features = X.shape[1]

    def load(self, number: int) -> Block:
        return self.blocks[number]


def blobs(n_rows: int = 2000, dtype: Any = np.float64, seed: int = 0) -> np.ndarray:
    """Return seven clusters in five columns that overlap, in an order of chance."""
    X, _ = make_blobs(n_rows, 5, centers=7, cluster_std=3.0, random_state=seed)
    return X.astype(dtype)


def as_sparse(X: np.ndarray) -> Any:
    """Return the rows as CSR, with what lies near zero left out."""
    return sp.csr_matrix(np.where(abs(X) < 2, 0, X))
