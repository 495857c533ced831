"""k-means||: centres to start from, chosen from all rows in a few passes.

B. Bahmani, B. Moseley, A. Vattani, R. Kumar, S. Vassilvitskii, "Scalable K-Means++", Proceedings
of the VLDB Endowment 5, 2012.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.metrics.pairwise import euclidean_distances

from hpc_ml.estimators.kmeans_starts import StartRows, cluster_locally
from hpc_ml.estimators.kmeans_survey import digest_of, generator_of
from hpc_ml.estimators.partitions import Block

_CHUNK_BYTES = 2**23
_LOCAL_STARTS = 3
# What is kept of a row takes 12 bytes: rows should be larger by far, as they fill the memory.
_WIDE_ROW_BYTES = 48

Memory = dict[str, Any]


@dataclass(frozen=True)
class Candidates:
    """Rows that may become centres, in the rounds in which they were drawn.

    Attributes
    ----------
    rounds : tuple of array or CSR of shape (n, n_features)
        Less the offset. Distances are taken round by round, so that they have the same bits
        whether or not a partition still knows those of earlier rounds.
    offset : ndarray of shape (n_features,) or None
        Is subtracted from dense rows first.
    keep : bool
        Whether partitions keep their distances.
    tokens : tuple of str
        A digest of each round, by which distances are found again.
    """

    rounds: tuple[Any, ...]
    offset: np.ndarray | None
    keep: bool
    tokens: tuple[str, ...]

    @classmethod
    def of(cls, collective: Any, rows: StartRows, rounds: Sequence[Any]) -> "Candidates":
        tokens = tuple(digest_of(drawn) for drawn in rounds)
        row_bytes = sum(collective.partitions.bytes_each) / max(1, sum(collective.rows))
        keep = collective.resident and row_bytes >= _WIDE_ROW_BYTES
        return cls(tuple(rounds), rows.offset, keep, tokens)

    def __len__(self) -> int:
        return sum(drawn.shape[0] for drawn in self.rounds)


@dataclass(frozen=True)
class Draw:
    """Rows are drawn with probability `factor` x weight x squared distance, by `seed`."""

    candidates: Candidates
    factor: float
    seed: int


def choose_by_oversampling(
    collective: Any,
    rows: StartRows,
    n_clusters: int,
    *,
    oversampling_factor: float,
    init_max_iter: int,
    random_state: np.random.RandomState,
) -> np.ndarray:
    """Return the first centres of one run, less the offset.

    Parameters
    ----------
    collective : Collective
        All rows.
    rows : StartRows
        A sample of them, of which the first candidate is one.
    n_clusters : int
        Number of centres.
    oversampling_factor : float
        About ``oversampling_factor * n_clusters`` candidates are drawn in each round.
    init_max_iter : int
        Number of rounds.
    random_state : RandomState
        Decides all draws.
    """
    first = random_state.choice(len(rows.weight), p=rows.weight / rows.weight.sum())
    rounds = [rows.X[[first]]]
    for _ in range(init_max_iter):
        seed = int(random_state.randint(np.iinfo(np.int32).max))
        candidates = Candidates.of(collective, rows, rounds)
        cost = collective.reduce(measure_cost, candidates)
        if not cost:
            break  # every row is a candidate, or like one
        factor = oversampling_factor * n_clusters / cost
        drawn = _stack(collective.map(draw_candidates, Draw(candidates, factor, seed)))
        if drawn.shape[0]:
            rounds.append(drawn)
    if sum(drawn.shape[0] for drawn in rounds) < n_clusters:
        rounds.append(rows.X[random_state.permutation(rows.X.shape[0])[:n_clusters]])
    weights = collective.reduce(weigh_candidates, Candidates.of(collective, rows, rounds))
    return cluster_locally(_stack(rounds), weights, n_clusters, _LOCAL_STARTS, random_state)


def _stack(parts: list[Any]) -> Any:
    return sp.vstack(parts, format="csr") if sp.issparse(parts[0]) else np.concatenate(parts)


def measure_cost(block: Block, candidates: Candidates, memory: Memory) -> float:
    """Return the weighted sum of squared distances from each row to its nearest candidate."""
    return float(_weights(block) @ _distances(block, candidates, memory)[0])


def draw_candidates(block: Block, draw: Draw, memory: Memory) -> Any:
    """Return rows drawn by their distance from the candidates, less the offset."""
    distances, _ = _distances(block, draw.candidates, memory)
    chances = draw.factor * _weights(block) * distances
    drawn = np.flatnonzero(generator_of(block, draw.seed).random(len(block)) < chances)
    rows = block.X[drawn]
    return rows if draw.candidates.offset is None else rows - draw.candidates.offset


def weigh_candidates(block: Block, candidates: Candidates, memory: Memory) -> np.ndarray:
    """Return the weight of the rows nearest each candidate."""
    _, nearest = _distances(block, candidates, memory)
    memory.pop("closest", None)  # these were the last candidates
    return np.bincount(nearest, _weights(block), minlength=len(candidates))


def _weights(block: Block) -> np.ndarray:
    if block.weight is None:
        return np.ones(len(block))
    return np.asarray(block.weight, np.float64)


def _distances(
    block: Block, candidates: Candidates, memory: Memory
) -> tuple[np.ndarray, np.ndarray]:
    """Return squared distance and number of the nearest candidate of each row."""
    tokens, squares, nearest = memory.get("closest", ((), None, None))
    if squares is None or tokens != candidates.tokens[: len(tokens)]:
        tokens, squares = (), np.full(len(block), np.inf)
        nearest = np.zeros(len(block), np.int32)
    before = sum(drawn.shape[0] for drawn in candidates.rounds[: len(tokens)])
    for drawn in candidates.rounds[len(tokens) :]:
        for part in _parts_of(block, drawn.shape[0]):
            X = block.X[part] if candidates.offset is None else block.X[part] - candidates.offset
            found = euclidean_distances(X, drawn, squared=True)
            best = found.argmin(axis=1)
            found = found[np.arange(len(best)), best]
            nearest[part] = np.where(found < squares[part], before + best, nearest[part])
            squares[part] = np.minimum(found, squares[part])
        before += drawn.shape[0]
    if candidates.keep:
        memory["closest"] = (candidates.tokens, squares, nearest)
    return squares, nearest


def _parts_of(block: Block, n_candidates: int) -> Iterator[slice]:
    step = max(1, _CHUNK_BYTES // (8 * n_candidates))
    for first in range(0, len(block), step):
        yield slice(first, min(first + step, len(block)))
