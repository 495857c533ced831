"""What there is to clean up, for people."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from hpc_ml.cli.cleaning import Findings, count
from hpc_ml.cli.orphans import Orphan
from hpc_ml.cli.status_tables import make_table, show


def print_findings(found: Findings, *, listing: bool) -> None:
    """Print what was found; with `listing`, what to type to have it gone."""
    show(*_render(found, listing=listing))


def _render(found: Findings, *, listing: bool) -> Iterator[RenderableType]:
    here = [orphan for orphan in found.orphans if orphan.lies_in(found.runs_dir)]
    elsewhere = [o for o in found.orphans if o.status is not None and o not in here]
    unsure = [orphan for orphan in found.orphans if orphan.status is None]
    if here:
        yield f"{count(here, 'job')} of dead runs" + _advise(listing, "--jobs cancels them")
        yield _render_jobs(here)
    if elsewhere:
        folders = sorted({str(o.folder.parent) for o in elsewhere if o.folder})
        words = f"{count(elsewhere, 'job')} of dead runs elsewhere"
        yield words + _advise(listing, f"look with --runs {escape(', '.join(folders))}")
        yield _render_jobs(elsewhere)
    if unsure:
        words = f"{count(unsure, 'job')} whose run is not to be found: it may live on another host"
        yield words + _advise(listing, "if you know better, --job-id ID cancels one")
        yield _render_jobs(unsure)
    if found.leftovers:
        words = f"{count(found.leftovers, 'leftover')} of crashes"
        yield words + _advise(listing, "--leftovers removes them")
        yield _render_leftovers(found)
    if found.runs:
        yield f"{count(found.runs, 'run')} of that age"
        yield _render_runs(found)
    if not (found.orphans or found.leftovers or found.runs):
        yield f"nothing to clean up in {escape(str(found.runs_dir))}"


def _advise(listing: bool, words: str) -> str:
    return f"; {words}:" if listing else ":"


def _render_jobs(orphans: Sequence[Orphan]) -> Table:
    table = make_table("  job", "state", "run", "thought orphaned because")
    for orphan in orphans:
        run = orphan.status.record.id if orphan.status else orphan.name
        table.add_row(f"  {escape(orphan.job_id)}", orphan.state, run, escape(orphan.reason))
    return table


def _render_leftovers(found: Findings) -> Table:
    table = make_table("  path", "what it is")
    for left in found.leftovers:
        table.add_row(f"  {escape(_shorten(left.path, found.runs_dir))}", left.what)
    return table


def _render_runs(found: Findings) -> Table:
    table = make_table("  run", "name", "task", "state")
    for status in found.runs:
        record = status.record
        table.add_row(f"  {record.id}", escape(record.name or ""), record.task, status.state.value)
    return table


def _shorten(path: Path, runs_dir: Path) -> str:
    return str(path.relative_to(runs_dir)) if path.is_relative_to(runs_dir) else str(path)
