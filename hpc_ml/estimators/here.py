"""Steps over partitions in this process, where there is no Dask client."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Any

from threadpoolctl import threadpool_limits

from hpc_ml.estimators.collective import Step, WorkerPlace
from hpc_ml.estimators.holder import Holder
from hpc_ml.estimators.partitions import Partitions
from hpc_ml.estimators.sums import TreeSum
from hpc_ml.estimators.surroundings import Checkpoint, current_checkpoint


class HereCollective:
    """What `Collective` is, with this process as its one worker; the same sums to the last bit."""

    client = None
    resident = True

    def __init__(self, partitions: Partitions, checkpoint: Checkpoint | None = None) -> None:
        self.partitions = partitions
        self.checkpoint = checkpoint if checkpoint is not None else current_checkpoint()
        self._holder = Holder(partitions, float("inf"), host="localhost")
        self._settings = ExitStack()
        self._settings.enter_context(threadpool_limits(limits=1))
        if (send := getattr(partitions, "send", None)) is not None:
            for number in range(self.n_partitions):
                self._holder.take(number, send(number))

    @property
    def n_partitions(self) -> int:
        return len(self.partitions.rows)

    @property
    def rows(self) -> tuple[int, ...]:
        return self.partitions.rows

    @property
    def n_features(self) -> int:
        return self.partitions.n_features

    @property
    def workers(self) -> list[WorkerPlace]:
        return [WorkerPlace("", "localhost", tuple(range(self.n_partitions)))]

    def map(self, step: Step, state: Any = None, numbers: Iterable[int] | None = None) -> list[Any]:
        wanted = list(range(self.n_partitions)) if numbers is None else sorted(set(numbers))
        return [answer for _, answer in self._steps(step, state, wanted)]

    def reduce(self, step: Step, state: Any = None) -> Any:
        sums = TreeSum(self.n_partitions)
        for number, answer in self._steps(step, state, list(range(self.n_partitions))):
            sums.add((0, number), answer)
        return sums.value

    def visit(self, step: Step, state: Any, numbers: Sequence[int]) -> Any:
        for number in numbers:
            self.checkpoint.check()
            state = self._holder.visit(step, state, [number])
        return state

    def each(
        self,
        step: Callable[[Holder, Any], Any],
        states: Sequence[Any],
        *,
        numbers: Sequence[Sequence[int]] | None = None,
    ) -> list[Any]:
        self.checkpoint.check()
        (state,) = states
        return [step(self._holder, state)]

    def derive(self, partitions: Any) -> "HereCollective":
        self.partitions = partitions
        self._holder.derive(partitions)
        return self

    def close(self) -> None:
        self._settings.close()

    def __enter__(self) -> "HereCollective":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _steps(self, step: Step, state: Any, numbers: list[int]) -> Iterable[tuple[int, Any]]:
        for found in self._holder.step_each(step, state, numbers):
            self.checkpoint.check()
            yield found
