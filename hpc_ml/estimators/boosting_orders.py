"""What the controller of a boosting tells its workers.

A rank's trainer lives from `Muster` to `Disband`, between the steps of a `Collective`.
"""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from hpc_ml.estimators.boosting_layout import Worker
from hpc_ml.estimators.boosting_rows import RowPlan

if TYPE_CHECKING:
    from hpc_ml.estimators.holder import Holder


@dataclass(frozen=True)
class Recipe:
    """How a booster is trained, whoever trains it.

    Parameters
    ----------
    trainer : type
        The `Trainer` of the library.
    params : mapping
        The library's own parameters.
    plan : RowPlan
        How rows are taken.
    metrics : tuple of str
        Metrics of the library on the validation rows, after each round.
    scorers : mapping
        scikit-learn's scorers likewise, by the names that they are shown by.
    watch_training : bool
        Whether to measure the library's metrics on the training rows too.
    feature_names, feature_types
        As the library has them, or None.
    """

    trainer: Any
    params: Mapping[str, Any]
    plan: RowPlan
    metrics: tuple[str, ...] = ()
    scorers: Mapping[str, str] = field(default_factory=dict)
    watch_training: bool = False
    feature_names: tuple[str, ...] | None = None
    feature_types: tuple[str, ...] | None = None
    feature_weights: Any = None
    missing: float = float("nan")


@dataclass(frozen=True)
class Muster:
    """Make ready to train: read the rows and join the others.

    Parameters
    ----------
    recipe : Recipe
    mode : str
        one, all or disk.
    numbers : tuple of int
        Partitions of this rank.
    rank, size : int
        Its place among those that train.
    threads : int
    at_once : bool
        Whether the rows may be held as they are read, beside what the library makes of them.
    network : mapping
        What the library needs to find the other workers; empty for one.
    bins : Part, optional
        Sample of all rows by which values are binned, where no worker has all rows.
    """

    recipe: Recipe
    mode: str
    numbers: tuple[int, ...]
    rank: int
    size: int
    threads: int
    at_once: bool = True
    network: Mapping[str, Any] = field(default_factory=dict)
    bins: Any = None


@dataclass(frozen=True)
class Begin:
    """Begin a segment: from the model of the rounds so far, or from the trainer's own."""

    rounds: int
    seed: int | None
    model: bytes | None = None


@dataclass(frozen=True)
class Advance:
    """Train so many rounds."""

    rounds: int


@dataclass(frozen=True)
class Export:
    """Give the model of the first so many rounds."""

    rounds: int


@dataclass(frozen=True)
class Disband:
    """Let all go that was made for the training."""


@dataclass(frozen=True)
class Round:
    """What a worker measured after a round.

    Attributes
    ----------
    metrics
        Value by name, of its own rows or of all, as the library does it.
    maximise
        Whether more is better, by name.
    predicted
        Predictions of its validation rows, where scorers need them.
    """

    metrics: Mapping[str, float]
    maximise: Mapping[str, bool] = field(default_factory=dict)
    predicted: Any = None


@dataclass(frozen=True)
class Measure:
    """How much some rows of a worker count in a mean."""

    weight: float
    groups: int = 0


@dataclass(frozen=True)
class Ready:
    """What a worker says when it is ready.

    Attributes
    ----------
    measures
        Of its rows that train and that validate, by ``train`` and ``validation``.
    y, weight
        Of its validation rows, where scorers need them.
    """

    measures: Mapping[str, Measure] = field(default_factory=dict)
    y: Any = None
    weight: Any = None


class Trainer(Protocol):
    """A library's booster in training, by one rank."""

    OWN_ROWS: bool
    """Whether its metrics are of the worker's own rows; else of all workers' rows."""

    def __init__(self, holder: "Holder", muster: Muster) -> None: ...

    def ready(self) -> Ready: ...

    def begin(self, begin: Begin) -> None: ...

    def advance(self, rounds: int) -> list[Round]: ...

    def export(self, rounds: int) -> bytes: ...

    def close(self) -> None: ...

    @staticmethod
    def watch(network: Mapping[str, Any]) -> AbstractContextManager[Any]:
        """Return what a worker does beside its ranks while they train: look after their network."""

    @staticmethod
    def is_left_alone(error: Exception) -> bool:
        """Return whether an error only says that another worker has gone."""


def scout(holder: "Holder", wanted: Any) -> Worker:
    """Return what is known of this worker; a step of `Collective.each`."""
    import socket

    from dask.system import CPU_COUNT

    threads, memory_bytes = _allowance()
    return Worker(
        host=socket.gethostname(),
        process=f"{socket.gethostname()}:{os.getpid()}",
        threads=threads or CPU_COUNT,
        cores=CPU_COUNT,
        memory_bytes=memory_bytes,
        device=_has_device(),
    )


def _allowance() -> tuple[int, float]:
    """Return this worker's threads (0 outside of workers), and the memory that it may fill."""
    import psutil
    from distributed import get_worker

    try:
        worker = get_worker()
    except ValueError:
        return 0, float(psutil.virtual_memory().available)
    limit_bytes = worker.memory_manager.memory_limit or psutil.virtual_memory().total
    return int(worker.state.nthreads), float(limit_bytes)


def _has_device() -> bool:
    return os.environ.get("CUDA_VISIBLE_DEVICES", "") not in ("", "-1", "NoDevFiles")
