"""Calls to the workers of a `Collective`: which of them holds what, and what they answer."""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hpc_ml.errors import TaskFailed
from hpc_ml.estimators.crew import Crew, Heard, Member
from hpc_ml.estimators.cut_off import outlives, too_long
from hpc_ml.estimators.links import pack
from hpc_ml.estimators.partitions import Block, Partitions
from hpc_ml.estimators.placement import place
from hpc_ml.estimators.serving import Ahead, Answer, Assign, Call, Derive
from hpc_ml.estimators.surroundings import Checkpoint

if TYPE_CHECKING:
    from distributed import Client

MOST_DEATHS = 3
_MORE_MEMORY = "give the workers more --memory, or smaller partitions by data.partition_size"


class Dispatch:
    """Sends calls to whoever holds the partitions, and hears answers and losses.

    `held` are the partitions of each worker by its address.
    """

    def __init__(self, client: "Client", checkpoint: Checkpoint, partitions: Partitions) -> None:
        self.partitions = partitions
        self.held: dict[str, list[int]] = {}
        self._crew = Crew(client, checkpoint, lambda: self.partitions)
        self._calls = itertools.count(1)
        self._holders: dict[int, Member] = {}
        self._placed: set[Member] = set()
        self._checkpoint = checkpoint
        self._deaths: dict[int, list[str]] = {}
        self._cuts: dict[int, list[float]] = {}

    @property
    def members(self) -> list[Member]:
        """The workers, in the order of their ranks."""
        return self._crew.members

    def holder(self, number: int) -> Member:
        """Return the worker of a partition, as it was placed last."""
        return self._holders[number]

    def hear(self) -> Heard | None:
        """Return the next answer or loss, or None after a moment without any."""
        return self._crew.hear()

    def dismiss(self, members: Sequence[Member]) -> None:
        """Let workers go that wait for one that is lost; they are invited again."""
        for member in members:
            self._crew.dismiss(member)

    def close(self) -> None:
        self._crew.close()

    def replace(self, partitions: Partitions) -> None:
        """Go on with partitions that are made from the ones before."""
        self.place()
        self.partitions = partitions
        waiting = self._bring_up_to_date()
        while any(self._crew.hears(member) for member in waiting):
            heard = self._crew.hear()
            if heard is None or heard.message is None:
                continue
            if heard.message.call == waiting.get(heard.member):
                value_of(heard.message)
                del waiting[heard.member]

    def place(self) -> None:
        """Give every partition to a worker that is there."""
        self._crew.refresh()
        if not self._crew.members or not self._placed:
            self._crew.gather()
        if set(self._crew.members) == self._placed:
            return
        addresses = [member.address for member in self._crew.members]
        self.held = place(self.partitions.bytes_each, self.held, addresses)
        for rank, member in enumerate(self._crew.members):
            numbers = tuple(self.held[member.address])
            self._crew.send(member, pack(Assign(numbers, rank, len(addresses))))
            self._holders.update(dict.fromkeys(numbers, member))
        self._placed = set(self._crew.members)
        self._bring_up_to_date()

    def call(
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

    def wait(self, call: int, member: Member) -> Answer | None:
        """Return the answer to one call, or None where the worker is lost."""
        while self._crew.hears(member):
            heard = self._crew.hear()
            if heard is not None and heard.message is not None and heard.message.call == call:
                value_of(heard.message)
                return heard.message
        return None

    def read_ahead(self, numbers: Sequence[int]) -> None:
        """Have the worker that is visited next read its partition meanwhile."""
        if numbers:
            self._crew.send(self._holders[numbers[0]], pack(Ahead(numbers[0])))

    def note_loss(self, member: Member, numbers: Sequence[int], missing: Sequence[int]) -> None:
        """Take note of the partition that was worked on by a worker that is lost.

        Raises TaskFailed where it has killed workers again and again, as some data kill any, or
        where it takes longer than workers live.
        """
        worked_on = next((number for number in numbers if number in missing), None)
        if worked_on is None:
            return
        if member.leaving:
            self._note_cut(worked_on, member)
        else:
            self._note_death(worked_on, member)

    def _note_cut(self, worked_on: int, member: Member) -> None:
        if member.cut_off_s is None:
            return
        cuts = self._cuts.setdefault(worked_on, [])
        cuts.append(member.cut_off_s)
        if outlives(cuts, self._checkpoint.worker_life_s):
            raise too_long(f"a step over partition {worked_on}", cuts)

    def _note_death(self, worked_on: int, member: Member) -> None:
        deaths = self._deaths.setdefault(worked_on, [])
        deaths.append(member.address)
        if len(deaths) <= MOST_DEATHS:
            return
        # Asked for late: what ended a job is known some seconds after its end.
        deaths[:] = [address for address in deaths if not self._checkpoint.is_blameless(address)]
        if len(deaths) > MOST_DEATHS:
            raise TaskFailed(
                f"the worker that worked on partition {worked_on} died, {len(deaths)} times",
                hint=_MORE_MEMORY,
            )

    def note_success(self) -> None:
        """Forget the losses: what killed workers has passed."""
        self._deaths, self._cuts = {}, {}

    def _bring_up_to_date(self) -> dict[Member, int]:
        """Give members that know another data set the one now; return the calls that do.

        What fails there fails again where the partition is needed.
        """
        calls = {}
        for member in self._crew.members:
            if member.partitions is not self.partitions:
                calls[member] = next(self._calls)
                self._crew.send(member, pack(Derive(calls[member], self.partitions)))
                member.partitions = self.partitions
        return calls


def value_of(answer: Answer) -> Any:
    """Return what an answer brings, or raise what it says."""
    if isinstance(answer.error, MemoryError):
        raise TaskFailed("a worker ran out of memory", hint=_MORE_MEMORY)
    if answer.error is not None:
        raise answer.error
    return answer.value
