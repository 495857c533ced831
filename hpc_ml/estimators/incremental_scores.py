"""Scores of a model on rows that lie in partitions, from one small answer of each.

Accuracy, R2 and sums such as inertia are added up; for other scorers the answers are the model's
responses, of which the scorer sees all at once. Answers are joined in the order of partitions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_clusterer
from sklearn.metrics import accuracy_score, get_scorer
from sklearn.metrics._scorer import _BaseScorer
from sklearn.utils import get_tags
from sklearn.utils.validation import _check_response_method

from hpc_ml.estimators.incremental_data import TrainingBlock
from hpc_ml.estimators.incremental_order import TrainingOrder, take

Part = Any


class Score:
    """How models are scored: a part for each partition, and the score of all parts."""

    def measure(self, model: Any, X: Any, y: Any, weight: Any) -> Part:
        """Return the part of some rows; runs on a worker."""
        raise NotImplementedError

    def join(self, model: Any, parts: Sequence[Part]) -> float:
        """Return the score of all rows, of the parts of one or more partitions."""
        raise NotImplementedError


class Accuracy(Score):
    """Share of the rows, or of their weight, with the right label."""

    def measure(self, model: Any, X: Any, y: Any, weight: Any) -> Part:
        total = float(X.shape[0] if weight is None else weight.sum())
        right = accuracy_score(y, model.predict(X), normalize=False, sample_weight=weight)
        return float(right), total

    def join(self, model: Any, parts: Sequence[Part]) -> float:
        right, total = np.sum(parts, axis=0)
        return float(right / total)


class R2(Score):
    """Coefficient of determination; means and squares are joined without loss of digits."""

    def measure(self, model: Any, X: Any, y: Any, weight: Any) -> Part:
        errors = np.asarray(y, dtype=np.float64) - model.predict(X)
        mean = float(np.average(y, weights=weight))
        total = float(len(y) if weight is None else weight.sum())
        squares = np.average(np.stack([errors**2, (y - mean) ** 2]), axis=1, weights=weight)
        return total, mean, *(squares * total).tolist()

    def join(self, model: Any, parts: Sequence[Part]) -> float:
        totals, means, errors, spreads = np.asarray(parts).T
        mean = np.average(means, weights=totals)
        spread = spreads.sum() + (totals * (means - mean) ** 2).sum()
        if spread == 0:
            return 1.0 if errors.sum() == 0 else 0.0
        return float(1 - errors.sum() / spread)


class OwnScore(Score):
    """The estimator's own `score` of each partition: summed for clusters, else the rows' mean."""

    def measure(self, model: Any, X: Any, y: Any, weight: Any) -> Part:
        return X.shape[0], float(model.score(X) if y is None else model.score(X, y))

    def join(self, model: Any, parts: Sequence[Part]) -> float:
        rows, scores = np.asarray(parts).T
        return float(scores.sum() if is_clusterer(model) else np.average(scores, weights=rows))


@dataclass
class Scorer(Score):
    """One of scikit-learn's scorers, on the responses of all rows."""

    scorer: Any

    def measure(self, model: Any, X: Any, y: Any, weight: Any) -> Part:
        method = _check_response_method(model, self.scorer._response_method)
        return method.__name__, np.asarray(method(X)), y, weight

    def join(self, model: Any, parts: Sequence[Part]) -> float:
        names, responses, labels, weights = zip(*parts, strict=True)
        answered = _Answered(model, names[0], np.concatenate(responses))
        y = np.concatenate(labels)
        if weights[0] is None or not self.scorer._accept_sample_weight():
            return float(self.scorer(answered, None, y))
        return float(self.scorer(answered, None, y, sample_weight=np.concatenate(weights)))


class _Answered(BaseEstimator):
    """A fitted model that has already answered for the rows it will be asked about."""

    def __init__(self, model: Any, method: str, responses: np.ndarray) -> None:
        self._tags = get_tags(model)
        if hasattr(model, "classes_"):
            self.classes_ = model.classes_

        def respond(X: Any) -> np.ndarray:
            return responses

        respond.__name__ = method
        setattr(self, method, respond)

    def __sklearn_tags__(self) -> Any:
        return self._tags

    def __sklearn_is_fitted__(self) -> bool:
        return True


def choose_score(model: Any, scoring: Any) -> Score:
    """Return how a model is scored.

    Parameters
    ----------
    model : estimator
        Unfitted or fitted.
    scoring : str, scorer or None
        A scorer's name, or what `make_scorer` makes; None is the estimator's own `score`.

    Raises
    ------
    ValueError
        For a plain function, an unknown name, or where the estimator has no `score`.
    """
    if scoring is not None:
        scorer = get_scorer(scoring)
        if not isinstance(scorer, _BaseScorer):
            raise ValueError(
                "scoring must be the name of a scorer or made by make_scorer: "
                f"{scoring!r} needs all rows at once"
            )
        return Scorer(scorer)
    own = getattr(type(model), "score", None)
    if own is None:
        raise ValueError(f"{type(model).__name__} has no score method: give scoring")
    if own is ClassifierMixin.score:
        return Accuracy()
    return R2() if own is RegressorMixin.score else OwnScore()


@dataclass(frozen=True)
class ScoreRequest:
    """Which rows of each partition to score, by which models.

    `forgiving` lets the score of a model that cannot be scored be NaN, and no error.
    """

    models: Sequence[Any]
    score: Score
    order: TrainingOrder
    held_back: bool
    forgiving: bool = False


def measure(block: TrainingBlock, request: ScoreRequest, memory: Any) -> list[Part] | None:
    """Return the part of a partition for each model; None where it has no such rows."""
    trained, held_back = request.order.split(len(block), block.number)
    X = take(block.X, held_back if request.held_back else trained)
    if not X.shape[0]:
        return None
    y, weight = (
        take(values, held_back if request.held_back else trained)
        for values in (block.y, block.weight)
    )
    return [_measure(request, model, X, y, weight) for model in request.models]


def _measure(request: ScoreRequest, model: Any, *rows: Any) -> Part | None:
    try:
        return request.score.measure(model, *rows)
    except Exception:
        if request.forgiving:
            return None
        raise


def score_models(collective: Any, request: ScoreRequest) -> list[float]:
    """Return the score of each model, NaN where there are no such rows."""
    parts = [part for part in collective.map(measure, request) if part is not None]
    if not parts:
        return [float("nan")] * len(request.models)
    return [
        _join(request, model, [part[position] for part in parts])
        for position, model in enumerate(request.models)
    ]


def _join(request: ScoreRequest, model: Any, parts: Sequence[Part | None]) -> float:
    if any(part is None for part in parts):
        return float("nan")
    try:
        return request.score.join(model, parts)
    except Exception:
        if request.forgiving:
            return float("nan")
        raise
