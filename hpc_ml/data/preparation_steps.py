"""The steps of a preparation that scikit-learn has no class for.

A module of its own, since its classes derive from scikit-learn's and are named in kept models.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import validate_data

from hpc_ml.data.derived import date_part, name_part


class DeriveColumns(TransformerMixin, BaseEstimator):
    """Renames the columns of a DataFrame, and puts parts of its dates beside them.

    Parameters
    ----------
    rename : mapping of str to str, default={}
        New names by the old ones.
    dates : mapping of str to sequence of str, default={}
        By (new) name the parts of each date, of year, month, day, weekday (Monday is 0) and hour:
        ``{"seen": ["hour"]}`` makes a column `seen_hour` of whole numbers, missing where the date
        is. Columns that a DataFrame lacks are passed over.
    """

    def __init__(
        self,
        rename: Mapping[str, str] | None = None,
        dates: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.rename = rename
        self.dates = dates

    def fit(self, X: pd.DataFrame, y: Any = None) -> "DeriveColumns":
        """Remember the names of the columns."""
        validate_data(self, X, skip_check_array=True)
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return a DataFrame with the new names and the parts."""
        frame = X.rename(columns=dict(self.rename or {}))
        parts = {
            name_part(name, part): _part(frame[name], part)
            for name, parts in (self.dates or {}).items()
            if name in frame
            for part in parts
        }
        return frame.assign(**parts)


def _part(column: pd.Series, part: str) -> Any:
    array = pa.Array.from_pandas(column)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    return date_part(array, part, str(column.name)).to_pandas().to_numpy()
