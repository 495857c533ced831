"""Steps over data in partitions, taken by all workers at once, with sums that have fixed bits.

Each worker holds some of the partitions. A step is a function of one partition and a state; only
states and answers travel. Steps go over sockets of our own (`links`), since a round trip through
Dask's scheduler takes longer than an iteration on small data.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

import cloudpickle

from hpc_ml.errors import WorkersLost
from hpc_ml.estimators.crew import Heard, Member
from hpc_ml.estimators.dispatch import Dispatch, value_of
from hpc_ml.estimators.partitions import Partitions
from hpc_ml.estimators.serving import Answer
from hpc_ml.estimators.sums import TreeSum
from hpc_ml.estimators.surroundings import Checkpoint, current_checkpoint, current_client

if TYPE_CHECKING:
    from distributed import Client

    from hpc_ml.estimators.holder import Holder

Step = Callable[[Any, Any, dict[str, Any]], Any]


@dataclass(frozen=True)
class WorkerPlace:
    """A worker and the partitions that it holds."""

    address: str
    host: str
    numbers: tuple[int, ...]


class Collective:
    """The client's workers, each holding some of the partitions, ready for one step after another.

    Parameters
    ----------
    partitions : Partitions
        The data set.
    client : distributed.Client, optional
        Whose workers; default that of the surroundings, else Dask's current one.
    checkpoint : Checkpoint, optional
        Hears whether to stop; default that of the surroundings.

    Raises
    ------
    ValueError
        When there is no client.
    """

    def __init__(
        self,
        partitions: Partitions,
        client: "Client | None" = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.client = client if client is not None else current_client()
        self.checkpoint = checkpoint if checkpoint is not None else current_checkpoint()
        self.dispatch = Dispatch(self.client, self.checkpoint, partitions)

    @property
    def partitions(self) -> Partitions:
        """The data set."""
        return self.dispatch.partitions

    @property
    def n_partitions(self) -> int:
        return len(self.partitions.rows)

    @property
    def rows(self) -> tuple[int, ...]:
        """Training rows of each partition."""
        return self.partitions.rows

    @property
    def n_features(self) -> int:
        return self.partitions.n_features

    @property
    def resident(self) -> bool:
        """Whether all partitions stay in the workers' memory; else some are read on each pass."""
        self.dispatch.place()
        return all(
            sum(self.partitions.bytes_each[number] for number in self.dispatch.held[member.address])
            <= member.budget_bytes
            for member in self.dispatch.members
        )

    @property
    def workers(self) -> list[WorkerPlace]:
        """Return the workers in the order of their ranks."""
        self.dispatch.place()
        return [
            WorkerPlace(member.address, member.host, tuple(self.dispatch.held[member.address]))
            for member in self.dispatch.members
        ]

    def map(self, step: Step, state: Any = None, numbers: Iterable[int] | None = None) -> list[Any]:
        """Return ``step(block, state, memory)`` of each partition, in the order of partitions."""
        wanted = list(range(self.n_partitions)) if numbers is None else sorted(set(numbers))
        answers: dict[int, Any] = {}
        self._run(
            "map", step, state, lambda: [n for n in wanted if n not in answers], answers.update
        )
        return [answers[number] for number in wanted]

    def reduce(self, step: Step, state: Any = None) -> Any:
        """Return the sum of ``step(block, state, memory)`` over all partitions.

        Answers are numbers, arrays, or tuples of these; they are added along a fixed tree, so
        that the sum has the same bits whatever the workers.
        """
        sums = TreeSum(self.n_partitions)

        def take(nodes: Mapping[tuple[int, int], Any]) -> None:
            for node, value in nodes.items():
                sums.add(node, value)

        self._run("reduce", step, state, sums.missing, take)
        return sums.value

    def visit(self, step: Step, state: Any, numbers: Sequence[int]) -> Any:
        """Return the state after ``state = step(block, state, memory)`` for each of `numbers`.

        The state travels to the data, once for each run of partitions that lie on one worker.
        """
        packed = cloudpickle.dumps(step)
        ahead = list(numbers)
        while ahead:
            self.dispatch.place()
            member = self.dispatch.holder(ahead[0])
            run = self._run_of(member, ahead)
            self.dispatch.read_ahead(ahead[len(run) :])
            answer = self.dispatch.wait(
                self.dispatch.call(member, "visit", packed, state, run), member
            )
            if answer is None:  # the worker is lost: another visits its partitions
                self.dispatch.note_loss(member, run, run)
                continue
            state, ahead = answer.value, ahead[len(run) :]
            self.dispatch.note_success()
        return state

    def each(
        self,
        step: Callable[["Holder", Any], Any],
        states: Sequence[Any],
        *,
        numbers: Sequence[Sequence[int]] | None = None,
    ) -> list[Any]:
        """Return ``step(holder, state)`` of every worker, taken by all at the same time.

        `numbers` are the partitions that each may load, by default those that its worker holds.
        Raises WorkersLost when one of them is lost meanwhile; the others are let go then.
        """
        self.dispatch.place()
        packed = cloudpickle.dumps(step)
        members = list(self.dispatch.members)
        if len(states) != len(members):
            raise WorkersLost(f"there are {len(members)} workers for {len(states)} states")
        if numbers is None:
            numbers = [self.dispatch.held[member.address] for member in members]
        calls = {
            self.dispatch.call(member, "each", packed, state, own)
            for member, state, own in zip(members, states, numbers, strict=True)
        }
        found: dict[Member, Any] = {}
        while len(found) < len(members):
            heard = self.dispatch.hear()
            if heard is None:
                continue
            if heard.message is None:
                self.dispatch.dismiss(members)
                went = "left" if heard.member.leaving else "was lost"
                raise WorkersLost(f"the worker {heard.member.address} {went} during a joint step")
            if isinstance(heard.message, Answer) and heard.message.call in calls:
                found[heard.member] = value_of(heard.message)
        return [found[member] for member in members]

    def derive(self, partitions: Any) -> "Collective":
        """Go on with partitions made from these, which `DerivedPartitions.derive` makes there."""
        self.dispatch.replace(partitions)
        return self

    def close(self) -> None:
        """Let the workers go; closing twice is no error."""
        self.dispatch.close()

    def __enter__(self) -> "Collective":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _run(
        self,
        how: str,
        step: Step,
        state: Any,
        missing: Callable[[], list[int]],
        take: Callable[[Any], None],
    ) -> None:
        """Have each worker take the step over its partitions until none is missing."""
        packed = cloudpickle.dumps(step)
        self.dispatch.place()
        pending: dict[int, tuple[Member, list[int]]] = {}
        while (rest := missing()) or pending:
            underway = {number for _, numbers in pending.values() for number in numbers}
            if set(rest) - underway:
                self.dispatch.place()
                pending |= self._spread(how, packed, state, set(rest) - underway)
            heard = self.dispatch.hear()
            if heard is not None:
                self._note(heard, pending, missing, take)
        self.dispatch.note_success()

    def _spread(
        self, how: str, packed: bytes, state: Any, numbers: set[int]
    ) -> dict[int, tuple[Member, list[int]]]:
        pending = {}
        for member in self.dispatch.members:
            own = [number for number in self.dispatch.held[member.address] if number in numbers]
            if own:
                pending[self.dispatch.call(member, how, packed, state, own)] = (member, own)
        return pending

    def _note(
        self,
        heard: Heard,
        pending: dict[int, tuple[Member, list[int]]],
        missing: Callable[[], list[int]],
        take: Callable[[Any], None],
    ) -> None:
        if heard.message is None:
            for call in [call for call, (member, _) in pending.items() if member is heard.member]:
                _, numbers = pending.pop(call)
                self.dispatch.note_loss(heard.member, numbers, missing())
        elif heard.message.call in pending:
            take(value_of(heard.message))
            if heard.message.last:
                del pending[heard.message.call]

    def _run_of(self, member: Member, numbers: Sequence[int]) -> list[int]:
        """Return the first of these partitions as far as this worker holds them all."""
        return list(itertools.takewhile(lambda n: self.dispatch.holder(n) is member, numbers))
