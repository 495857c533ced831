"""A model between two calls of partial_fit, as bytes without pickle."""

from typing import Any

import numpy as np
import pytest
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier

from hpc_ml.estimators.incremental_state import KeptState, pack_state, unpack_state
from hpc_ml.estimators.surroundings import NoCheckpoint

RNG = np.random.default_rng(0)
X = RNG.uniform(size=(60, 4))
Y = RNG.integers(0, 3, size=60)
MODELS = [
    SGDClassifier(random_state=0),
    SGDClassifier(average=20, random_state=np.random.RandomState(3), learning_rate="adaptive",
                  eta0=0.1),
    SGDRegressor(penalty="elasticnet", random_state=0),
    Perceptron(random_state=0),
    MultinomialNB(),
    GaussianNB(),
    MiniBatchKMeans(n_clusters=3, n_init=1, random_state=0),
    MLPClassifier(hidden_layer_sizes=(3,), random_state=0),
]  # fmt: skip


class Memory(NoCheckpoint):
    def __init__(self) -> None:
        self.states: dict[str, bytes] = {}
        self.heard: list[str] = []

    def kept_state(self, name: str) -> bytes | None:
        return self.states.get(name)

    def keep_state(self, name: str, make: Any) -> None:
        self.states[name] = make()

    def tell(self, message: str) -> None:
        self.heard.append(message)


def train(model: Any, rows: slice) -> Any:
    known = {"classes": [0, 1, 2]} if hasattr(model, "predict_proba") or _classifies(model) else {}
    return model.partial_fit(X[rows], Y[rows], **known)


def _classifies(model: Any) -> bool:
    return isinstance(model, SGDClassifier | Perceptron)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_a_model_goes_on_as_if_it_had_not_been_kept(model: Any) -> None:
    train(model, slice(0, 30))
    facts, models = unpack_state(pack_state({"epoch": 1}, {"model": model}), model)
    assert facts == {"epoch": 1}
    kept = train(models["model"], slice(30, 60))
    train(model, slice(30, 60))
    for name, value in vars(model).items():
        if isinstance(value, np.ndarray | float | int):
            assert np.array_equal(value, getattr(kept, name)), name


def test_another_training_is_not_gone_on_with() -> None:
    checkpoint = Memory()
    KeptState(checkpoint, "incremental", "one").keep({"epoch": 2}, {"model": MODELS[0]})
    assert KeptState(checkpoint, "incremental", "two").read(MODELS[0]) is None
    facts, _ = KeptState(checkpoint, "incremental", "one").read(MODELS[0]) or ({}, {})
    assert facts == {"epoch": 2}


def test_a_model_without_a_form_is_told_once_and_trained_on() -> None:
    checkpoint = Memory()
    state = KeptState(checkpoint, "incremental", "one")
    for _ in range(2):
        state.keep({"epoch": 2}, {"model": (line for line in "no form")})
    assert len(checkpoint.heard) == 1
    assert "begin anew" in checkpoint.heard[0]
    assert state.read(MODELS[0]) is None


def test_bytes_that_are_no_state_are_refused() -> None:
    with pytest.raises(ValueError, match="no state of a training"):
        unpack_state(b"something else", MODELS[0])
