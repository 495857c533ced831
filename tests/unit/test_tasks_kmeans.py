"""The words of a clustering, before there are workers."""

from typing import Any

import pytest

from hpc_ml import make_job
from hpc_ml.data import inspect
from hpc_ml.errors import BadData, BadInput, BadJob
from hpc_ml.tasks import kmeans

DATA = {"name": "make_blobs(n_samples=50, n_features=3, random_state=0)"}


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ("2:5", (2, 3, 4, 5)),
        ("2,8", (2, 8)),
        (["3", "5:7", 5], (3, 5, 6, 7)),
        (4, (4,)),
    ],
)
def test_numbers_of_clusters_are_read(words: Any, numbers: tuple[int, ...]) -> None:
    job = make_job("kmeans", data=DATA, k=words)
    assert job.settings.k == numbers
    assert [model.n_clusters for model in kmeans.build_models(job.settings, 0)] == list(numbers)


def test_parameters_reach_the_model() -> None:
    job = make_job(
        "kmeans", data=DATA, init="k-means||", init_max_iter=2, params={"oversampling_factor": 10}
    )
    (model,) = kmeans.build_models(job.settings, seed=5)
    found = (model.init, model.init_max_iter, model.oversampling_factor, model.random_state)
    assert found == ("k-means||", 2, 10, 5)
    job = make_job("kmeans", data=DATA, minibatch=True, batch_size=64, n_clusters=3)
    (model,) = kmeans.build_models(job.settings, seed=5)
    assert (type(model).__name__, model.batch_size, model.max_iter) == ("MiniBatchKMeans", 64, 5)


def test_given_centres_settle_their_number() -> None:
    job = make_job("kmeans", data=DATA, init=[[0, 0, 0], [1, 1, 1]])
    (model,) = kmeans.build_models(job.settings, 0)
    assert model.n_clusters == 2


@pytest.mark.parametrize(
    ("keys", "kind", "message"),
    [
        ({"k": "5:2"}, BadJob, "the first number is the smaller one"),
        ({"k": "2-5:"}, BadJob, "write it as 2:12"),
        ({"k": []}, BadJob, "k is empty"),
        ({"k": "2:4", "n_clusters": 3}, BadJob, "n_clusters or k, not both"),
        ({"k": "2:4", "params": {"n_clusters": 3}}, BadJob, "n_clusters or k, not both"),
        ({"k": "2:4", "silhouette_sample": 0}, BadJob, "chosen by silhouette"),
        ({"k": [2], "init": [[0, 0, 0], [1, 1, 1]]}, BadJob, "settle the number"),
        ({"tol": 0.1, "params": {"tol": 0.1}}, BadJob, "tol is given twice"),
        ({"params": {"n_cluster": 3}}, BadJob, "n_clusters"),
        ({"params": {"n_clusters": 0}}, BadJob, "'n_clusters' parameter of KMeans"),
        ({"minibatch": True, "tol": 0.1}, BadJob, "tol"),
        ({"minibatch": True, "batch_size": 4}, BadJob, "batch_size=4 should be >= n_clusters=8"),
        ({"batch_size": 100}, BadJob, "batch_size"),
        ({"init": [[0, 0], [1, 1]]}, BadJob, "each centre must have 3 numbers"),
        ({"k": "2:80"}, BadData, "50 rows for 80 clusters"),
    ],
)
def test_what_cannot_be_is_said_before_there_are_workers(
    keys: dict[str, Any], kind: type[BadInput], message: str
) -> None:
    with pytest.raises(kind, match=message):
        job = make_job("kmeans", data=DATA, **keys)
        kmeans.check(job, inspect(kmeans.source(job)))


def test_texts_are_refused(tmp_path: Any) -> None:
    path = tmp_path / "notes.csv"
    path.write_text("body\n" + "\n".join(f"some words {number}" for number in range(20)))
    job = make_job("kmeans", data={"path": str(path), "text": "body"})
    with pytest.raises(BadJob, match="takes numbers"):
        kmeans.check(job, inspect(kmeans.source(job)))
