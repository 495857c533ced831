"""What a partition remembers of Lloyd's iterations: it saves work and shows in nothing else."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sklearn import cluster as local
from threadpoolctl import threadpool_limits

from hpc_ml.estimators import KMeans, lloyd_steps
from hpc_ml.estimators.here import HereCollective
from hpc_ml.estimators.kmeans_labels import labels_of
from hpc_ml.estimators.lloyd_rows import assign, chunks_of
from hpc_ml.estimators.lloyd_track import Track
from hpc_ml.estimators.partitions import Block
from tests.kmeans_rows import GivenPartitions, blobs

K = 12
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    with threadpool_limits(limits=1):
        yield


def lattice(n_rows: int) -> np.ndarray:
    """Return rows of few whole numbers: many are alike, and many lie between two centres."""
    return RNG.integers(0, 3, (n_rows, 5)).astype(np.float32)


ROWS = {
    "blobs": blobs(5000, np.float32),
    "float64": blobs(5000),
    "ties and duplicates": lattice(5000),
    "far from zero": blobs(5000, np.float32) + np.float32(3e4),
    "long": blobs(5000, np.float32) * np.float32(1e15),
    "short": blobs(5000, np.float32) * np.float32(1e-15),
    "too short": blobs(5000, np.float32) * np.float32(1e-22),
    "one far away": np.concatenate([blobs(4999, np.float32), np.full((1, 5), 1e9, np.float32)]),
    "alike": np.ones((5000, 5), np.float32),
}

# Rounding leaves too little of these.
UNBOUNDED = ("far from zero", "one far away", "alike", "too short")


def labels_by_kernel(block: Block, offset: Any, centres: np.ndarray) -> np.ndarray:
    return np.concatenate([assign(chunk, centres) for chunk in chunks_of(block, offset)])


@pytest.mark.parametrize("shifted", [False, True], ids=["as they are", "shifted"])
@pytest.mark.parametrize("name", ROWS)
def test_labels_are_the_kernels(name: str, shifted: bool) -> None:
    block = Block(ROWS[name])
    offset = block.X.mean(axis=0) if shifted else None
    rows = block.X if offset is None else block.X - offset
    centres, track = rows[:K].copy(), Track(block, offset)
    labels = labels_by_kernel(block, offset, centres)
    bounded = 0
    for _ in range(30):
        track.note(centres, labels)
        centres = centres.copy()
        for number in np.unique(labels):
            centres[number] = rows[labels == number].mean(axis=0)
        found, labels = track.find_labels(centres), labels_by_kernel(block, offset, centres)
        if found is not None:
            np.testing.assert_array_equal(found, labels)
            bounded += 1
    assert bounded or name in UNBOUNDED


class Halting(HereCollective):
    """What partitions have kept is lost now and then, as with workers that come and go."""

    calls = 0

    def _steps(self, *words: Any) -> Any:
        self.calls += 1
        if not self.calls % 4:
            self._holder._memories.clear()
        return super()._steps(*words)


class Streaming(HereCollective):
    """Rows that are read again on each pass."""

    resident = False


@pytest.mark.parametrize("name", ["blobs", "far from zero", "float64"])
def test_a_fit_is_scikit_learns_whatever_is_kept(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lloyd_steps, "_LARGE_CENTRES", 0)
    monkeypatch.setattr(lloyd_steps, "_LARGE_CLUSTERS", 0)
    rows = ROWS[name]
    found = []
    for kind in (HereCollective, Halting, Streaming):
        with kind(GivenPartitions(rows, (1500, 1500, 1800))) as collective:
            model = KMeans(K, init=rows[:K], tol=0).fit(collective)
            labels = np.concatenate(labels_of(model, collective))
            found.append((model.cluster_centers_, model.inertia_, model.n_iter_, labels))
    for other in found[1:]:
        for one, same in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, same)
    theirs = local.KMeans(K, init=rows[:K], n_init=1, tol=0).fit(rows)
    assert model.n_iter_ == theirs.n_iter_
    np.testing.assert_array_equal(labels, theirs.labels_)
    np.testing.assert_allclose(model.cluster_centers_, theirs.cluster_centers_, 1e-5)
