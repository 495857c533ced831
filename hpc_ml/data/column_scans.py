"""What a pass over the rows keeps of each kind of column.

A scan of one partition counts its rows from 0; `merge` joins that of the partition behind, and
counts on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from hpc_ml.data.columns import Kind, as_plain_numbers
from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

Place = Callable[[int], str]

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

    def merge(self, behind: Any, offset: int) -> None:
        """Take what a scan of the rows from `offset` on has found."""

    def check_numbers(self, place: Place) -> None:
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

    def merge(self, behind: "NumberScan", offset: int) -> None:
        """Take what a scan of the rows from `offset` on has found."""
        self._infinite = first_row(self._infinite, behind._infinite, offset)
        bounds = self._bounds + behind._bounds
        self._bounds = [min(bounds), max(bounds)] if bounds else []
        self._counts_rows &= behind._counts_rows
        if behind._first_number is not None:
            first = behind._first_number - offset
            if self._first_number is None:
                self._first_number = first
            self._counts_rows &= first == self._first_number

    def check_numbers(self, place: Place) -> None:
        """Raise BadData for an infinite value."""
        if self._infinite is not None:
            refuse_infinite(self.name, place(self._infinite))

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

    def merge(self, behind: "CategoryScan", offset: int) -> None:
        """Take what a scan of the rows from `offset` on has found."""
        self._seen |= behind._seen
        self._numbers += behind._numbers
        self._words += behind._words
        if self._first_word is None and behind._first_word is not None:
            row, word = behind._first_word
            self._first_word = (row + offset, word)

    def check_numbers(self, place: Place) -> None:
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
                hint=f"learn from it as text by data.text={self.name}, or leave it out by "
                "data.drop",
            )

    def summary(self, missing: int) -> ColumnSummary:
        """Return what was found."""
        found = len(self._seen)
        return ColumnSummary(self.name, self.kind, missing, found, constant=found == 1)


class WeightScan(ColumnScan):
    """Weights: the first that is none, and whether any is above 0."""

    def __init__(self, name: str, kind: Kind, source: DataSource) -> None:
        super().__init__(name, kind, source)
        self._negative: int | None = None
        self._infinite: int | None = None
        self._positive = False

    def add(self, column: "pa.Array", rows: "np.ndarray[Any, Any]") -> None:
        """Take the next values, and the numbers of their rows."""
        import numpy as np

        values = as_plain_numbers(column).to_numpy(zero_copy_only=False)
        self._negative = _first(self._negative, values < 0, rows)
        self._infinite = _first(self._infinite, np.isinf(values), rows)
        self._positive |= bool((values > 0).any())

    def merge(self, behind: "WeightScan", offset: int) -> None:
        """Take what a scan of the rows from `offset` on has found."""
        self._negative = first_row(self._negative, behind._negative, offset)
        self._infinite = first_row(self._infinite, behind._infinite, offset)
        self._positive |= behind._positive

    def check_numbers(self, place: Place) -> None:
        """Raise BadData for a weight that is none."""
        for problem, row in (("a negative", self._negative), ("an infinite", self._infinite)):
            if row is not None:
                raise BadData(
                    f"weight {self.name!r} has {problem} value",
                    where=place(row),
                    hint="give weights of 0 and above, or leave the row out",
                )

    def check_categories(self, rows: int) -> None:
        """Raise BadData for weights that are all 0."""
        if rows and not self._positive:
            raise BadData(
                f"weight {self.name!r} is 0 in all rows",
                where=self._source.where,
                hint="name another column by data.weight",
            )


def refuse_infinite(name: str, where: str) -> NoReturn:
    """Raise BadData for an infinite value of a column."""
    raise BadData(
        f"column {name!r} has an infinite value",
        where=where,
        hint="correct it, or leave the column out by data.drop",
    )


def first_row(here: int | None, behind: int | None, offset: int) -> int | None:
    """Return the first row of two parts, of which the one behind begins at `offset`."""
    if here is None and behind is not None:
        return behind + offset
    return here


def _first(known: int | None, found: Any, rows: Any) -> int | None:
    return int(rows[found.argmax()]) if known is None and found.any() else known


def scan_of(name: str, kind: Kind, source: DataSource) -> ColumnScan:
    """Return a fresh scan for a column of this kind."""
    scans = {"numeric": NumberScan, "category": CategoryScan}
    return scans.get(kind, ColumnScan)(name, kind, source)
