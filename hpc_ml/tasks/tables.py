"""Results of a task as CSV files."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hpc_ml.runs.atomic import explain_write_failure, write_text


def write_table(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Write columns of equal length; floats keep every digit, masked values stay empty.

    Raises TaskFailed when the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(map(_cell, values) for values in columns.values()), strict=True))
    try:
        write_text(path, text.getvalue())
    except OSError as error:
        raise explain_write_failure(path, error) from error


def _cell(value: Any) -> Any:
    import numpy as np

    if value is np.ma.masked:
        return ""
    value = plain(value)
    # repr of a float reads back as the same float.
    return repr(value) if value is None or isinstance(value, float | Mapping) else value


def plain(value: Any) -> Any:
    """Return a value with NumPy's numbers in it as Python's own."""
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.item() if hasattr(value, "item") and not hasattr(value, "__len__") else value
