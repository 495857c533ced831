"""K-means that is interrupted goes on to the same bits, whatever partitions have kept."""

from typing import Any

import numpy as np
import pytest
from sklearn import cluster

from hpc_ml.errors import Stopped
from hpc_ml.estimators import KMeans, surroundings
from hpc_ml.estimators.here import HereCollective
from hpc_ml.estimators.kmeans_labels import labels_of
from hpc_ml.estimators.surroundings import NoCheckpoint
from tests.kmeans_rows import ENDS, GivenPartitions, blobs

X = blobs()
START = X[:7]


class StopsAfter(NoCheckpoint):
    """Ends a fit after some iterations, and knows its state afterwards."""

    def __init__(self, iterations: int) -> None:
        self.left = iterations
        self.state: bytes | None = None

    def kept_state(self, name: str) -> bytes | None:
        return self.state

    def keep_state(self, name: str, make: Any) -> None:
        self.make = make

    def progress(self, done: int, total: int, unit: str) -> None:
        assert unit == "iterations"
        self.left -= 1
        if not self.left:
            self.state = self.make()
            raise Stopped("stopped")


@pytest.mark.parametrize("rows", [X, X + 1e4], ids=["dense", "far from zero"])
def test_a_fit_that_was_stopped_goes_on_to_the_same_bits(rows: np.ndarray) -> None:
    partitions = GivenPartitions(rows, ENDS)
    models = [KMeans(7, init="random", n_init=2, random_state=1, tol=0) for _ in range(2)]
    models[0].fit(partitions)
    checkpoint = StopsAfter(4)
    with surroundings(checkpoint=checkpoint):
        with pytest.raises(Stopped):
            models[1].fit(partitions)
        done = len(models[0].shift_curve_)
        models[1].fit(partitions)
    assert -checkpoint.left < done
    for name in ("cluster_centers_", "inertia_", "n_iter_", "inertia_curve_", "cluster_sizes_"):
        np.testing.assert_array_equal(getattr(models[0], name), getattr(models[1], name))


def test_the_state_of_another_fit_is_not_taken() -> None:
    checkpoint = StopsAfter(2)
    with surroundings(checkpoint=checkpoint):
        with pytest.raises(Stopped):
            KMeans(7, init=START).fit(GivenPartitions(X))
        other = KMeans(5, init=START[:5]).fit(GivenPartitions(X))
    theirs = cluster.KMeans(5, init=START[:5], n_init=1).fit(X)
    assert other.n_iter_ == theirs.n_iter_


class Forgetful(HereCollective):
    """What a partition has kept is lost after each step, as with a worker that dies."""

    def _steps(self, *words: Any) -> Any:
        self._holder._memories.clear()
        return super()._steps(*words)


@pytest.mark.parametrize("init", ["random", "k-means||"])
def test_nothing_depends_on_what_partitions_keep(init: str) -> None:
    found = []
    for kind in (HereCollective, Forgetful):
        with kind(GivenPartitions(X, ENDS)) as collective:
            model = KMeans(7, init=init, n_init=1, random_state=0).fit(collective)
            found.append((model.cluster_centers_, model.inertia_, *labels_of(model, collective)))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
