"""What Lloyd's algorithm asks of the rows of one partition, with scikit-learn's own kernels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.cluster._k_means_common import _inertia_dense, _inertia_sparse
from sklearn.cluster._k_means_lloyd import lloyd_iter_chunked_dense

from hpc_ml.estimators.lloyd_rows import Chunk, assign, chunks_of
from hpc_ml.estimators.lloyd_track import Track
from hpc_ml.estimators.partitions import Block

# Every so many rows of a chunk tell whether it has rows of all clusters.
_PROBES_PER_CENTRE = 8
_LEAST_STEP = 4
# Up to here making a sparse matrix costs more than multiplying by a full one.
_SMALL_PRODUCT = 2**12
# From here on summing at once saves nothing, and it pays to know the last labels.
_LARGE_ROWS = 2**10
_LARGE_CLUSTERS = 2**4
_LARGE_CENTRES = 2**10

Memory = dict[str, Any]


@dataclass(frozen=True)
class Centres:
    """The centres of one run of Lloyd's algorithm, as they travel to the workers.

    Attributes
    ----------
    values : ndarray of shape (n_clusters, n_features)
        Of the data's type, and relative to the offset of the `Question`.
    token : str
        A digest of what the values are, by which labels are found again.
    """

    values: np.ndarray
    token: str


@dataclass(frozen=True)
class Question:
    """What is asked of each partition, of several runs at once so that rows are read once.

    Attributes
    ----------
    runs : tuple of Centres
        One of each run.
    offset : ndarray of shape (n_features,) or None
        Is subtracted from dense rows first.
    keep_labels : bool
        Whether a partition keeps its labels for the next question.
    """

    runs: tuple[Centres, ...]
    offset: np.ndarray | None
    keep_labels: bool = False


def sum_by_cluster(block: Block, question: Question, memory: Memory) -> tuple[np.ndarray, ...]:
    """Return of each run the sums of the rows nearest each centre, and their weights.

    A table of a run is float64 of shape (n_clusters, n_features + 1), the weights last. How it
    is summed depends on rows and labels alone: the same labels give the same bits.
    """
    tables = tuple(np.zeros((len(run.values), block.X.shape[1] + 1)) for run in question.runs)
    track, labels = _take_track(block, question, memory), None
    if track is not None:
        labels = track.find_labels(question.runs[0].values)
    keeper = _LabelKeeper(block, question, memory)
    for chunk in chunks_of(block, question.offset):
        known = None if labels is None else labels[chunk.first : chunk.first + len(chunk)]
        for run, table in zip(question.runs, tables, strict=True):
            at_once = block.weight is None and not _is_large(block, run.values)
            keeper.keep(run, chunk, _add(table, chunk, run.values, known, at_once=at_once))
    if track is not None:
        (run,) = question.runs
        track.note(run.values, memory["labels"][run.token])
        memory["track"] = track
    return tables


def _take_track(block: Block, question: Question, memory: Memory) -> Track | None:
    """Return what the partition knows of its labels, where it is to keep them and that pays."""
    track: Track | None = memory.pop("track", None)
    if not question.keep_labels or not _is_large(block, question.runs[0].values):
        return None
    if track is not None and track.is_of(block, question.offset):
        return track
    return Track(block, question.offset)


def _is_large(block: Block, centres: np.ndarray) -> bool:
    """Return whether distances take so long that all else is little beside them.

    It follows from shapes alone, since sums have other bits then.
    """
    few = len(block) < _LARGE_ROWS or len(centres) < _LARGE_CLUSTERS
    return not few and centres.size >= _LARGE_CENTRES and not sp.issparse(block.X)


def _add(
    table: np.ndarray,
    chunk: Chunk,
    centres: np.ndarray,
    labels: np.ndarray | None,
    *,
    at_once: bool,
) -> np.ndarray:
    """Add a chunk to a table, by its labels if they are known; return them."""
    if at_once and _fills_all(chunk, centres):
        added = _add_at_once(table, chunk, centres)
        if added is not None:
            return added
    if labels is None:
        labels = assign(chunk, centres)
    _add_by_product(table, chunk, labels)
    return labels


def _fills_all(chunk: Chunk, centres: np.ndarray) -> bool:
    """Return whether a few rows of the chunk already lie in all clusters."""
    step = len(chunk) // (_PROBES_PER_CENTRE * len(centres))
    if sp.issparse(chunk.X) or step < _LEAST_STEP:
        return False
    probes = np.ascontiguousarray(chunk.X[::step])
    labels = assign(Chunk(0, probes, chunk.weight[: len(probes)]), centres)
    return bool(np.bincount(labels, minlength=len(centres)).all())


def _add_at_once(table: np.ndarray, chunk: Chunk, centres: np.ndarray) -> np.ndarray | None:
    """Add a chunk to a table by the kernel that assigns and sums at once; return its labels.

    That kernel gives clusters that are empty in this chunk a row of another, which is no
    business of a single chunk. Such a cluster has one row then: where one has, nothing is
    added, and None returned.
    """
    means, weights = np.empty_like(centres), np.empty(len(centres), centres.dtype)
    labels = np.empty(len(chunk), np.int32)
    shift = np.empty_like(weights)
    lloyd_iter_chunked_dense(chunk.X, chunk.weight, centres, means, weights, labels, shift, 1)
    if weights.min() <= 1:
        return None
    table[:, :-1] += means * weights.astype(np.float64)[:, None]
    table[:, -1] += weights
    return labels


def _add_by_product(table: np.ndarray, chunk: Chunk, labels: np.ndarray) -> None:
    """Add a chunk to a table by a matrix that says which row is in which cluster."""
    shape = (len(table), len(chunk))
    if shape[0] * shape[1] <= _SMALL_PRODUCT and not sp.issparse(chunk.X):
        sums = (chunk.weight * (labels == np.arange(len(table))[:, None])) @ chunk.X
    else:
        ends = np.arange(len(chunk) + 1, dtype=np.int32)
        sums = sp.csc_matrix((chunk.weight, labels.astype(np.int32), ends), shape=shape) @ chunk.X
    table[:, :-1] += sums.toarray() if sp.issparse(sums) else sums
    table[:, -1] += np.bincount(labels, chunk.weight, minlength=len(table))


class _LabelKeeper:
    """Keeps the labels of each run in the partition's memory, in as few bytes as they need."""

    def __init__(self, block: Block, question: Question, memory: Memory) -> None:
        self._labels: dict[str, np.ndarray] = {}
        memory.pop("labels", None)
        if question.keep_labels:
            for run in question.runs:
                kind = np.min_scalar_type(len(run.values) - 1)
                self._labels[run.token] = np.empty(block.X.shape[0], kind)
            memory["labels"] = self._labels

    def keep(self, run: Centres, chunk: Chunk, labels: np.ndarray) -> None:
        if self._labels:
            self._labels[run.token][chunk.first : chunk.first + len(chunk)] = labels


@dataclass(frozen=True)
class FarQuestion:
    """Which rows are farthest from the centre of their cluster; at most `count`, or all."""

    question: Question
    count: int | None


def find_farthest(
    block: Block, far: FarQuestion, memory: Memory
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return squared distances, labels and row numbers of the rows farthest from their centre."""
    (run,) = far.question.runs
    distances = np.empty(block.X.shape[0], block.X.dtype)
    labels = np.empty(block.X.shape[0], np.int32)
    for chunk in chunks_of(block, far.question.offset):
        rows = slice(chunk.first, chunk.first + len(chunk))
        labels[rows] = assign(chunk, run.values)
        distances[rows] = _squared_distances(chunk.X, run.values, labels[rows])
    if far.count is None or far.count >= len(distances):
        numbers = np.arange(len(distances))
    else:
        numbers = np.sort(np.argpartition(distances, -far.count)[-far.count :])
    return distances[numbers], labels[numbers], numbers


def _squared_distances(X: Any, centres: np.ndarray, labels: np.ndarray) -> np.ndarray:
    if not sp.issparse(X):
        return ((X - centres[labels]) ** 2).sum(axis=1)
    of_row = np.repeat(labels, np.diff(X.indptr))
    there = centres[of_row, X.indices]
    changes = (X.data - there) ** 2 - there**2
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    sums = np.bincount(rows, changes, minlength=X.shape[0]) + (centres**2).sum(axis=1)[labels]
    return np.maximum(sums, 0).astype(centres.dtype)


def take_rows(
    block: Block, wanted: tuple[np.ndarray, np.ndarray | None], memory: Memory
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows by number, dense and less the offset, and their weights."""
    numbers, offset = wanted
    X = block.X[numbers]
    X = X.toarray() if sp.issparse(X) else X if offset is None else X - offset
    weight = np.ones(len(numbers)) if block.weight is None else block.weight[numbers]
    return X, np.asarray(weight, np.float64)


@dataclass(frozen=True)
class Finish:
    """The last question: labels by the centres of `question`, inertia to those of `ends`."""

    question: Question
    ends: tuple[np.ndarray, ...]


def measure_inertia(block: Block, finish: Finish, memory: Memory) -> tuple[np.ndarray, ...]:
    """Return of each run the inertia, then the rows of each cluster, in one float64 array.

    Labels that the partition has kept are taken again; those used are kept.
    """
    question = finish.question
    memory.pop("track", None)
    known = memory.get("labels", {})
    answers = tuple(np.zeros(1 + len(run.values)) for run in question.runs)
    keeper = _LabelKeeper(block, question, memory)
    for chunk in chunks_of(block, question.offset):
        for run, end, answer in zip(question.runs, finish.ends, answers, strict=True):
            labels = _labels_of(chunk, run, known)
            answer[0] += _inertia(chunk, end, labels)
            answer[1:] += np.bincount(labels, minlength=len(end))
            keeper.keep(run, chunk, labels)
    return answers


def _labels_of(chunk: Chunk, run: Centres, known: dict[str, np.ndarray]) -> np.ndarray:
    if run.token not in known:
        return assign(chunk, run.values)
    return known[run.token][chunk.first : chunk.first + len(chunk)].astype(np.int32)


def _inertia(chunk: Chunk, centres: np.ndarray, labels: np.ndarray) -> float:
    kernel = _inertia_sparse if sp.issparse(chunk.X) else _inertia_dense
    return float(kernel(chunk.X, chunk.weight, centres, labels, 1))


def label(block: Block, question: Question, memory: Memory) -> np.ndarray:
    """Return the labels of a partition's rows by the one run that is asked of."""
    (run,) = question.runs
    known = memory.get("labels", {})
    parts = [_labels_of(chunk, run, known) for chunk in chunks_of(block, question.offset)]
    kind = np.min_scalar_type(len(run.values) - 1)
    return np.concatenate([np.empty(0, kind), *parts]).astype(kind)
