"""Training data that the workers read themselves, and what stands for them on the controller."""

from typing import Any, NoReturn, Protocol, runtime_checkable


@runtime_checkable
class WorkerData(Protocol):
    """Training data that never come to the controller.

    Give it as `X` to a search's `fit`, with `y` beside it: the controller needs the targets to
    split the rows. It is pickled to the workers, where `load` is called once per process.
    """

    @property
    def key(self) -> str:
        """What tells these data from all others, for the cache of a process."""

    @property
    def n_samples(self) -> int:
        """How many rows there are."""

    def load(self) -> tuple[Any, Any]:
        """Return X and y, row for row as the `y` that the controller was given."""


class StandIn:
    """As many rows as the workers' data have, for whoever counts rows or splits them."""

    def __init__(self, data: WorkerData) -> None:
        self.data = data
        self.shape = (data.n_samples, 1)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> NoReturn:
        raise TypeError("the rows are on the workers: split them by number, target or groups")


def stand_in(X: Any) -> Any:
    """Return X itself, or what stands for it where the workers read it."""
    return StandIn(X) if isinstance(X, WorkerData) else X
