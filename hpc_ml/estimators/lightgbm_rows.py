"""The training rows of a worker as LightGBM takes them, without a copy of them in between."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np

from hpc_ml.estimators.boosting_orders import Muster
from hpc_ml.estimators.boosting_rows import Part, join, load_part, load_parts

if TYPE_CHECKING:
    from hpc_ml.estimators.holder import Holder


class TrainingRows:
    """Labels, weights and groups of all rows, and X in LightGBM's most frugal form.

    Attributes
    ----------
    X
        One matrix; a list of arrays; or a list of sequences, each of which reads its partition
        when it is its turn.
    y, weight, group
        Of all rows; weight and group, by ascending numbers, may be None.
    """

    def __init__(self, holder: "Holder", muster: Muster) -> None:
        plan = muster.recipe.plan
        numbers = [number for number in muster.numbers if plan.rows[number]]
        self.parts: Callable[[], Iterable[Part]] = lambda: load_parts(holder, numbers, plan)
        if muster.at_once or plan.kind == "ranking":
            parts = list(self.parts())
            if plan.kind == "ranking" or hasattr(parts[0].X, "tocsr"):
                # Groups must not be torn apart, and only arrays may come in a list.
                parts = [join(parts, plan)]
            self.parts = lambda: parts
            self.X: Any = parts[0].X if len(parts) == 1 else [part.X for part in parts]
            targets = parts
        else:
            slot = _Slot(lambda number: load_part(holder, number, plan))
            targets = [_without_values(part) for part in self.parts()]
            self.X = [
                _Sequence(slot, number, len(part.y))
                for number, part in zip(numbers, targets, strict=True)
            ]
        self.y: Any
        self.y, self.weight, self.group = (
            None
            if getattr(targets[0], name) is None
            else np.concatenate([getattr(part, name) for part in targets])
            for name in ("y", "weight", "group")
        )

    def __len__(self) -> int:
        return len(self.y)

    def predict(self, booster: lightgbm.Booster, threads: int) -> Any:
        """Return the sums of a booster's trees, to go on from."""
        return np.concatenate(
            [booster.predict(part.X, raw_score=True, num_threads=threads) for part in self.parts()]
        )


def _without_values(part: Part) -> Part:
    return Part(None, part.y, part.weight, part.group)


class _Slot:
    """Holds the one partition that was read last."""

    def __init__(self, load: Callable[[int], Part]) -> None:
        self._load = load
        self._number = -1
        self._X: Any = None

    def take(self, number: int) -> Any:
        if number != self._number:
            self._X = None  # one at a time in memory
            X = self._load(number).X
            self._X = X.toarray() if hasattr(X, "tocsr") else X
            self._number = number
        return self._X


class _Sequence(lightgbm.Sequence):
    """One partition, read when LightGBM comes to it."""

    def __init__(self, slot: _Slot, number: int, rows: int) -> None:
        self._slot = slot
        self._number = number
        self._rows = rows
        self.batch_size = max(1, rows)

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, rows: Any) -> Any:
        return self._slot.take(self._number)[rows]
