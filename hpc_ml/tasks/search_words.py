"""The settings of a search turned into the search estimator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpc_ml.errors import BadJob
from hpc_ml.spec.nearest import nearest
from hpc_ml.tasks.estimator_words import build_estimator, check_parameters
from hpc_ml.tasks.gridsearch import INCREMENTAL

if TYPE_CHECKING:
    from hpc_ml.tasks.gridsearch import Settings


def _same(*names: str) -> dict[str, str]:
    return dict(zip(names, names, strict=True))


# For each search its estimator, and which of its parameters the job's keys are.
_SEARCHES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "grid": ("GridSearchCV", {}),
    "random": ("RandomizedSearchCV", {"n_iter": "n_iter"}),
    "halving": ("HalvingGridSearchCV", _same("factor", "resource", "min_resources")),
    "halving-random": ("HalvingRandomSearchCV", _same("factor", "resource", "min_resources")),
    "tpe": ("TPESearchCV", _same("n_iter", "trials_at_once")),
    "hyperband": ("HyperbandSearchCV", _same("factor", "max_iter", "validation_fraction")),
    "incremental-halving": (
        "SuccessiveHalvingSearchCV",
        {"n_iter": "n_candidates", **_same("factor", "max_iter", "validation_fraction")},
    ),
}
_LISTS_ALONE = ("grid", "halving")
_DISTRIBUTIONS = ("uniform", "loguniform", "randint", "norm", "expon")


@dataclass(frozen=True)
class SearchWords:
    """What a search is made from: read and checked, before anything of Dask is imported."""

    estimator: Any
    space: Any
    options: Mapping[str, Any]


def read_search(settings: "Settings", seed: int) -> SearchWords:
    """Return what the settings word. Raises BadJob."""
    estimator = quieten(build_estimator(settings.estimator, settings.params, seed))
    grids = settings.grid if isinstance(settings.grid, tuple) else (settings.grid,)
    for grid in grids:
        check_parameters(estimator, grid, "grid")
    space = [_read_grid(grid, settings.search) for grid in grids]
    options = {
        "scoring": _find_scorers(settings.scoring, seed),
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
    kind, names = _SEARCHES[settings.search]
    own = {taken: getattr(settings, name) for name, taken in names.items()}
    if settings.search != "grid":
        own["random_state"] = seed
    options = words.options
    if settings.search in INCREMENTAL:
        options = {"scoring": options["scoring"]}
    return getattr(estimators, kind)(words.estimator, words.space, **options, **own)


def quieten(estimator: Any) -> Any:
    """Keep LightGBM from printing of each fit, unless the job says how much it is to."""
    for name, inner in {"": estimator, **estimator.get_params(deep=True)}.items():
        if type(inner).__module__.startswith("lightgbm") and hasattr(inner, "get_params"):
            said = {"verbose", "verbosity"} & inner.get_params().keys()
            path = f"{name}__verbosity" if name else "verbosity"
            if not said:
                estimator.set_params(**{path: -1})
    return estimator


def _find_scorers(words: str | Sequence[str] | None, seed: int) -> Any:
    """Return scorers by their names; scikit-learn's stay names."""
    from hpc_ml.estimators.cluster_scores import CLUSTER_SCORES, ClusterScorer

    if words is None or isinstance(words, str):
        return ClusterScorer(words, seed) if words in CLUSTER_SCORES else words
    if not set(words) & set(CLUSTER_SCORES):
        return list(words)
    return {word: _find_scorers(word, seed) for word in words}


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
    if search in _LISTS_ALONE:
        raise BadJob(
            f"grid.{name} is a distribution, and a {search} search needs a list of values",
            hint="take --search random (search: random)",
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
