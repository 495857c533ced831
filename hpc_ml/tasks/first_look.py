"""The look at raw rows in partitions that decides how they are split and prepared."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hpc_ml.data.partitioned import (
    Partitioned,
    Recipe,
    check_parts,
    fit_by_types,
    measure,
    settled_recipe,
)
from hpc_ml.data.partitioned_split import (
    EXACT_ROWS,
    HeldOut,
    SeededShare,
    key_of,
    sample_of,
    split_by_counts,
    split_by_keys,
    split_by_samples,
)
from hpc_ml.data.partitioned_training import (
    Training,
    find_middle,
    gathered_batches,
    gathered_share,
)
from hpc_ml.data.split import check_classes, check_rows
from hpc_ml.data.target import Target

if TYPE_CHECKING:
    from hpc_ml.estimators.inputs import AnyCollective
    from hpc_ml.tasks.registry import TaskRun

Memory = dict[str, Any]


def look(
    collective: "AnyCollective", data: Partitioned, run: "TaskRun"
) -> tuple[Recipe, tuple[int, ...], Target | None]:
    """Return how raw rows are prepared, how many of each partition are held out, and the target.

    Where types and headers settle all but which rows are held out, only what decides that is
    looked at: all else is checked as the rows are prepared.

    Parameters
    ----------
    collective
        Its partitions are the raw rows of `data`.
    run
        Hears where something is drawn by seed instead of from all rows.

    Raises
    ------
    BadData
        For rows that cannot be learned from.
    """
    if data.settled:
        return _look_at_parts(collective, data, run)
    scans = collective.map(_scan, data)
    rows, kept = [scan.rows for scan in scans], tuple(scan.kept for scan in scans)
    first = scans[0]
    for scan in scans[1:]:
        first.merge(scan)
    scanned = data.finish(first, rows)
    check_rows(scanned.kept, data.source)
    columns = tuple(column for column in scanned.columns if column.kind != "target")
    held_out = _split(collective, data, kept, run)
    training = Training(data, columns, held_out)
    counts = _count_held_out(collective, training, kept, scanned.target)
    prepare = data.build_preparation(columns, scanned.kept)
    if prepare is not None:
        prepare = _fit(collective, training, prepare, run)
    width = len(data.feature_names(prepare) or "1")
    return Recipe(data, columns, held_out, kept, width, prepare), counts, scanned.target


def _look_at_parts(
    collective: "AnyCollective", data: Partitioned, run: "TaskRun"
) -> tuple[Recipe, tuple[int, ...], Target | None]:
    """Return the same where only which rows are held out must be looked for."""
    first, *others = collective.map(_measure_raw, data)
    for found in others:
        first.merge(found)
    target = first.finish(data)
    held_out = _split(collective, data, data.plan.rows or (), run)
    recipe = settled_recipe(data, held_out)
    training = Training(data, recipe.columns, held_out)
    return recipe, _count_held_out(collective, training, recipe.rows, target), target


def _measure_raw(raw: Any, data: Partitioned, _memory: Memory) -> Any:
    check_parts(raw, data)
    return measure(*data.labels(raw))


def _scan(raw: Any, data: Partitioned, _memory: Memory) -> Any:
    return data.scan(raw)


def _split(
    collective: "AnyCollective", data: Partitioned, kept: Sequence[int], run: "TaskRun"
) -> HeldOut:
    """Return which rows are held out."""
    source, total = data.source, sum(kept)
    held_out = split_by_counts(kept, source, grouped=data.grouped)
    if isinstance(held_out, SeededShare):
        run.tell(f"more than {EXACT_ROWS:,} rows: the held-out ones are drawn from each partition")
    if held_out is not None:
        return held_out
    if source.spec.order_by is not None and total > EXACT_ROWS:
        run.tell(
            f"more than {EXACT_ROWS:,} rows: the time after which rows are held out is told "
            "from a sample of each partition"
        )
        return split_by_samples(collective.map(_sample, data), kept, source)
    return split_by_keys(collective.map(_key, data), kept, source, grouped=data.grouped)


def _sample(raw: Any, data: Partitioned, _memory: Memory) -> Any:
    return sample_of(data.parts(raw))


def _key(raw: Any, data: Partitioned, _memory: Memory) -> Any:
    return key_of(data.parts(raw))


def _count_held_out(
    collective: "AnyCollective", training: Training, kept: Sequence[int], target: Target | None
) -> tuple[int, ...]:
    """Return how many rows of each partition are held out.

    Raises BadData where no row or only one class is left on a side.
    """
    source = training.data.source
    known = [training.held_out.count(number, rows) for number, rows in enumerate(kept)]
    of_classes = source.stratify and (source.spec.by_time or training.data.grouped)
    if None not in known and not (of_classes and source.test_size):
        return tuple(count or 0 for count in known)
    tallies = collective.map(_tally, training)
    labels = [labels for _, labels in tallies if labels is not None]
    if labels and target is not None and target.classes is not None:
        check_classes(np.concatenate(labels), list(target.classes), source)
    return tuple(count for count, _ in tallies)


def _tally(raw: Any, training: Training, _memory: Memory) -> Any:
    return training.tally(raw)


def _fit(collective: "AnyCollective", training: Training, prepare: Any, run: "TaskRun") -> Any:
    """Return the preparation fitted as if by all training rows at once."""
    data, columns = training.data, training.columns
    if not training.needs_statistics():
        return fit_by_types(data, prepare, columns)
    first, *others = collective.map(_find_statistics, training)
    for statistics in others:
        first.merge(statistics)
    middles = _find_middles(collective, training, first.rows, run)
    return data.fit_preparation(prepare, columns, first, middles)


def _find_statistics(raw: Any, training: Training, _memory: Memory) -> Any:
    return training.statistics(raw)


def _find_middles(
    collective: "AnyCollective", training: Training, rows: int, run: "TaskRun"
) -> dict[str, float]:
    """Return the median or most frequent value of each column that is imputed by it."""
    strategies = training.middles()
    if not strategies:
        return {}
    share = gathered_share(rows, len(strategies))
    if share < 1:
        run.tell(f"medians are told from a sample of about {int(rows * share):,} rows")
    middles: dict[str, float] = {}
    for names in gathered_batches(list(strategies), rows * share):
        parts = collective.map(_values, (training, names, share))
        values = np.concatenate(parts)
        middles |= {
            name: find_middle(values[:, position], strategies[name])
            for position, name in enumerate(names)
        }
    return middles


def _values(raw: Any, state: tuple[Training, list[str], float], _memory: Memory) -> Any:
    training, names, share = state
    return training.values(raw, names, share)
