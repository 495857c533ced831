"""One pass over the partitions before K-means begins: mean, variances, and a sample of the rows."""

import hashlib
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import scipy.sparse as sp

from hpc_ml.estimators.partitions import Block

_CHUNK_BYTES = 2**20
# How far from zero the mean may be, squared and in units of the spread, by bytes of the type.
_DISTANCE = {4: 2.0, 8: 1e4}


@dataclass(frozen=True)
class Moments:
    """Weight, mean and sum of squared deviations of rows, float64.

    Sets of rows are joined without loss: T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating
    formulae and a pairwise algorithm for computing sample variances", 1979.
    """

    weight: float
    mean: np.ndarray
    squares: np.ndarray

    def join(self, other: "Moments") -> "Moments":
        """Return the moments of both sets together."""
        weight = self.weight + other.weight
        if not weight:
            return self
        apart = other.mean - self.mean
        return Moments(
            weight,
            self.mean + apart * (other.weight / weight),
            self.squares + other.squares + apart**2 * (self.weight * other.weight / weight),
        )

    def scatter(self, offset: np.ndarray | None) -> float:
        """Return the weighted sum of squared distances from a point, or from zero."""
        apart = self.mean if offset is None else self.mean - offset
        return float(self.squares.sum() + self.weight * (apart @ apart))


@dataclass(frozen=True)
class SamplePlan:
    """Each row is taken with probability `share`, by `seed`; a share of 1 takes all."""

    share: float
    seed: int


@dataclass(frozen=True)
class Sample:
    """Rows as they lie in the data, and their weights, which are float64."""

    X: Any
    weight: np.ndarray


@dataclass(frozen=True)
class Survey:
    """What is known of the data before the first iteration.

    Attributes
    ----------
    plain, weighted : Moments
        Of the rows counted alike, and by their weights.
    samples : tuple of Sample
        One for each plan that was asked.
    """

    plain: Moments
    weighted: Moments
    samples: tuple[Sample, ...]

    @property
    def dtype(self) -> Any:
        return self.samples[0].X.dtype

    @property
    def sparse(self) -> bool:
        return bool(sp.issparse(self.samples[0].X))

    def find_offset(self) -> np.ndarray | None:
        """Return what to subtract from dense rows so that distances do not lose digits.

        scikit-learn always subtracts the mean. Where it lies near zero for the digits of the
        type, which is mostly so, that changes no more than the last bits, and is left out.
        """
        mean = self.plain.mean
        spread = self.plain.squares.sum() / self.plain.weight
        if self.sparse or mean @ mean <= spread * _DISTANCE[np.dtype(self.dtype).itemsize]:
            return None
        return mean.astype(self.dtype)


def take_survey(collective: Any, plans: tuple[SamplePlan, ...]) -> Survey:
    """Survey all partitions, and draw a sample by each plan; there is one at least.

    Raises ValueError for values that K-means cannot work with.
    """
    parts = collective.map(survey_partition, plans)
    plain = reduce(Moments.join, [part[0] for part in parts])
    weighted = reduce(Moments.join, [part[1] for part in parts])
    joined = tuple(
        _join_samples([part[2][number] for part in parts]) for number in range(len(plans))
    )
    _check_values(plain, joined[0].X.dtype)
    return Survey(plain, weighted, joined)


def _check_values(plain: Moments, dtype: Any) -> None:
    if not np.isfinite(plain.mean).all():
        raise ValueError("Input X contains NaN or infinity.")
    with np.errstate(over="ignore"):
        largest = plain.scatter(None)
    if not largest <= float(np.finfo(dtype).max) / 8:  # NaN is not, either
        raise ValueError(
            f"Input X has values that are too large for their squares in {dtype}: scale the columns"
        )


def _join_samples(samples: list[Sample]) -> Sample:
    rows = [sample.X for sample in samples]
    X = sp.vstack(rows, format="csr") if sp.issparse(rows[0]) else np.concatenate(rows)
    return Sample(X, np.concatenate([sample.weight for sample in samples]))


def survey_partition(
    block: Block, plans: tuple[SamplePlan, ...], memory: dict[str, Any]
) -> tuple[Moments, Moments, tuple[Sample, ...]]:
    """Return plain and weighted moments of a partition, and a sample of its rows for each plan."""
    measure = _measure_sparse if sp.issparse(block.X) else _measure_dense
    plain = measure(block.X, None)
    weighted = plain if block.weight is None else measure(block.X, block.weight)
    return plain, weighted, tuple(draw_sample(block, plan) for plan in plans)


def _measure_dense(X: np.ndarray, weight: np.ndarray | None) -> Moments:
    n_rows, n_features = X.shape
    moments = Moments(0.0, np.zeros(n_features), np.zeros(n_features))
    chunk_rows = max(1, _CHUNK_BYTES // (8 * n_features))
    with np.errstate(over="ignore", invalid="ignore"):
        for first in range(0, n_rows, chunk_rows):
            chunk = X[first : first + chunk_rows].astype(np.float64)
            weights = np.ones(len(chunk)) if weight is None else weight[first : first + chunk_rows]
            moments = moments.join(_measure_chunk(chunk, np.asarray(weights, np.float64)))
    return moments


def _measure_chunk(chunk: np.ndarray, weights: np.ndarray) -> Moments:
    total = float(weights.sum())
    mean = (weights @ chunk) / total if total else np.zeros(chunk.shape[1])
    chunk -= mean
    chunk *= chunk
    return Moments(total, mean, weights @ chunk)


def _measure_sparse(X: Any, weight: np.ndarray | None) -> Moments:
    weights = np.ones(X.shape[0]) if weight is None else np.asarray(weight, np.float64)
    total = float(weights.sum())
    if not total:
        return Moments(0.0, np.zeros(X.shape[1]), np.zeros(X.shape[1]))
    of_value = np.repeat(weights, np.diff(X.indptr))
    values = X.data.astype(np.float64)
    count = X.shape[1]
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.bincount(X.indices, of_value * values, minlength=count) / total
        apart = values - mean[X.indices]
        squares = np.bincount(X.indices, of_value * apart**2, minlength=count)
        # The zeros that are not stored lie one mean away.
        zeros = total - np.bincount(X.indices, of_value, minlength=count)
        return Moments(total, mean, squares + np.maximum(zeros, 0) * mean**2)


def draw_sample(block: Block, plan: SamplePlan) -> Sample:
    """Return the rows of a partition that a plan takes, in their order."""
    n_rows = len(block)
    if plan.share >= 1:
        chosen = np.arange(n_rows)
    else:
        chosen = np.flatnonzero(generator_of(block, plan.seed).random(n_rows) < plan.share)
    weight = np.ones(len(chosen)) if block.weight is None else block.weight[chosen]
    return Sample(block.X[chosen], np.asarray(weight, np.float64))


def take_sample(collective: Any, n_rows: int, seed: int) -> Sample:
    """Return about `n_rows` of all rows, or all where they are no more."""
    plan = SamplePlan(n_rows / max(1, sum(collective.rows)), seed)
    return _join_samples(collective.map(sample_partition, plan))


def sample_partition(block: Block, plan: SamplePlan, memory: dict[str, Any]) -> Sample:
    """Return a sample of a partition."""
    return draw_sample(block, plan)


def generator_of(block: Block, *seeds: int) -> np.random.Generator:
    """Return a generator of random numbers that is a partition's own, wherever it lies.

    A partition does not know its number: its first and last rows stand for it.
    """
    ends = digest_of(block.X[:1], block.X[-1:])
    return np.random.default_rng([block.X.shape[0], int(ends, 16), *seeds])


def digest_of(*arrays: Any) -> str:
    """Return 32 hexadecimal digits that stand for the content of arrays and CSR matrices."""
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        parts = (array.data, array.indices, array.indptr) if sp.issparse(array) else (array,)
        for part in parts:
            digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()
