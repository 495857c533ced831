"""What a model can say of a row, and the columns that it is written as."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

from hpc_ml.errors import BadJob

if TYPE_CHECKING:
    import pyarrow as pa

Output = Literal["label", "value", "cluster", "probability", "decision", "distance", "leaf"]

_METHODS: Mapping[str, str] = {
    "label": "predict", "value": "predict", "cluster": "predict",
    "probability": "predict_proba", "decision": "decision_function",
    "distance": "transform", "leaf": "apply",
}  # fmt: skip


def choose_outputs(estimator: Any, asked: Sequence[str], where: str) -> tuple[str, ...]:
    """Return the outputs to write: those asked for, else what `predict` gives.

    Raises BadJob for one that the model does not have, naming those that it has.
    """
    there = available_outputs(estimator)
    for word in asked:
        if word not in there:
            raise BadJob(
                f"output: the model {type(last_step(estimator)).__name__} has no {word}",
                where=where,
                hint=f"it has {', '.join(there)}",
            )
    return tuple(asked) or there[:1]


def available_outputs(estimator: Any) -> tuple[str, ...]:
    """Return the outputs that a model has; what its `predict` gives comes first."""
    from sklearn.base import is_classifier, is_clusterer, is_outlier_detector, is_regressor

    own = {
        "label": is_classifier(estimator) or is_outlier_detector(estimator),
        "cluster": is_clusterer(estimator),
        "distance": is_clusterer(estimator),
    }
    own["value"] = is_regressor(estimator) or not any(own.values())
    return tuple(
        word
        for word in get_args(Output)
        if own.get(word, True) and hasattr(_owner(estimator, word), _METHODS[word])
    )


def last_step(estimator: Any) -> Any:
    """Return the model at the end of a pipeline, or the model itself."""
    return estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator


def _owner(estimator: Any, word: str) -> Any:
    # Pipelines pass on all responses but the leaves.
    return last_step(estimator) if word == "leaf" else estimator


def respond_all(estimator: Any, outputs: Sequence[str], X: Any) -> dict[str, Any]:
    """Return the outputs for prepared rows, each an array of one or two dimensions."""
    if not X.shape[0]:
        # Estimators refuse no rows at all; one that means nothing tells the types and columns.
        found = respond_all(estimator, outputs, _made_up_row(X))
        return {word: values[:0] for word, values in found.items()}
    if {"label", "probability"} <= {*outputs} and hasattr(estimator, "labels_of"):
        # A booster tells labels from probabilities, which take all of the time.
        found = respond_all(estimator, [word for word in outputs if word != "label"], X)
        return {**found, "label": estimator.labels_of(found["probability"])}
    return {word: _respond(estimator, word, X) for word in outputs}


def _made_up_row(X: Any) -> Any:
    """Return one row of the kind of X, which has none."""
    import numpy as np

    if X.ndim == 1:
        return np.array([""], dtype=object)
    if hasattr(X, "iloc"):
        return X.reindex([0])
    if hasattr(X, "indptr"):
        return type(X)((1, X.shape[1]), dtype=X.dtype)
    return np.zeros((1, X.shape[1]), dtype=X.dtype)


def _respond(estimator: Any, word: str, X: Any) -> Any:
    if word == "leaf" and hasattr(estimator, "steps"):
        leaves = last_step(estimator).apply(estimator[:-1].transform(X))
    else:
        leaves = getattr(estimator, _METHODS[word])(X)
    return leaves.reshape(len(leaves), -1) if word == "leaf" else leaves


def response_name(word: str) -> str:
    """Return the estimator's method that gives an output."""
    return _METHODS[word]


def as_columns(word: str, values: Any, classes: Any) -> "dict[str, pa.Array]":
    """Return the columns of an output, by name.

    `prediction` for labels and values, `cluster`, `probability_CLASS`, `decision` or
    `decision_CLASS`, `distance_NUMBER`, and `leaf` as a list with a number for each tree.
    """
    import numpy as np
    import pyarrow as pa

    if word in ("label", "value"):
        return {"prediction": _labels(values, classes)}
    if word == "leaf":
        flat = pa.array(np.ascontiguousarray(values).reshape(-1))
        return {"leaf": pa.FixedSizeListArray.from_arrays(flat, values.shape[1])}
    if values.ndim == 1:
        return {word: pa.array(values)}
    by_class = word != "distance" and classes is not None and len(classes) == values.shape[1]
    names = classes if by_class else range(values.shape[1])
    return {
        f"{word}_{name}": pa.array(np.ascontiguousarray(values[:, number]))
        for number, name in enumerate(names)
    }


def _labels(values: Any, classes: Any) -> "pa.Array":
    """Return labels as a column; words by way of their numbers, which is much faster."""
    import numpy as np
    import pyarrow as pa

    if values.dtype.kind not in "OU" or classes is None:
        return pa.array(values)
    known = np.asarray(classes)
    return pa.array(known).take(pa.array(np.searchsorted(known, values)))


def taken_names(outputs: Sequence[str]) -> Callable[[str], bool]:
    """Return what tells whether a name is one of the columns of these outputs."""
    exact = {"prediction" if word in ("label", "value") else word for word in outputs}
    prefixes = tuple(f"{word}_" for word in outputs)
    return lambda name: name in exact or name.startswith(prefixes)
