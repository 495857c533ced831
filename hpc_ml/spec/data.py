"""Which data a job learns from, and how its columns are used."""

import codecs
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictBool, model_validator

from hpc_ml.spec.model import SpecModel
from hpc_ml.spec.quantities import Memory
from hpc_ml.spec.words import PathText

FORMATS = ("csv", "jsonl", "parquet", "arrow", "npy", "npz", "zarr", "hdf5", "svmlight")
BUNDLED = ("digits", "breast_cancer", "iris", "wine", "diabetes", "20newsgroups")

_CALL = re.compile(r"\s*[A-Za-z_]\w*\s*\(.*\)\s*", re.DOTALL)

# Columns of an array have no names but numbers, and YAML reads those as numbers.
ColumnName = Annotated[str, Field(coerce_numbers_to_str=True)]
DatePart = Literal["year", "month", "day", "weekday", "hour"]
Strategy = Literal["median", "mean", "most_frequent"]
TypeWord = Literal["int", "float", "float32", "text", "bool", "date"]


def _check_delimiter(value: str) -> str:
    value = {"\\t": "\t", "tab": "\t"}.get(value, value)
    if len(value) != 1 or not value.isascii() or value in '"\r\n':
        raise ValueError(f"{value!r} is not a delimiter: give one character, such as ';' or '\\t'")
    return value


def _check_encoding(value: str) -> str:
    try:
        return codecs.lookup(value).name.removesuffix("-sig").replace("utf_8_sig", "utf-8")
    except LookupError:
        raise ValueError(
            f"{value!r} is not an encoding: utf-8, latin-1, cp1252, utf-16, .."
        ) from None


Delimiter = Annotated[str, AfterValidator(_check_delimiter)]
Encoding = Annotated[str, AfterValidator(_check_encoding)]


def is_name(word: str) -> bool:
    """Return whether `--data WORD` means `data.name` (a bundled table or a call), not a path."""
    return word in BUNDLED or _CALL.fullmatch(word) is not None


class Constant(SpecModel):
    """A value that stands for a missing one."""

    constant: StrictBool | float | str


class Data(SpecModel):
    """A file or folder by `path`, or a bundled table or generator call by `name`."""

    path: PathText | None = Field(
        None, description="file or folder of the data", json_schema_extra={"flag": None}
    )
    name: str | None = Field(
        None,
        description="a table bundled with scikit-learn (digits) or a generator call "
        "(make_classification(n_samples=1000, random_state=0))",
        json_schema_extra={"flag": None},
    )
    format: (
        Literal["csv", "jsonl", "parquet", "arrow", "npy", "npz", "zarr", "hdf5", "svmlight"] | None
    ) = Field(None, description="format of the file (default: from its ending)")
    delimiter: Delimiter | None = Field(
        None, description="what stands between the columns of CSV (default: from the header)"
    )
    encoding: Encoding = Field("utf-8", description="how the text of CSV and JSON lines is encoded")
    types: dict[ColumnName, TypeWord] = Field(
        {},
        description="what columns of CSV and JSON lines hold, where that is not to be inferred: "
        "int, float, float32, text, bool or date",
        json_schema_extra={"flag": None, "form": "values"},
    )
    dataset: str | None = Field(
        None, min_length=1,
        description="the array in a Zarr or HDF5 file, or the group that holds X and y",
        json_schema_extra={"flag": None},
    )  # fmt: skip
    n_features: int | None = Field(
        None, ge=1,
        description="columns of svmlight files (default: found by a pass over them)",
        json_schema_extra={"flag": None},
    )  # fmt: skip
    partition_size: Memory | None = Field(
        None,
        description="memory of a partition (default: a part in 32 of the data, 1 to 64 MiB)",
    )
    rename: dict[ColumnName, ColumnName] = Field(
        {},
        description="new names of columns, which all other keys use: {old: new}",
        json_schema_extra={"form": "values"},
    )
    target: ColumnName | None = Field(None, description="column to predict")
    text: ColumnName | None = Field(
        None, description="the one column that holds the text to learn from"
    )
    columns: tuple[ColumnName, ...] | None = Field(
        None, min_length=1, description="columns to learn from (default: all)"
    )
    drop: tuple[ColumnName, ...] = Field((), description="columns to leave out")
    dates: dict[ColumnName, tuple[DatePart, ...]] = Field(
        {},
        description="columns of dates and the parts of each to learn from, of year, month, day, "
        "weekday (Monday is 0) and hour: {seen: [weekday, hour]}",
        json_schema_extra={"form": "lists"},
    )
    categorical: tuple[ColumnName, ...] = Field((), description="columns to take as categories")
    encode: Literal["one-hot", "ordinal"] = Field(
        "one-hot", description="categories as a column each, or as one number"
    )
    scale: Literal["none", "standard", "minmax"] = Field(
        "none", description="columns of numbers brought to mean 0 and variance 1, or to 0 to 1"
    )
    missing: Literal["error", "drop", "impute", "keep"] = Field(
        "error", description="what to do with missing values"
    )
    impute: dict[ColumnName, Strategy | Constant] = Field(
        {},
        description="what stands for the missing values of a column, whatever data.missing says "
        "of the others: median, mean, most_frequent or {constant: VALUE}",
        json_schema_extra={"form": "values"},
    )
    weight: ColumnName | None = Field(None, description="column of the rows' weights")
    group: ColumnName | None = Field(
        None, description="column of the rows' groups, of which none is torn apart: queries to rank"
    )
    test_size: float | None = Field(
        None, ge=0, lt=1,
        description="share of the rows held out by seed for the score (default: the task's)",
    )  # fmt: skip
    split: Literal["random", "time"] | None = Field(
        None,
        description="which rows are held out: random ones, or the last in time "
        "(default: time with data.order_by, else random)",
    )
    order_by: ColumnName | None = Field(
        None, description="column that tells the rows' order in time (default: as they lie)"
    )

    def policy(self, column: str) -> Literal["error", "drop", "impute", "keep"]:
        """Return what is to be done with the missing values of a column."""
        return "impute" if column in self.impute else self.missing

    @property
    def by_time(self) -> bool:
        """Whether the last rows are held out."""
        return self.split == "time" or self.order_by is not None

    @model_validator(mode="after")
    def _one_source(self) -> "Data":
        if self.path is not None and self.name is not None:
            raise ValueError("give data.path or data.name, not both")
        if self.name is not None and self.format is not None:
            raise ValueError("data.format belongs to a file: leave it out with data.name")
        return self

    @model_validator(mode="after")
    def _one_role_each(self) -> "Data":
        if self.text is not None and self._shapes_columns():
            raise ValueError(
                "data.text is learned from alone: leave out data.columns, data.categorical, "
                "data.dates, data.impute and data.scale"
            )
        learned = (self.text, *(self.columns or ()))
        for key, name in self._roles():
            if name in learned:
                raise ValueError(f"data.{key} {name!r} is also a column to learn from")
        names = [name for _, name in self._roles()]
        if doubled := [name for name in names if names.count(name) > 1]:
            keys = " and ".join(f"data.{key}" for key, name in self._roles() if name == doubled[0])
            raise ValueError(f"{keys} name the same column {doubled[0]!r}")
        return self

    def _shapes_columns(self) -> bool:
        chosen = self.columns is not None or self.categorical or self.dates or self.impute
        return bool(chosen) or self.scale != "none"

    def _roles(self) -> list[tuple[str, str]]:
        roles = {"target": self.target, "weight": self.weight, "group": self.group}
        return [(key, name) for key, name in roles.items() if name is not None]

    @model_validator(mode="after")
    def _known_columns(self) -> "Data":
        if len(set(self.rename.values())) < len(self.rename):
            raise ValueError("data.rename gives two columns the same name")
        if empty := [name for name, parts in self.dates.items() if not parts]:
            raise ValueError(f"data.dates names no part of {empty[0]!r}: [weekday, hour]")
        roles = (self.text, self.order_by, *(name for _, name in self._roles()))
        used = {*(self.columns or ()), *self.categorical, *self.dates, *self.impute, *roles}
        if both := [name for name in self.drop if name in used]:
            raise ValueError(f"data.drop leaves out {both[0]!r}, which another key names")
        if self.columns is not None:
            if len(set(self.columns)) < len(self.columns):
                raise ValueError("data.columns names a column twice")
            made = {f"{name}_{part}" for name, parts in self.dates.items() for part in parts}
            for key in ("categorical", "impute"):
                for name in getattr(self, key):
                    if name not in self.columns and name not in made:
                        raise ValueError(f"data.{key} names {name!r}, which data.columns lacks")
        return self

    @model_validator(mode="after")
    def _one_way_to_split(self) -> "Data":
        if self.order_by is not None and self.split == "random":
            raise ValueError("data.order_by holds the last rows out: leave out data.split: random")
        if self.by_time and self.group is not None:
            raise ValueError(
                "data.group keeps groups together, which rows held out by time would tear apart: "
                "leave out data.group, or data.split and data.order_by"
            )
        return self
