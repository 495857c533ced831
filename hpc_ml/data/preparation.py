"""Columns made into the numbers that an estimator takes."""

import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from hpc_ml.data.column_scans import ColumnSummary
from hpc_ml.spec.data import Constant, Data

if TYPE_CHECKING:
    import numpy as np

# A dense matrix is taken by every estimator; beyond this size the zeros of one-hot cost more
# than that is worth, where most of the matrix is zeros.
_LARGEST_DENSE_BYTES = 256 * 2**20
_DENSEST_SPARSE = 0.1
# What stands for a category that the training rows lack, where categories are numbers.
UNKNOWN_CATEGORY = -1

_KINDS = ("numeric", "boolean", "category")
Strategy = str | Constant | None


def build_preparation(
    columns: Iterable[ColumnSummary], spec: Data, rows: int, dtype: "type[np.floating[Any]]"
) -> Any:
    """Return an unfitted scikit-learn transformer that takes rows of a pandas DataFrame.

    Numbers pass as they are or are scaled, booleans become 0 and 1, categories one-hot or
    numbers; a category that the training rows lack becomes zeros, or -1. Where values are to be
    imputed and `data.impute` does not say by what, numbers get the median, booleans and
    categories the most frequent value. It finds its columns by name, and ignores others.

    It is a ColumnTransformer; where the job renames columns or takes dates in parts, behind a
    step that does so.

    Parameters
    ----------
    columns : of ColumnSummary
        The columns of the table and their kinds.
    rows : int
        Rows that it will make, which decide with the categories whether CSR pays.
    dtype : numpy.float32 or numpy.float64
        Type of what is made from booleans and categories.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    columns = [column for column in columns if column.kind in _KINDS]
    sparse = is_sparse(columns, spec, rows)
    transform = ColumnTransformer(
        [
            (name, _step(kind, strategy, len(names), spec, sparse, dtype), names)
            for name, kind, strategy, names in _group(columns, spec)
        ],
        sparse_threshold=1.0 if sparse else 0.0,
    )
    if not (spec.rename or spec.dates):
        return transform
    from hpc_ml.data.preparation_steps import DeriveColumns

    derive = DeriveColumns(dict(spec.rename), {name: list(p) for name, p in spec.dates.items()})
    return Pipeline([("derive", derive), ("columns", transform)])


def is_sparse(columns: Iterable[ColumnSummary], spec: Data, rows: int) -> bool:
    """Return whether columns are better made into CSR than into an array."""
    columns = [column for column in columns if column.kind in _KINDS]
    width = width_of(columns, spec)
    return 8 * rows * width > _LARGEST_DENSE_BYTES and len(columns) < _DENSEST_SPARSE * width


def width_of(columns: Iterable[ColumnSummary], spec: Data) -> int:
    """Return how many features columns make, at most."""
    return sum(_width(column, spec) for column in columns if column.kind in _KINDS)


def _width(column: ColumnSummary, spec: Data) -> int:
    if column.kind != "category" or spec.encode == "ordinal":
        return 1
    # A category that is kept missing is encoded as a category of its own.
    return (column.categories or 0) + (column.missing > 0 and spec.policy(column.name) == "keep")


def strategy_of(column: ColumnSummary, spec: Data) -> Strategy:
    """Return by what the missing values of a column are imputed; None where they are not."""
    if column.name in spec.impute:
        return spec.impute[column.name]
    if spec.missing != "impute":
        return None
    return "median" if column.kind == "numeric" else "most_frequent"


def _group(
    columns: Iterable[ColumnSummary], spec: Data
) -> list[tuple[str, str, Strategy, list[str]]]:
    """Return the columns that are prepared alike: a name, their kind, strategy and names."""
    groups: dict[tuple[str, Strategy], list[str]] = {}
    for kind in _KINDS:
        for column in columns:
            if column.kind == kind:
                groups.setdefault((kind, strategy_of(column, spec)), []).append(column.name)
    named = []
    for number, ((kind, strategy), names) in enumerate(groups.items()):
        alike = all(name not in spec.impute for name in names)
        ending = f"-constant{number}" if isinstance(strategy, Constant) else f"-{strategy}"
        named.append((kind if alike else kind + ending, kind, strategy, names))
    return named


def _step(kind: str, strategy: Strategy, count: int, spec: Data, sparse: bool, dtype: Any) -> Any:
    """Return what makes numbers of `count` columns of a kind: `passthrough` or a transformer."""
    from sklearn.pipeline import make_pipeline

    impute = [] if strategy is None else [_impute(kind, strategy)]
    steps = {
        "numeric": [*impute, *_scale(spec)],
        "boolean": [_encode_booleans(count, dtype), *impute],
        "category": [*impute, _encode_categories(spec, sparse, dtype)],
    }[kind]
    if not steps:
        return "passthrough"
    return steps[0] if len(steps) == 1 else make_pipeline(*steps)


def _impute(kind: str, strategy: str | Constant) -> Any:
    from sklearn.impute import SimpleImputer

    if isinstance(strategy, str):
        return SimpleImputer(strategy=strategy, keep_empty_features=True)
    value = float(strategy.constant) if kind == "boolean" else strategy.constant
    return SimpleImputer(strategy="constant", fill_value=value, keep_empty_features=True)


def _scale(spec: Data) -> list[Any]:
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    scalers = {"none": [], "standard": [StandardScaler()], "minmax": [MinMaxScaler()]}
    return scalers[spec.scale]


def _encode_booleans(count: int, dtype: Any) -> Any:
    import numpy as np
    from sklearn.preprocessing import OrdinalEncoder

    return OrdinalEncoder(
        categories=[[False, True]] * count,
        dtype=dtype,
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
    )


def _encode_categories(spec: Data, sparse: bool, dtype: Any) -> Any:
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

    if spec.encode == "one-hot":
        return OneHotEncoder(handle_unknown="ignore", sparse_output=sparse, dtype=dtype)
    return OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=UNKNOWN_CATEGORY, dtype=dtype
    )


def build_matrix_preparation(spec: Data, *, sparse: bool) -> Any:
    """Return the unfitted preparation of a matrix of numbers, or None where it needs none.

    Missing values get the median of their column. Columns of CSR are scaled but not moved, so
    that their zeros stay zeros.
    """
    if spec.missing != "impute" and spec.scale == "none":
        return None
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    steps = [_impute("numeric", "median")] if spec.missing == "impute" else []
    steps += [StandardScaler(with_mean=False)] if sparse and spec.scale != "none" else _scale(spec)
    return steps[0] if len(steps) == 1 else make_pipeline(*steps)


def column_transformer(preparation: Any) -> Any:
    """Return the ColumnTransformer in a table's preparation; a matrix's is returned itself."""
    steps = getattr(preparation, "named_steps", {})
    return steps.get("columns", preparation)


def fit_derived(preparation: Any, names: Sequence[str]) -> None:
    """Fit the step that renames columns and takes dates in parts, where there is one."""
    import pandas as pd

    if column_transformer(preparation) is not preparation:
        preparation.named_steps["derive"].fit(pd.DataFrame(columns=list(names)))


def feature_names(preparation: Any) -> tuple[str, ...]:
    """Return the names of the columns that a table's fitted preparation makes.

    `city_Paris` for a category; where two would be the same, each with its kind before it.
    """
    transform = column_transformer(preparation)
    transform.set_params(verbose_feature_names_out=False)
    try:
        names = transform.get_feature_names_out()
    except ValueError:
        transform.set_params(verbose_feature_names_out=True)
        names = transform.get_feature_names_out()
    return tuple(str(name) for name in names)


def ordinal_features(preparation: Any) -> tuple[int, ...]:
    """Return which columns of X are numbers of categories, as `data.encode` ordinal makes them."""
    from sklearn.preprocessing import OneHotEncoder

    transform = column_transformer(preparation)
    found: list[int] = []
    for name, step, _ in getattr(transform, "transformers_", ()):
        last = step[-1] if hasattr(step, "steps") else step
        if name.startswith("category") and not isinstance(last, OneHotEncoder):
            made = transform.output_indices_[name]
            found += range(made.start, made.stop)
    return tuple(found)


def numeric_steps(preparation: Any) -> list[tuple[Any, list[str]]] | None:
    """Return a table's steps and the columns of each where all of them are numbers, else None."""
    steps = getattr(column_transformer(preparation), "transformers_", [])
    chosen = [(name, step, list(names)) for name, step, names in steps if name != "remainder"]
    if not all(name.startswith("numeric") for name, _, _ in chosen):
        return None
    return [(step, names) for _, step, names in chosen]


def transform_numbers(step: Any, X: Any) -> Any:
    """Return columns of numbers, given as an array, as a step makes them.

    A step that was fitted to a DataFrame warns of an array, which takes far less time where the
    columns are many.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
        return step.transform(X)


def makes_sparse(preparation: Any) -> bool:
    """Return whether a fitted preparation makes CSR."""
    return bool(getattr(column_transformer(preparation), "sparse_output_", False))
