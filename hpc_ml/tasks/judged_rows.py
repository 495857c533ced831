"""The rows that a model is judged by, in partitions on the workers, and its responses to them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hpc_ml.errors import BadJob
from hpc_ml.tasks.score_parts import Responses, has_parts, join_parts, score_part

if TYPE_CHECKING:
    from hpc_ml.estimators.partitions import Block
    from hpc_ml.tasks.rows import OpenRows

# Up to here scikit-learn's own metric gets all rows at once; a value is a number of a response.
MOST_ROWS = 5_000_000
_MOST_VALUES = 25_000_000


class JudgedRows:
    """The held-out rows, or all rows where none are held out.

    Parameters
    ----------
    rows : OpenRows
        The rows of a task.
    model : estimator
        Fitted; it travels to the workers.
    """

    def __init__(self, rows: "OpenRows", model: Any) -> None:
        self._model = model
        self._map = rows.collective.map
        self._held_out = rows.n_held_out > 0
        self._rows = rows.n_held_out or rows.n_rows
        self._classes = getattr(model, "classes_", None)
        self._gathered: dict[str, Any] = {}

    def score(self, word: str) -> float:
        """Return one score, by scikit-learn's name. Raises what the metric raises, or BadJob."""
        from sklearn.metrics import get_scorer

        if self._fits(word):
            responses = Responses(self._model, self.gather)
            return float(get_scorer(word)(responses, None, self.gather("y")))
        if not has_parts(word):
            raise BadJob(
                f"it needs all of {self._rows:,} rows at once",
                hint="hold fewer rows out by data.test_size",
            )
        parts = self._map(_part, (self._model, word, self._held_out))
        return join_parts(word, [part for part in parts if part is not None], self._model)

    def _fits(self, word: str) -> bool:
        width = 1 if self._classes is None or has_parts(word) else len(self._classes)
        return self._rows <= MOST_ROWS and self._rows * width <= _MOST_VALUES

    def gather(self, name: str) -> Any:
        """Return the targets (`y`) or one of the model's responses, in partition order."""
        import numpy as np

        if name not in self._gathered:
            model = None if name == "y" else self._model
            parts = self._map(_respond, (model, name, self._held_out, self._classes))
            found = [_decode(part, self._classes) for part in parts if part is not None]
            self._gathered[name] = np.concatenate(found)
        return self._gathered[name]


def _judged(block: "Block", held_out: bool) -> "Block | None":
    part = block.held_out if held_out else block
    return part if part is not None and part.X.shape[0] else None


def _respond(block: "Block", state: tuple[Any, str, bool, Any], _memory: Mapping[str, Any]) -> Any:
    model, name, held_out, classes = state
    part = _judged(block, held_out)
    if part is None:
        return None
    return _encode(part.y if name == "y" else getattr(model, name)(part.X), classes)


def _encode(values: Any, classes: Any) -> Any:
    """Return labels that are words as their numbers among the classes: these travel faster."""
    import numpy as np

    if classes is None or values.dtype.kind not in "OU":
        return values
    known = np.asarray(classes)
    numbers = np.minimum(np.searchsorted(known, values.astype(known.dtype)), len(known) - 1)
    return (numbers.astype(np.int32),) if (known[numbers] == values).all() else values


def _decode(part: Any, classes: Any) -> Any:
    import numpy as np

    return np.asarray(classes)[part[0]] if isinstance(part, tuple) else part


def _part(block: "Block", state: tuple[Any, str, bool], _memory: Mapping[str, Any]) -> Any:
    model, word, held_out = state
    part = _judged(block, held_out)
    if part is None:
        return None
    X = part.X
    return score_part(word, part.y, Responses(model, lambda name: getattr(model, name)(X)))
