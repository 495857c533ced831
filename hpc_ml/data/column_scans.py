"""What a pass over the rows keeps of each kind of column."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpc_ml.data.columns import Kind, as_plain_numbers
from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_MOST_CATEGORIES = 1_000
# Fewer rows than this may well have a category each.
_FEW_ROWS = 20
_NUMBER = r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$"


@dataclass(frozen=True)
class ColumnSummary:
    """A column: its kind, how many values are missing and, for categories, how many there are."""

    name: str
    kind: Kind
    missing: int
    categories: int | None = None
    constant: bool = False
    counts_rows: bool = False


class ColumnScan:
    """A column that needs no looking at but for missing values: booleans and texts."""

    def __init__(self, name: str, kind: Kind, source: DataSource) -> None:
        self.name = name
        self.kind = kind
        self._source = source

    def add(self, column: "pa.Array", rows: "np.ndarray[Any, Any]") -> None:
        """Take the next values, and the numbers of their rows."""

    def check_numbers(self, place: Callable[[int], str]) -> None:
        """Raise BadData for values that are no numbers, or infinite."""

    def check_categories(self, rows: int) -> None:
        """Raise BadData for categories that are as many as rows."""

    def summary(self, missing: int) -> ColumnSummary:
        """Return what was found."""
        return ColumnSummary(self.name, self.kind, missing)


class NumberScan(ColumnScan):
    """Numbers: the smallest, the largest, and the first that is infinite."""

    def __init__(self, name: str, kind: Kind, source: DataSource) -> None:
        super().__init__(name, kind, source)
        self._infinite: int | None = None
        self._bounds: list[Any] = []
        self._first_number: int | None = None
        self._counts_rows = True

    def add(self, column: "pa.Array", rows: "np.ndarray[Any, Any]") -> None:
        """Take the next values, and the numbers of their rows."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        column = as_plain_numbers(column)
        self._compare_to_rows(column, rows)
        bounds = pc.min_max(column).as_py()
        seen = [value for value in bounds.values() if value is not None]
        if not seen:
            return
        self._bounds = [min(self._bounds + seen), max(self._bounds + seen)]
        floating = pa.types.is_floating(column.type)
        if floating and self._infinite is None and any(np.isinf(value) for value in seen):
            infinite = np.isinf(column.to_numpy(zero_copy_only=False))
            self._infinite = int(rows[infinite.argmax()])

    def check_numbers(self, place: Callable[[int], str]) -> None:
        """Raise BadData for an infinite value."""
        if self._infinite is not None:
            raise BadData(
                f"column {self.name!r} has an infinite value",
                where=place(self._infinite),
                hint="correct it, or leave the column out by data.columns",
            )

    def summary(self, missing: int) -> ColumnSummary:
        """Return what was found."""
        return ColumnSummary(
            self.name,
            self.kind,
            missing,
            constant=len(self._bounds) == 2 and self._bounds[0] == self._bounds[1],
            counts_rows=self._first_number is not None and self._counts_rows,
        )

    def _compare_to_rows(self, column: "pa.Array", rows: "np.ndarray[Any, Any]") -> None:
        import pyarrow as pa

        if not self._counts_rows or not len(column):
            return
        if not pa.types.is_integer(column.type) or column.null_count:
            self._counts_rows = False
            return
        values = column.to_numpy(zero_copy_only=False)
        if self._first_number is None:
            self._first_number = int(values[0]) - int(rows[0])
        self._counts_rows = bool((values == rows + self._first_number).all())


class CategoryScan(ColumnScan):
    """Categories: how many there are, and whether they are rather numbers or names of rows."""

    def __init__(self, name: str, kind: Kind, source: DataSource) -> None:
        super().__init__(name, kind, source)
        self._asked = name in source.spec.categorical
        self._seen: set[Any] = set()
        self._numbers = 0
        self._words = 0
        self._first_word: tuple[int, str] | None = None

    def add(self, column: "pa.Array", rows: "np.ndarray[Any, Any]") -> None:
        """Take the next values, and the numbers of their rows."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_dictionary(column.type):
            column = pc.cast(column, column.type.value_type)
        if self._asked or len(self._seen) <= _MOST_CATEGORIES:
            self._seen.update(pc.unique(column.drop_null()).to_pylist())
        if not self._asked and not pa.types.is_integer(column.type):
            self._count_numbers(column, rows)

    def _count_numbers(self, column: "pa.Array", rows: "np.ndarray[Any, Any]") -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        matches = pc.match_substring_regex(pc.cast(column, pa.string()), _NUMBER)
        numbers = pc.sum(matches).as_py() or 0
        words = len(column) - column.null_count - numbers
        self._numbers += numbers
        self._words += words
        if words and self._first_word is None:
            at = pc.index(matches, False).as_py()
            self._first_word = (int(rows[at]), str(column[at].as_py()))

    def check_numbers(self, place: Callable[[int], str]) -> None:
        """Raise BadData for a column of numbers in which some values are words."""
        if self._first_word is not None and self._numbers > self._words:
            row, value = self._first_word
            otherwise = f"say data.categorical: [{self.name}] if the column holds categories"
            if self.kind == "target":
                otherwise = "take an estimator for classification if these are classes"
            raise BadData(
                f"column {self.name!r} holds numbers, but {value[:40]!r} here",
                where=place(row),
                hint=f"correct it, leave it empty if it is missing, or {otherwise}",
            )

    def check_categories(self, rows: int) -> None:
        """Raise BadData for a column that names rows rather than groups of them."""
        if self._asked:
            return
        found = len(self._seen)
        many = f"more than {_MOST_CATEGORIES:,}" if found > _MOST_CATEGORIES else f"{found:,}"
        if found > _MOST_CATEGORIES or found == rows > _FEW_ROWS:
            raise BadData(
                f"column {self.name!r} holds {many} different words in {rows:,} rows, "
                "too many for categories",
                where=self._source.where,
                hint=f"learn from it as text by data.text={self.name}, or leave it out by naming "
                "the other columns in data.columns",
            )

    def summary(self, missing: int) -> ColumnSummary:
        """Return what was found."""
        found = len(self._seen)
        return ColumnSummary(self.name, self.kind, missing, found, constant=found == 1)


def scan_of(name: str, kind: Kind, source: DataSource) -> ColumnScan:
    """Return a fresh scan for a column of this kind."""
    scans = {"numeric": NumberScan, "category": CategoryScan}
    return scans.get(kind, ColumnScan)(name, kind, source)
