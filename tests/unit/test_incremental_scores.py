"""Scores joined from partitions are those of all rows at once."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.metrics import get_scorer

from hpc_ml.estimators.incremental_scores import choose_score

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4))
NUMBERS = X @ [1.0, -2.0, 0.5, 0.0] + 1e6
LABELS = np.array(["low", "mid", "high"])[np.digitize(X[:, 0] + X[:, 1], [-1, 1])]
WEIGHT = RNG.uniform(0.1, 3, size=90)
CUTS = [0, 7, 40, 41, 90]


def joined(model: Any, scoring: Any, y: Any, weight: Any = None) -> float:
    score = choose_score(model, scoring)
    parts = [
        score.measure(
            model,
            X[a:b],
            None if y is None else y[a:b],
            None if weight is None else weight[a:b],
        )
        for a, b in pairwise(CUTS)
    ]
    return score.join(model, parts)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize(
    "scoring", [None, "accuracy", "roc_auc_ovr", "neg_log_loss", "f1_macro", "balanced_accuracy"]
)
def test_classes(scoring: str | None, weight: Any) -> None:
    model = SGDClassifier(loss="log_loss", random_state=0).fit(X, LABELS)
    scorer = get_scorer(scoring or "accuracy")
    expected = scorer(model, X, LABELS, sample_weight=weight)
    assert joined(model, scoring, LABELS, weight) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("scoring", [None, "r2", "neg_mean_absolute_error"])
def test_numbers(scoring: str | None, weight: Any) -> None:
    model = SGDRegressor(random_state=0).fit(X, NUMBERS - 1e6)
    model.intercept_ += 1e6
    expected = get_scorer(scoring or "r2")(model, X, NUMBERS, sample_weight=weight)
    assert joined(model, scoring, NUMBERS, weight) == pytest.approx(expected, rel=1e-9)


def test_clusters() -> None:
    model = MiniBatchKMeans(n_clusters=3, n_init=1, random_state=0).fit(X)
    assert joined(model, None, None) == pytest.approx(model.score(X))


def test_a_target_of_one_value() -> None:
    model = SGDRegressor(random_state=0).fit(X, np.zeros(90))
    assert joined(model, None, np.zeros(90)) == 1.0
    assert joined(model, None, np.ones(90)) == 0.0


def test_what_cannot_be_scored_in_parts_is_refused() -> None:
    class Silent(BaseEstimator):
        pass

    with pytest.raises(ValueError, match="Silent has no score method: give scoring"):
        choose_score(Silent(), None)
    with pytest.raises(ValueError, match="made by make_scorer"):
        choose_score(SGDClassifier(), lambda model, X, y: 1.0)
