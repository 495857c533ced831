"""Arrow's reader of CSV, with one thread."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from hpc_ml.data.formats import csv_errors
from hpc_ml.data.formats.csv_text import CsvText, last_record_end

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_BYTES = 8 * 2**20


@dataclass(frozen=True)
class CsvReader:
    """Reads texts to find out their types: all columns, with the types of some given."""

    names: Sequence[str]
    given: "Mapping[str, pa.DataType]"

    def read(self, text: CsvText, content: BinaryIO | None) -> "pa.Table":
        """Return the records of a text, or of the part of it that is read already."""
        table = read_text(text, self.names, self.given, None, content)
        csv_errors.check_text(text, table.schema)
        return table

    def explained(self, text: CsvText) -> AbstractContextManager[None]:
        """Turn what is raised while a text is read into BadData."""
        return csv_errors.explained(text, self.names)

    def last_end(self, block: bytes) -> int:
        """Return the byte after the last whole record."""
        return last_record_end(block)

    def no_rows(self) -> str:
        """Return what is wrong with texts that have no rows."""
        return "there are no rows below the header"


def read_text(
    text: CsvText,
    names: Sequence[str],
    types: "Mapping[str, pa.DataType]",
    columns: list[str] | None,
    content: BinaryIO | None = None,
) -> "pa.Table":
    """Return columns of a text without header; `content` stands for it where it is read already."""
    import pyarrow as pa
    from pyarrow import csv

    with csv_errors.explained(text, names), content or text.open() as stream:
        try:
            table = csv.read_csv(
                pa.PythonFile(stream, "r"),
                read_options=csv.ReadOptions(
                    use_threads=False, block_size=_BLOCK_BYTES, column_names=list(names)
                ),
                parse_options=csv.ParseOptions(delimiter=text.delimiter, newlines_in_values=True),
                convert_options=csv.ConvertOptions(
                    strings_can_be_null=True, include_columns=columns, column_types=dict(types)
                ),
            )
        except pa.ArrowInvalid as error:
            if "Empty CSV file" not in str(error):
                raise
            kinds = [types.get(name, pa.null()) for name in columns or names]
            return pa.schema(list(zip(columns or names, kinds, strict=True))).empty_table()
    csv_errors.check_end(text, table)
    return table
