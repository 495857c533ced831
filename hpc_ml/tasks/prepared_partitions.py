"""The data of a job as the partitions that workers hold: as they were read, and prepared."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hpc_ml.data.partitioned import Partitioned, Recipe
from hpc_ml.estimators.partitions import Block


@dataclass(frozen=True)
class RawPartitions:
    """The rows as they were read, for what must be seen before they can be prepared."""

    data: Partitioned

    @property
    def key(self) -> str:
        """A digest of the data and their boundaries."""
        return f"raw-{self.data.plan.key}"

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """Rows of each partition, as far as they are known before reading."""
        return self.data.plan.rows or (0,) * len(self.data.plan.pieces)

    @property
    def bytes_each(self) -> tuple[int, ...]:
        """Memory of each partition."""
        return self.data.plan.bytes_each

    @property
    def n_features(self) -> int:
        """Columns of the source."""
        return self.data.plan.n_columns

    def load(self, number: int) -> Any:
        """Return the raw rows of a partition; runs on a worker."""
        return self.data.read(number)


@dataclass(frozen=True)
class PreparedPartitions:
    """The rows as estimators take them: `DerivedPartitions` of `RawPartitions`."""

    recipe: Recipe
    held_out: tuple[int, ...]

    @cached_property
    def key(self) -> str:
        """A digest of the data, their boundaries and what is made of them."""
        return self.recipe.key

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """Training rows of each partition."""
        return tuple(
            kept - held_out for kept, held_out in zip(self.recipe.rows, self.held_out, strict=True)
        )

    @cached_property
    def bytes_each(self) -> tuple[int, ...]:
        """Memory of each partition."""
        return self.recipe.bytes_each()

    @property
    def n_features(self) -> int:
        """Columns of X; 1 for texts."""
        return self.recipe.width

    def load(self, number: int) -> Block:
        """Read and prepare a partition; runs on a worker."""
        return self.derive(self.recipe.data.read(number), number)

    def derive(self, before: Any, number: int) -> Block:
        """Prepare the raw rows of a partition; runs on a worker."""
        made, held_out = self.recipe.make(before)
        return Block(**made, held_out=None if held_out is None else Block(**held_out))
