"""What is known of a finished fit, as JSON for the checkpoint and as scikit-learn wants it."""

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from hpc_ml.estimators.worker_process import Heard, without_numbers

Record = dict[str, Any]

_SCORING_FAILED = "Scoring failed."


def make_record(result: Mapping[str, Any], heard: Heard, of: str) -> Record:
    """Return scikit-learn's result of one fit as JSON, with the warnings heard meanwhile.

    `of` says of which parameters and rows it is the result.
    """
    record: Record = {
        "of": of,
        "test": _to_json(result["test_scores"]),
        "fit_time": result["fit_time"],
        "score_time": result["score_time"],
        "n_test": int(result["n_test_samples"]),
        "fit_error": result["fit_error"],
        "warnings": [[category, *entry] for (category, _), entry in heard.items()],
    }
    if "train_scores" in result:
        record["train"] = _to_json(result["train_scores"])
    if result["fit_error"] is not None:
        record["reason"] = last_line(result["fit_error"])
    return record


def make_failure(reason: str, error_score: float, metrics: Sequence[str] | None, of: str) -> Record:
    """Return the record of a fit that took its worker down; it is tried again on resume."""
    scores = error_score if metrics is None else dict.fromkeys(metrics, error_score)
    record = make_record(
        {
            "test_scores": scores,
            "train_scores": scores,
            "fit_time": 0.0,
            "score_time": 0.0,
            "n_test_samples": 0,
            "fit_error": reason,
        },
        {},
        of,
    )
    return record | {"again": True}


def read_record(record: Record, return_train_score: bool) -> dict[str, Any]:
    """Return the result that scikit-learn forms `cv_results_` of."""
    result = {
        "test_scores": _from_json(record["test"]),
        "fit_time": record["fit_time"],
        "score_time": record["score_time"],
        "n_test_samples": record["n_test"],
        "fit_error": record["fit_error"],
    }
    if return_train_score:
        result["train_scores"] = _from_json(record["train"])
    return result


def is_finished(record: Any, of: str, return_train_score: bool) -> bool:
    """Say whether a record is of these very parameters and rows, and need not be made again."""
    return (
        isinstance(record, Mapping)
        and record.get("of") == of
        and not record.get("again")
        and (not return_train_score or "train" in record)
    )


def list_failures(candidate: int, fold: int, record: Record) -> list[dict[str, Any]]:
    """Return why this fit or its scoring failed, each with its traceback."""
    texts = [text for _, text, _ in record["warnings"] if text.startswith(_SCORING_FAILED)]
    if record["fit_error"] is not None:
        texts.insert(0, record["fit_error"])
    return [
        {"candidate": candidate, "fold": fold, "reason": last_line(text), "traceback": text}
        for text in texts
    ]


def report_warnings(records: Iterable[Record], tell: Callable[[str], None]) -> None:
    """Tell each kind of warning once, with its count; what scikit-learn warns of is warned of."""
    counts: dict[tuple[str, str], list[Any]] = {}
    for record in records:
        for category, text, count in record["warnings"]:
            counts.setdefault((category, without_numbers(text)), [text, 0])[1] += count
    for (category, _), (text, count) in counts.items():
        if text.startswith(_SCORING_FAILED):
            warnings.warn(text, UserWarning, stacklevel=2)
        else:
            times = f" ({count} times)" if count > 1 else ""
            tell(f"{category}{times}: {' '.join(text.split())}")


def last_line(traceback: str) -> str:
    """Return the line of a traceback that says what happened."""
    lines = traceback.strip().splitlines()
    return lines[-1].strip() if lines else ""


def _to_json(scores: Any) -> Any:
    if isinstance(scores, Mapping):
        return {name: _to_json(score) for name, score in scores.items()}
    score = float(scores)
    return score if math.isfinite(score) else repr(score)


def _from_json(scores: Any) -> Any:
    if isinstance(scores, Mapping):
        return {name: float(score) for name, score in scores.items()}
    return float(scores)
