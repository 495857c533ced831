"""`hpc-ml clean`: lists, then removes, orphaned jobs, what crashes left, and old runs."""

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click

from hpc_ml.cli.cleaning import Findings, choose_acts
from hpc_ml.cli.dead_runs import is_dead
from hpc_ml.cli.job_reports import JobPoller
from hpc_ml.cli.options import debug_option, json_option, runs_option
from hpc_ml.cli.orphans import JobsOfRuns, choose_named
from hpc_ml.errors import BadInput, BadRun, ExitCode
from hpc_ml.runs.folder import RunFolder
from hpc_ml.runs.heartbeat import read_beat
from hpc_ml.runs.index import list_runs
from hpc_ml.runs.leftovers import find_in_run, find_unfinished
from hpc_ml.runs.record import RunState, read_clock
from hpc_ml.runs.status import RunStatus, look
from hpc_ml.spec.owners import is_own_folder

_ENDS = [state.value for state in RunState if state.ended]
_AGE_HINT = "write it with its unit: 30d, 12h or 90m"


def _read_age(_: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    from hpc_ml.spec.quantities import parse_walltime

    if text is None:
        return None
    try:
        if text.strip().isdigit():
            raise ValueError
        return parse_walltime(text)
    except ValueError as error:
        where = parameter.opts[0]
        raise BadInput(f"{text!r} is not an age", where=where, hint=_AGE_HINT) from error


@click.command()
@click.option("--jobs", is_flag=True, help="Cancel the jobs of dead runs.")
@click.option(
    "--job-id", "job_ids", multiple=True, metavar="ID",
    help="Cancel this orphaned job, also where its run is not to be found; repeatable.",
)  # fmt: skip
@click.option("--leftovers", is_flag=True, help="Remove what crashes left in the folder of runs.")
@click.option(
    "--runs-older-than", "age_s", metavar="AGE", callback=_read_age,
    help="Remove runs that ended longer ago: 30d, 12h, 90m.",
)  # fmt: skip
@click.option(
    "--state", "states", multiple=True, type=click.Choice(_ENDS),
    help="With --runs-older-than: only runs in this state; repeatable.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="List what would go, and touch nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@runs_option
@debug_option
def clean(
    jobs: bool,
    job_ids: tuple[str, ...],
    leftovers: bool,
    age_s: int | None,
    states: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    as_json: bool,
    runs_dir: Path,
) -> int:
    """List orphaned jobs and what crashes left; cancel and remove what is asked for.

    A job is orphaned when its run is dead: its controller is gone. A run that lives is never
    touched, and neither is anything outside of the folder of runs.
    """
    if states and age_s is None:
        raise BadInput("--state chooses among old runs", hint="say how old with --runs-older-than")
    there = JobsOfRuns()
    found = _find(runs_dir, there, age_s, states)
    named = choose_named(found.orphans, job_ids)
    acts = choose_acts(found, there, jobs=jobs, named=named, leftovers=leftovers)
    if there.note:
        click.echo(f"note: {there.note}", err=True)
    if not as_json:
        _print(found, listing=not (jobs or job_ids or leftovers or age_s))
    if acts and not dry_run and _agree(", ".join(act.words for act in acts), yes=yes):
        for act in acts:
            act.do()
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
    return ExitCode.PARTIAL if found.left_alone else ExitCode.DONE


def _find(
    runs_dir: Path, there: JobsOfRuns, age_s: int | None, states: tuple[str, ...]
) -> Findings:
    """Return what there is to clean up; old runs only where an age is given."""
    dead = list(_look_at_dead(runs_dir, there))
    leftovers = [left for folder, _ in dead for left in find_in_run(folder.layout)]
    now = read_clock()
    old = [
        status
        for folder, status in dead
        if age_s is not None
        and (not states or status.state in states)
        and (now - _find_end(folder, status)).total_seconds() > age_s
    ]
    return Findings(runs_dir, there.orphans(), [*find_unfinished(runs_dir), *leftovers], old)


def _look_at_dead(runs_dir: Path, there: JobsOfRuns) -> Iterator[tuple[RunFolder, RunStatus]]:
    poller = JobPoller()
    records = []
    for folder in list_runs(runs_dir):
        try:
            if is_own_folder(folder.path):
                records.append((folder, folder.read_record()))
        except BadRun as error:
            click.echo(f"left out: {error}", err=True)
    poller.ask(record for _, record in records if not record.state.ended)
    for folder, record in records:
        status = look(folder, poller.reports(record))
        if is_dead(folder, status) and not there.has_controller(record):
            yield folder, status


def _find_end(folder: RunFolder, status: RunStatus) -> datetime:
    """Return when a run ended, or gave its last sign of life."""
    record, beat = status.record, read_beat(folder.layout)
    signs = [record.ended_at, record.started_at, record.created_at, beat.time if beat else None]
    return max(sign for sign in signs if sign is not None)


def _agree(words: str, *, yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise BadInput(f"nothing was done: nobody can be asked to {words}", hint="say --yes")
    return click.confirm(f"{words[:1].upper()}{words[1:]}?", err=True)


def _print(found: Findings, *, listing: bool) -> None:
    from hpc_ml.cli.clean_tables import print_findings

    print_findings(found, listing=listing)
