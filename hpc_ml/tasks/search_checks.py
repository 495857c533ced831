"""What estimator, grid, scorers, folds and data of a search rule out before it begins."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from hpc_ml.errors import BadJob
from hpc_ml.spec.nearest import nearest
from hpc_ml.tasks.gridsearch import INCREMENTAL
from hpc_ml.tasks.row_words import last_step
from hpc_ml.tasks.search_words import read_search

if TYPE_CHECKING:
    from hpc_ml.data.inspection import DataSummary
    from hpc_ml.spec.data import Data
    from hpc_ml.tasks.gridsearch import Settings


def learns_target(estimator: Any) -> bool:
    """Return whether an estimator, or the last step of a pipeline, learns a target."""
    from sklearn.base import is_classifier, is_regressor
    from sklearn.utils import get_tags

    last = last_step(estimator)
    needed = get_tags(last).target_tags.required
    return bool(needed or is_classifier(last) or is_regressor(last))


def check_search(settings: "Settings", seed: int, summary: "DataSummary", spec: "Data") -> None:
    """Raise BadJob where words, scorers, folds or the kind of target do not fit."""
    words = read_search(settings, seed)
    estimator = words.estimator
    if settings.search == "tpe" and find_spec("optuna") is None:
        raise BadJob(
            "search: tpe needs Optuna, which is not installed here",
            hint="pip install 'optuna>=4', or take --search random (search: random)",
        )
    _check_scorers(settings, estimator, summary)
    _check_target(estimator, summary)
    if settings.search in INCREMENTAL:
        _check_incremental(estimator, words.space, spec)
        return
    if isinstance(settings.cv, int) and summary.complete:
        _check_folds(settings.cv, estimator, summary)


def _check_scorers(settings: "Settings", estimator: Any, summary: "DataSummary") -> None:
    from sklearn.base import is_clusterer
    from sklearn.metrics import get_scorer_names

    from hpc_ml.estimators.cluster_scores import CLUSTER_SCORES

    scoring, name = settings.scoring, type(last_step(estimator)).__name__
    clusters = is_clusterer(last_step(estimator))
    if scoring is None and clusters:
        raise BadJob(
            f"a search over {name} needs a score: its own prefers more clusters, or it has none",
            hint=f"write scoring: {', '.join(CLUSTER_SCORES[:-1])} or {CLUSTER_SCORES[-1]}",
        )
    for word in scoring if isinstance(scoring, tuple) else filter(None, (scoring,)):
        if word in CLUSTER_SCORES:
            if not clusters or settings.search in INCREMENTAL:
                raise BadJob(f"scoring: {word} is a score of clusters, in a search over folds")
        elif word not in get_scorer_names():
            known = [*get_scorer_names(), *CLUSTER_SCORES]
            raise BadJob(f"scoring: there is no scorer {word!r}", hint=nearest(word, known))
        elif summary.target_kind is None:
            raise BadJob(f"scoring: {word} needs a target", hint="name its column by data.target")


def _check_incremental(estimator: Any, space: Any, spec: "Data") -> None:
    from hpc_ml.estimators.incremental_parts import split_pipeline

    try:
        split_pipeline(estimator)
    except ValueError as error:
        raise BadJob(
            f"estimator: {error}",
            hint="take SGDClassifier, SGDRegressor, Perceptron, MultinomialNB or another that has "
            "partial_fit, or take --search random (search: random)",
        ) from error
    prefix = f"{estimator.steps[-1][0]}__" if hasattr(estimator, "steps") else ""
    for name in (
        name for grid in ([space] if isinstance(space, Mapping) else space) for name in grid
    ):
        if not name.startswith(prefix):
            raise BadJob(
                f"grid.{name}: only parameters of the last step ({prefix}..) can be searched, as "
                "all candidates share the steps before it"
            )
    if spec.group is not None:
        raise BadJob(
            "the rows that candidates are scored on would tear groups apart",
            where="data.group",
            hint="take --search random (search: random)",
        )


def _check_target(estimator: Any, summary: "DataSummary") -> None:
    from sklearn.base import is_classifier, is_regressor

    name = type(estimator).__name__
    if is_classifier(estimator) and summary.target_kind == "continuous":
        raise BadJob(
            f"{name} predicts classes, and the target is continuous",
            hint="use a regressor, such as HistGradientBoostingRegressor",
        )
    if is_regressor(estimator) and summary.target_kind == "text":
        raise BadJob(
            f"{name} predicts numbers, and the target is text",
            hint="use a classifier, such as LogisticRegression",
        )


def _check_folds(folds: int, estimator: Any, summary: "DataSummary") -> None:
    from sklearn.base import is_classifier

    counts = summary.class_counts
    if is_classifier(estimator) and counts and folds > max(counts.values()):
        raise BadJob(
            f"cv: {folds} folds need a class of at least {folds} rows; the largest has "
            f"{max(counts.values())}",
            hint="use fewer folds",
        )
    if summary.rows is not None and folds > summary.rows:
        raise BadJob(f"cv: {folds} folds need more than {summary.rows} rows")
