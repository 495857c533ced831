"""What is known of the data before a forest is grown: whether they fit, and their classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets

from hpc_ml.errors import BadJob
from hpc_ml.estimators.forest_growth import run_each
from hpc_ml.estimators.forest_rows import planned_bytes
from hpc_ml.estimators.inputs import AnyCollective

# Dask pauses a worker at 80 % of its limit; the trees that are grown need room too.
_MEMORY_SHARE = 0.7
# A worker with its libraries. Not what it uses at the moment: that is never twice the same, and
# with it the forest would not be.
_BASE_BYTES = 300 * 2**20
_GIB = 2**30


def fits_each_worker(collective: AnyCollective) -> bool:
    """Return whether all rows fit into the memory of each worker; tell where they do not.

    What a run has decided holds until its end, also where it goes on with other workers: its
    trees would not match. Raises BadJob where these have too little memory for that.
    """
    checkpoint, unit = collective.checkpoint, f"forest-rows/{collective.partitions.key}"
    before = checkpoint.finished().get(unit)
    if before == "by partition":
        return False
    needed = _needed_bytes(collective)
    spare = min(run_each(collective, spare_bytes, whole=False))
    if before == "all" and needed > spare:
        raise BadJob(
            f"the trees of this run are grown from all rows, which takes {needed / _GIB:.1f} GiB "
            f"of each worker, and one has {spare / _GIB:.1f} GiB left",
            hint="resume with more --memory",
        )
    fits = bool(needed <= spare)
    if before is None:
        checkpoint.record(unit, "all" if fits else "by partition")
    if not fits:
        _tell_parts(collective, needed, spare)
    return fits


def _needed_bytes(collective: AnyCollective) -> int:
    partitions = collective.partitions
    kept = [sum(partitions.bytes_each[n] for n in worker.numbers) for worker in collective.workers]
    # What comes from the controller stays beside what is made of it, all of it.
    own = sum(partitions.bytes_each) if hasattr(partitions, "send") else max(kept)
    return own + planned_bytes(partitions.rows, partitions.bytes_each, partitions.n_features)


def spare_bytes(holder: Any, _state: Any) -> float:
    """Return the memory that a worker has for rows; for `Collective.each`."""
    from distributed import get_worker

    try:
        limit_bytes = get_worker().memory_manager.memory_limit
    except ValueError:  # no worker: this process alone
        limit_bytes = None
    if not limit_bytes:
        return float("inf")
    return float(_MEMORY_SHARE * limit_bytes - _BASE_BYTES)


def _tell_parts(collective: AnyCollective, needed: int, spare: float) -> None:
    filled = sum(map(bool, collective.rows))
    collective.checkpoint.tell(
        f"all rows take {needed / _GIB:.1f} GiB of a worker, and {max(0.0, spare) / _GIB:.1f} GiB "
        f"are left: each tree is grown from one or a few of {filled} partitions, so that the "
        "forest is not scikit-learn's and may be weaker; more --memory avoids that"
    )


def count_labels(block: Any, _state: Any, _memory: dict[str, Any]) -> Any:
    """Return the labels of a partition and their weight in rows; a step of `Collective.map`."""
    if not len(block):
        return None
    if block.y is None or block.y.ndim > 1:
        raise ValueError("trees that are grown by partition need one target a row")
    check_classification_targets(block.y)
    labels, codes = np.unique(block.y, return_inverse=True)
    return labels, np.bincount(codes, weights=block.weight, minlength=len(labels))


def merge_labels(counted: Sequence[Any]) -> tuple[Any, Any]:
    """Return the sorted labels of all partitions, and the weight of each."""
    parts = [part for part in counted if part is not None]
    classes = np.unique(np.concatenate([labels for labels, _ in parts]))
    weights = np.zeros(len(classes))
    for labels, part in parts:
        weights[np.searchsorted(classes, labels)] += part
    return classes, weights


def weigh_classes(
    class_weight: Any, classes: Any, weights: Any, *, bootstrap: bool
) -> tuple[float, ...] | None:
    """Return the weight of each class, None where they count alike or by the draw of a tree."""
    if class_weight is None or (class_weight == "balanced_subsample" and bootstrap):
        return None
    if isinstance(class_weight, str):
        return tuple(weights.sum() / (len(classes) * weights))
    return tuple(float(class_weight.get(label, 1)) for label in classes.tolist())
