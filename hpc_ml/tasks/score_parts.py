"""Scores that are put together from the parts of the rows, exactly, whatever their number."""

from collections.abc import Callable, Iterable
from math import fsum, sqrt
from typing import Any

# Scores that are the mean of one number a row: exact by sums over parts.
MEANS = (
    "neg_mean_absolute_error", "neg_mean_absolute_percentage_error", "neg_mean_squared_error",
    "neg_mean_squared_log_error", "neg_mean_poisson_deviance", "neg_mean_gamma_deviance",
)  # fmt: skip
ROOTS = {
    "neg_root_mean_squared_error": "neg_mean_squared_error",
    "neg_root_mean_squared_log_error": "neg_mean_squared_log_error",
}
OF_NUMBERS = (
    "r2", "explained_variance", "max_error", "neg_max_error", "neg_median_absolute_error",
    "d2_absolute_error_score", *MEANS, *ROOTS,
)  # fmt: skip
_BY_SUMS = ("r2", "neg_log_loss", *MEANS, *ROOTS)
_RESPONSES = ("predict", "predict_proba", "predict_log_proba", "decision_function")

Part = list[Any]


class Responses:
    """Stands for a model whose responses are known or come from elsewhere.

    scikit-learn's scorers take it for the model, and hand it an X that nobody looks at.

    Parameters
    ----------
    model : estimator
        Whose kind, classes and responses it has.
    respond : callable
        Returns the response of a name such as `predict_proba`.
    """

    def __init__(self, model: Any, respond: Callable[[str], Any]) -> None:
        self._model = model
        self._respond = respond

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._model, name)
        if name not in _RESPONSES:
            return found

        def respond(_X: Any) -> Any:
            return self._respond(name)

        respond.__name__ = name  # by which scikit-learn tells responses apart
        return respond

    def __sklearn_tags__(self) -> Any:
        return self._model.__sklearn_tags__()


def has_parts(word: str) -> bool:
    """Return whether a scorer can be put together from parts."""
    return word in _BY_SUMS or counts_pairs(word)


def counts_pairs(word: str) -> bool:
    """Return whether a score follows from how often each class is predicted for each."""
    from inspect import signature

    from sklearn.metrics import get_scorer

    scorer = get_scorer(word)
    return (
        word not in OF_NUMBERS
        and getattr(scorer, "_response_method", None) == "predict"
        and "sample_weight" in signature(scorer._score_func).parameters
    )


def score_part(word: str, y: Any, responses: Responses) -> Part:
    """Return what one part of the rows adds to a score, as JSON has it.

    Parameters
    ----------
    word : str
        A scorer for which `has_parts`.
    y : array of shape (n_rows,)
        Targets; at least one.
    responses : Responses
        What the model says of these rows.
    """
    import numpy as np
    from sklearn.metrics import get_scorer, log_loss

    if word not in _BY_SUMS:
        return _count_pairs(y, responses.predict(None))
    rows = len(y)
    if word == "neg_log_loss":
        found = responses.predict_proba(None)
        return [rows, -float(log_loss(y, found, normalize=False, labels=responses.classes_))]
    if word != "r2":
        return [rows, rows * float(get_scorer(ROOTS.get(word, word))(responses, None, y))]
    y = np.asarray(y, dtype=np.float64)
    missed = y - responses.predict(None)
    return [rows, float(missed @ missed), float(y.sum()), float(rows * y.var())]


def _count_pairs(y: Any, predicted: Any) -> Part:
    import pandas as pd

    counts = pd.DataFrame({"y": y, "predicted": predicted}).value_counts()
    return [[*pair, int(count)] for pair, count in counts.items()]


def join_parts(word: str, parts: Iterable[Part], model: Any) -> float:
    """Return the score that the parts make together; their order does not matter."""
    parts = list(parts)
    if word not in _BY_SUMS:
        return _score_pairs(word, parts, model)
    rows = fsum(part[0] for part in parts)
    if word != "r2":
        mean = fsum(part[1] for part in parts) / rows
        return -sqrt(-mean) if word in ROOTS else mean
    mean = fsum(part[2] for part in parts) / rows
    spread = fsum(part[3] + part[0] * (part[2] / part[0] - mean) ** 2 for part in parts)
    missed = fsum(part[1] for part in parts)
    return 1 - missed / spread if spread else float(missed == 0)


def _score_pairs(word: str, parts: list[Part], model: Any) -> float:
    import numpy as np
    from sklearn.metrics import get_scorer

    counts: dict[tuple[Any, Any], int] = {}
    for part in parts:
        for y, predicted, count in part:
            counts[y, predicted] = counts.get((y, predicted), 0) + count
    y, predicted = (np.array(side) for side in zip(*sorted(counts), strict=True))
    weight = np.array([counts[pair] for pair in sorted(counts)], dtype=float)
    responses = Responses(model, lambda _name: predicted)
    return float(get_scorer(word)(responses, None, y, sample_weight=weight))
