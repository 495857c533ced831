"""Our training by partial_fit against others on the same two cores, side by side in one run.

    python benchmarks/sgd.py            seven pairs on 1,000,000 rows of 50 columns in 50 chunks
    python benchmarks/sgd.py --quick    two pairs on 20,000, to see that it works

All sides start from the same files, one for each chunk, and train one SGDClassifier on a chunk a
call: the plain loop in this process, which no cluster can beat in one pass, ours and dask-ml on 2
workers of 1 thread. The plain loop makes our very calls, so that its coefficients are ours.
`wall_s` is the fit on chunks that are in memory, and `ratio` that by the plain loop's in the same
round; `load_s`, which reading them takes before it, is shown apart. `accuracy` is that of rows
that no side has seen. Texts are hashed as part of the fit, by the plain loop too. Run it on a
machine that does nothing else.
"""

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
from distributed import Client, LocalCluster, wait
from pairs import compare, run_in_turns, show, write
from rich.console import Console
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from hpc_ml.estimators import Incremental
from hpc_ml.estimators.collective import Collective
from hpc_ml.estimators.incremental_order import TrainingOrder, draw_seed
from hpc_ml.estimators.incremental_steps import touch
from hpc_ml.estimators.partitions import Block
from hpc_ml.schedulers.dask_settings import configuration

CORES = 2
CHUNKS = 50
N_FEATURES = 50
CLASSES = [0, 1]
JUDGED_ROWS = 100_000
BASE = "plain loop"

Fit = Callable[[], Any]


@dataclass(frozen=True)
class Chunks:
    """Rows in files, which are also partitions that workers read; the last file is for judging."""

    folder: Path
    n_rows: int
    n_features: int

    @property
    def key(self) -> str:
        return str(self.folder)

    @property
    def rows(self) -> tuple[int, ...]:
        return (self.n_rows // CHUNKS,) * CHUNKS

    @property
    def bytes_each(self) -> tuple[int, ...]:
        return tuple(8 * rows * self.n_features for rows in self.rows)

    def load(self, number: int) -> Block:
        X, y = (np.load(self.path(name, number), allow_pickle=True) for name in "Xy")
        return Block(X, y)

    def path(self, name: str, number: int) -> Path:
        return self.folder / f"{name}-{number}.npy"

    def save(self, number: int, X: Any, y: Any) -> None:
        self.folder.mkdir(exist_ok=True)
        np.save(self.path("X", number), X)
        np.save(self.path("y", number), y)


@dataclass(frozen=True)
class Work:
    """An estimator, the chunks that it is trained on, and how many times."""

    title: str
    estimator: Any
    chunks: Chunks
    epochs: int
    sides: tuple[str, ...]


def make_numbers(folder: Path, n_rows: int) -> Chunks:
    """Write rows whose class follows from all columns, and noise."""
    chunks = Chunks(folder / f"numbers-{n_rows}", n_rows, N_FEATURES)
    slope = np.random.default_rng(0).normal(size=N_FEATURES)
    for number in range(CHUNKS + 1):
        random = np.random.default_rng([1, number])
        count = JUDGED_ROWS if number == CHUNKS else chunks.rows[number]
        X = random.normal(size=(count, N_FEATURES))
        chunks.save(number, X, (X @ slope + random.normal(size=count) > 0).astype(int))
    return chunks


def make_texts(folder: Path, n_rows: int) -> Chunks:
    """Write documents of 100 words; each class prefers other words."""
    chunks = Chunks(folder / f"texts-{n_rows}", n_rows, 1)
    words = np.array([f"w{number}" for number in range(20_000)])
    shares = 1 / np.arange(1, len(words) + 1)
    for number in range(CHUNKS + 1):
        random = np.random.default_rng([2, number])
        y = random.integers(0, 2, size=chunks.rows[0])
        drawn = random.choice(len(words), size=(len(y), 100), p=shares / shares.sum())
        shifted = (drawn + 37 * y[:, None]) % len(words)
        chunks.save(number, np.array([" ".join(words[row]) for row in shifted], dtype=object), y)
    return chunks


def make_works(folder: Path, n_rows: int) -> list[Work]:
    """Write all rows, and return the works: the main one first, smaller, longer, and texts."""
    model = SGDClassifier(random_state=0)
    main, small = make_numbers(folder, n_rows), make_numbers(folder, n_rows // 10)
    texts = make_texts(folder, n_rows // 50)
    hashed = make_pipeline(HashingVectorizer(), model)
    name = f"x {N_FEATURES}, {CHUNKS} chunks"
    ours = ("hpc-ml", BASE)
    return [
        Work(f"{main.n_rows:,} {name}", model, main, 1, (*ours, "dask-ml")),
        Work(f"{small.n_rows:,} {name}", model, small, 1, (*ours, "dask-ml")),
        Work(f"{main.n_rows:,} {name}, 5 epochs", model, main, 5, ours),
        Work(f"{texts.n_rows:,} texts, {CHUNKS} chunks, 5 epochs", hashed, texts, 5, ours),
    ]


@contextmanager
def prepare_ours(work: Work, client: Client) -> Iterator[Fit]:
    with Collective(work.chunks, client) as collective:
        collective.map(touch)
        model = Incremental(work.estimator, epochs=work.epochs, classes=CLASSES, random_state=0)
        yield lambda: model.fit(collective).local_estimator()


@contextmanager
def prepare_loop(work: Work, client: Client) -> Iterator[Fit]:
    blocks = [work.chunks.load(number) for number in range(CHUNKS)]
    with threadpool_limits(limits=CORES):
        yield lambda: loop(work, blocks)


def loop(work: Work, blocks: list[Block]) -> Any:
    """Call partial_fit on one chunk after another, in the order that ours takes them."""
    order = TrainingOrder(draw_seed(0))
    steps = getattr(work.estimator, "steps", None)
    rows = [block.X if steps is None else steps[0][1].transform(block.X) for block in blocks]
    model = SGDClassifier(random_state=0)
    for epoch in range(work.epochs):
        for number in order.partitions(CHUNKS, epoch):
            model.partial_fit(rows[number], blocks[number].y, classes=CLASSES)
    return model if steps is None else make_pipeline(steps[0][1], model)


@contextmanager
def prepare_dask_ml(work: Work, client: Client) -> Iterator[Fit]:
    from dask_ml.wrappers import Incremental as DaskIncremental

    blocks = [dask.delayed(work.chunks.load)(number) for number in range(CHUNKS)]
    shapes = [(rows, work.chunks.n_features) for rows in work.chunks.rows]
    X = da.concatenate(
        [da.from_delayed(b.X, shape, float) for b, shape in zip(blocks, shapes, strict=True)]
    )
    y = da.concatenate(
        [da.from_delayed(b.y, shape[:1], int) for b, shape in zip(blocks, shapes, strict=True)]
    )
    X, y = dask.persist(X, y)
    wait([X, y])
    model = DaskIncremental(work.estimator, random_state=0)
    yield lambda: model.fit(X, y, classes=CLASSES)


SIDES = {"hpc-ml": prepare_ours, BASE: prepare_loop, "dask-ml": prepare_dask_ml}


def run_work(work: Work, client: Client, pairs: int, sides: list[str], console: Console) -> Any:
    """Measure all sides on one work, after each has trained once."""
    console.print(f"[bold]{work.title}[/bold]")
    judged = work.chunks.load(CHUNKS)

    def run(side: str) -> Callable[[], dict[str, float]]:
        def fit() -> dict[str, float]:
            started = time.perf_counter()
            with SIDES[side](work, client) as fit_loaded:
                loaded = time.perf_counter()
                model = fit_loaded()
                ended = time.perf_counter()
            accuracy = float(np.mean(np.asarray(model.predict(judged.X)) == judged.y))
            return {"wall_s": ended - loaded, "load_s": loaded - started, "accuracy": accuracy}

        return fit

    turns = {side: run(side) for side in work.sides if side in sides}
    for turn in turns.values():
        turn()
    measured = run_in_turns(turns, pairs, console)
    summary = compare(measured, BASE)
    show(f"{work.title}: median (quartiles) of {pairs}", summary, console)
    return {"rounds": measured, "summary": summary}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=7, help="rounds of each side")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the table")
    parser.add_argument("--two", action="store_true", help="hpc-ml and the plain loop alone")
    parser.add_argument("--quick", action="store_true", help="two rounds of 20,000 rows")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/sgd.json"))
    words = parser.parse_args()
    if words.quick:
        words.pairs, words.rows = 2, 20_000
    console = Console()
    if os.getloadavg()[0] > 0.5:
        console.print("[yellow]This machine is busy: the numbers will not mean much.[/yellow]")
    # dask-ml warns of what scikit-learn has deprecated; that is no part of the comparison.
    warnings.simplefilter("ignore")
    sides = [name for name in SIDES if name != "dask-ml"]
    with suppress(ImportError):
        import dask_ml.wrappers  # noqa: F401

        sides += [] if words.two else ["dask-ml"]
    with (
        tempfile.TemporaryDirectory() as folder,
        # The settings of hpc-ml's own clusters; all sides on Dask profit.
        dask.config.set(configuration()),
        LocalCluster(
            n_workers=CORES, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        works = make_works(Path(folder), words.rows)
        results = {
            work.title: run_work(work, client, words.pairs, sides, console) for work in works
        }
    write(words.out, results)
    console.print(f"Every round is in {words.out}.")


if __name__ == "__main__":
    main()
