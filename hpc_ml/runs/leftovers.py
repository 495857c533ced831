"""What crashes leave in a folder of runs, and the removal of whole runs.

Symbolic links are never followed, and what belongs to another user is left alone.
"""

import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hpc_ml.errors import BadRun, TaskFailed
from hpc_ml.runs.atomic import explain_write_failure
from hpc_ml.runs.folder import RunFolder
from hpc_ml.runs.index import check_id
from hpc_ml.runs.layout import RunLayout
from hpc_ml.spec.owners import is_own_folder

# A run is made, or removed, under such a name.
_UNFINISHED_RUN = re.compile(r"\.(?P<run>\d{8}-\d{6}-[0-9a-f]{6})\.[0-9a-f]{8}")
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}(\.old)?")
_CLAIM = re.compile(r"owner-.+\.next")
_IN_PART = "written in part"
# A run is made within seconds; one that is younger may be in the making.
_MAKING_S = 600


@dataclass(frozen=True)
class Leftover:
    """A file or folder that nobody needs any more: what it is, and whose run's."""

    path: Path
    what: str
    run_id: str


def find_unfinished(runs_dir: Path) -> list[Leftover]:
    """Return the folders of runs that were never whole, or are no more. Raises BadRun."""
    try:
        entries = sorted(os.scandir(runs_dir), key=lambda entry: entry.name)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BadRun(f"cannot list the runs: {error.strerror}", where=str(runs_dir)) from error
    found = []
    for entry in entries:
        match = _UNFINISHED_RUN.fullmatch(entry.name)
        if match and is_own_folder(Path(entry.path)) and _is_settled(Path(entry.path)):
            found.append(Leftover(Path(entry.path), "a folder half made or removed", match["run"]))
    return found


def _is_settled(path: Path) -> bool:
    return time.time() - path.lstat().st_mtime > _MAKING_S


def find_in_run(layout: RunLayout) -> list[Leftover]:
    """Return what the dead controller and workers of a run left in its folder."""
    return [Leftover(path, what, layout.run_id) for path, what in _look_into(layout)]


def remove_begun(layout: RunLayout) -> None:
    """Remove what writers that were killed had begun; only the run's owner may.

    A request to stop, which others write, is left alone, and so is what cannot be removed.
    """
    for path, what in _look_into(layout):
        if what == _IN_PART and not path.name.startswith(f".{layout.cancel_file.name}."):
            with suppress(TaskFailed):
                remove(path)


def _look_into(layout: RunLayout) -> Iterator[tuple[Path, str]]:
    named = {
        layout.tls: "its keys",
        layout.scheduler_file: "the address of its Dask scheduler",
        layout.owner_file: "the mark of its dead controller",
    }
    yield from ((path, what) for path, what in named.items() if os.path.lexists(path))
    for place, folders, files in os.walk(layout.path):
        for name in sorted([*folders, *files]):
            if _TEMPORARY.fullmatch(name):
                yield Path(place, name), _IN_PART
            elif place == str(layout.path) and _CLAIM.fullmatch(name):
                yield Path(place, name), "a claim on it that came to nothing"
        folders[:] = [name for name in folders if not _TEMPORARY.fullmatch(name)]


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it. Raises TaskFailed."""
    try:
        if stat.S_ISDIR(path.lstat().st_mode):
            shutil.rmtree(path)
        else:
            path.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        raise explain_write_failure(path, error) from error


def remove_run(folder: RunFolder) -> None:
    """Remove a run: it is none any more before its first file goes.

    Raises
    ------
    BadRun
        For what is not the folder of a run, or not this user's; nothing is touched then.
    TaskFailed
        When it cannot be removed, or not wholly; `find_unfinished` finds the rest.
    """
    check_id(folder.run_id)
    if not is_own_folder(folder.path):
        raise BadRun("is not a folder of yours", where=str(folder.path))
    record = folder.read_record()
    if record.id != folder.run_id:
        raise BadRun(f"holds the record of run {record.id}", where=str(folder.path))
    gone = folder.path.with_name(f".{folder.run_id}.{secrets.token_hex(4)}")
    try:
        os.rename(folder.path, gone)
    except OSError as error:
        raise explain_write_failure(folder.path, error) from error
    remove(gone)
