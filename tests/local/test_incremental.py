"""Training by visits to workers: the bits of the same calls of partial_fit in one process."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dask import array as da
from distributed import Client
from scipy import sparse
from sklearn.base import clone
from sklearn.cluster import MiniBatchKMeans
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from worker_processes import start_cluster

from hpc_ml.errors import Stopped
from hpc_ml.estimators import Incremental, surroundings
from hpc_ml.estimators.collective import Collective
from hpc_ml.estimators.incremental_order import partial_fit_calls
from hpc_ml.estimators.inputs import ArrayPartitions
from hpc_ml.estimators.partitions import Block
from hpc_ml.estimators.surroundings import NoCheckpoint

RNG = np.random.default_rng(0)
X = RNG.uniform(size=(600, 5))
NUMBERS = X @ [3.0, -2.0, 1.0, 0.0, 5.0]
LABELS = np.array(["low", "mid", "high"])[np.digitize(NUMBERS, [2, 5])]
WEIGHT = RNG.uniform(0.1, 3, size=600)
TEXTS = np.array([f"{label} words of {number % 7}" for number, label in enumerate(LABELS)], object)

CASES: dict[str, tuple[Any, Any, Any, dict[str, Any]]] = {
    "classes": (SGDClassifier(random_state=0), X, LABELS, {}),
    "numbers": (SGDRegressor(random_state=0), X.astype(np.float32), NUMBERS, {"batch_size": 20}),
    "perceptron": (Perceptron(random_state=0), X, NUMBERS > 4, {"shuffle": False}),
    "sparse": (MultinomialNB(), sparse.csr_array(X * (X > 0.5)), LABELS, {}),
    "clusters": (MiniBatchKMeans(3, n_init=1, random_state=0), X, None, {"batch_size": 30}),
}


def repeat_here(model: Incremental, X: Any, y: Any, weight: Any = None) -> Any:
    """Make the same calls of partial_fit on a local copy, in this process, by one thread."""
    local = clone(model.estimator)
    known = {"classes": np.unique(y)} if hasattr(model, "classes_") else {}
    with threadpool_limits(limits=1):
        for rows, target, own in partial_fit_calls(parts(X, y, weight), model.order_, model.epochs):
            weights = {} if own is None else {"sample_weight": own}
            local.partial_fit(rows, target, **known, **weights)
    return local


def parts(X: Any, y: Any, weight: Any = None) -> ArrayPartitions:
    return ArrayPartitions(X, y, weight, partition_rows=70)


def assert_same_bits(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    for name, value in vars(one).items():
        if isinstance(value, np.ndarray | float):
            assert np.array_equal(value, getattr(other, name)), name


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("case", CASES)
def test_bits_of_a_local_loop(case: str) -> None:
    estimator, rows, target, options = CASES[case]
    model = Incremental(estimator, epochs=3, random_state=5, **options)
    model.fit(parts(rows, target))
    assert_same_bits(model.estimator_, repeat_here(model, rows, target))


@pytest.mark.usefixtures("client")
def test_weights_and_rows_held_back() -> None:
    model = Incremental(
        SGDClassifier(random_state=0), epochs=2, validation_fraction=0.3, batch_size=25,
        return_train_score=True, random_state=1,
    )  # fmt: skip
    model.fit(parts(X, LABELS, WEIGHT))
    local = repeat_here(model, X, LABELS, WEIGHT)
    assert_same_bits(model.estimator_, local)
    trained, held_back = split_rows(model)
    assert len(held_back) > 170
    last = model.history_[-1]
    assert last["samples"] == 2 * len(trained)
    for name, rows in (("train_score", trained), ("validation_score", held_back)):
        expected = local.score(X[rows], LABELS[rows], WEIGHT[rows])
        assert last[name] == pytest.approx(expected, rel=1e-12)


def split_rows(model: Incremental) -> tuple[list[int], list[int]]:
    trained: list[int] = []
    held_back: list[int] = []
    begin = 0
    for number, count in enumerate(parts(X, LABELS).rows):
        everything = np.arange(begin, begin + count)
        one, other = model.order_.split(count, number)
        trained += everything[one].tolist()
        held_back += everything[other].tolist()
        begin += count
    return trained, held_back


def test_the_same_bits_on_one_worker_and_here(client: Client) -> None:
    def fit() -> Any:
        return Incremental(SGDClassifier(random_state=0), epochs=2, random_state=3).fit(
            parts(X, LABELS)
        )

    with surroundings(client):
        two = fit()
    with start_cluster(n_workers=1) as cluster, Client(cluster) as other, surroundings(other):
        one = fit()
    assert_same_bits(two.estimator_, one.estimator_)
    assert_same_bits(two.estimator_, repeat_here(two, X, LABELS))


def test_texts_are_hashed_on_the_workers(client: Client) -> None:
    pipeline = make_pipeline(HashingVectorizer(n_features=64), SGDClassifier(random_state=0))
    with Collective(parts(TEXTS, LABELS), client) as collective:
        model = Incremental(pipeline, epochs=2, random_state=0).fit(collective)
        # The texts are there again for whoever comes next.
        starts = np.cumsum((0, *collective.rows[:-1]))
        assert collective.map(first_row) == TEXTS[starts].tolist()
    hashed = HashingVectorizer(n_features=64).transform(TEXTS)
    last = Incremental(pipeline[-1], epochs=2, random_state=0).fit(parts(hashed, LABELS))
    assert_same_bits(model.estimator_[-1], last.estimator_)
    assert model.predict(["low words of 3", "high words of 1"]).tolist() == ["low", "high"]


def first_row(block: Block, state: Any, memory: Any) -> Any:
    return block.X[0]


@pytest.mark.usefixtures("client")
def test_steps_that_learn_are_fitted_first() -> None:
    pipeline = make_pipeline(StandardScaler(), SGDClassifier(random_state=0))
    model = Incremental(pipeline, epochs=2, random_state=0).fit(parts(X, LABELS))
    scaler = StandardScaler()
    for number in range(len(parts(X, LABELS).rows)):
        scaler.partial_fit(parts(X, LABELS).send(number).X)
    assert_same_bits(model.estimator_[0], scaler)
    last = Incremental(pipeline[-1], epochs=2, random_state=0)
    last.fit(parts(scaler.transform(X), LABELS))
    assert_same_bits(model.estimator_[-1], last.estimator_)


@pytest.mark.usefixtures("client")
def test_dask_collections_and_their_predictions() -> None:
    rows, target = da.from_array(X, chunks=(100, 5)), da.from_array(LABELS, chunks=100)
    model = Incremental(SGDClassifier(random_state=0), epochs=2, random_state=0).fit(rows, target)
    predicted = model.predict(rows)
    assert isinstance(predicted, da.Array)
    assert predicted.compute().tolist() == model.predict(X).tolist()


def test_an_early_stop_keeps_the_best_epoch() -> None:
    options: dict[str, Any] = {"random_state": 2, "validation_fraction": 0.3}
    estimator = SGDClassifier(random_state=0, eta0=0.5, learning_rate="constant")
    model = Incremental(
        estimator, epochs=50, early_stopping=True, n_iter_no_change=3, **options
    ).fit(parts(X, LABELS))
    scores = [entry["validation_score"] for entry in model.history_]
    assert model.n_iter_ == len(scores) < 50
    assert model.best_score_ == max(scores)
    assert model.best_epoch_ == 1 + int(np.argmax(scores))
    best = Incremental(estimator, epochs=model.best_epoch_, **options).fit(parts(X, LABELS))
    assert_same_bits(model.estimator_, best.estimator_)


class Deadly(ArrayPartitions):
    """Kills the first worker that reads its partition 4."""

    def __init__(self, flag: Path) -> None:
        super().__init__(X, LABELS, partition_rows=70)
        self.flag = flag
        self.blocks = [self.send(number) for number in range(len(self.rows))]
        self.send = None  # type: ignore[assignment]

    def load(self, number: int) -> Block:
        if number == 4 and not self.flag.exists():
            self.flag.touch()
            os._exit(1)
        return self.blocks[number]


def test_a_lost_worker_changes_no_bit(tmp_path: Path) -> None:
    model = Incremental(SGDClassifier(random_state=0), epochs=2, classes=np.unique(LABELS),
                        random_state=0)  # fmt: skip
    whole = clone(model).fit(parts(X, LABELS))
    with start_cluster(n_workers=2) as cluster, Client(cluster) as mortal, surroundings(mortal):
        model.fit(Deadly(tmp_path / "dead"))
    assert (tmp_path / "dead").exists()
    assert_same_bits(model.estimator_, whole.estimator_)


class StopAfter(NoCheckpoint):
    """Keeps every state, and stops a training that has made a number of steps."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.states: dict[str, bytes] = {}

    def kept_state(self, name: str) -> bytes | None:
        return self.states.get(name)

    def keep_state(self, name: str, make: Any) -> None:
        self.states[name] = make()

    def progress(self, done: int, total: int, unit: str) -> None:
        self.steps -= 1

    def check(self) -> None:
        if self.steps <= 0:
            raise Stopped("stopped")


@pytest.mark.parametrize("here", [True, False], ids=["here", "workers"])
def test_an_interrupted_training_goes_on_to_the_same_bits(
    request: pytest.FixtureRequest, here: bool
) -> None:
    client = None if here else request.getfixturevalue("client")
    pipeline = make_pipeline(StandardScaler(), SGDClassifier(random_state=0, average=True))
    model = Incremental(pipeline, epochs=6, early_stopping=True, n_iter_no_change=2, random_state=0)
    whole = clone(model).fit(parts(X, LABELS))
    checkpoint, interruptions = StopAfter(2), 0
    with surroundings(client, checkpoint):
        while not hasattr(model, "estimator_"):
            try:
                model.fit(parts(X, LABELS))
            except Stopped:
                interruptions += 1
                checkpoint.steps = 2
    assert interruptions >= 2
    assert_same_bits(model.estimator_[-1], whole.estimator_[-1])
    timeless = [{key: entry[key] for key in entry if key != "train_s"} for entry in whole.history_]
    for entry, expected in zip(model.history_, timeless, strict=True):
        assert {key: entry[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"estimator": make_pipeline(StandardScaler(), MultinomialNB())}, "Negative values"),
        ({"classes": ["low", "mid"]}, "'high', which is none of the classes"),
        ({"early_stopping": True, "validation_fraction": 0.0}, "validation_fraction above 0"),
        ({"epochs": 0}, "'epochs' parameter of Incremental"),
        ({"scoring": "accurazy"}, "accurazy"),
    ],
)
def test_what_cannot_be_done_is_said(change: dict[str, Any], said: str) -> None:
    model = Incremental(SGDClassifier(), return_train_score=True).set_params(**change)
    with pytest.raises(ValueError, match=said):
        model.fit(X, LABELS)


def test_an_estimator_without_partial_fit_is_refused() -> None:
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.svm import SVC

    with pytest.raises(ValueError, match="SVC has no partial_fit"):
        Incremental(SVC()).fit(X, LABELS)
    with pytest.raises(ValueError, match="TfidfTransformer needs all rows at once"):
        Incremental(make_pipeline(TfidfTransformer(), SGDClassifier())).fit(X, LABELS)
