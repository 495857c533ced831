"""What a job says of its rows, beside their columns: weights, groups and their order in time.

No task passes them over in silence: it honours them, or refuses them here.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hpc_ml.errors import BadJob

if TYPE_CHECKING:
    from hpc_ml.spec.data import Data

_GROUPED = "GroupKFold, StratifiedGroupKFold, GroupShuffleSplit, LeaveOneGroupOut, LeavePGroupsOut"


def refuse_row_words(task: str, spec: "Data", **reasons: str) -> None:
    """Raise BadJob where a job gives rows what a task has no use for.

    Parameters
    ----------
    task : str
        The task's name.
    spec : Data
        What the job says of its data.
    **reasons : str
        By key of `data` (weight, group, order_by), why the task has no use for it.
    """
    for key, reason in reasons.items():
        if getattr(spec, key) is not None:
            raise BadJob(f"{task}: {reason}", where=f"data.{key}", hint=f"leave data.{key} out")


def check_weights(spec: "Data", estimator: Any) -> None:
    """Raise BadJob where a job weighs rows and the estimator cannot."""
    from sklearn.utils.validation import has_fit_parameter

    last = last_step(estimator)
    if spec.weight is not None and not has_fit_parameter(last, "sample_weight"):
        raise BadJob(
            f"{type(last).__name__} takes no weights of rows",
            where="data.weight",
            hint="leave data.weight out, or take another estimator",
        )


def weight_parameters(estimator: Any, weight: Any) -> dict[str, Any]:
    """Return the parameters of `fit` that give an estimator, or a pipeline's last step, weights."""
    if weight is None:
        return {}
    step = f"{estimator.steps[-1][0]}__" if hasattr(estimator, "steps") else ""
    return {f"{step}sample_weight": weight}


def check_group_folds(spec: "Data", cv: int | Mapping[str, Any]) -> None:
    """Raise BadJob where a job groups rows and its folds would tear groups apart."""
    if spec.group is None or isinstance(cv, int):
        return
    word = next(iter(cv))
    if "Group" not in word:
        raise BadJob(
            f"cv: {word} tears groups apart, and data.group keeps them together",
            hint=f"give cv a number of folds, or one of {_GROUPED}",
        )


def group_folds(cv: Any, *, stratify: bool) -> Any:
    """Return the splitter that a number of folds means where rows are grouped."""
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    if not isinstance(cv, int):
        return cv
    return StratifiedGroupKFold(cv) if stratify else GroupKFold(cv)


def last_step(estimator: Any) -> Any:
    """Return the last step of a pipeline, or the estimator itself."""
    return estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
