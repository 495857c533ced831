"""The one controller that may write to a run.

No flock: it is local to a node on some shared file systems. The owner's record is made with
O_EXCL, and a claim on the place of a dead owner likewise, under a name with that owner's token.
A claim whose maker died is itself claimed so.
"""

import os
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import AwareDatetime, ValidationError

from hpc_ml.errors import BadRun, RunFolderGone
from hpc_ml.runs.atomic import explain_write_failure
from hpc_ml.runs.layout import RunLayout
from hpc_ml.runs.processes import ProcessMark
from hpc_ml.runs.record import read_clock

STILL_S = 60.0
_POLL_S = 0.5

Alive = Callable[[str], bool | None]


class OwnershipLost(BadRun):
    """Another controller owns the run now; this one must write nothing more."""


class OwnerRecord(ProcessMark):
    """Who owns a run: a process, its batch job, and the token that only it knows."""

    token: str
    taken_at: AwareDatetime
    job_id: str | None = None

    def describe(self) -> str:
        """Return the owner in words."""
        job = f", job {self.job_id}" if self.job_id else ""
        return f"process {self.pid} on {self.host}{job}"


class Ownership:
    """A run owned by this process; `take` is how to come by one."""

    def __init__(self, layout: RunLayout, owner: OwnerRecord) -> None:
        self.owner = owner
        self._layout = layout

    @classmethod
    def take(
        cls,
        layout: RunLayout,
        job_id: str | None = None,
        *,
        alive: Alive | None = None,
        tell: Callable[[str], None] | None = None,
        still_s: float = STILL_S,
    ) -> "Ownership":
        """Own the run, or say who does.

        Parameters
        ----------
        layout : RunLayout
            The run's paths.
        job_id : str, optional
            The batch job that this process runs in.
        alive : callable, optional
            Says of a job id whether the scheduler still has the job waiting or running; None
            where it gave no answer.
        tell : callable, optional
            Hears, in a line, why this takes long.
        still_s : float, default=60.0
            Seconds that the heartbeat of an owner elsewhere must stand still, by this host's
            clock, before it counts as dead.

        Raises BadRun when another controller is alive, TaskFailed when nothing can be written.
        """
        mine = OwnerRecord.current(token=secrets.token_hex(8), taken_at=read_clock(), job_id=job_id)
        try:
            if not _create(layout.owner_file, mine):
                _Taking(layout, mine, alive, tell or (lambda _: None), still_s).take()
        except OSError as error:
            raise explain_write_failure(layout.owner_file, error) from error
        return cls(layout, mine)

    def verify(self) -> None:
        """Raise OwnershipLost when another controller has taken the run; call before writes.

        Raises RunFolderGone where its folder was removed.
        """
        owner = read_owner(self._layout)
        if owner is None and not self._layout.path.is_dir():
            raise RunFolderGone(
                "the run's folder was removed while the run went on",
                where=str(self._layout.path),
                hint="nothing of the run is left; run the job again",
            )
        if owner is None or owner.token != self.owner.token:
            by = owner.describe() if owner else "no one"
            raise OwnershipLost(
                f"this controller lost the run; it is owned by {by} now",
                where=str(self._layout.path),
            )

    def release(self) -> None:
        """Give the run up; a run that was lost before is left to its new owner."""
        owner = read_owner(self._layout)
        if owner is not None and owner.token == self.owner.token:
            with suppress(OSError):  # on a disk that was made read-only, the mark of the dead stays
                self._layout.owner_file.unlink()


def check_free(layout: RunLayout) -> None:
    """Raise BadRun when a process of this host owns the run: what `take` would find, at once."""
    owner = read_owner(layout)
    if owner is not None and owner.is_alive():
        raise _refuse(layout, owner)


def read_owner(layout: RunLayout) -> OwnerRecord | None:
    """Return the owner of a run; None where there is none, or its record is half written."""
    return _read(layout.owner_file)


def drop_dead_owner(layout: RunLayout) -> None:
    """Remove the mark of a dead process from a run that nobody will go on with."""
    owner = read_owner(layout)
    if owner is not None and owner.is_alive() is False:
        with suppress(OSError):
            layout.owner_file.unlink()


def _read(path: Path) -> OwnerRecord | None:
    try:
        return OwnerRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _create(path: Path, owner: OwnerRecord) -> bool:
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return False
    try:
        os.write(descriptor, owner.model_dump_json().encode() + b"\n")
        os.fsync(descriptor)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    return True


@dataclass(frozen=True)
class _Taking:
    """One attempt to put this process in the place of an owner that is dead."""

    layout: RunLayout
    mine: OwnerRecord
    alive: Alive | None
    tell: Callable[[str], None]
    still_s: float

    def take(self) -> None:
        self._seize(self.layout.owner_file)

    def _seize(self, place: Path) -> None:
        """Bring `mine` to a place that another process holds. Raises BadRun if that one lives."""
        first = _read(place)
        if first is None and _create(place, self.mine):
            return
        if not self._find_dead(first, place):
            if _create(place, self.mine):
                return  # it was given up meanwhile
            raise _refuse(self.layout, _read(place) or first)
        token = first.token if first else f"{place.stem}-unnamed"
        claim = self.layout.owner_file.with_name(f"owner-{token}.next")
        if not _create(claim, self.mine):
            self._seize(claim)
        now = _read(place)
        if (now.token if now else None) != (first.token if first else None):
            claim.unlink(missing_ok=True)
            raise _refuse(self.layout, now)
        claim.replace(place)

    def _find_dead(self, owner: OwnerRecord | None, place: Path) -> bool:
        dead = _is_dead(owner, self.alive) if owner else None
        if dead is not None:
            return dead
        who = owner.describe() if owner else "a process that has not said its name"
        self.tell(
            f"the run is owned by {who}; watching its heartbeat for up to {self.still_s:.0f} s"
        )
        return _stands_still((place, self.layout.heartbeat_file), self.still_s)


def _is_dead(owner: OwnerRecord, alive: Alive | None) -> bool | None:
    """Return whether the owner is gone; None when only time can tell."""
    here = owner.is_alive()
    if here is not None:
        return not here
    if owner.job_id is None or alive is None:
        return None
    job_lives = alive(owner.job_id)
    return None if job_lives is None else not job_lives


def _stands_still(signs: Sequence[Path], still_s: float) -> bool:
    # Neither the file's time nor the one it tells: clocks of hosts and file servers differ.
    before = _read_signs(signs)
    deadline = time.monotonic() + still_s
    while time.monotonic() < deadline:
        time.sleep(min(_POLL_S, still_s))
        if _read_signs(signs) != before:
            return False
    return True


def _read_signs(signs: Sequence[Path]) -> tuple[bytes, ...]:
    contents = []
    for path in signs:
        try:
            contents.append(path.read_bytes())
        except OSError:
            contents.append(b"")
    return tuple(contents)


def _refuse(layout: RunLayout, owner: OwnerRecord | None) -> BadRun:
    owner = owner or read_owner(layout)
    who = owner.describe() if owner else "another controller"
    return BadRun(
        f"the run is owned by {who}, which is alive",
        where=str(layout.path),
        hint=f"wait for it, or stop it with `hpc-ml cancel {layout.run_id}`",
    )
