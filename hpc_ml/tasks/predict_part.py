"""The predictions of one partition: read, prepared, predicted and written by one worker."""

import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpc_ml.errors import BadData, HpcMlError, TaskFailed
from hpc_ml.runs.atomic import explain_write_failure, sync_file
from hpc_ml.tasks.predict_outputs import as_columns, respond_all, response_name
from hpc_ml.tasks.score_parts import Responses, score_part
from hpc_ml.tasks.stored_models import LoadedModel, hold_model
from hpc_ml.tasks.tables import plain

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from hpc_ml.data.column_scans import ColumnSummary
    from hpc_ml.data.partitioned import Partitioned

    Mask = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Recipe:
    """All that a worker needs to know to predict any partition.

    Parameters
    ----------
    data, columns
        The rows, and the columns of them that the model was fitted on.
    model : str
        The model folder or file, as every worker sees it.
    trust : tuple of str
        Types that the model may hold beyond those that are trusted always.
    outputs : tuple of str
        What to write of each row.
    carry : mapping
        Columns to write beside: the name in the file, and that in the source.
    target : str or None
        The column in the source by which a table's predictions are judged.
    scoring : tuple of str
        Scorers, each put together from parts.
    folder : str
        Where the parts are written.
    """

    data: "Partitioned"
    columns: "tuple[ColumnSummary, ...]"
    model: str
    trust: tuple[str, ...]
    outputs: tuple[str, ...]
    carry: Mapping[str, str]
    target: str | None
    scoring: tuple[str, ...]
    folder: str

    def part_file(self, number: int) -> Path:
        """Where the predictions of a partition are written."""
        return Path(self.folder) / f"part-{number:05d}.parquet"


def predict_parts(recipe: Recipe, numbers: Sequence[int]) -> tuple[list[dict[str, Any]], float]:
    """Write the predictions of partitions; return what `predict_part` does, and the seconds."""
    start_s = time.monotonic()
    return [predict_part(recipe, number) for number in numbers], time.monotonic() - start_s


def predict_part(recipe: Recipe, number: int) -> dict[str, Any]:
    """Write the predictions of a partition; return its rows, bytes and parts of scores.

    Raises BadData for rows that cannot be predicted, TaskFailed where the file cannot be written.
    """
    from hpc_ml.tasks.predict_reading import read_rows

    model = hold_model(recipe.model, recipe.trust)
    with _native_pools().limit(limits=1):
        rows = read_rows(recipe, model, number)
        with _explained(recipe, number):
            responses = respond_all(model.estimator, recipe.outputs, rows.X)
            scores = _score(recipe, model, rows, responses)
        columns = dict(rows.carried)
        for word in recipe.outputs:
            made = as_columns(word, responses.pop(word), model.classes)
            columns |= {name: _spread(column, rows.kept) for name, column in made.items()}
    size_bytes = _write(recipe.part_file(number), columns)
    left_out = 0 if rows.kept is None else int((~rows.kept).sum())
    _release()
    return {"rows": rows.count, "left_out": left_out, "bytes": size_bytes, "scores": scores}


@cache
def _native_pools() -> Any:
    """The native thread pools of this process, once the model's libraries are loaded."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def _explained(recipe: Recipe, number: int) -> Iterator[None]:
    """Turn what an estimator raises about rows into BadData, and all else into TaskFailed."""
    from hpc_ml.data.plan import place_row

    try:
        yield
    except HpcMlError:
        raise
    except Exception as error:
        words = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        where = f"{place_row(recipe.data.plan, number, 0)} and the rows after it"
        if isinstance(error, ValueError | TypeError):
            raise BadData(f"the model cannot predict these rows: {words}", where=where) from error
        hint = "give the workers more --memory, or make data.partition_size smaller"
        raise TaskFailed(
            f"the model failed: {words}",
            where=where,
            hint=hint if isinstance(error, MemoryError) else "run again with --debug",
        ) from error


def _score(recipe: Recipe, model: LoadedModel, rows: Any, found: Mapping[str, Any]) -> Any:
    """Return by scorer what these rows add to it, or why they do not allow it."""
    if rows.y is None or not len(rows.y):
        return {}
    by_method = {response_name(word): values for word, values in found.items()}

    def response(name: str) -> Any:
        if name not in by_method:
            by_method[name] = getattr(model.estimator, name)(rows.X)
        return by_method[name] if rows.judged is None else by_method[name][rows.judged]

    responses = Responses(model.estimator, response)
    scores: dict[str, Any] = {}
    for word in recipe.scoring:
        try:
            scores[word] = plain(score_part(word, rows.y, responses))
        except ValueError as error:
            scores[word] = " ".join(str(error).split())
    return scores


def _spread(column: "pa.Array", kept: "Mask | None") -> "pa.Array":
    """Return a column with missing values for the rows that were not predicted."""
    if kept is None:
        return column
    import numpy as np
    import pyarrow as pa

    return column.take(pa.array(np.cumsum(kept) - 1, mask=~kept))


def _write(path: Path, columns: "Mapping[str, Any]") -> int:
    """Write the columns as Parquet, whole or not at all; return the bytes of the file."""
    import pyarrow as pa
    from pyarrow import parquet as pq

    table = pa.table(dict(columns))
    words = [name for name in table.column_names if not _is_number(table.schema.field(name).type)]
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        # Numbers of predictions hardly repeat: looking for those that do costs more than it saves.
        pq.write_table(table, temporary, use_dictionary=words or False)
        temporary.chmod(0o600)
        sync_file(temporary)
        os.replace(temporary, path)
        return path.stat().st_size
    except OSError as error:
        raise explain_write_failure(path, error) from error
    except pa.ArrowException as error:
        raise TaskFailed(f"cannot write: {error}", where=str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def _is_number(kind: "pa.DataType") -> bool:
    from pyarrow import types

    return bool(types.is_floating(kind) or types.is_fixed_size_list(kind))


def _release() -> None:
    """Give memory back that Arrow holds for later: the next partition may need other sizes."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
