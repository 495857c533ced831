"""Hands the partitions to predict to the workers, a few at a time, and keeps what is finished."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hpc_ml.errors import TaskFailed
from hpc_ml.estimators.engine import MORE_MEMORY, DiedError, Engine
from hpc_ml.tasks.predict_part import Recipe, predict_parts

if TYPE_CHECKING:
    from distributed import Client, Future

    from hpc_ml.tasks.registry import TaskRun

_MOST_FAILURES = 2
# Partitions of less are handed out several at a time: a call of Dask costs some 10 ms.
_CALL_S = 0.5
# What a worker has at most of the partitions that wait, so that all end at about the same time.
_LARGEST_SHARE = 1 / 2


class Ranges:
    """Partitions that wait: each worker has neighbours, and takes from others when it has none.

    Neighbours often lie in one file, which the worker has open then.
    """

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = list(numbers)
        self._own: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self._numbers) + sum(map(len, self._own.values()))

    def take(self, worker: str, workers: Collection[str], most: int) -> list[int]:
        """Return the next partitions of a worker, of those that are there; none for no more."""
        if self._numbers:
            self._spread(list(workers))
        if not self._own.get(worker):
            self._own[worker] = self._take_over(worker, workers)
        own = self._own[worker]
        taken, self._own[worker] = own[:most], own[most:]
        return taken

    def put_back(self, numbers: Sequence[int]) -> None:
        """Let partitions wait again."""
        self._own.setdefault("", []).extend(numbers)

    def _spread(self, workers: list[str]) -> None:
        count = len(self._numbers)
        for rank, worker in enumerate(workers):
            start, stop = rank * count // len(workers), (rank + 1) * count // len(workers)
            self._own[worker] = self._numbers[start:stop]
        self._numbers = []

    def _take_over(self, worker: str, workers: Collection[str]) -> list[int]:
        """Return what nobody has any more, else the rear half of the longest range."""
        left = [name for name in self._own if name not in workers and self._own[name]]
        if left:
            return self._own.pop(left[0])
        longest = max(self._own, key=lambda name: len(self._own[name]), default=worker)
        numbers = self._own.get(longest, [])
        half = len(numbers) // 2
        if longest != worker:
            self._own[longest] = numbers[:half]
        return numbers[half:]


class Dispatch:
    """The predictions of all partitions.

    Parameters
    ----------
    engine : Engine
        Sends to the workers; the recipe is resident there.
    recipe : Recipe
        What they do.
    run : TaskRun
        Keeps the finished partitions.
    """

    def __init__(self, engine: Engine, recipe: Recipe, run: "TaskRun") -> None:
        self._engine = engine
        self._run = run
        self._total = len(recipe.data.plan)
        self.done: dict[int, dict[str, Any]] = {}
        for number in range(self._total):
            value = run.finished().get(_unit(number))
            if value is not None and _is_there(recipe, number, value):
                self.done[number] = value
        self._waiting = Ranges([n for n in range(self._total) if n not in self.done])
        self._sent: dict[Future, tuple[str, list[int]]] = {}
        self._failures: Counter[int] = Counter()
        self._partition_s = _CALL_S

    def run(self) -> list[dict[str, Any]]:
        """Return what is known of each partition when all are written."""
        self._run.progress(len(self.done), self._total, "partitions")
        while self._waiting or self._sent:
            self._fill()
            for future in self._engine.finished():
                self._take(future)
        return [self.done[number] for number in range(self._total)]

    def _fill(self) -> None:
        """Give each thread a partition, and each worker one more to begin with at once."""
        threads = self._engine.roster.threads()
        busy = Counter(worker for worker, _ in self._sent.values())
        for worker, own in threads.items():
            while busy[worker] <= own:
                numbers = self._waiting.take(worker, threads, self._at_once(len(threads)))
                if not numbers:
                    return
                future = self._engine.submit("predict", predict_parts, numbers, worker=worker)
                self._sent[future] = (worker, numbers)
                busy[worker] += 1

    def _at_once(self, n_workers: int) -> int:
        """Return how many partitions to hand out together."""
        if self._failures:
            return 1  # one of them kills its worker: it is to be known which
        share = _LARGEST_SHARE * len(self._waiting) / n_workers
        return max(1, int(min(_CALL_S / self._partition_s, share)))

    def _take(self, future: "Future") -> None:
        _, numbers = self._sent.pop(future)
        try:
            values, took_s = self._engine.result(future)
        except DiedError as died:
            self._note_death(numbers, died)
            return
        self._partition_s = max(took_s / len(numbers), 1e-3)
        for number, value in zip(numbers, values, strict=True):
            self._run.record(_unit(number), value)
            self.done[number] = value
        self._run.progress(len(self.done), self._total, "partitions")

    def _note_death(self, numbers: Sequence[int], died: DiedError) -> None:
        self._failures.update(numbers)
        self._waiting.put_back(numbers)
        if self._failures[numbers[0]] == _MOST_FAILURES:
            raise TaskFailed(
                f"the worker that predicted partition {numbers[0]} died, "
                f"{_MOST_FAILURES * died.times} times",
                hint=f"{MORE_MEMORY}; smaller partitions by data.partition_size take less",
            )


def predict_all(client: "Client", recipe: Recipe, run: "TaskRun") -> list[dict[str, Any]]:
    """Predict all partitions that are not done; return what is known of each.

    Raises BadData, TaskFailed, WorkersLost, or what `run.check` raises.
    """
    with Engine(client, run, recipe) as engine:
        return Dispatch(engine, recipe, run).run()


def _unit(number: int) -> str:
    return f"part-{number:05d}"


def _is_there(recipe: Recipe, number: int, value: Mapping[str, Any]) -> bool:
    """Return whether the file of a finished partition is the one that was written then."""
    try:
        return bool(recipe.part_file(number).stat().st_size == value["bytes"])
    except OSError:
        return False
