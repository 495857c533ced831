"""The settings of a search turned into the search estimator, and checked against the data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpc_ml.errors import BadJob
from hpc_ml.spec.nearest import nearest
from hpc_ml.tasks.estimator_words import build_estimator, check_parameters

if TYPE_CHECKING:
    from hpc_ml.data.inspection import DataSummary
    from hpc_ml.tasks.gridsearch import Settings

_DISTRIBUTIONS = ("uniform", "loguniform", "randint", "norm", "expon")


@dataclass(frozen=True)
class SearchWords:
    """What a search is made from: read and checked, before anything of Dask is imported."""

    estimator: Any
    space: Any
    options: Mapping[str, Any]


def read_search(settings: "Settings", seed: int) -> SearchWords:
    """Return what the settings word. Raises BadJob."""
    estimator = build_estimator(settings.estimator, settings.params, seed)
    grids = settings.grid if isinstance(settings.grid, tuple) else (settings.grid,)
    for grid in grids:
        check_parameters(estimator, grid, "grid")
    space = [_read_grid(grid, settings.search) for grid in grids]
    scoring = settings.scoring
    options = {
        "scoring": list(scoring) if isinstance(scoring, tuple) else scoring,
        "refit": settings.refit,
        "cv": _build_splitter(settings.cv, seed),
        "error_score": float("nan") if settings.error_score == "nan" else settings.error_score,
        "return_train_score": settings.train_scores,
    }
    return SearchWords(estimator, space[0] if len(space) == 1 else space, options)


def build_search(settings: "Settings", seed: int) -> Any:
    """Return the unfitted search that the settings word. Raises BadJob."""
    from hpc_ml import estimators

    words = read_search(settings, seed)
    halving = {
        "factor": settings.factor,
        "resource": settings.resource,
        "min_resources": settings.min_resources,
        "random_state": seed,
    }
    drawn = {"n_iter": settings.n_iter, "random_state": seed}
    searches: dict[str, tuple[Any, dict[str, Any]]] = {
        "grid": (estimators.GridSearchCV, {}),
        "random": (estimators.RandomizedSearchCV, drawn),
        "halving": (estimators.HalvingGridSearchCV, halving),
        "halving-random": (estimators.HalvingRandomSearchCV, halving),
    }
    kind, own = searches[settings.search]
    return kind(words.estimator, words.space, **words.options, **own)


def _read_grid(grid: Mapping[str, Any], search: str) -> dict[str, Any]:
    return {name: _read_values(name, values, search) for name, values in grid.items()}


def _read_values(name: str, values: Any, search: str) -> Any:
    if isinstance(values, list | tuple):
        alone = values[0] if len(values) == 1 else None
        if not (isinstance(alone, Mapping) and len(alone) == 1 and set(alone) <= {*_DISTRIBUTIONS}):
            return list(values)
        values = alone
    kind, arguments = next(iter(values.items()))
    if kind not in _DISTRIBUTIONS:
        raise BadJob(
            f"grid.{name}: there is no distribution {kind!r}", hint=nearest(kind, _DISTRIBUTIONS)
        )
    if not search.endswith("random"):
        raise BadJob(
            f"grid.{name} is a distribution, and a {search} search needs a list of values",
            hint="write search: random",
        )
    return _make_distribution(name, kind, arguments)


def _make_distribution(name: str, kind: str, arguments: Any) -> Any:
    from scipy import stats

    try:
        if kind == "uniform":
            low, high = arguments
            return stats.uniform(low, high - low)
        return getattr(stats, kind)(*arguments)
    except (TypeError, ValueError) as error:
        raise BadJob(
            f"grid.{name}: {kind} does not take {arguments!r}",
            hint="give its bounds as two numbers: {loguniform: [0.001, 10]}",
        ) from error


def _build_splitter(cv: int | Mapping[str, Mapping[str, Any]], seed: int) -> Any:
    if isinstance(cv, int):
        return cv
    from sklearn import model_selection

    word, arguments = next(iter(cv.items()))
    # Not by getattr: scikit-learn raises for the names of its experimental searches.
    known = {
        name: found
        for name, found in vars(model_selection).items()
        if isinstance(found, type) and hasattr(found, "split") and name[0].isupper()
    }
    if word not in known:
        raise BadJob(f"cv: there is no splitter {word!r}", hint=nearest(word, known))
    try:
        splitter = known[word](**arguments)
    except (TypeError, ValueError) as error:
        raise BadJob(f"cv: {word}: {error}") from error
    # A KFold that does not shuffle refuses a random_state.
    shuffles = getattr(splitter, "shuffle", True)
    if shuffles and hasattr(splitter, "random_state") and splitter.random_state is None:
        splitter.random_state = seed
    return splitter


def check_search(settings: "Settings", seed: int, summary: "DataSummary") -> None:
    """Raise BadJob where words, scorers, folds or the kind of target do not fit."""
    estimator = read_search(settings, seed).estimator
    _check_scorers(settings)
    _check_target(estimator, summary)
    if isinstance(settings.cv, int) and summary.complete:
        _check_folds(settings.cv, estimator, summary)


def _check_scorers(settings: "Settings") -> None:
    from sklearn.metrics import get_scorer_names

    scoring = settings.scoring
    for word in scoring if isinstance(scoring, tuple) else filter(None, (scoring,)):
        if word not in get_scorer_names():
            raise BadJob(
                f"scoring: there is no scorer {word!r}", hint=nearest(word, get_scorer_names())
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
