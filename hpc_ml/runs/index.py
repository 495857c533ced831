"""Which runs there are, and which one the user means."""

import os
import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path

from hpc_ml.errors import BadRun
from hpc_ml.runs.folder import RunFolder
from hpc_ml.runs.layout import RunLayout
from hpc_ml.spec.paths import expand_home

_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
_SHOWN = 5


def runs_dir(option: Path | None, environ: Mapping[str, str]) -> Path:
    """Return the absolute folder of the runs: `--runs`, else HPC_ML_RUNS, else ./hpc-ml-runs."""
    chosen = option or Path(environ.get("HPC_ML_RUNS") or "hpc-ml-runs")
    # Not resolved: a link such as /home or /scratch may lead elsewhere on a compute node.
    return expand_home(chosen).absolute()


def allocate_id(now: datetime, folder: Path) -> str:
    """Return a new id such as 20261120-185512-3f9a1c: local time, and what tells runs apart.

    Its last part, which names the jobs of the run, is that of no other run in the folder.
    """
    taken = _list_tails(folder)
    tail = secrets.token_hex(3)
    while tail in taken:
        tail = secrets.token_hex(3)
    return f"{now:%Y%m%d-%H%M%S}-{tail}"


def _list_tails(folder: Path) -> set[str]:
    try:
        return {name.rpartition("-")[2] for name in os.listdir(folder)}
    except OSError:
        return set()


def check_id(text: str) -> str:
    """Return the text if it has the form of a run's id. Raises BadRun."""
    if not _ID.fullmatch(text):
        raise BadRun(f"{text!r} is not the id of a run; ids look like 20261120-185512-3f9a1c")
    return text


def list_runs(folder: Path) -> list[RunFolder]:
    """Return the runs in a folder, newest first; a folder that is not there has none.

    Raises BadRun when the folder cannot be read.
    """
    try:
        names = [entry for entry in os.listdir(folder) if _ID.fullmatch(entry)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BadRun(f"cannot list the runs: {error.strerror}", where=str(folder)) from error
    runs = [RunFolder(RunLayout(folder.absolute() / name)) for name in names]
    there = [run for run in runs if run.layout.record_file.is_file()]
    return sorted(there, key=_read_age, reverse=True)


def find_run(words: str, folder: Path) -> RunFolder:
    """Return the run that the user's words mean.

    Parameters
    ----------
    words : str
        An id, the start of one, the start of its last part, the run's `--name`, a path, or `last`.
    folder : Path
        Where the runs lie.

    Raises BadRun when no run is meant, or several are.
    """
    if os.sep in words or words in (".", ".."):
        return RunFolder.open(Path(words))
    runs = list_runs(folder)
    if words == "last" and runs:
        return runs[0]
    found = [run for run in runs if run.run_id == words] or _match_names(words, runs)
    found = found or _match_starts(words, runs)
    if len(found) == 1:
        return found[0]
    if found:
        raise BadRun(
            f"{words!r} could be {_join([run.run_id for run in found])}",
            where=str(folder),
            hint="write more of the id",
        )
    if os.path.isfile(Path(words) / "run.json"):
        return RunFolder.open(Path(words))
    raise _explain_missing(words, runs, folder)


def _read_age(run: RunFolder) -> tuple[str, int]:
    # Runs of the same second are told apart by the job file, which is written once.
    try:
        written_ns = run.layout.job_file.stat().st_mtime_ns
    except OSError:
        written_ns = 0
    return run.run_id.rpartition("-")[0], written_ns


def _match_names(words: str, runs: list[RunFolder]) -> list[RunFolder]:
    return [run for run in runs if _read_name(run) == words]


def _match_starts(words: str, runs: list[RunFolder]) -> list[RunFolder]:
    if not words:
        return []
    return [run for run in runs if run.run_id.startswith(words)] or [
        run for run in runs if run.run_id.rpartition("-")[2].startswith(words)
    ]


def _read_name(run: RunFolder) -> str | None:
    try:
        return run.read_record().name
    except BadRun:
        return None


def _join(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _explain_missing(words: str, runs: list[RunFolder], folder: Path) -> BadRun:
    if not runs:
        return BadRun(
            f"no run {words!r}: there are no runs",
            where=str(folder),
            hint="name the folder they lie in with --runs",
        )
    names = {run.run_id: run.run_id for run in runs}
    names |= {run.run_id.rpartition("-")[2]: run.run_id for run in runs}
    names |= {name: name for run in runs if (name := _read_name(run))}
    near = list(dict.fromkeys(names[match] for match in get_close_matches(words, names, _SHOWN)))
    hint = f"did you mean {_join(near)}?" if near else "`hpc-ml status` lists them"
    return BadRun(f"no run {words!r}", where=str(folder), hint=hint)
