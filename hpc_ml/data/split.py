"""The rows that are held out for the score."""

from typing import TYPE_CHECKING, Any

from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData

if TYPE_CHECKING:
    import numpy as np


def check_rows(rows: int, source: DataSource) -> None:
    """Raise BadData where there are too few rows to learn from and to hold some out."""
    if rows < 2:
        there = "there is 1 row" if rows == 1 else "there are no rows"
        raise BadData(f"{there} to learn from, and 2 are the least", where=source.where)
    if source.test_size > 0 and int(rows - rows * source.test_size) < 1:
        raise BadData(
            f"holding out {source.test_size:g} of {rows} rows leaves none to learn from",
            where=source.where,
            hint="set a smaller data.test_size",
        )


def split_rows(
    rows: int, y: Any, source: DataSource
) -> "tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]":
    """Return the row numbers of the training part and of the held-out part, if any.

    They are those of scikit-learn's

        train_test_split(numpy.arange(rows), test_size=data.test_size, random_state=seed,
                         stratify=y)         # stratify=None where the task is no classification

    so that anyone can repeat the split without hpc-ml.
    """
    import numpy as np
    from sklearn.model_selection import train_test_split

    numbers = np.arange(rows)
    if source.test_size == 0:
        return numbers, None
    train, test = train_test_split(
        numbers,
        test_size=source.test_size,
        random_state=source.seed,
        stratify=y if source.stratify else None,
    )
    return train, test
