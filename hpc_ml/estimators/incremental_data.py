"""Partitions as incremental training sees them: numbered, and with their features made.

The workers make them of the partitions that they hold (`Collective.derive`): all at once, while
the model that is trained on them goes from one to the next.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpc_ml.errors import HpcMlError
from hpc_ml.estimators.partitions import Block, Partitions, size_bytes

if TYPE_CHECKING:
    from hpc_ml.estimators.inputs import AnyCollective


@dataclass
class TrainingBlock(Block):
    """A block that knows its number, and the block that it is made of.

    `X` holds the features as the model takes them; `raw` is kept because others need it later.
    """

    number: int = 0
    raw: Any = None

    @property
    def nbytes(self) -> int:
        own = 0 if self.X is self.raw.X else size_bytes(self.X)
        return int(self.raw.nbytes) + own


class TrainingPartitions:
    """The same rows as `base`, transformed by fitted steps.

    Parameters
    ----------
    base : Partitions
        The data.
    steps : sequence of transformers
        Fitted, or in no need of it; each gets what the one before made.
    """

    def __init__(self, base: Partitions, steps: Sequence[Any] = ()) -> None:
        self.base = base
        self.steps = tuple(steps)
        self.key = base.key
        self.rows = base.rows
        self.bytes_each = base.bytes_each
        self.n_features = base.n_features
        if (send := getattr(base, "send", None)) is not None:
            self.send = lambda number: self.derive(send(number), number)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "send"}

    def load(self, number: int) -> TrainingBlock:
        """Read a partition of the base and make its features; runs on a worker."""
        return self.derive(self.base.load(number), number)

    def derive(self, before: Any, number: int) -> TrainingBlock:
        """Make the features of a partition that is there."""
        X = before.X
        if X.shape[0]:
            for step in self.steps:
                X = step.transform(X)
        return TrainingBlock(
            X, before.y, before.weight, before.group, before.held_out, number, before
        )


class _GivenBack:
    """The partitions that others were made of, as they were, with all that they know."""

    def __init__(self, base: Partitions) -> None:
        self._base = base

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_base":  # asked for before there is a base
            raise AttributeError(name)
        return getattr(self._base, name)

    def derive(self, before: TrainingBlock, number: int) -> Any:
        """Return the block that was there before."""
        return before.raw


@contextmanager
def training_view(collective: "AnyCollective", steps: Sequence[Any] = ()) -> Iterator[None]:
    """Let the collective's partitions be `TrainingPartitions` inside the block.

    They are given back as they were, unless the run ends by an error of the cluster or the
    checkpoint: the workers may be gone then.
    """
    base: Any = collective.partitions
    if isinstance(base, _GivenBack):
        base = base._base
    collective.derive(TrainingPartitions(base, steps))
    try:
        yield
    except HpcMlError:
        raise
    except BaseException:
        collective.derive(_GivenBack(base))
        raise
    collective.derive(_GivenBack(base))
