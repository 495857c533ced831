"""The rows that are held out for the score."""

from typing import TYPE_CHECKING, Any

from hpc_ml.data.source import DataSource
from hpc_ml.data.target import count_held_out
from hpc_ml.errors import BadData

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, Any]


def check_rows(rows: int, source: DataSource) -> None:
    """Raise BadData where there are too few rows to learn from and to hold some out."""
    if rows < 2:
        there = "there is 1 row" if rows == 1 else "there are no rows"
        raise BadData(
            f"{there} to learn from, and 2 are the least",
            where=source.where,
            hint="rows with missing values were dropped; `hpc-ml data inspect` shows which columns "
            "have them"
            if source.spec.missing == "drop"
            else None,
        )
    if source.test_size > 0 and int(rows - rows * source.test_size) < 1:
        raise BadData(
            f"holding out {source.test_size:g} of {rows} rows leaves none to learn from",
            where=source.where,
            hint="set a smaller data.test_size",
        )


def split_rows(
    rows: int, y: Any, source: DataSource, *, group: Any = None, order: Any = None
) -> "tuple[Numbers, Numbers | None]":
    """Return the row numbers of the training part and of the held-out part, if any.

    They are those of scikit-learn's

        train_test_split(numpy.arange(rows), test_size=data.test_size, random_state=seed,
                         stratify=y)         # stratify=None where the task is no classification

    so that anyone can repeat the split without hpc-ml. With groups they are those of
    `GroupShuffleSplit(n_splits=1, ...)` with the same words, each part ascending; in a split by
    time the last rows are held out, as many as `train_test_split` would, each part in time.

    Parameters
    ----------
    y, group, order : array of shape (rows,), or None
        Target, groups and place in time of the rows. Without `order` time is the order of rows.
    """
    import numpy as np
    from sklearn.model_selection import train_test_split

    numbers = np.arange(rows)
    if source.test_size == 0:
        return numbers, None
    if source.spec.by_time:
        in_time = numbers if order is None else np.argsort(order, kind="stable")
        first = rows - count_held_out(rows, source.test_size)
        return in_time[:first], in_time[first:]
    if group is not None:
        chosen = np.isin(group, choose_groups(np.unique(group), source))
        return numbers[~chosen], numbers[chosen]
    train, test = train_test_split(
        numbers,
        test_size=source.test_size,
        random_state=source.seed,
        stratify=y if source.stratify else None,
    )
    return train, test


def choose_groups(groups: "Numbers", source: DataSource) -> "Numbers":
    """Return the groups that are held out, of all of them in ascending order.

    Raises BadData where there is only one.
    """
    import numpy as np
    from sklearn.model_selection import GroupShuffleSplit

    if len(groups) < 2:
        raise BadData(
            "all rows belong to one group, and groups are held out as a whole",
            where=source.where,
            hint="hold nothing out by data.test_size=0, or name another column by data.group",
        )
    split = GroupShuffleSplit(1, test_size=source.test_size, random_state=source.seed)
    _, held_out = next(split.split(np.zeros(len(groups)), groups=groups))
    return groups[held_out]


def check_classes(y_train: Any, classes: Any, source: DataSource) -> None:
    """Raise BadData where a classifier's training part is left with one class."""
    import numpy as np

    if source.stratify and len(classes) > 1 and len(np.unique(y_train)) < 2:
        raise BadData(
            "the rows that are not held out are all of one class",
            where=source.where,
            hint="set a smaller data.test_size, or hold out random rows",
        )
