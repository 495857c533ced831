"""The partitions of a job's data: planned once from headers, read on the workers one at a time.

The plan follows from data and job alone and never from the number of workers, so that a run
gives the same result wherever it goes on.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpc_ml.data import formats
from hpc_ml.data.files import check_there, digest, size_bytes
from hpc_ml.data.matrix import Matrix, check_words
from hpc_ml.data.pieces import Layout, join
from hpc_ml.data.source import DataSource, check_name
from hpc_ml.errors import BadData
from hpc_ml.spec.data import BUNDLED

if TYPE_CHECKING:
    import pyarrow as pa

_KEYS_OF_FORMATS = {
    "delimiter": ("csv",),
    "encoding": ("csv", "jsonl"),
    "types": ("csv", "jsonl"),
    "dataset": ("hdf5", "zarr"),
    "n_features": ("svmlight",),
}
# The keys of a job that decide what is read, and not what is made of it.
_READING_KEYS = ("format", "delimiter", "encoding", "types", "dataset", "n_features", "target")


@dataclass(frozen=True, kw_only=True)
class PartitionPlan(Layout):
    """The partitions of a source, small enough to travel with every task.

    Attributes
    ----------
    key : str
        A digest of the data (files, sizes, times of change), of how they are read and of the
        boundaries: the same key is the same rows in the same partitions, in every process.
    where : str
        What messages call the data.
    data_digest : str
        Changes when the data do.

    The others are those of `Layout`.
    """

    key: str
    where: str
    data_digest: str

    def __len__(self) -> int:
        return len(self.pieces)

    @property
    def n_rows(self) -> int | None:
        """All rows, or None where only reading tells."""
        return None if self.rows is None else sum(self.rows)

    @property
    def size_bytes(self) -> int:
        """Size on disk, or in memory where there are no files."""
        return size_bytes(self.files) if self.files else sum(self.bytes_each)


def plan_partitions(source: DataSource) -> PartitionPlan:
    """Return the partitions of the data of a job, from headers and, for text, from samples.

    Raises BadData for data that are not there, that cannot be read, or that have no rows.
    """
    name = find_form(source)
    _check_keys(name, source)
    if name not in formats.TABLES:
        check_words(source)
    layout: Layout = formats.load_format(name).plan(source)
    if not layout.pieces:
        raise BadData("there are no rows", where=source.where)
    data_digest = _digest(layout, source)
    return PartitionPlan(
        **vars(layout),
        key=_key(layout, data_digest, source),
        where=source.where,
        data_digest=data_digest,
    )


def _check_keys(form: str, source: DataSource) -> None:
    """Raise BadData for a key that says how another format is read."""
    spec = source.spec
    for key, known in _KEYS_OF_FORMATS.items():
        given = getattr(spec, key)
        if form not in known and given != type(spec).model_fields[key].default:
            raise BadData(
                f"data.{key} belongs to {' and '.join(known)}, and this is {form}",
                where=source.where,
                hint=f"leave data.{key} out",
            )


def find_form(source: DataSource) -> str:
    """Return the name of the format. Raises BadData where there are no data or none known."""
    if source.spec.name is None:
        check_there(source.location)
        return formats.find_format(source.location, source.spec.format)
    check_name(source.spec.name)
    return "bundled" if source.spec.name in BUNDLED else "generator"


def read_partition(
    plan: PartitionPlan, number: int, columns: Sequence[str] | None = None
) -> "pa.Table | Matrix":
    """Return the raw rows of one partition, in the source's types.

    Parameters
    ----------
    plan : PartitionPlan
        Of `plan_partitions`.
    number : int
        The partition, from 0.
    columns : sequence of str, optional
        Names of the columns to read, in this order (default: all). Those of a matrix without
        names are its numbers. The target of a matrix is read in any case.

    Returns
    -------
    pyarrow.Table or Matrix
        As `plan.kind` says; a table has the types of `plan.schema`.

    Raises BadData for rows that cannot be read, and for files that have changed since.
    """
    return _read(plan, plan.pieces[number], columns)


def read_whole(plan: PartitionPlan, columns: Sequence[str] | None = None) -> "pa.Table | Matrix":
    """Return the raw rows of all partitions as one."""
    return _read(plan, join(plan.pieces), columns)


def _read(plan: PartitionPlan, piece: Any, columns: Sequence[str] | None) -> "pa.Table | Matrix":
    if columns is not None:
        _check_columns(plan, columns)
    elif plan.kind == "table":
        columns = plan.names
    rows: pa.Table | Matrix = formats.load_format(plan.form).read_piece(plan, piece, columns)
    return rows


def _check_columns(plan: PartitionPlan, columns: Sequence[str]) -> None:
    known = set(plan.names or map(str, range(plan.n_columns)))
    if unknown := [name for name in columns if name not in known]:
        raise BadData(f"there is no column {unknown[0]!r}", where=plan.where)


def place_row(plan: PartitionPlan, number: int, row: int) -> str:
    """Return where a row of a partition stands, from 0, in words: a file and its line or row."""
    place: str = formats.load_format(plan.form).place(plan, plan.pieces[number], row)
    return place


def place_in_whole(plan: PartitionPlan, row: int) -> str:
    """Return the same of a row of all partitions as one."""
    place: str = formats.load_format(plan.form).place(plan, join(plan.pieces), row)
    return place


def _digest(layout: Layout, source: DataSource) -> str:
    if layout.fingerprint is not None:
        return layout.fingerprint
    if layout.files:
        return digest(layout.files)
    import sklearn

    # Another version may make other numbers of the same words.
    words = f"{layout.reading} by scikit-learn {sklearn.__version__}"
    return hashlib.sha256(words.encode()).hexdigest()


def _key(layout: Layout, data_digest: str, source: DataSource) -> str:
    spec = source.spec.model_dump(mode="json")
    boundaries = [[(span.file, span.start, span.stop) for span in piece] for piece in layout.pieces]
    words = [data_digest, layout.form, {key: spec[key] for key in _READING_KEYS}, boundaries]
    schema = None if layout.schema is None else str(layout.schema)
    text = json.dumps([*words, schema, source.supervised], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
