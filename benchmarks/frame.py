"""The frame of a benchmark: its options, its two clusters, and the loop over what it measures."""

import argparse
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster
from growth import show_growth
from pairs import Measured, compare, run_in_turns, write
from rich.console import Console
from sides import Side
from tables import open_console, show

from hpc_ml.clusters.scratch import make_scratch
from hpc_ml.schedulers.dask_settings import configuration

CORES = 2
QUICK_PAIRS = 2
_BUSY_LOAD = 0.5


def leave(measured: Measured) -> None:
    """Add nothing to what was measured."""


@dataclass(frozen=True)
class Work:
    """Something that all sides do.

    Attributes
    ----------
    title
        By which it is compared with an earlier run.
    family, size, unit
        Works of one family differ in their size alone, which is counted in the unit.
    base
        The side that ratios are taken to; the first side where it is left out.
    sides
        Opens what the sides need, on a stack that is closed after them, and returns them; the
        first one is hpc-ml's.
    matched
        The side that another one is also compared with.
    complete
        Adds to the rounds what shows when all sides were measured.
    """

    title: str
    family: str
    size: int
    base: str
    sides: Callable[[ExitStack], Mapping[str, Side]]
    unit: str = "rows"
    matched: Mapping[str, str] = field(default_factory=dict)
    complete: Callable[[Measured], None] = leave


@dataclass(frozen=True)
class Bench:
    """What a benchmark works with: words, workers, a folder for its data.

    `client` has two workers of one thread, `one` a single such worker, which idles otherwise.
    """

    words: argparse.Namespace
    folder: Path
    client: Client
    one: Client
    console: Console
    _told: set[str] = field(default_factory=set)

    def tell_once(self, message: str) -> None:
        """Print a message, once in each work."""
        if message not in self._told:
            self._told.add(message)
            self.console.print(f"  {message}", highlight=False)

    def run(self, works: Sequence[Work]) -> None:
        """Measure all works that are asked for, show them, and write every round."""
        asked = [work for work in works if self.words.only in work.title]
        results = {work.title: self._measure(work) for work in asked}
        show_growth(results, self.console)
        write(self.words.out, results)
        self.console.print(f"Every round is in {self.words.out}.")

    def _measure(self, work: Work) -> dict[str, Any]:
        """Measure all sides of one work, each of them warm."""
        self.console.print(f"[bold]{work.title}[/bold]", highlight=False)
        self._told.clear()
        with ExitStack() as stack:
            sides = dict(work.sides(stack))
            if self.words.two:
                sides = {name: side for name, side in sides.items() if not side.extra}
            for side in sides.values():
                if not side.is_warm:
                    side.measure()
            measured = run_in_turns(
                {name: side.measure for name, side in sides.items()},
                self.words.pairs,
                self.console,
                slow=[name for name, side in sides.items() if side.extra],
                slow_pairs=self.words.slow_pairs,
            )
        work.complete(measured)
        base = work.base if work.base in measured else next(iter(measured))
        summary = compare(measured, base, work.matched)
        show(f"{work.title}; ratios to {base}", summary, self.console)
        return {
            "family": work.family,
            "size": work.size,
            "unit": work.unit,
            "base": base,
            "rounds": measured,
            "summary": summary,
        }


def make_parser(doc: str, name: str) -> argparse.ArgumentParser:
    """Return the options of every benchmark, to which it adds its own."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=_count, default=7, help="rounds of each side (7)")
    parser.add_argument(
        "--slow-pairs",
        type=_count,
        metavar="N",
        help="rounds of dask-ml, joblib on Dask and one worker, which take long (as --pairs)",
    )
    parser.add_argument(
        "--two", action="store_true", help="without the sides that --slow-pairs is for"
    )
    parser.add_argument(
        "--only", default="", metavar="WORDS", help="only what has these words in its title"
    )
    parser.add_argument("--quick", action="store_true", help="two short rounds, as a trial")
    parser.add_argument("--out", type=Path, default=Path(f"benchmarks/results/{name}.json"))
    return parser


def read_words(parser: argparse.ArgumentParser, **quick: Any) -> argparse.Namespace:
    """Return the options; with `--quick`, those that are given here."""
    words = parser.parse_args()
    if words.quick:
        vars(words).update(pairs=QUICK_PAIRS, **quick)
    return words


def warn_if_busy(console: Console) -> None:
    """Say so where something else is running."""
    if os.getloadavg()[0] > _BUSY_LOAD:
        console.print("[yellow]This machine is busy: the numbers will not mean much.[/yellow]")


@contextmanager
def open_bench(words: argparse.Namespace) -> Iterator[Bench]:
    """Start both clusters, with the settings of hpc-ml's own; all sides on Dask profit."""
    console = open_console()
    warn_if_busy(console)
    # dask-ml warns of what scikit-learn has deprecated; that is no part of the comparison.
    warnings.simplefilter("ignore")
    with (
        tempfile.TemporaryDirectory() as folder,
        dask.config.set(configuration(make_scratch())),
        start_workers(CORES) as cluster,
        start_workers(1) as single,
        Client(single, set_as_default=False) as one,
        Client(cluster) as client,
    ):
        yield Bench(words, Path(folder), client, one, console)


def start_workers(count: int) -> LocalCluster:
    """Start processes of one thread each."""
    return LocalCluster(
        n_workers=count, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0"
    )


def _count(word: str) -> int:
    if (count := int(word)) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return count
