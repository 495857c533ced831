"""K-means over partitions, of several models at once: survey, starts, Lloyd, the best start."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.utils import check_random_state

from hpc_ml.estimators.kmeans_kept import Standing, fingerprint_of, pack, unpack
from hpc_ml.estimators.kmeans_parallel import choose_by_oversampling
from hpc_ml.estimators.kmeans_starts import StartRows, choose_start, count_starts, plan_sample
from hpc_ml.estimators.kmeans_survey import take_survey
from hpc_ml.estimators.lloyd import Descent, Found, ask, descend, finish
from hpc_ml.estimators.lloyd_steps import Question

_STATE = "kmeans"
# Of the spread: centres as near as this after two starts are the same centres.
_SAME = 1e-5


@dataclass(frozen=True)
class Clustering:
    """The best run of one model.

    Attributes
    ----------
    centres : ndarray of shape (n_clusters, n_features)
        Where they lie in the data.
    descent : Descent
        The run, whose centres are less the offset.
    inertia : float
        Weighted sum of squared distances from the rows to their centres.
    counts : ndarray of shape (n_clusters,)
        Rows of each cluster.
    question : Question
        What a partition is asked for its labels.
    """

    centres: np.ndarray
    descent: Descent
    inertia: float
    counts: np.ndarray
    question: Question


def cluster(collective: Any, models: Sequence[Any]) -> list[Clustering]:
    """Cluster the rows of a collective by each of the models, in passes that serve all.

    Parameters
    ----------
    collective : Collective
        The rows.
    models : sequence of KMeans
        Their parameters, checked.

    Raises
    ------
    ValueError
        When there are fewer rows than clusters, given centres have another shape, or the rows
        hold what distances cannot be taken of.
    """
    for model in models:
        check_rows(collective, model.n_clusters)
    standing = _resume(collective, models)
    if standing is None:
        standing = _begin(collective, models)
        _keep(collective, models, standing)
    descents = [descent for starts in standing.descents for descent in starts]
    descend(
        collective, descents, offset=standing.offset, scatter=standing.scatter,
        hear=lambda: _hear(collective, models, standing),
    )  # fmt: skip
    found = iter(finish(collective, descents, standing.offset))
    return [
        _choose_best(collective, standing, starts, [next(found) for _ in starts])
        for starts in standing.descents
    ]


def settle(collective: Any, centres: np.ndarray, offset: np.ndarray | None) -> Clustering:
    """Return the clustering by centres that are found already, in one pass."""
    own = centres if offset is None else centres - offset
    descent = Descent(own, tol=0.0, max_iter=0, end="max_iter")
    (found,) = finish(collective, [descent], offset)
    question = ask(collective, [descent], offset)
    return Clustering(centres, descent, found.inertia, found.counts, question)


def check_rows(collective: Any, n_clusters: int) -> None:
    """Raise ValueError where there are fewer rows than clusters."""
    n_rows = sum(collective.rows)
    if n_rows < n_clusters:
        raise ValueError(f"n_samples={n_rows} should be >= n_clusters={n_clusters}.")


def _begin(collective: Any, models: Sequence[Any]) -> Standing:
    n_rows = sum(collective.rows)
    states = [check_random_state(model.random_state) for model in models]
    plans = [
        plan_sample(n_rows, model.n_clusters, state)
        for model, state in zip(models, states, strict=True)
    ]
    different = tuple(dict.fromkeys(plans))
    survey = take_survey(collective, different)
    offset = survey.find_offset()
    spread = float(np.mean(survey.plain.squares / n_rows))
    descents = []
    for model, plan, state in zip(models, plans, states, strict=True):
        rows = StartRows.of(survey.samples[different.index(plan)], offset, plan)
        starts = _choose_starts(collective, model, rows, state)
        descents.append([Descent(start, model.tol * spread, model.max_iter) for start in starts])
    return Standing(offset, survey.weighted.scatter(offset), spread, descents)


def _choose_starts(
    collective: Any, model: Any, rows: StartRows, random_state: np.random.RandomState
) -> list[np.ndarray]:
    count = count_starts(model.n_init, model.init)
    if isinstance(model.init, str) and model.init == "k-means||":
        return [
            choose_by_oversampling(
                collective, rows, model.n_clusters, random_state=random_state,
                oversampling_factor=model.oversampling_factor, init_max_iter=model.init_max_iter,
            )
            for _ in range(count)
        ]  # fmt: skip
    return [
        choose_start(rows, model.init, model.n_clusters, random_state, alone=count == 1)
        for _ in range(count)
    ]


def _resume(collective: Any, models: Sequence[Any]) -> Standing | None:
    kept = collective.checkpoint.kept_state(_STATE)
    if kept is None:
        return None
    return unpack(kept, fingerprint_of(collective, models))


def _keep(collective: Any, models: Sequence[Any], standing: Standing) -> None:
    """Keep where the work stands."""
    now = standing.copy()
    collective.checkpoint.keep_state(_STATE, lambda: pack(now, fingerprint_of(collective, models)))


def _hear(collective: Any, models: Sequence[Any], standing: Standing) -> None:
    """Keep where the work stands after an iteration, and tell."""
    _keep(collective, models, standing)
    descents = [descent for starts in standing.descents for descent in starts]
    done = max(descent.n_iter for descent in descents)
    going = any(not descent.end for descent in descents)
    total = max(descent.max_iter for descent in descents) if going else done
    collective.checkpoint.progress(done, total, "iterations")


def _choose_best(
    collective: Any, standing: Standing, starts: list[Descent], found: list[Found]
) -> Clustering:
    """Return the run of least inertia; of runs that found the same clusters, the first."""
    best = 0
    for number in range(1, len(starts)):
        if found[number].inertia < found[best].inertia and not _same(
            starts[number].centres, starts[best].centres, standing.spread
        ):
            best = number
    descent = starts[best]
    centres = descent.centres
    return Clustering(
        centres if standing.offset is None else centres + standing.offset,
        descent,
        found[best].inertia,
        found[best].counts,
        ask(collective, [descent], standing.offset),
    )


def _same(one: np.ndarray, other: np.ndarray, spread: float) -> bool:
    """Return whether two runs have the same centres in any order."""
    distances = cdist(one, other)
    nearest = distances.argmin(axis=1)
    near = distances.min(axis=1).max() <= _SAME * np.sqrt(spread * one.shape[1])
    return bool(near and len(set(nearest)) == len(one))
