"""The rows of a job on its workers: planned, read, checked, split and prepared."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from distributed import Client

    from hpc_ml.data.partitioned import Partitioned, Recipe
    from hpc_ml.data.source import DataSource
    from hpc_ml.data.target import Target
    from hpc_ml.estimators.inputs import AnyCollective
    from hpc_ml.tasks.registry import TaskRun


@dataclass(frozen=True)
class OpenRows:
    """Rows in the workers' memory, or read by them again on each pass.

    Attributes
    ----------
    collective : Collective
        Its partitions are Blocks: X of floats, or 1-D of str; y as in the source; weight, group
        and held_out where the job has them.
    classes : array or None
        The sorted labels where the target is classes.
    feature_names : tuple of str or None
        Names of the columns of X; None for texts.
    preparation
        Fitted transformer that makes X of raw rows, or None where they are X already.
    n_rows, n_held_out : int
        Training rows, and rows that are held out.
    ordinal_features : tuple of int
        Which columns of X are numbers of categories, as data.encode ordinal makes them; -1 is a
        category that the training rows lack, NaN a missing one.
    """

    collective: "AnyCollective"
    classes: "np.ndarray[Any, Any] | None"
    feature_names: tuple[str, ...] | None
    preparation: Any
    n_rows: int
    n_held_out: int
    ordinal_features: tuple[int, ...] = ()


@contextmanager
def open_rows(client: "Client | None", source: "DataSource", run: "TaskRun") -> Iterator[OpenRows]:
    """Read, check, split and prepare the data of a job on the workers.

    Each worker reads its own partitions. Where their types and number settle what is made of
    them, they are prepared as they are read; else they are looked at first, and prepared from
    memory if they fit there.

    Parameters
    ----------
    client : distributed.Client or None
        Whose workers; None for this process alone.
    source : DataSource
        What the job asks.
    run : TaskRun
        Hears what is read, and says when to stop.

    Raises
    ------
    BadData
        For everything that `hpc_ml.data.inspect` refuses, in all of the rows.
    """
    from hpc_ml.data.partitioned import open_partitions, settle
    from hpc_ml.tasks.first_look import look
    from hpc_ml.tasks.prepared_partitions import PreparedPartitions, RawPartitions

    data = open_partitions(source)
    recipe = settle(data)
    if recipe is not None:
        held_out = _count(recipe)
        with _collect(PreparedPartitions(recipe, held_out), client, run) as collective:
            target = _measure(collective, data)
            yield _describe(collective, recipe, target, run)
        return
    with _collect(RawPartitions(data), client, run) as collective:
        recipe, held_out, target = look(collective, data, run)
        collective.derive(PreparedPartitions(recipe, held_out))
        yield _describe(collective, recipe, target, run)


def _collect(partitions: Any, client: "Client | None", run: "TaskRun") -> "AnyCollective":
    from hpc_ml.estimators.collective import Collective
    from hpc_ml.estimators.here import HereCollective

    if client is None:
        return HereCollective(partitions, run)
    return Collective(partitions, client, run)


def _count(recipe: "Recipe") -> tuple[int, ...]:
    """Return how many rows of each partition are held out, where the number of rows tells."""
    counts = [recipe.held_out.count(number, rows) for number, rows in enumerate(recipe.rows)]
    return tuple(count or 0 for count in counts)


def _measure(collective: "AnyCollective", data: "Partitioned") -> "Target | None":
    """Return the target of rows that were not looked at before, and check what all of them tell.

    Numbers to predict are not read once more for that. Raises BadData.
    """
    source = data.source
    if not (source.stratify or (collective.resident and (source.supervised or source.spec.weight))):
        return None
    first, *others = collective.map(_measure_block)
    for found in others:
        first.merge(found)
    target: Target | None = first.finish(data)
    return target


def _measure_block(block: Any, _state: Any, _memory: dict[str, Any]) -> Any:
    from hpc_ml.data.partitioned import measure_parts

    return measure_parts(block, block.held_out)


def _describe(
    collective: "AnyCollective", recipe: "Recipe", target: "Target | None", run: "TaskRun"
) -> OpenRows:
    """Return the opened rows, and tell what was read."""
    from hpc_ml.data.preparation import ordinal_features

    partitions: Any = collective.partitions
    n_rows, n_held_out = sum(partitions.rows), sum(partitions.held_out)
    count = len(partitions.rows)
    where = "kept in the workers' memory" if collective.resident else "read again on each pass"
    run.tell(
        f"{n_rows + n_held_out:,} rows in {count} partition{'' if count == 1 else 's'}, "
        f"{_say_bytes(sum(partitions.bytes_each))}, {where}"
    )
    return OpenRows(
        collective=collective,
        classes=_classes(target),
        feature_names=recipe.data.feature_names(recipe.preparation),
        preparation=recipe.preparation,
        n_rows=n_rows,
        n_held_out=n_held_out,
        ordinal_features=ordinal_features(recipe.preparation),
    )


def _classes(target: "Target | None") -> "np.ndarray[Any, Any] | None":
    import numpy as np

    if target is None or target.classes is None:
        return None
    labels = sorted(target.classes)
    return np.array(labels, dtype=object if isinstance(labels[0], str) else None)


def _say_bytes(size_bytes: float) -> str:
    """Return a size in the unit that gives it up to four digits: `190 MiB`."""
    units = ["B", "KiB", "MiB", "GiB"]
    while size_bytes >= 1024 and len(units) > 1:
        size_bytes /= 1024
        units.pop(0)
    return f"{size_bytes:,.{1 if size_bytes < 10 else 0}f} {units[0]}"
