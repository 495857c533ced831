"""K-means on worker processes: the bits of one process, and Dask's collections."""

from typing import Any

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from distributed import Client
from sklearn import cluster as local

from hpc_ml.estimators import KMeans, MiniBatchKMeans
from hpc_ml.estimators.here import HereCollective
from hpc_ml.estimators.inputs import opened
from hpc_ml.estimators.kmeans_labels import labels_of
from tests.kmeans_rows import GivenPartitions, as_sparse, blobs

X = blobs()
START = X[:7]
WEIGHT = np.random.default_rng(0).uniform(0.1, 3.0, len(X))
ENDS = (100, 100, 700, 900, 1500)
FAR = np.concatenate([START[:4], [[1e3] * 5, [2e3] * 5, [3e3] * 5]])


@pytest.mark.parametrize(
    "model",
    [
        KMeans(7, init=START),
        KMeans(7, init=FAR, tol=0),
        KMeans(7, init="k-means||", random_state=0),
        KMeans(7, init="random", n_init=3, random_state=0),
        MiniBatchKMeans(7, max_iter=2, batch_size=200, random_state=0),
    ],
    ids=["given", "empty clusters", "k-means||", "random", "mini-batch"],
)
@pytest.mark.parametrize("form", ["dense", "sparse, weighted"])
def test_two_workers_find_the_bits_of_one(client: Client, form: str, model: Any) -> None:
    rows, weight = (X + 1e3, None) if form == "dense" else (as_sparse(X), WEIGHT)
    partitions = GivenPartitions(rows, ENDS, weight)
    found = []
    for opening in (HereCollective(partitions), opened(partitions)):
        with opening as collective:
            model.fit(collective)
            found.append(
                (model.cluster_centers_, model.inertia_, model.n_iter_, model.cluster_sizes_)
                + tuple(labels_of(model, collective))
            )
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_arrays_are_sent_and_labelled(client: Client) -> None:
    model = KMeans(7, init=START).fit(X, sample_weight=WEIGHT)
    theirs = local.KMeans(7, init=START).fit(X, sample_weight=WEIGHT)
    np.testing.assert_array_equal(model.labels_, theirs.labels_)
    np.testing.assert_allclose(model.cluster_centers_, theirs.cluster_centers_)


def test_dask_arrays_and_frames(client: Client) -> None:
    theirs = local.KMeans(7, init=START).fit(X)
    rows = da.from_array(X, chunks=(300, 2))
    model = KMeans(7, init=START)
    labels = model.fit_predict(rows)
    assert isinstance(labels, da.Array)
    np.testing.assert_array_equal(labels.compute(), theirs.labels_)
    np.testing.assert_allclose(model.score(rows), theirs.score(X))
    distances = model.transform(rows)
    assert distances.shape == (2000, 7)
    np.testing.assert_allclose(distances.compute(), theirs.transform(X))

    table = pd.DataFrame(X, columns=list("abcde"), index=np.arange(5000, 7000))
    frame = dd.from_pandas(table, npartitions=3)
    named = KMeans(7, init=START).fit(frame)
    np.testing.assert_allclose(named.cluster_centers_, theirs.cluster_centers_)
    assert named.feature_names_in_.tolist() == list("abcde")
    found = named.predict(frame).compute()
    assert found.index.equals(table.index)
    np.testing.assert_array_equal(found, theirs.labels_)
    np.testing.assert_allclose(named.transform(frame).compute(), theirs.transform(X))
