"""The estimator that an sgd job words, chosen by the target where it words none, and checked."""

from typing import TYPE_CHECKING, Any

from hpc_ml.errors import BadJob
from hpc_ml.tasks.estimator_words import EstimatorWords, build_estimator

if TYPE_CHECKING:
    from hpc_ml.data.inspection import DataSummary
    from hpc_ml.data.target import TargetKind
    from hpc_ml.spec.data import Data
    from hpc_ml.tasks.rows import OpenRows
    from hpc_ml.tasks.sgd import Settings

_CLASSIFIER, _REGRESSOR, _VECTORISER = "SGDClassifier", "SGDRegressor", "HashingVectorizer"


def choose_estimator(
    settings: "Settings", kind: "TargetKind | None", *, texts: bool, seed: int
) -> Any:
    """Return the unfitted estimator or pipeline.

    Parameters
    ----------
    settings : Settings
        Its `estimator` and `params`; without the first, SGDClassifier for classes and
        SGDRegressor for numbers, behind a HashingVectorizer where rows are texts.
    kind : str or None
        What the target is.
    texts : bool
        Whether rows are texts.
    seed : int
        Fills every `random_state` that is unset.

    Raises
    ------
    BadJob
        For an unknown class or parameter.
    """
    words: EstimatorWords | None = settings.estimator
    if words is None:
        last = _REGRESSOR if kind == "continuous" else _CLASSIFIER
        words = [_VECTORISER, last] if texts else last
    return build_estimator(words, settings.params, seed)


def needs_target(settings: "Settings", seed: int) -> bool:
    """Return whether what is trained learns a target. Raises BadJob."""
    from hpc_ml.tasks.search_checks import learns_target

    if settings.estimator is None:
        return True
    return learns_target(build_estimator(settings.estimator, settings.params, seed))


def check_estimator(
    estimator: Any, settings: "Settings", summary: "DataSummary", spec: "Data"
) -> None:
    """Raise BadJob for what estimator, target, texts, weights and classes rule out."""
    from hpc_ml.estimators.incremental_parts import first_step, split_pipeline
    from hpc_ml.estimators.incremental_steps import accepts

    try:
        _, last = split_pipeline(estimator)
    except ValueError as error:
        raise BadJob(
            f"estimator: {error}",
            hint="take SGDClassifier, SGDRegressor, Perceptron, MultinomialNB, MiniBatchKMeans, "
            "or another that has partial_fit",
        ) from error
    _check_target(last, summary.target_kind)
    _check_texts(first_step(estimator), texts=summary.n_features is None)
    _check_classes(last, settings, summary)
    if spec.weight is not None and not accepts(last, "sample_weight"):
        raise BadJob(
            f"{type(last).__name__} takes no weights of rows",
            where="data.weight",
            hint="leave data.weight out, or take another estimator",
        )


def _check_target(last: Any, kind: "TargetKind | None") -> None:
    from sklearn.base import is_classifier, is_regressor

    name = type(last).__name__
    if is_classifier(last) and kind == "continuous":
        raise BadJob(
            f"{name} predicts classes, and the target is continuous",
            hint=f"use --estimator {_REGRESSOR}",
        )
    if is_regressor(last) and kind == "text":
        raise BadJob(
            f"{name} predicts numbers, and the target is text",
            hint=f"use --estimator {_CLASSIFIER}",
        )


def _check_texts(first: Any, *, texts: bool) -> None:
    from sklearn.utils import get_tags

    takes_texts = not get_tags(first).input_tags.two_d_array
    if texts and not takes_texts:
        raise BadJob(
            f"the rows are texts, which {type(first).__name__} does not take",
            where="data.text",
            hint=f"use --estimator {_VECTORISER},{_CLASSIFIER}",
        )
    if takes_texts and not texts:
        raise BadJob(
            f"{type(first).__name__} takes texts, and the rows are numbers",
            hint="name the column of the texts by data.text",
        )


def _check_classes(last: Any, settings: "Settings", summary: "DataSummary") -> None:
    from sklearn.base import is_classifier

    if last.get_params().get("class_weight") == "balanced":
        raise BadJob(
            "class_weight: balanced needs all rows at once, and partial_fit sees some",
            where="params",
            hint="give the weight of each class: {class_weight: {yes: 2.5, no: 1}}",
        )
    if settings.classes is None:
        return
    if not is_classifier(last):
        raise BadJob(f"classes are given, and {type(last).__name__} predicts none", where="classes")
    for label in summary.class_counts or ():
        if label not in settings.classes:
            raise BadJob(f"the target holds {label!r}, which is none of them", where="classes")


def learn_target(rows: "OpenRows") -> "tuple[TargetKind, list[Any] | None]":
    """Return what the target is and its labels, by a pass over it where they are not known yet."""
    if rows.classes is not None:
        return "classes", rows.classes.tolist()
    first, *others = rows.collective.map(_count)
    for counts in others:
        first.merge(counts)
    kind: TargetKind = first.kind(classification=False)
    return kind, None if kind == "continuous" else sorted(first.counts)


def _count(block: Any, _state: None, _memory: dict[str, Any]) -> Any:
    from hpc_ml.data.target import TargetCounts

    counts = TargetCounts()
    counts.add(block.y)
    return counts
