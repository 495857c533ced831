"""Which worker trains which candidate in a round, and what a lost worker costs."""

from collections.abc import Sequence
from typing import Any

import pytest

from hpc_ml.errors import WorkersLost
from hpc_ml.estimators.collective import WorkerPlace
from hpc_ml.estimators.hyperband_rounds import Candidate, Rounds, Schedule, Turn
from hpc_ml.estimators.incremental_order import TrainingOrder

PARTITIONS = 12
ORDER = TrainingOrder(seed=0)


class Workers:
    """A collective whose workers count the calls of each candidate, and may be lost."""

    def __init__(self, holdings: Sequence[range], losses: int = 0) -> None:
        self.workers = [WorkerPlace("", "", tuple(numbers)) for numbers in holdings]
        self.losses = losses
        self.loads: list[list[int]] = []
        self.longest = 0

    def each(self, step: Any, states: Sequence[tuple[Schedule, list[Turn]]]) -> list[list[Turn]]:
        if self.losses:
            self.losses -= 1
            raise WorkersLost("a worker was lost")
        for (_, turns), worker in zip(states, self.workers, strict=True):
            for turn in turns:
                assert {number for number, _ in turn.visits} <= set(worker.numbers)
                turn.model = [*turn.model, *turn.visits]
                turn.done = len(turn.visits)
                self.longest = max(self.longest, turn.done)
        self.loads.append([sum(len(turn.visits) for turn in turns) for _, turns in states])
        return [turns for _, turns in states]


def make_candidates(count: int) -> list[Candidate]:
    return [
        Candidate(number, 0, {}, start=number * PARTITIONS // count, model=[])
        for number in range(count)
    ]


def train(workers: Workers, candidates: list[Candidate], calls: int) -> None:
    schedule = Schedule(ORDER, tuple(range(PARTITIONS)), None)
    rounds = Rounds(workers, schedule)  # type: ignore[arg-type]
    while wanted := [(one, calls) for one in candidates if one.calls < calls]:
        rounds.run(wanted)


@pytest.mark.parametrize(
    "holdings", [[range(12)], [range(6), range(6, 12)], [range(2), range(2, 4), range(4, 12)]]
)
def test_what_a_candidate_sees_does_not_depend_on_the_workers(holdings: list[range]) -> None:
    candidates = make_candidates(5)
    train(Workers(holdings), candidates, calls=17)
    for one in candidates:
        places = [divmod(one.start + call, PARTITIONS) for call in range(17)]
        expected = [(ORDER.partitions(PARTITIONS, epoch)[place], epoch) for epoch, place in places]
        assert one.model == expected


def test_a_round_gives_no_worker_much_more_than_another() -> None:
    workers = Workers([range(6), range(6, 12)])
    train(workers, make_candidates(24), calls=12)
    for loads in workers.loads:
        busy = [load for load in loads if load]
        assert max(busy) < min(busy) + workers.longest
    assert sum(sum(loads) for loads in workers.loads) == 24 * 12


def test_a_lost_worker_costs_a_round() -> None:
    candidates = make_candidates(3)
    train(Workers([range(12)], losses=2), candidates, calls=4)
    assert [len(one.model) for one in candidates] == [4, 4, 4]


def test_workers_that_are_lost_again_and_again_end_the_search() -> None:
    with pytest.raises(WorkersLost):
        train(Workers([range(12)], losses=5), make_candidates(3), calls=4)
