"""K-means in this process: scikit-learn's answers, checks and complaints."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sklearn import cluster as local
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import check_estimator
from threadpoolctl import threadpool_limits

from hpc_ml.estimators import KMeans, MiniBatchKMeans, lloyd_rows
from hpc_ml.estimators.here import HereCollective
from hpc_ml.estimators.incremental_order import TrainingOrder, draw_seed, partial_fit_calls
from hpc_ml.estimators.kmeans import fit_together
from hpc_ml.estimators.kmeans_labels import labels_of
from hpc_ml.estimators.kmeans_survey import SamplePlan, take_survey
from tests.kmeans_rows import ENDS, GivenPartitions, as_sparse, blobs

X = blobs()
START = X[:7]
WEIGHT = np.random.default_rng(0).uniform(0.1, 3.0, len(X))


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Small work on many threads takes longer, and longest where others work too."""
    with threadpool_limits(limits=1):
        yield


def fit_local(X: Any, weight: Any = None, **parameters: Any) -> local.KMeans:
    model = local.KMeans(len(parameters["init"]), n_init=1, **parameters)
    return model.fit(X, sample_weight=weight)


def fit_ours(
    X: Any, weight: Any = None, ends: tuple[int, ...] = ENDS, **parameters: Any
) -> tuple[KMeans, np.ndarray]:
    with HereCollective(GivenPartitions(X, ends, weight)) as collective:
        model = KMeans(len(parameters["init"]), **parameters).fit(collective)
        return model, np.concatenate(labels_of(model, collective))


def assert_same(ours: tuple[KMeans, np.ndarray], theirs: local.KMeans, rtol: float = 1e-9) -> None:
    model, labels = ours
    assert model.n_iter_ == theirs.n_iter_
    np.testing.assert_array_equal(labels, theirs.labels_)
    np.testing.assert_allclose(model.cluster_centers_, theirs.cluster_centers_, rtol, 10 * rtol)
    np.testing.assert_allclose(model.inertia_, theirs.inertia_, rtol)


@pytest.mark.parametrize(
    "model",
    [
        KMeans(n_clusters=2, n_init=2, max_iter=5),
        MiniBatchKMeans(n_clusters=2, batch_size=10),
    ],
    ids=lambda model: type(model).__name__,
)
def test_estimator_checks(model: KMeans) -> None:
    weights = {
        f"check_sample_weight_equivalence_on_{kind}_data": "as scikit-learn's own"
        for kind in ("dense", "sparse")
    }
    check_estimator(model, expected_failed_checks=weights, on_skip=None)


@pytest.mark.parametrize("tol", [0, 1e-4, 0.1])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("form", ["dense", "far from zero", "sparse"])
def test_from_the_same_centres_it_ends_where_scikit_learn_does(
    form: str, weight: Any, tol: float
) -> None:
    rows = {"dense": X, "far from zero": X + 1e4, "sparse": as_sparse(X)}[form]
    start = rows[:7].toarray() if form == "sparse" else rows[:7]
    ours = fit_ours(rows, weight, init=start, tol=tol)
    assert_same(ours, fit_local(rows, weight, init=start, tol=tol))


def test_float32_stays_float32() -> None:
    rows = X.astype(np.float32)
    model, labels = fit_ours(rows, init=rows[:7])
    assert model.cluster_centers_.dtype == np.float32
    assert_same((model, labels), fit_local(rows, init=rows[:7]), rtol=1e-5)


@pytest.mark.parametrize("order", ["by chance", "by cluster"])
def test_large_partitions_are_summed_in_chunks(order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Chunks of 1,024 rows; those of sorted rows lack most clusters.
    monkeypatch.setattr(lloyd_rows, "_CHUNK_BYTES", 1024 * 5 * 8)
    rows = blobs(6000)
    start = rows[:7]
    if order == "by cluster":
        rows = rows[np.argsort(fit_local(rows, init=start).labels_, kind="stable")]
    assert_same(fit_ours(rows, ends=(5000,), init=start), fit_local(rows, init=start))


def test_rows_far_from_zero_are_shifted_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lloyd_rows, "_CACHED_BYTES", 1024 * 5 * 8)
    monkeypatch.setattr(lloyd_rows, "_OFFSETS", 500)
    rows = blobs(6000) + 1e4
    assert_same(fit_ours(rows, ends=(5000,), init=rows[:7]), fit_local(rows, init=rows[:7]))


@pytest.mark.parametrize("form", ["dense", "sparse"])
@pytest.mark.parametrize("n_empty", [1, 2, 5])
def test_empty_clusters_are_relocated_over_all_partitions(form: str, n_empty: int) -> None:
    rows = as_sparse(X) if form == "sparse" else X
    start = START.copy()
    start[:n_empty] = 1e3 + np.arange(n_empty)[:, None]
    for weight in (None, WEIGHT):
        ours = fit_ours(rows, weight, init=start)
        assert_same(ours, fit_local(rows, weight, init=start))


def test_more_clusters_than_distinct_rows() -> None:
    rows = np.repeat([[0.0, 0.0], [1.0, 1.0], [5.0, 5.0]], [2, 3, 1], axis=0)
    start = rows[[0, 0, 2, 2, 5]]
    with pytest.warns(ConvergenceWarning, match=r"distinct clusters \(3\).*n_clusters \(5\)"):
        model, labels = fit_ours(rows, ends=(2, 4), init=start)
    with pytest.warns(ConvergenceWarning):
        theirs = fit_local(rows, init=start)
    np.testing.assert_array_equal(labels, theirs.labels_)
    assert (model.inertia_, model.n_iter_) == (0, theirs.n_iter_)
    assert model.cluster_sizes_.tolist() == np.bincount(theirs.labels_, minlength=5).tolist()


@pytest.mark.parametrize("init", ["k-means++", "random"])
@pytest.mark.parametrize("n_init", ["auto", 3])
def test_small_data_start_as_in_scikit_learn(init: str, n_init: Any) -> None:
    theirs = local.KMeans(7, init=init, n_init=n_init, random_state=3).fit(X)
    ours = KMeans(7, init=init, n_init=n_init, random_state=3).fit(X)
    assert_same((ours, ours.labels_), theirs)


def test_large_data_start_from_a_sample() -> None:
    rows = blobs(60_000)
    ours = KMeans(7, random_state=0).fit(rows)
    again = KMeans(7, random_state=0).fit(rows)
    best = local.KMeans(7, n_init=5, random_state=0).fit(rows)
    assert ours.inertia_ == again.inertia_ <= 1.0001 * best.inertia_
    assert ours.n_iter_ < best.n_iter_


@pytest.mark.parametrize("form", ["dense", "far from zero", "sparse"])
def test_k_means_parallel_finds_good_starts(form: str) -> None:
    rows = {"dense": X, "far from zero": X + 1e4, "sparse": as_sparse(X)}[form]
    best = local.KMeans(7, n_init=10, random_state=0).fit(rows)
    with HereCollective(GivenPartitions(rows, ENDS, np.ones(len(X)))) as collective:
        model = KMeans(7, init="k-means||", random_state=0, n_init=3).fit(collective)
    assert model.inertia_ <= 1.001 * best.inertia_


def test_k_means_parallel_of_few_distinct_rows() -> None:
    rows = np.repeat([[0.0], [1.0], [9.0]], 40, axis=0)
    model = KMeans(3, init="k-means||", random_state=0).fit(rows)
    assert sorted(model.cluster_centers_.ravel()) == [0, 1, 9]
    with pytest.warns(ConvergenceWarning):
        KMeans(5, init="k-means||", random_state=0).fit(rows)


def test_a_callable_chooses_the_start() -> None:
    def choose(rows: np.ndarray, n_clusters: int, random_state: Any) -> np.ndarray:
        return rows[:n_clusters]

    ours = KMeans(7, init=choose, n_init=1).fit(X)
    assert_same((ours, ours.labels_), fit_local(X, init=START))


def test_models_fitted_together_are_those_fitted_alone() -> None:
    together = [KMeans(k, random_state=0, n_init=2) for k in (2, 5, 9)]
    fit_together(together, X)
    for model in together:
        alone = KMeans(model.n_clusters, random_state=0, n_init=2).fit(X)
        np.testing.assert_array_equal(model.cluster_centers_, alone.cluster_centers_)
        np.testing.assert_array_equal(model.labels_, alone.labels_)


def test_the_curves_lead_to_the_result() -> None:
    model, _ = fit_ours(X + 1e4, WEIGHT, init=START + 1e4, tol=0)
    assert len(model.inertia_curve_) == len(model.shift_curve_) == model.n_iter_
    assert (np.diff(model.inertia_curve_) <= 1e-9 * model.inertia_).all()
    np.testing.assert_allclose(model.inertia_curve_[-1], model.inertia_, rtol=1e-9)
    assert model.shift_curve_[-1] < 1e-9


def test_predictions_are_scikit_learns() -> None:
    model = KMeans(7, init=START).fit(X)
    theirs = fit_local(X, init=START)
    np.testing.assert_array_equal(model.predict(X[:50]), theirs.predict(X[:50]))
    np.testing.assert_allclose(model.transform(X[:50]), theirs.transform(X[:50]))
    np.testing.assert_allclose(
        model.score(X[:50], sample_weight=WEIGHT[:50]),
        theirs.score(X[:50], sample_weight=WEIGHT[:50]),
    )
    assert type(model.local_estimator()) is local.KMeans


def test_the_survey_measures_mean_and_variance() -> None:
    for rows in (X, as_sparse(X)):
        dense = rows if rows is X else rows.toarray()
        with HereCollective(GivenPartitions(rows, ENDS, WEIGHT)) as collective:
            survey = take_survey(collective, (SamplePlan(1.0, 0),))
        np.testing.assert_allclose(survey.plain.mean, dense.mean(axis=0))
        np.testing.assert_allclose(survey.plain.squares / len(X), dense.var(axis=0))
        np.testing.assert_allclose(survey.weighted.scatter(None), WEIGHT @ (dense**2).sum(axis=1))


@pytest.mark.parametrize(
    ("rows", "parameters", "message"),
    [
        (X[:3], {"n_clusters": 4}, "n_samples=3 should be >= n_clusters=4"),
        (X, {"n_clusters": 2, "init": START}, "does not match the number of clusters 2"),
        (X, {"n_clusters": 7, "init": START[:, :2]}, "does not match the number of features"),
        (np.where(X > 5, np.nan, X), {}, "contains NaN"),
        ((X * 1e30).astype(np.float32), {}, "too large for their squares in float32"),
        (X, {"algorithm": "elkan"}, "'algorithm' parameter"),
        (X, {"init": "k-means+++"}, "'init' parameter"),
        (X, {"tol": -1}, "'tol' parameter"),
    ],
)
def test_what_does_not_go_is_said(rows: Any, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KMeans(**parameters).fit(GivenPartitions(rows))


def test_several_starts_from_given_centres_are_one() -> None:
    with pytest.warns(RuntimeWarning, match="performing only one init"):
        KMeans(7, init=START, n_init=4).fit(X)


def test_small_batches_are_those_of_partial_fit() -> None:
    partitions = GivenPartitions(X, (500, 500, 1300))
    with HereCollective(partitions) as collective:
        ours = MiniBatchKMeans(7, init=START, batch_size=100, max_iter=2, random_state=0)
        ours.fit(collective)
        labels = np.concatenate(labels_of(ours, collective))
    seed = int(np.random.RandomState(0).randint(np.iinfo(np.int32).max))
    theirs = local.MiniBatchKMeans(7, init=START, n_init=1, batch_size=100, random_state=seed)
    order = TrainingOrder(draw_seed(seed), batch_size=100)
    for rows, _, _ in partial_fit_calls(partitions, order, epochs=2):
        theirs.partial_fit(rows)
    np.testing.assert_array_equal(ours.cluster_centers_, theirs.cluster_centers_)
    np.testing.assert_array_equal(labels, theirs.predict(X))
    np.testing.assert_allclose(ours.inertia_, -theirs.score(X))
    assert (ours.n_iter_, ours.n_steps_) == (2, theirs.n_steps_)


def test_small_batches_come_near_to_all_rows() -> None:
    exact = KMeans(7, init=START).fit(X)
    assert MiniBatchKMeans(7, init=START, random_state=0).fit(X).inertia_ < 1.1 * exact.inertia_
    with pytest.raises(ValueError, match="batch_size=5 should be >= n_clusters=7"):
        MiniBatchKMeans(7, batch_size=5).fit(X)
