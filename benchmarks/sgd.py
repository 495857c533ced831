"""Our training by partial_fit against others on the same two cores, side by side in one run.

    python benchmarks/sgd.py            seven pairs on 1,000,000 rows of 50 columns in 50 chunks
    python benchmarks/sgd.py --quick    two pairs on 20,000, to see that it works

All sides start from the same files, one for each chunk, and train one SGDClassifier on a chunk a
call: the plain loop in this process, which no cluster can beat in one pass, ours and dask-ml on 2
workers of 1 thread. The plain loop makes our very calls, so that its coefficients are ours.
`wall_s` is the fit on chunks that are in memory, and `ratio` that by the plain loop's in the same
round; `load_s`, which reading them takes before it, is shown apart, and counted in by `whole_s`.
`accuracy` is that of rows that no side has seen. Texts are hashed as part of the fit, by the plain
loop too. Run it on a machine that does nothing else.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Client
from frame import CORES, Bench, Work, make_parser, open_bench, read_words
from growth import ONE_WORKER
from sides import HAS_DASK_ML, Fit, Side, hold, persist, time_fit
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from hpc_ml.estimators import Incremental
from hpc_ml.estimators.incremental_order import TrainingOrder, draw_seed
from hpc_ml.estimators.partitions import Block

CHUNKS = 50
N_FEATURES = 50
CLASSES = [0, 1]
JUDGED_ROWS = 100_000
BASE = "plain loop"


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
class Task:
    """An estimator, the chunks that it is trained on, and how many times."""

    estimator: Any
    chunks: Chunks
    epochs: int = 1


SidesOf = Callable[[Bench, Task, ExitStack], Mapping[str, Side]]


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


def make_works(bench: Bench) -> list[Work]:
    """Write all rows, and return the works: the main one first, smaller, longer, and texts."""
    n_rows = bench.words.rows
    model = SGDClassifier(random_state=0)
    main, small = (make_numbers(bench.folder, rows) for rows in (n_rows, n_rows // 10))
    texts = make_texts(bench.folder, n_rows // 50)
    hashed = make_pipeline(HashingVectorizer(), model)
    name = f"x {N_FEATURES}, {CHUNKS} chunks"

    def work(title: str, family: str, task: Task, sides: SidesOf = find_two) -> Work:
        return Work(title, family, task.chunks.n_rows, BASE, partial(sides, bench, task))

    one_pass = "one pass"
    return [
        work(f"{main.n_rows:,} {name}", one_pass, Task(model, main), find_all),
        work(f"{small.n_rows:,} {name}", one_pass, Task(model, small), find_all),
        work(f"{main.n_rows:,} {name}, 5 epochs", "5 epochs", Task(model, main, 5)),
        work(f"{texts.n_rows:,} texts, {CHUNKS} chunks, 5 epochs", "texts", Task(hashed, texts, 5)),
    ]


@contextmanager
def prepare_ours(task: Task, client: Client) -> Iterator[Fit]:
    with hold(task.chunks, client) as collective:
        model = Incremental(task.estimator, epochs=task.epochs, classes=CLASSES, random_state=0)
        yield lambda: model.fit(collective).local_estimator()


@contextmanager
def prepare_loop(task: Task) -> Iterator[Fit]:
    blocks = [task.chunks.load(number) for number in range(CHUNKS)]
    with threadpool_limits(limits=CORES):
        yield lambda: loop(task, blocks)


def loop(task: Task, blocks: list[Block]) -> Any:
    """Call partial_fit on one chunk after another, in the order that ours takes them."""
    order = TrainingOrder(draw_seed(0))
    steps = getattr(task.estimator, "steps", None)
    rows = [block.X if steps is None else steps[0][1].transform(block.X) for block in blocks]
    model = SGDClassifier(random_state=0)
    for epoch in range(task.epochs):
        for number in order.partitions(CHUNKS, epoch):
            model.partial_fit(rows[number], blocks[number].y, classes=CLASSES)
    return model if steps is None else make_pipeline(steps[0][1], model)


@contextmanager
def prepare_dask_ml(task: Task) -> Iterator[Fit]:
    from dask_ml.wrappers import Incremental as DaskIncremental

    X, y = persist(task.chunks)
    model = DaskIncremental(task.estimator, random_state=0)
    yield lambda: model.fit(X, y, classes=CLASSES)


def find_two(bench: Bench, task: Task, stack: ExitStack) -> dict[str, Side]:
    """Return our side and the plain loop."""
    judge = make_judge(task)
    return {
        "hpc-ml": Side(time_fit(partial(prepare_ours, task, bench.client), judge)),
        BASE: Side(time_fit(partial(prepare_loop, task), judge)),
    }


def find_all(bench: Bench, task: Task, stack: ExitStack) -> dict[str, Side]:
    """Return the sides that dask-ml can be set beside."""
    judge, sides = make_judge(task), find_two(bench, task, stack)
    sides[ONE_WORKER] = Side(time_fit(partial(prepare_ours, task, bench.one), judge), extra=True)
    if HAS_DASK_ML:
        sides["dask-ml"] = Side(time_fit(partial(prepare_dask_ml, task), judge), extra=True)
    return sides


def make_judge(task: Task) -> Callable[[Any], dict[str, float]]:
    judged = task.chunks.load(CHUNKS)

    def judge(model: Any) -> dict[str, float]:
        return {"accuracy": float(np.mean(np.asarray(model.predict(judged.X)) == judged.y))}

    return judge


def main() -> None:
    parser = make_parser(__doc__, "sgd")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the table")
    with open_bench(read_words(parser, rows=20_000)) as bench:
        bench.run(make_works(bench))


if __name__ == "__main__":
    main()
