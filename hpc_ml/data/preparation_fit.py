"""A preparation fitted from statistics, as if by all training rows at once.

Its transformers are fitted to a few made-up rows that hold the smallest and largest numbers and
every category; what more rows would have changed is then set from the statistics.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hpc_ml.data.preparation import column_transformer
from hpc_ml.data.preparation_statistics import TrainingStatistics, most_frequent

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Numbers = np.ndarray[Any, Any]


def fit_frame_preparation(
    preparation: Any,
    empty: "pd.DataFrame",
    statistics: TrainingStatistics,
    middles: Mapping[str, float],
) -> Any:
    """Return the fitted preparation of a table's columns.

    Parameters
    ----------
    preparation : ColumnTransformer
        From `build_preparation`, unfitted; the one inside where there is a step before it.
    empty : DataFrame
        The columns without rows, as `frames.frame` makes them.
    statistics : TrainingStatistics
        Of all training rows.
    middles : mapping
        Median or most frequent value of each column of numbers that is imputed by it.
    """
    transform = column_transformer(preparation)
    transform.fit(_make_rows(empty, statistics))
    positions = {name: position for position, name in enumerate(statistics.names)}
    for group, step, names in transform.transformers_:
        steps = _steps(step)
        if group.startswith("numeric"):
            chosen = [positions[name] for name in names]
            values = [middles.get(name, 0.0) for name in names]
            _set_numbers(steps, _choose(statistics, chosen), values)
        elif names and "SimpleImputer" in steps:
            counts = [statistics.values[name] for name in names]
            _set_counted(steps["SimpleImputer"], counts, booleans=group.startswith("boolean"))
    return preparation


def fit_matrix_preparation(
    preparation: Any, dtype: Any, sparse: bool, statistics: TrainingStatistics, medians: Any
) -> Any:
    """Return the fitted preparation of a matrix; `medians` has one value a column, or is None."""
    import numpy as np
    from scipy.sparse import csr_matrix

    numbers = statistics.numbers
    rows = np.stack([_bound(numbers.low, numbers.count), _bound(numbers.high, numbers.count)])
    preparation.fit(csr_matrix(rows.astype(dtype)) if sparse else rows.astype(dtype))
    values = np.zeros(len(numbers.count)) if medians is None else medians
    _set_numbers(_steps(preparation), statistics, values)
    return preparation


def _steps(step: Any) -> dict[str, Any]:
    """Return the transformers of a step by the names of their classes."""
    steps = [part for _, part in step.steps] if hasattr(step, "steps") else [step]
    return {type(part).__name__: part for part in steps}


def _bound(values: "Numbers", count: "Numbers") -> "Numbers":
    import numpy as np

    return np.where(count > 0, values, np.nan)


def _make_rows(empty: "pd.DataFrame", statistics: TrainingStatistics) -> "pd.DataFrame":
    """Return rows with the smallest and largest of all numbers and with every category."""
    import numpy as np
    import pandas as pd

    numbers = statistics.numbers
    bounds = [_bound(numbers.low, numbers.count), _bound(numbers.high, numbers.count)]
    gaps = np.where(numbers.missing > 0, np.nan, bounds[0])
    count = max([3, *(len(counts) for counts in statistics.values.values())])
    block = np.stack([*bounds, *[gaps] * (count - 2)])
    numeric = list(statistics.names)
    rows = pd.DataFrame(block.astype(empty[numeric].to_numpy().dtype), columns=numeric)
    counted = {
        name: pd.Series(
            [*counts, *[next(iter(counts))] * (count - len(counts))], dtype=empty[name].dtype
        )
        for name, counts in statistics.values.items()
    }
    return pd.concat([rows, pd.DataFrame(counted)], axis=1)[list(empty.columns)]


def _choose(statistics: TrainingStatistics, positions: list[int]) -> TrainingStatistics:
    numbers = type(statistics.numbers)(
        **{name: values[positions] for name, values in vars(statistics.numbers).items()}
    )
    return TrainingStatistics(statistics.rows, (), numbers)


def _set_numbers(steps: Mapping[str, Any], statistics: TrainingStatistics, middles: Any) -> None:
    """Set what an imputer and a scaler of columns of numbers have learned."""
    import numpy as np

    numbers = statistics.numbers
    if (imputer := steps.get("SimpleImputer")) is not None:
        if imputer.strategy != "constant":
            learned = numbers.mean if imputer.strategy == "mean" else np.asarray(middles)
            own = imputer.statistics_
            imputer.statistics_ = np.where(numbers.count > 0, learned, own).astype(own.dtype)
        numbers = numbers.fill(imputer.statistics_.astype(float))
    if (scaler := steps.get("StandardScaler")) is not None:
        count = numbers.count
        scaler.n_samples_seen_ = count[0] if (count == count[0]).all() else count
        scaler.mean_ = _bound(numbers.mean, count)
        scaler.var_ = np.divide(
            numbers.squares, count, out=np.full(len(count), np.nan), where=count > 0
        )
        scaler.scale_ = _scales(scaler.mean_, scaler.var_, count)
    if (scaler := steps.get("MinMaxScaler")) is not None:
        scaler.n_samples_seen_ = statistics.rows


def _scales(mean: "Numbers", var: "Numbers", count: "Numbers") -> "Numbers":
    """Return deviations; 1 for columns that are constant but for rounding, as scikit-learn does."""
    import numpy as np

    eps = np.finfo(np.float64).eps
    constant = var <= count * eps * var + (count * mean * eps) ** 2
    return np.where(constant, 1.0, np.sqrt(var))


def _set_counted(imputer: Any, counts: list[dict[Any, int]], *, booleans: bool) -> None:
    """Set what an imputer of booleans or categories has learned."""
    if imputer.strategy == "constant":
        return
    for position, found in enumerate(counts):
        there = {value: count for value, count in found.items() if value is not None}
        if not there:
            continue
        if booleans and imputer.strategy != "most_frequent":
            imputer.statistics_[position] = _middle(there, imputer.strategy)
        else:
            imputer.statistics_[position] = most_frequent(there)


def _middle(counts: Mapping[bool, int], strategy: str) -> float:
    share = counts.get(True, 0) / sum(counts.values())
    if strategy == "mean":
        return share
    return 0.5 if share == 0.5 else float(share > 0.5)
