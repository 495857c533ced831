"""The threads that estimators start themselves: a worker's thread fits one model with one of them.

Models beside each other that each start a thread a core take longer together than one by one.
"""

from collections.abc import Mapping
from typing import Any

from sklearn.base import clone

_NAMES = ("n_jobs", "nthread", "num_threads", "thread_count")


def thread_parameters(estimator: Any) -> dict[str, Any]:
    """Return the parameters by which an estimator, or one inside it, starts threads of its own.

    scikit-learn's own start one unless told otherwise, those of other packages one a core.
    """
    parameters = estimator.get_params(deep=True)
    found = {}
    for name, value in parameters.items():
        path, _, last = name.rpartition("__")
        owner = parameters[path] if path else estimator
        alone = (1,) if _is_foreign(owner) else (1, None)
        if last in _NAMES and value not in alone:
            found[name] = value
    return found


def limit_threads(
    estimator: Any, own: Mapping[str, Any], candidate: Mapping[str, Any], threads: int
) -> dict[str, Any]:
    """Return a candidate's parameters with those that keep it to so many threads.

    Parameters
    ----------
    estimator : estimator
        Unfitted, before it gets the candidate's parameters.
    own : mapping
        Its `thread_parameters`.
    candidate : mapping
        What the search tries.
    threads : int
        How many threads a model may start.
    """
    if own.keys() & candidate.keys() or any(map(_is_estimator, candidate.values())):
        try:
            own = thread_parameters(clone(estimator).set_params(**clone(candidate, safe=False)))
        except Exception:
            # The fit will say what is wrong with the parameters, as scikit-learn says it.
            own = {}
    return {**candidate, **dict.fromkeys(own, threads)}


def _is_foreign(owner: Any) -> bool:
    return not type(owner).__module__.startswith("sklearn.")


def _is_estimator(value: Any) -> bool:
    return hasattr(value, "get_params")
