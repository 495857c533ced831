"""What `hpc-ml clean` found, and what it does about it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from hpc_ml.cli.dead_runs import hold
from hpc_ml.cli.orphans import JobsOfRuns, Orphan
from hpc_ml.errors import BadRun, HpcMlError
from hpc_ml.runs.folder import RunFolder
from hpc_ml.runs.leftovers import Leftover, remove, remove_run
from hpc_ml.runs.status import RunStatus


@dataclass
class Findings:
    """What there is to clean up around a folder of runs, and what became of it."""

    runs_dir: Path
    orphans: list[Orphan]
    leftovers: list[Leftover]
    runs: list[RunStatus]
    cancelled: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    left_alone: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            "jobs": [orphan.as_json() for orphan in self.orphans],
            "leftovers": [
                {"path": str(left.path), "what": left.what, "run": left.run_id}
                for left in self.leftovers
            ],
            "runs": [status.summary.as_json() for status in self.runs],
            "cancelled": self.cancelled,
            "removed": self.removed,
            "left_alone": self.left_alone,
        }


@dataclass(frozen=True)
class Act:
    """Something to do, told as an imperative, and the doing."""

    words: str
    do: Callable[[], None]


def choose_acts(
    found: Findings,
    there: JobsOfRuns,
    *,
    jobs: bool,
    named: Sequence[Orphan],
    leftovers: bool,
) -> list[Act]:
    """Return what to do: jobs first, since a run with jobs is not removed."""
    acts = []
    here = [orphan for orphan in found.orphans if orphan.lies_in(found.runs_dir)] if jobs else []
    if here:
        acts.append(Act(f"cancel {count(here, 'job')}", lambda: _cancel(found, there, here)))
    if ids := [orphan.job_id for orphan in named if orphan not in here]:
        words = f"cancel job {', '.join(ids)}"
        acts.append(Act(words, lambda: _cancel_named(found, there, ids)))
    if leftovers and found.leftovers:
        words = f"remove {count(found.leftovers, 'leftover')}"
        acts.append(Act(words, lambda: _remove_leftovers(found)))
    if found.runs:
        words = f"remove {count(found.runs, 'run')} with all results"
        acts.append(Act(words, lambda: _remove_runs(found, there)))
    return acts


def count(things: Sequence[Any], noun: str) -> str:
    """Return how many there are, in words."""
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"


@contextmanager
def _going_on(found: Findings) -> Iterator[None]:
    """Go on with the rest where something cannot be done, and say so."""
    try:
        yield
    except HpcMlError as error:
        found.left_alone.append(str(error))
        click.echo(f"left alone: {error}", err=True)


def _cancel(found: Findings, there: JobsOfRuns, orphans: Sequence[Orphan]) -> None:
    statuses = {str(orphan.folder): orphan.status for orphan in orphans if orphan.status}
    for status in statuses.values():
        with _going_on(found):
            ended = there.end_dead_run(status)
            found.cancelled += ended
            click.echo(f"run {status.record.id}: {count(ended, 'job')} ended", err=True)


def _cancel_named(found: Findings, there: JobsOfRuns, job_ids: Sequence[str]) -> None:
    with _going_on(found):
        there.end(job_ids)
        found.cancelled += job_ids
        click.echo(f"{count(job_ids, 'job')} ended", err=True)


def _remove_leftovers(found: Findings) -> None:
    for left in found.leftovers:
        with _going_on(found):
            if left.path.parent == found.runs_dir:
                remove(left.path)
            else:
                with hold(RunFolder.open(found.runs_dir / left.run_id)):
                    remove(left.path)
            _note_removed(found, left.path)


def _remove_runs(found: Findings, there: JobsOfRuns) -> None:
    for status in found.runs:
        with _going_on(found):
            folder = RunFolder.open(status.summary.dir)
            if left := there.of_run(folder.layout):
                raise BadRun(
                    f"run {folder.run_id} has jobs that go on: {', '.join(left)}",
                    hint="end them first, with --jobs",
                )
            with hold(folder):
                remove_run(folder)
            _note_removed(found, folder.path)


def _note_removed(found: Findings, path: Path) -> None:
    found.removed.append(str(path))
    click.echo(f"removed {path}", err=True)
