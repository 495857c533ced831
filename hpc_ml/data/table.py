"""The rows of a job in a worker's memory: read, checked, split and prepared."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpc_ml.data.source import DataSource

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Table:
    """The training part and the held-out part, ready for an estimator.

    Attributes
    ----------
    X_train, X_test
        float64 or float32, as in the source: a C-contiguous array of rows x features, or CSR;
        for texts a 1-D object array of str. X_test is None where nothing is held out.
    y_train, y_test
        1-D array of labels or numbers as in the source; None in tasks without a target.
    preparation
        The scikit-learn transformer, fitted on the training part, that made X from rows of a
        DataFrame; None where the source is texts or is a matrix already.
    feature_names
        Names of the columns of X; None for texts.
    classes
        The sorted labels where the target is classes, else None.
    weight_train, weight_test, group_train, group_test
        1-D arrays, or None where the job names no such column.
    """

    X_train: Any
    y_train: Any
    X_test: Any
    y_test: Any
    preparation: Any
    feature_names: tuple[str, ...] | None
    classes: "np.ndarray[Any, Any] | None"
    weight_train: Any = None
    weight_test: Any = None
    group_train: Any = None
    group_test: Any = None


def load(source: DataSource) -> Table:
    """Read, check, split and prepare the data of a job.

    Raises BadData for everything that `inspect` finds, in all of the rows.
    """
    from hpc_ml.data.rows import read_rows
    from hpc_ml.data.split import check_classes, split_rows

    rows = read_rows(source)
    train, test = split_rows(len(rows), rows.y, source, group=rows.group, order=rows.order)
    if rows.classes is not None and test is not None:
        check_classes(rows.y[train], rows.classes, source)
    X_train, X_test, names = rows.take(train), None, rows.names
    if rows.preparation is not None:
        X_train, names = rows.fit_preparation(X_train)
    if test is not None:
        X_test = rows.prepare(rows.take(test))
    return Table(
        X_train=X_train,
        y_train=_part(rows.y, train),
        X_test=X_test,
        y_test=_part(rows.y, test),
        preparation=rows.preparation,
        feature_names=names,
        classes=rows.classes,
        weight_train=_part(rows.weight, train),
        weight_test=_part(rows.weight, test),
        group_train=_part(rows.group, train),
        group_test=_part(rows.group, test),
    )


def _part(values: Any, numbers: Any) -> Any:
    return None if values is None or numbers is None else values[numbers]
