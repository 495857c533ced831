"""What decides the result of a run: recorded when it is made, compared when it is resumed."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpc_ml.runs.atomic import replace_non_finite
from hpc_ml.runs.record import RunRecord
from hpc_ml.spec.job import Job
from hpc_ml.tasks import registry

if TYPE_CHECKING:
    from hpc_ml.data.inspection import DataSummary

_SHOWN = 5
# Where the data lie does not count as long as they are the same.
_PLACE_OF_DATA = ("data.path", "data.name")
_FACTS = {"rows": "rows", "columns": "columns", "size_bytes": "bytes"}


@dataclass(frozen=True)
class Change:
    """One thing that is not as it was when the run began, in words.

    `sound` says that what is finished is valid all the same.
    """

    words: str
    sound: bool = False


def deciding_keys(job: Job) -> dict[str, Any]:
    """Return what decides the result by dotted key, as JSON has it; neither place nor name."""
    return _flatten(job.model_dump(), job.settings.model_dump())


def data_facts(data: "DataSummary") -> dict[str, int | None]:
    """Return what is recorded of the data besides their digest, to tell what has changed."""
    columns = len(data.columns) or data.n_features
    return {"rows": data.rows, "columns": columns, "size_bytes": data.size_bytes}


def find_changes(record: RunRecord, job: Job, data: "DataSummary") -> list[Change]:
    """Return what decides the result and is not as it was when the run was made."""
    same_data = data.digest == record.data_digest
    changes = [] if same_data else _compare_facts(record, data, job.data.path or "the data")
    return [*changes, *_compare_keys(record, job, same_data)]


def word_changes(changes: list[Change]) -> str:
    """Return the changes in one line."""
    more = len(changes) - _SHOWN
    words = [change.words for change in changes[:_SHOWN]]
    return "; ".join([*words, f"and {more} more"] if more > 0 else words)


def _compare_keys(record: RunRecord, job: Job, same_data: bool) -> Iterator[Change]:
    if record.job is None:  # of a run that an older hpc-ml made
        return
    now = deciding_keys(job)
    given = _flatten(
        job.model_dump(exclude_defaults=True), job.settings.model_dump(exclude_defaults=True)
    )
    extendable = _extendable_keys(job)
    for key in sorted(record.job.keys() | now.keys()):
        # A newer hpc-ml may have keys that an older one had not, at their defaults.
        if record.job.get(key) == now.get(key) or (key not in record.job and key not in given):
            continue
        sound = same_data if key in _PLACE_OF_DATA else key.partition(".")[0] in extendable
        yield Change(f"{key} was {_word(record.job, key)}, is {_word(now, key)}", sound)


def _extendable_keys(job: Job) -> tuple[str, ...]:
    extendable = getattr(registry.load(job.task), "extendable", None)
    return () if extendable is None else tuple(extendable(job.settings))


def _word(values: Mapping[str, Any], key: str) -> str:
    return json.dumps(values[key]) if key in values else "unset"


def _compare_facts(record: RunRecord, data: "DataSummary", name_of_data: str) -> list[Change]:
    was, now = record.data or {}, data_facts(data)
    changes = [
        Change(f"the {words} of {name_of_data} were {was[name]:,}, are {now[name] or 0:,}")
        for name, words in _FACTS.items()
        if was.get(name) is not None and was[name] != now[name]
    ]
    return changes or [Change(f"{name_of_data} has other contents or another time of change")]


def _flatten(common: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    deciding = {key: common[key] for key in ("task", "data", "seed") if key in common}
    values = json.loads(json.dumps(replace_non_finite(deciding | settings), default=str))
    return dict(_leaves(values, ""))


def _leaves(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value
