"""Which data a job learns from, and how its columns are used."""

from typing import Literal

from pydantic import Field, model_validator

from hpc_ml.spec.model import SpecModel
from hpc_ml.spec.words import PathText

FORMATS = ("csv", "parquet", "npy", "npz", "svmlight")


class Data(SpecModel):
    """A file, folder or URL by `path`, or a bundled table or generator call by `name`."""

    path: PathText | None = Field(None, description="file or folder of the data")
    name: str | None = Field(
        None,
        description="a table bundled with scikit-learn (digits) or a generator call "
        "(make_classification(n_samples=1000, random_state=0))",
    )
    format: Literal["csv", "parquet", "npy", "npz", "svmlight"] | None = Field(
        None, description="format of the file (default: from its ending)"
    )
    target: str | None = Field(None, description="column to predict")
    text: str | None = Field(None, description="the one column that holds the text to learn from")
    columns: tuple[str, ...] | None = Field(None, description="columns to learn from (default: all)")
    categorical: tuple[str, ...] = Field((), description="columns to take as categories")
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
        return self
