"""Columns made into the numbers that an estimator takes."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from hpc_ml.data.column_scans import ColumnSummary
from hpc_ml.spec.data import Data

if TYPE_CHECKING:
    import numpy as np

# A dense matrix is taken by every estimator; beyond this size the zeros of one-hot cost more
# than that is worth, where most of the matrix is zeros.
_LARGEST_DENSE_BYTES = 256 * 2**20
_DENSEST_SPARSE = 0.1


def build_preparation(
    columns: Iterable[ColumnSummary], spec: Data, rows: int, dtype: "type[np.floating[Any]]"
) -> Any:
    """Return an unfitted scikit-learn ColumnTransformer that takes rows of a pandas DataFrame.

    Numbers pass as they are, booleans become 0 and 1, categories one-hot; a category that the
    training rows lack becomes zeros. With `data.missing` impute, numbers get the median,
    booleans and categories the most frequent value. It finds its columns by name, and ignores
    others.

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

    by_kind: dict[str, list[ColumnSummary]] = {}
    for column in columns:
        by_kind.setdefault(column.kind, []).append(column)
    categories = by_kind.get("category", [])
    plain = len(by_kind.get("numeric", [])) + len(by_kind.get("boolean", []))
    sparse = _is_sparse(plain, categories, rows)
    impute = spec.missing == "impute"
    steps = {
        "numeric": _impute("median") if impute else "passthrough",
        "boolean": _encode_booleans(len(by_kind.get("boolean", [])), impute, dtype),
        "category": _encode_categories(sparse, impute, dtype),
    }
    return ColumnTransformer(
        [
            (kind, step, [column.name for column in by_kind[kind]])
            for kind, step in steps.items()
            if kind in by_kind
        ],
        sparse_threshold=1.0 if sparse else 0.0,
    )


def _is_sparse(plain: int, categories: list[ColumnSummary], rows: int) -> bool:
    width = plain + sum(column.categories or 0 for column in categories)
    filled = plain + len(categories)
    return 8 * rows * width > _LARGEST_DENSE_BYTES and filled < _DENSEST_SPARSE * width


def _impute(strategy: str) -> Any:
    from sklearn.impute import SimpleImputer

    return SimpleImputer(strategy=strategy, keep_empty_features=True)


def _encode_booleans(count: int, impute: bool, dtype: Any) -> Any:
    import numpy as np
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    encode = OrdinalEncoder(
        categories=[[False, True]] * count,
        dtype=dtype,
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
    )
    return make_pipeline(encode, _impute("most_frequent")) if impute else encode


def _encode_categories(sparse: bool, impute: bool, dtype: Any) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    encode = OneHotEncoder(handle_unknown="ignore", sparse_output=sparse, dtype=dtype)
    return make_pipeline(_impute("most_frequent"), encode) if impute else encode


def feature_names(preparation: Any) -> tuple[str, ...]:
    """Return the names of the columns that a fitted preparation makes.

    `city_Paris` for a category; where two would be the same, each with its kind before it.
    """
    preparation.set_params(verbose_feature_names_out=False)
    try:
        names = preparation.get_feature_names_out()
    except ValueError:
        preparation.set_params(verbose_feature_names_out=True)
        names = preparation.get_feature_names_out()
    return tuple(str(name) for name in names)


def build_imputer() -> Any:
    """Return the unfitted preparation of a matrix with missing values: the median of each."""
    return _impute("median")
