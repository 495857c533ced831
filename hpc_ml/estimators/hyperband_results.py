"""What a search over incrementally trained models found, as scikit-learn's searches tell it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata

from hpc_ml.estimators.hyperband_rounds import Candidate


def make_results(candidates: Sequence[Candidate]) -> dict[str, Any]:
    """Return `cv_results_`: scikit-learn's keys of one split, with `bracket` and
    `partial_fit_calls` beside them.

    Scores are of the rows that are held back, after a candidate's last call; times are sums over
    all calls and scores of a candidate.
    """
    scores = np.array([one.score for one in candidates], dtype=np.float64)
    results: dict[str, Any] = {
        "mean_fit_time": np.array([one.fit_s for one in candidates]),
        "std_fit_time": np.zeros(len(candidates)),
        "mean_score_time": np.array([one.score_s for one in candidates]),
        "std_score_time": np.zeros(len(candidates)),
        **_parameter_columns([one.parameters for one in candidates]),
        "params": [dict(one.parameters) for one in candidates],
        "split0_test_score": scores,
        "mean_test_score": scores.copy(),
        "std_test_score": np.zeros(len(candidates)),
        "rank_test_score": _ranks(scores),
        "bracket": np.array([one.bracket for one in candidates], dtype=np.int32),
        "partial_fit_calls": np.array([one.calls for one in candidates], dtype=np.int32),
    }
    return results


def _parameter_columns(parameters: Sequence[dict[str, Any]]) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for name in sorted({name for each in parameters for name in each}):
        column = np.ma.masked_all(len(parameters), dtype=object)
        for row, each in enumerate(parameters):
            if name in each:
                column[row] = each[name]
        columns[f"param_{name}"] = column
    return columns


def _ranks(scores: np.ndarray) -> np.ndarray:
    """Rank as scikit-learn does: the highest score is 1, and what failed comes last."""
    if np.isnan(scores).all():
        return np.ones(len(scores), dtype=np.int32)
    lowest = np.nanmin(scores) - 1
    return rankdata(-np.nan_to_num(scores, nan=lowest), method="min").astype(np.int32)
