"""The scores of predictions, where the data have a target."""

from collections.abc import Iterable, Mapping
from math import nan
from typing import TYPE_CHECKING, Any

from hpc_ml.errors import BadJob
from hpc_ml.tasks.score_parts import has_parts, join_parts

if TYPE_CHECKING:
    from hpc_ml.tasks.registry import TaskRun
    from hpc_ml.tasks.scoring import Scoring
    from hpc_ml.tasks.stored_models import LoadedModel


def is_judged(model: "LoadedModel", scoring: "Scoring") -> bool:
    """Return whether a target is of use."""
    from hpc_ml.tasks.scoring import default_words

    return bool(scoring) or bool(default_words(model.estimator))


def choose_scorers(
    model: "LoadedModel", scoring: "Scoring", *, there_is_a_target: bool
) -> tuple[str, ...]:
    """Return the scorers: those asked for, else the model's own where there is a target.

    Raises BadJob for scorers that do not fit, or without a target.
    """
    from sklearn.base import is_classifier, is_regressor

    from hpc_ml.tasks.scoring import check_scoring_words, default_words, scoring_words

    words = scoring_words(scoring)
    if not there_is_a_target:
        if words:
            raise BadJob(
                f"scoring: {words[0]} needs a target, and the data have none",
                hint="name its column by --target (data.target), or leave scoring out",
            )
        return ()
    estimator = model.estimator
    if is_classifier(estimator):
        check_scoring_words(words, "classes")
    else:
        check_scoring_words(words, "continuous" if is_regressor(estimator) else None)
    for word in words:
        if not has_parts(word):
            raise BadJob(
                f"scoring: {word} needs all rows at once, and predict has a few at a time",
                hint="use accuracy, balanced_accuracy, f1_macro, neg_log_loss, r2 or "
                "neg_mean_squared_error, or score the files that predict writes",
            )
    return words or default_words(estimator)


def join_scores(
    scoring: Iterable[str], parts: Iterable[Mapping[str, Any]], model: "LoadedModel", run: "TaskRun"
) -> dict[str, float]:
    """Return the scores over all partitions as ``test_`` + scorer; NaN, told, where there is none.

    Rows without target and rows that were not predicted do not count.
    """
    parts = list(parts)
    scores = {}
    for word in scoring:
        found = [part["scores"][word] for part in parts if word in part["scores"]]
        reason = next((one for one in found if isinstance(one, str)), None)
        try:
            if not found:
                raise ValueError("no row has a target")
            if reason is not None:
                raise ValueError(reason)
            scores[f"test_{word}"] = float(join_parts(word, found, model.estimator))
        except ValueError as error:
            run.tell(f"test_{word} cannot be computed: {' '.join(str(error).split())}")
            scores[f"test_{word}"] = nan
    return scores
