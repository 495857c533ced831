"""What an estimator finds around itself: a Dask client and a checkpoint.

They are surroundings and not constructor parameters because scikit-learn's `clone` copies
parameters, and neither a client nor an open file can be copied.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from distributed import Client


class Checkpoint(Protocol):
    """Where finished units are kept, and where word to stop comes from."""

    def finished(self) -> Mapping[str, Any]:
        """Return the units that are done, by key; values are what `record` was given."""

    def record(self, unit: str, value: Any) -> None:
        """Keep a finished unit; the value is JSON: numbers, strings, lists, dicts, null."""

    def kept_state(self, name: str) -> bytes | None:
        """Return the newest state that was kept under a name, or None."""

    def keep_state(self, name: str, make: Callable[[], bytes], unit_s: float | None = None) -> None:
        """Keep where an iterative algorithm is, in place of the state before.

        `make` is called now, later or never: after a unit of more than a second at once, else
        now and then and at a stop. What it makes must not change meanwhile. `unit_s` is what
        the newest unit took, where several are made side by side; default the time since the
        state before.
        """

    def progress(self, done: int, total: int, unit: str) -> None:
        """Hear how far the work is; `unit` is a plural noun such as 'fits'."""

    def tell(self, message: str) -> None:
        """Hear something that the user should know, in one line."""

    def check(self) -> None:
        """Raise RunStopped or NoCluster when the work must not go on; called about each 0.2 s."""

    @property
    def first_workers(self) -> int:
        """How many workers the work was begun with, before it was ever resumed; 0 if unknown."""

    def expects_workers(self) -> bool:
        """Return whether more workers will come than are there, by what is known."""

    @property
    def worker_life_s(self) -> float:
        """How long a worker can work on something; infinite where no walltime ends it."""

    def is_blameless(self, worker: str) -> bool:
        """Return whether the worker that was lost at an address was ended by its scheduler.

        May take some seconds, until the scheduler has said so.
        """


class NoCheckpoint:
    """The checkpoint of a notebook: keeps nothing, never stops, and tells by warnings."""

    def finished(self) -> Mapping[str, Any]:
        return {}

    def record(self, unit: str, value: Any) -> None:
        pass

    def kept_state(self, name: str) -> bytes | None:
        return None

    def keep_state(self, name: str, make: Callable[[], bytes], unit_s: float | None = None) -> None:
        pass

    def progress(self, done: int, total: int, unit: str) -> None:
        pass

    def tell(self, message: str) -> None:
        warnings.warn(message, stacklevel=3)

    def check(self) -> None:
        pass

    @property
    def first_workers(self) -> int:
        return 0

    def expects_workers(self) -> bool:
        return False

    @property
    def worker_life_s(self) -> float:
        return float("inf")

    def is_blameless(self, worker: str) -> bool:
        return False


_client: ContextVar["Client | None"] = ContextVar("client", default=None)
_checkpoint: ContextVar[Checkpoint] = ContextVar("checkpoint", default=NoCheckpoint())  # noqa: B039


@contextmanager
def surroundings(
    client: "Client | None" = None, checkpoint: Checkpoint | None = None
) -> Iterator[None]:
    """Let the estimators fitted inside the block use this client and this checkpoint."""
    client_token = _client.set(client)
    checkpoint_token = _checkpoint.set(checkpoint if checkpoint is not None else NoCheckpoint())
    try:
        yield
    finally:
        _checkpoint.reset(checkpoint_token)
        _client.reset(client_token)


def current_client() -> "Client":
    """Return the client of the surroundings, else the one that Dask finds.

    Raises ValueError where there is none, as `distributed.default_client` does.
    """
    client = _client.get()
    if client is None:
        from distributed import default_client

        client = default_client()
    return client


def current_checkpoint() -> Checkpoint:
    """Return the checkpoint of the surroundings, or one that keeps nothing."""
    return _checkpoint.get()
