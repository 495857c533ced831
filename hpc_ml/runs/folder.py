"""The folder that is a run."""

import errno
import json
import logging
import os
import secrets
import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hpc_ml.errors import BadRun
from hpc_ml.runs.atomic import explain_write_failure, write_json, write_text
from hpc_ml.runs.layout import RunLayout
from hpc_ml.runs.price import Stopwatch
from hpc_ml.runs.record import RunRecord, read_clock
from hpc_ml.spec.owners import name_other_owner
from hpc_ml.spec.paths import expand_home

_log = logging.getLogger(__name__)
_record_lock = threading.Lock()


@dataclass(frozen=True)
class RunFolder:
    """A run that is there; `layout` has the paths of its files, `writing` the time of writes."""

    layout: RunLayout
    writing: Stopwatch = field(default_factory=Stopwatch, compare=False, repr=False)

    @property
    def path(self) -> Path:
        return self.layout.path

    @property
    def run_id(self) -> str:
        return self.layout.run_id

    @classmethod
    def create(cls, runs_dir: Path, run_id: str, job_yaml: str, record: RunRecord) -> "RunFolder":
        """Make the folder of a new run, whole or not at all, with mode 0700.

        Parameters
        ----------
        runs_dir : Path
            Where runs lie; made when it is not there.
        run_id : str
            The id from `allocate_id`.
        job_yaml : str
            The resolved job, as text.
        record : RunRecord
            What run.json says at first.

        Raises BadRun when the run exists already or the place cannot be written to.
        """
        folder = cls(RunLayout(runs_dir.absolute() / run_id))
        temporary = RunLayout(folder.path.with_name(f".{run_id}.{secrets.token_hex(4)}"))
        try:
            if folder.path.exists():
                raise BadRun(f"run {run_id} exists already", where=str(runs_dir))
            runs_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            _fill(temporary, job_yaml, record)
            temporary.path.rename(folder.path)
        except OSError as error:
            shutil.rmtree(temporary.path, ignore_errors=True)
            raise _explain_creation_failure(runs_dir, error) from error
        return folder

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """Return the run in a folder. Raises BadRun when the folder is not one."""
        folder = cls(RunLayout(expand_home(path).absolute()))
        if not os.path.isfile(folder.layout.record_file):
            reason = "it has no run.json" if os.path.isdir(folder.path) else "no such folder"
            raise BadRun(f"is not a run: {reason}", where=str(path))
        return folder

    def check_owner(self) -> None:
        """Raise BadRun for the run of another user: its files say what is run and cancelled."""
        if owner := name_other_owner(self.path):
            raise BadRun(
                f"run {self.run_id} belongs to {owner}, and going on with it would run what its "
                "files say",
                where=str(self.path),
                hint="read its job.yaml, and run that as your own if you trust it",
            )

    def read_record(self) -> RunRecord:
        """Return what run.json says. Raises BadRun when it cannot be read."""
        path = self.layout.record_file
        try:
            return RunRecord.model_validate_json(path.read_bytes())
        except OSError as error:
            raise BadRun(f"cannot read: {error.strerror}", where=str(path)) from error
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            problem = f"{key}: {first['msg']}" if key else first["msg"]
            raise BadRun(f"is not the record of a run: {problem}", where=str(path)) from error

    def update(self, **changes: Any) -> RunRecord:
        """Change values of run.json at once and return the new record.

        Raises TaskFailed when it cannot be written; the old record is still there then.
        """
        with _record_lock, self.writing.measure():
            record = self.read_record().change(**changes)
            try:
                write_json(self.layout.record_file, record.model_dump(mode="json"))
            except OSError as error:
                raise explain_write_failure(self.layout.record_file, error) from error
        return record

    def tell_event(self, kind: str, **fields: Any) -> None:
        """Add a line to events.jsonl; a full disk costs the line, not the run."""
        event = {"time": read_clock().isoformat(timespec="milliseconds"), "kind": kind, **fields}
        line = json.dumps(event, default=str).encode() + b"\n"
        try:
            with self.writing.measure():
                _append(self.layout.events_file, line)
        except OSError as error:
            _log.warning("%s: cannot write: %s", self.layout.events_file, error.strerror)


def _append(path: Path, line: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def _fill(layout: RunLayout, job_yaml: str, record: RunRecord) -> None:
    layout.path.mkdir(mode=0o700)
    layout.logs.mkdir(mode=0o700)
    layout.ledger_file.parent.mkdir(mode=0o700)
    write_text(layout.job_file, job_yaml)
    write_json(layout.record_file, record.model_dump(mode="json"))


def _explain_creation_failure(runs_dir: Path, error: OSError) -> BadRun:
    hint = "name another folder with --runs"
    if isinstance(error, FileExistsError | NotADirectoryError):
        problem = "cannot hold runs: it is not a folder"
    elif error.errno in (errno.ENOSPC, errno.EDQUOT):
        problem = f"cannot make a run here: {error.strerror}"
        hint = "make room there, or name another folder with --runs"
    else:
        problem = f"cannot make a run here: {error.strerror}"
    return BadRun(problem, where=str(runs_dir), hint=hint)
