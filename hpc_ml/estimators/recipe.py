"""What every fit of a search has in common, and how it travels to the workers."""

import os
import pickle
import socket
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import cloudpickle

from hpc_ml.errors import BadJob, TaskFailed
from hpc_ml.estimators.model_threads import thread_parameters


def _read_config() -> dict[str, Any]:
    from sklearn import get_config

    return get_config()


def _pack_filters() -> tuple[bytes, ...]:
    """Pack each filter alone: its category may come from a module that the workers lack."""
    packed = []
    for entry in warnings.filters:
        with suppress(Exception):
            packed.append(pickle.dumps(tuple(entry)))
    return tuple(packed)


def _this_process() -> tuple[str, int]:
    return socket.gethostname(), os.getpid()


@dataclass(frozen=True)
class Recipe:
    """Estimator, scorer and settings of a search, with the controller's surroundings.

    Parameters
    ----------
    estimator : estimator
        Unfitted; each fit clones it.
    scorer : callable
        As `BaseSearchCV._get_scorers` returns it.
    fit_params, score_params : mapping
        What the estimator's `fit` and the scorer get besides X and y.
    return_train_score, error_score, verbose
        As in scikit-learn's searches.
    """

    estimator: Any
    scorer: Any
    fit_params: Mapping[str, Any]
    score_params: Mapping[str, Any]
    return_train_score: bool
    error_score: Any
    verbose: int
    config: Mapping[str, Any] = field(default_factory=_read_config)
    packed_filters: tuple[bytes, ...] = field(default_factory=_pack_filters)
    home: tuple[str, int] = field(default_factory=_this_process)

    @property
    def at_home(self) -> bool:
        """Whether this is the controller's own process."""
        return self.home == _this_process()

    @cached_property
    def thread_parameters(self) -> Mapping[str, Any]:
        """The parameters by which the estimator would start threads of its own."""
        return thread_parameters(self.estimator)

    @property
    def filters(self) -> list[Any]:
        """The controller's warning filters, as far as their categories can be imported here."""
        filters = []
        for packed in self.packed_filters:
            with suppress(Exception):
                filters.append(pickle.loads(packed))
        return filters


def pack(value: Any, what: str) -> bytes:
    """Return the value as bytes for the workers. Raises BadJob where that cannot be."""
    try:
        return cloudpickle.dumps(value)
    except Exception as error:
        raise BadJob(
            f"{what} cannot be sent to the workers: {type(error).__name__}: {error}",
            hint="leave out open files, locks and generators, "
            "or define the class in a module that the workers can import",
        ) from error


def unpack(packed: bytes, what: str) -> Any:
    """Return what `pack` packed. Raises TaskFailed where this process cannot read it."""
    try:
        return pickle.loads(packed)
    except Exception as error:
        raise TaskFailed(
            f"{what} cannot be read on worker {socket.gethostname()}: "
            f"{type(error).__name__}: {error}",
            hint="give the workers the same packages and modules as here",
        ) from error
