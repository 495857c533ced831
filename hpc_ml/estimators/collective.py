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

from hpc_ml.errors import TaskFailed, WorkersLost
from hpc_ml.estimators.crew import Crew, Heard, Member
from hpc_ml.estimators.links import pack
from hpc_ml.estimators.partitions import Block, Partitions
from hpc_ml.estimators.placement import place
from hpc_ml.estimators.serving import Ahead, Answer, Assign, Call, Derive
from hpc_ml.estimators.sums import TreeSum
from hpc_ml.estimators.surroundings import Checkpoint, current_checkpoint, current_client

if TYPE_CHECKING:
    from distributed import Client

    from hpc_ml.estimators.holder import Holder

Step = Callable[[Any, Any, dict[str, Any]], Any]
MOST_DEATHS = 3
_MORE_MEMORY = "give the workers more --memory, or smaller partitions by data.partition_size"


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
        self.partitions = partitions
        self.client = client if client is not None else current_client()
        self.checkpoint = checkpoint if checkpoint is not None else current_checkpoint()
        self._crew = Crew(self.client, self.checkpoint, lambda: self.partitions)
        self._calls = itertools.count(1)
        self._held: dict[str, list[int]] = {}
        self._holders: dict[int, Member] = {}
        self._placed: set[Member] = set()
        self._deaths: dict[int, int] = {}

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
        self._place()
        return all(
            sum(self.partitions.bytes_each[number] for number in self._held[member.address])
            <= member.budget_bytes
            for member in self._crew.members
        )

    @property
    def workers(self) -> list[WorkerPlace]:
        """Return the workers in the order of their ranks."""
        self._place()
        return [
            WorkerPlace(member.address, member.host, tuple(self._held[member.address]))
            for member in self._crew.members
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
            self._place()
            member = self._holders[ahead[0]]
            run = self._run_of(member, ahead)
            self._read_ahead(ahead[len(run) :])
            answer = self._await(self._call(member, "visit", packed, state, run), member)
            if answer is None:  # the worker is lost: another visits its partitions
                self._note_death(run, run)
                continue
            state, ahead = answer.value, ahead[len(run) :]
            self._deaths = {}
        return state

    def each(
        self,
        step: Callable[["Holder", Any], Any],
        states: Sequence[Any],
        *,
        whole: bool = False,
    ) -> list[Any]:
        """Return ``step(holder, state)`` of every worker, taken by all at the same time.

        With `whole`, the step may load any partition, not only those that its worker holds.
        Raises WorkersLost when one of them is lost meanwhile; the others are let go then.
        """
        self._place()
        packed = cloudpickle.dumps(step)
        members = list(self._crew.members)
        if len(states) != len(members):
            raise WorkersLost(f"there are {len(members)} workers for {len(states)} states")
        everything = range(self.n_partitions) if whole else None
        calls = {
            self._call(member, "each", packed, state, everything or self._held[member.address])
            for member, state in zip(members, states, strict=True)
        }
        found: dict[Member, Any] = {}
        while len(found) < len(members):
            heard = self._crew.hear()
            if heard is None:
                continue
            if heard.message is None:
                for member in members:
                    self._crew.dismiss(member)
                raise WorkersLost(f"the worker {heard.member.address} was lost during a joint step")
            if isinstance(heard.message, Answer) and heard.message.call in calls:
                found[heard.member] = _value(heard.message)
        return [found[member] for member in members]

    def derive(self, partitions: Any) -> "Collective":
        """Go on with partitions made from these, which `DerivedPartitions.derive` makes there."""
        self._place()
        self.partitions = partitions
        self._bring_up_to_date()
        return self

    def close(self) -> None:
        """Let the workers go; closing twice is no error."""
        self._crew.close()

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
        self._place()
        pending: dict[int, tuple[Member, list[int]]] = {}
        while (rest := missing()) or pending:
            underway = {number for _, numbers in pending.values() for number in numbers}
            if set(rest) - underway:
                self._place()
                pending |= self._spread(how, packed, state, set(rest) - underway)
            heard = self._crew.hear()
            if heard is not None:
                self._note(heard, pending, missing, take)
        self._deaths = {}

    def _spread(
        self, how: str, packed: bytes, state: Any, numbers: set[int]
    ) -> dict[int, tuple[Member, list[int]]]:
        pending = {}
        for member in self._crew.members:
            own = [number for number in self._held[member.address] if number in numbers]
            if own:
                pending[self._call(member, how, packed, state, own)] = (member, own)
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
                self._note_death(numbers, missing())
        elif heard.message.call in pending:
            take(_value(heard.message))
            if heard.message.last:
                del pending[heard.message.call]

    def _note_death(self, numbers: Sequence[int], missing: Sequence[int]) -> None:
        """Count the deaths over the partition that was worked on; some data kill any worker."""
        worked_on = next((number for number in numbers if number in missing), None)
        if worked_on is None:
            return
        self._deaths[worked_on] = self._deaths.get(worked_on, 0) + 1
        if self._deaths[worked_on] > MOST_DEATHS:
            raise TaskFailed(
                f"the worker that worked on partition {worked_on} died, "
                f"{self._deaths[worked_on]} times",
                hint=_MORE_MEMORY,
            )

    def _call(
        self, member: Member, how: str, packed: bytes, state: Any, numbers: Sequence[int]
    ) -> int:
        call = next(self._calls)
        send = getattr(self.partitions, "send", None)
        sent: dict[int, Block] = {}
        if send is not None:
            sent = {number: send(number) for number in numbers if number not in member.sent}
            member.sent.update(sent)
        message = Call(call, how, packed, state, tuple(numbers), sent)
        self._crew.send(member, pack(message))
        return call

    def _await(self, call: int, member: Member) -> Answer | None:
        """Return the answer to one call, or None where the worker is lost."""
        while member in self._crew.members:
            heard = self._crew.hear()
            if heard is not None and heard.message is not None and heard.message.call == call:
                _value(heard.message)
                return heard.message
        return None

    def _place(self) -> None:
        """Give every partition to a worker that is there."""
        self._crew.refresh()
        if not self._crew.members or not self._placed:
            self._crew.gather()
        if set(self._crew.members) == self._placed:
            return
        addresses = [member.address for member in self._crew.members]
        self._held = place(self.partitions.bytes_each, self._held, addresses)
        for rank, member in enumerate(self._crew.members):
            numbers = tuple(self._held[member.address])
            self._crew.send(member, pack(Assign(numbers, rank, len(addresses))))
            self._holders.update(dict.fromkeys(numbers, member))
        self._placed = set(self._crew.members)
        self._bring_up_to_date()

    def _bring_up_to_date(self) -> None:
        """Give members that joined with another data set, or hold the one before, the one now."""
        calls = {}
        for member in self._crew.members:
            if member.partitions is not self.partitions:
                calls[member] = next(self._calls)
                self._crew.send(member, pack(Derive(calls[member], self.partitions)))
                member.partitions = self.partitions
        answered = {}
        while waiting := [m for m in calls if m in self._crew.members and m not in answered]:
            heard = self._crew.hear()
            if heard is None or heard.message is None or heard.member not in waiting:
                continue
            if heard.message.call == calls[heard.member]:
                answered[heard.member] = _value(heard.message)

    def _run_of(self, member: Member, numbers: Sequence[int]) -> list[int]:
        """Return the first of these partitions as far as this member holds them all."""
        return list(itertools.takewhile(lambda number: self._holders[number] is member, numbers))

    def _read_ahead(self, numbers: Sequence[int]) -> None:
        """Have the worker that is visited next read its partition meanwhile."""
        if numbers:
            self._crew.send(self._holders[numbers[0]], pack(Ahead(numbers[0])))


def _value(answer: Answer) -> Any:
    """Return what an answer brings, or raise what it says."""
    if isinstance(answer.error, MemoryError):
        raise TaskFailed("a worker ran out of memory", hint=_MORE_MEMORY)
    if answer.error is not None:
        raise answer.error
    return answer.value
