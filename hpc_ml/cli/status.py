"""`hpc-ml status`: how runs are doing."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from hpc_ml.cli.job_reports import JobPoller
from hpc_ml.cli.options import debug_option, json_option, runs_option
from hpc_ml.errors import BadRun
from hpc_ml.runs.folder import RunFolder
from hpc_ml.runs.index import find_run, list_runs
from hpc_ml.runs.record import RunRecord
from hpc_ml.runs.status import RunStatus, look

_REFRESH_S = 2.0
# Without a terminal: a line when a state changes, and one in this time while it does not.
_LINE_EVERY_S = 30.0


@click.command()
@click.argument("run", required=False)
@click.option("--watch", is_flag=True, help="Show it again each 2 s, until the end or Ctrl-C.")
@json_option
@runs_option
@debug_option
def status(run: str | None, watch: bool, as_json: bool, runs_dir: Path) -> None:
    """Show all runs or one: state, progress, workers, and why it waits.

    RUN is an id, the start of one, a name, a path, or 'last'.
    """
    if watch and as_json:
        raise click.UsageError("--watch shows a table; leave out --json")
    poller = JobPoller()

    def gather() -> list[RunStatus]:
        return look_at_runs(run, runs_dir, poller)

    if watch:
        _watch(gather, details=run is not None)
        return
    statuses = gather()
    if poller.note and any(not status.record.state.ended for status in statuses):
        click.echo(f"note: {poller.note}", err=True)
    if as_json:
        click.echo(json.dumps([status.as_json() for status in statuses], indent=2))
    elif statuses:
        _print(statuses, details=run is not None)
    else:
        click.echo(f"no runs in {runs_dir}")


def look_at_runs(words: str | None, runs_dir: Path, poller: JobPoller) -> list[RunStatus]:
    """Return how the named run is doing; with None all runs, newest first.

    Of a named run, jobs that have ended are asked about too. Among all runs, one whose record
    is broken is told on stderr and left out. Raises BadRun when the named run is not there.
    """
    if words is None:
        found = list(_read_records(list_runs(runs_dir)))
    else:
        folder = find_run(words, runs_dir)
        found = [(folder, folder.read_record())]
    poller.ask(record for _, record in found if words is not None or not record.state.ended)
    return [look(folder, poller.reports(record)) for folder, record in found]


def _read_records(folders: list[RunFolder]) -> Iterator[tuple[RunFolder, RunRecord]]:
    for folder in folders:
        try:
            yield folder, folder.read_record()
        except BadRun as error:
            click.echo(f"left out: {error}", err=True)


def _print(statuses: list[RunStatus], *, details: bool) -> None:
    from hpc_ml.cli.status_tables import render, show

    show(render(statuses, details=details))


def _watch(gather: Callable[[], list[RunStatus]], *, details: bool) -> None:
    from hpc_ml.cli.status_tables import open_console

    console = open_console()
    try:
        if console.is_terminal:
            _watch_live(gather, details=details)
        else:
            _watch_lines(gather, details=details)
    except KeyboardInterrupt:
        return  # how a watch ends


def _watch_live(gather: Callable[[], list[RunStatus]], *, details: bool) -> None:
    from rich.live import Live

    from hpc_ml.cli.status_tables import open_console, render

    statuses = gather()
    shown = render(statuses, details=details)
    with Live(shown, console=open_console(), auto_refresh=False) as live:
        while not _is_over(statuses, details=details):
            time.sleep(_REFRESH_S)
            statuses = gather()
            live.update(render(statuses, details=details), refresh=True)


def _watch_lines(gather: Callable[[], list[RunStatus]], *, details: bool) -> None:
    told: dict[str, tuple[str, float]] = {}
    while True:
        statuses = gather()
        for status in statuses:
            state, told_at_s = told.get(status.summary.run, ("", float("-inf")))
            waited = time.monotonic() - told_at_s >= _LINE_EVERY_S and not status.state.ended
            if state != status.state or waited:
                click.echo(describe_line(status))
                told[status.summary.run] = (status.state, time.monotonic())
        if _is_over(statuses, details=details):
            return
        time.sleep(_REFRESH_S)


def _is_over(statuses: list[RunStatus], *, details: bool) -> bool:
    return details and all(status.state.ended for status in statuses)


def describe_line(status: RunStatus) -> str:
    """Return a run's status in one line."""
    words = [status.summary.run, status.state.value]
    if status.progress:
        words.append(str(status.progress))
    if not status.state.ended:
        words.append(f"{status.workers.have} of {status.workers.want} workers")
    if status.reason:
        words.append(status.reason)
    return " | ".join(words)
