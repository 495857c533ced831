"""Estimators as a job file words them, turned into scikit-learn objects."""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

from hpc_ml.errors import BadJob
from hpc_ml.spec.nearest import nearest

# In the order in which they are most often meant; importing one costs a fraction of a second.
_MODULES = (
    "sklearn.linear_model", "sklearn.svm", "sklearn.ensemble", "sklearn.tree",
    "sklearn.preprocessing", "sklearn.pipeline", "sklearn.feature_extraction.text",
    "sklearn.neighbors", "sklearn.naive_bayes", "sklearn.neural_network",
    "sklearn.decomposition", "sklearn.feature_selection", "sklearn.impute", "sklearn.cluster",
    "sklearn.compose", "sklearn.discriminant_analysis", "sklearn.dummy",
    "sklearn.feature_extraction", "sklearn.gaussian_process", "sklearn.kernel_approximation",
    "sklearn.kernel_ridge", "sklearn.calibration", "sklearn.cross_decomposition",
    "sklearn.isotonic", "sklearn.manifold", "sklearn.mixture", "sklearn.multiclass",
    "sklearn.multioutput", "sklearn.random_projection", "sklearn.semi_supervised",
    "sklearn.covariance", "xgboost", "lightgbm",
)  # fmt: skip

EstimatorWords = str | Sequence[str | Mapping[str, str]]


def find_class(word: str) -> type:
    """Return the estimator class of a short name (SVC) or import path (package.module.Class).

    Raises BadJob where there is none, or where it is no estimator.
    """
    found = _by_path(word) if "." in word else _by_name(word)
    if not (isinstance(found, type) and hasattr(found, "get_params")):
        raise BadJob(
            f"estimator {word!r} is not an estimator: it is no class with get_params",
            hint="name a class with scikit-learn's interface",
        )
    return found


def _by_path(word: str) -> Any:
    module, _, name = word.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except ImportError as error:
        raise BadJob(
            f"estimator {word!r} cannot be imported: {error}",
            hint="check the spelling, and that its package is installed here and on the workers",
        ) from error
    except AttributeError as error:
        names = [known for known in vars(import_module(module)) if known[:1].isupper()]
        raise BadJob(f"{module} has no {name!r}", hint=nearest(name, names)) from error


def _by_name(word: str) -> Any:
    for module in _MODULES:
        try:
            found = getattr(import_module(module), word, None)
        except ImportError:  # xgboost and lightgbm are optional
            continue
        if found is not None:
            return found
    from sklearn.utils import all_estimators

    raise BadJob(
        f"there is no estimator {word!r} in scikit-learn, xgboost or lightgbm",
        hint=_near_estimators(word, [name for name, _ in all_estimators()]),
    )


def _near_estimators(word: str, names: list[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(word, names, n=3)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return "use a class name such as SVC, or an import path such as package.module.Class"


def build_estimator(words: EstimatorWords, params: Mapping[str, Any], seed: int) -> Any:
    """Return the unfitted estimator or pipeline that the job words.

    Parameters
    ----------
    words : str or sequence
        A class, or the steps of a pipeline: ``[{vect: HashingVectorizer}, {clf: SVC}]``, or
        without names ``[StandardScaler, SVC]``.
    params : mapping
        Its parameters, ``step__name`` in a pipeline.
    seed : int
        Fills every ``random_state`` that is unset.

    Raises
    ------
    BadJob
        For an unknown class or parameter, or a value that its class never takes.
    """
    estimator = _construct(find_class(words)) if isinstance(words, str) else _pipeline(words)
    check_parameters(estimator, params, "params")
    try:
        estimator.set_params(**params)
        _check_values(estimator)
    except (ValueError, TypeError) as error:
        raise BadJob(f"params: {' '.join(str(error).split())}") from error
    return seed_estimator(estimator, seed)


def _construct(found: type) -> Any:
    try:
        return found()
    except TypeError as error:
        raise BadJob(
            f"estimator {found.__name__} cannot be made without arguments: {error}",
            hint="name one whose parameters all have defaults",
        ) from error


def _pipeline(words: Sequence[str | Mapping[str, str]]) -> Any:
    from sklearn.pipeline import Pipeline, make_pipeline

    steps = list(words)
    if all(isinstance(step, str) for step in steps):
        return make_pipeline(*(_construct(find_class(str(step))) for step in steps))
    return Pipeline([(name, _construct(find_class(word))) for name, word in _named_steps(steps)])


def _named_steps(steps: Sequence[str | Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    for step in steps:
        if isinstance(step, str) or len(step) != 1:
            raise BadJob(
                f"estimator: step {step!r} is not NAME: CLASS",
                hint="write every step as {clf: SVC}, or every step as SVC",
            )
        yield next(iter(step.items()))


def _check_values(estimator: Any) -> None:
    """Raise scikit-learn's InvalidParameterError where a step declares what it takes."""
    steps = getattr(estimator, "steps", [("", estimator)])
    for _, step in steps:
        if hasattr(step, "_parameter_constraints"):
            step._validate_params()


def check_parameters(estimator: Any, names: Mapping[str, Any], where: str) -> None:
    """Raise BadJob where a name is no parameter of the estimator."""
    known = sorted(estimator.get_params(deep=True))
    for name in names:
        if name not in known:
            raise BadJob(
                f"{where}: {type(estimator).__name__} has no parameter {name!r}",
                hint=_step_hint(name, known) or nearest(name, known),
            )


def _step_hint(name: str, known: Sequence[str]) -> str | None:
    """Return the advice for a parameter that lacks the name of its step."""
    of_steps = [word for word in known if word.endswith(f"__{name}")]
    return f"write {' or '.join(of_steps)}" if of_steps else None


def seed_estimator(estimator: Any, seed: int) -> Any:
    """Set every random_state that is unset; returns the estimator."""
    unset = {
        name: seed
        for name, value in estimator.get_params(deep=True).items()
        if (name == "random_state" or name.endswith("__random_state")) and value is None
    }
    return estimator.set_params(**unset)
