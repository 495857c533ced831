"""What a session of tests must not leave behind: processes, jobs, keys and marks of owners."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from hpc_ml.runs.layout import TAG_PREFIX, RunLayout
from hpc_ml.runs.leftovers import find_in_run, find_unfinished

# Every process that the session starts inherits it, those of batch jobs too.
MARK = "TESTS_OF_HPC_ML"
# Workers end by themselves within seconds of their scheduler.
_END_LIMIT_S = 60
# They end with the process of the tests itself.
_TRACKERS = (b"resource_tracker", b"forkserver")


def await_none(find: Callable[[], list[str]]) -> list[str]:
    """Return what is still found after a minute."""
    deadline_s = time.monotonic() + _END_LIMIT_S
    while (found := find()) and time.monotonic() < deadline_s:
        time.sleep(0.5)
    return found


def list_processes(mark: str) -> list[str]:
    """Return the processes that inherited the mark of this session."""
    return [f"process {pid}: {words}" for pid, words in _marked(f"{MARK}={mark}".encode())]


def _marked(variable: bytes) -> Iterator[tuple[int, str]]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if variable not in (folder / "environ").read_bytes().split(b"\0"):
                continue
            words = (folder / "cmdline").read_bytes()
        except OSError:  # of another user, or gone
            continue
        if words and int(folder.name) != os.getpid() and not any(t in words for t in _TRACKERS):
            yield int(folder.name), words.replace(b"\0", b" ").decode(errors="replace")[:120]


def list_jobs(folder: Path) -> list[str]:
    """Return the jobs of runs that lie under a folder."""
    if shutil.which("squeue") is None:
        return []
    done = subprocess.run(
        ["squeue", "-h", "--me", "-o", "%A|%j|%Z"], capture_output=True, text=True, check=False
    )
    rows = [row.split("|", 2) for row in done.stdout.splitlines() if row.count("|") >= 2]
    return [
        f"job {job} of {place}"
        for job, name, place in rows
        if name.startswith(TAG_PREFIX) and Path(place).is_relative_to(folder)
    ]


def list_mounts(folder: Path) -> list[str]:
    """Return the disks that are still mounted under a folder."""
    rows = Path("/proc/self/mounts").read_text().splitlines()
    places = [row.split()[1] for row in rows]
    return [f"mount {place}" for place in places if Path(place).is_relative_to(folder)]


def list_files(folder: Path) -> list[str]:
    """Return the keys, marks and half-written files of the runs under a folder.

    Runs that a test made by hand, which no controller has worked on, do not count.
    """
    found = []
    for record in folder.glob("**/run.json"):
        layout = RunLayout(record.parent)
        if layout.controller_log.exists():
            left = [*find_in_run(layout), *find_unfinished(record.parent.parent)]
            found += [f"{one.path}: {one.what}" for one in left]
    return found
