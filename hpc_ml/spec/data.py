"""Which data a job learns from, and how its columns are used."""

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hpc_ml.spec.model import SpecModel
from hpc_ml.spec.words import PathText

FORMATS = ("csv", "parquet", "npy", "npz", "svmlight")
BUNDLED = ("digits", "breast_cancer", "iris", "wine", "diabetes", "20newsgroups")

_CALL = re.compile(r"\s*[A-Za-z_]\w*\s*\(.*\)\s*", re.DOTALL)

# Columns of an array have no names but numbers, and YAML reads those as numbers.
ColumnName = Annotated[str, Field(coerce_numbers_to_str=True)]


def is_name(word: str) -> bool:
    """Return whether `--data WORD` means `data.name` (a bundled table or a call), not a path."""
    return word in BUNDLED or _CALL.fullmatch(word) is not None


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
    format: Literal["csv", "parquet", "npy", "npz", "svmlight"] | None = Field(
        None, description="format of the file (default: from its ending)"
    )
    target: ColumnName | None = Field(None, description="column to predict")
    text: ColumnName | None = Field(
        None, description="the one column that holds the text to learn from"
    )
    columns: tuple[ColumnName, ...] | None = Field(
        None, min_length=1, description="columns to learn from (default: all)"
    )
    categorical: tuple[ColumnName, ...] = Field((), description="columns to take as categories")
    missing: Literal["error", "drop", "impute", "keep"] = Field(
        "error", description="what to do with missing values"
    )
    test_size: float | None = Field(
        None, ge=0, lt=1,
        description="share of the rows held out by seed for the score (default: the task's)",
    )  # fmt: skip

    @model_validator(mode="after")
    def _one_source(self) -> "Data":
        if self.path is not None and self.name is not None:
            raise ValueError("give data.path or data.name, not both")
        if self.name is not None and self.format is not None:
            raise ValueError("data.format belongs to a file: leave it out with data.name")
        return self

    @model_validator(mode="after")
    def _one_role_each(self) -> "Data":
        if self.text is not None and (self.columns is not None or self.categorical):
            raise ValueError(
                "data.text is learned from alone: leave out data.columns and data.categorical"
            )
        if self.target is not None and self.target in (self.text, *(self.columns or ())):
            raise ValueError(f"data.target {self.target!r} is also a column to learn from")
        if self.columns is not None:
            if len(set(self.columns)) < len(self.columns):
                raise ValueError("data.columns names a column twice")
            if extra := [name for name in self.categorical if name not in self.columns]:
                raise ValueError(f"data.categorical names {extra[0]!r}, which data.columns lacks")
        return self
