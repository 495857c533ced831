"""Scores on held-out rows that lie in partitions on the workers."""

from collections.abc import Sequence
from math import nan
from typing import TYPE_CHECKING, Any

from hpc_ml.errors import BadJob
from hpc_ml.spec.nearest import nearest
from hpc_ml.tasks.judged_rows import MOST_ROWS, JudgedRows
from hpc_ml.tasks.score_parts import OF_NUMBERS, has_parts

if TYPE_CHECKING:
    from hpc_ml.data.target import TargetKind
    from hpc_ml.tasks.registry import TaskRun
    from hpc_ml.tasks.rows import OpenRows

Scoring = str | Sequence[str] | None

_OF_CLUSTERS = (
    "adjusted_mutual_info_score", "adjusted_rand_score", "completeness_score",
    "fowlkes_mallows_score", "homogeneity_score", "mutual_info_score",
    "normalized_mutual_info_score", "rand_score", "v_measure_score",
)  # fmt: skip


def check_scoring_words(scoring: Scoring, target_kind: "TargetKind | None") -> None:
    """Refuse scorers that are none, or that do not fit the target.

    Parameters
    ----------
    scoring : str, sequence of str or None
        scikit-learn's names.
    target_kind : str or None
        What the model predicts: `continuous` for a regressor whatever the target holds,
        `classes` or `text` for a classifier, None where that is not known.

    Raises
    ------
    BadJob
        Naming the scorer and the nearest one.
    """
    from sklearn.metrics import get_scorer_names

    for word in scoring_words(scoring):
        if word not in get_scorer_names():
            raise BadJob(
                f"scoring: there is no scorer {word!r}", hint=nearest(word, get_scorer_names())
            )
        if target_kind == "continuous" and word not in (*OF_NUMBERS, *_OF_CLUSTERS):
            raise BadJob(
                f"scoring: {word} is a score of classes, and the target is continuous",
                hint=f"use one of {', '.join(OF_NUMBERS)}",
            )
        if target_kind in ("classes", "text") and word in OF_NUMBERS:
            raise BadJob(
                f"scoring: {word} is a score of numbers, and the target is classes",
                hint="use accuracy, balanced_accuracy, f1_macro, roc_auc_ovr or neg_log_loss",
            )


def check_scoring_size(rows: "OpenRows", scoring: Scoring) -> None:
    """Refuse, before anything is fitted, scorers that need more rows at once than fit.

    Raises BadJob above 5 million rows for scorers that are neither sums over rows nor follow
    from how often each class is predicted for each.
    """
    judged = rows.n_held_out or rows.n_rows
    if judged <= MOST_ROWS:
        return
    for word in scoring_words(scoring):
        if not has_parts(word):
            raise BadJob(
                f"scoring: {word} needs all of {judged:,} rows at once, and {MOST_ROWS:,} are "
                "the most",
                hint="hold fewer rows out by data.test_size, or use accuracy, f1_macro, "
                "neg_log_loss, r2 or neg_mean_squared_error",
            )


def score_held_out(
    rows: "OpenRows", model: Any, scoring: Scoring, run: "TaskRun"
) -> dict[str, float]:
    """Score a fitted model on the held-out rows, where they lie.

    As by scikit-learn's scorers without sample weights: each row counts once, whatever its
    weight in training.

    Parameters
    ----------
    rows : OpenRows
        The rows that the model was fitted on, and those held out.
    model : estimator
        Fitted; it travels to the workers.
    scoring : str, sequence of str or None
        scikit-learn's names; default accuracy for a classifier, r2 for a regressor, and no score
        for others.
    run : TaskRun
        Is told of a score that cannot be computed, which is NaN then.

    Returns
    -------
    dict
        ``test_`` + scorer where rows are held out, else ``train_`` + scorer on all rows.
    """
    prefix = "test_" if rows.n_held_out else "train_"
    judged = JudgedRows(rows, model)
    scores = {}
    for word in scoring_words(scoring) or default_words(model):
        try:
            scores[prefix + word] = float(judged.score(word))
        except (ValueError, TypeError, AttributeError, BadJob) as error:
            # Hours of training are not thrown away for a score that these rows do not allow.
            run.tell(f"{prefix}{word} cannot be computed: {' '.join(str(error).split())}")
            scores[prefix + word] = nan
    return scores


def scoring_words(scoring: Scoring) -> tuple[str, ...]:
    return (scoring,) if isinstance(scoring, str) else tuple(scoring or ())


def default_words(model: Any) -> tuple[str, ...]:
    from sklearn.base import is_classifier, is_regressor

    return ("accuracy",) if is_classifier(model) else ("r2",) if is_regressor(model) else ()
