"""Many models trained at once: each goes from worker to worker, and no data move.

In a round every worker trains the models that need its partitions next, for as long as they need
no others. Which partitions a model sees in which order follows from the seed and its number, so
that the rounds, which differ from one set of workers to another, change nothing in it.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hpc_ml.errors import WorkersLost
from hpc_ml.estimators.incremental_order import TrainingOrder
from hpc_ml.estimators.incremental_steps import Journey, train

if TYPE_CHECKING:
    from hpc_ml.estimators.holder import Holder
    from hpc_ml.estimators.inputs import AnyCollective

_MOST_LOSSES = 5

Visit = tuple[int, int]


@dataclass
class Candidate:
    """A set of parameters and the model that is trained with it.

    Parameters
    ----------
    number : int
        Its row in `cv_results_`.
    bracket : int
        The bracket that it is in.
    parameters : dict
        What is searched.
    start : int
        The place in an epoch's order of partitions at which it begins.
    model : estimator or None
        As far as it is trained; None once it is given up.
    calls : int
        Partitions it has been trained on, each by one call of `partial_fit`.
    fit_s, score_s : float
        Seconds that these and its scores have taken.
    score : float
        The last one.
    failure : str or None
        Why it could not be trained.
    """

    number: int
    bracket: int
    parameters: dict[str, Any]
    start: int
    model: Any
    calls: int = 0
    fit_s: float = 0.0
    score_s: float = 0.0
    score: float = float("nan")
    failure: str | None = None


@dataclass(frozen=True)
class Schedule:
    """Which partition each call of a candidate is given.

    Parameters
    ----------
    order : TrainingOrder
        Of all candidates; each begins at another place of it.
    numbers : tuple of int
        The partitions that have rows.
    classes : ndarray or None
        All labels, where the estimator asks for them.
    """

    order: TrainingOrder
    numbers: tuple[int, ...]
    classes: np.ndarray | None

    def visit(self, start: int, call: int) -> Visit:
        """Return partition and epoch of a call of a candidate that began at `start`."""
        epoch, place = divmod(start + call, len(self.numbers))
        return self.numbers[self.order.partitions(len(self.numbers), epoch)[place]], epoch


@dataclass
class Turn:
    """What one worker does for one candidate in a round, and what comes of it."""

    candidate: int
    model: Any
    visits: list[Visit]
    done: int = 0
    fit_s: float = 0.0
    failure: str | None = None

    @property
    def next(self) -> int | None:
        """The partition that it needs now, None where it is through or has failed."""
        over = self.failure is not None or self.done == len(self.visits)
        return None if over else self.visits[self.done][0]


def take_turns(holder: "Holder", state: tuple[Schedule, list[Turn]]) -> list[Turn]:
    """Train models on partitions of one worker, reading each for as many of them as need it."""
    schedule, turns = state
    while wanted := Counter(turn.next for turn in turns if turn.next is not None):
        [(number, _)] = wanted.most_common(1)
        block = holder.load(number)
        for turn in turns:
            if turn.next == number:
                _train_one(block, turn, schedule)
    return turns


def _train_one(block: Any, turn: Turn, schedule: Schedule) -> None:
    start_s = time.perf_counter()
    epoch = turn.visits[turn.done][1]
    try:
        train(block, Journey(turn.model, schedule.order, epoch, schedule.classes), {})
    except Exception as error:
        # One candidate's parameters may be impossible; the others go on.
        turn.failure = " ".join(f"{type(error).__name__}: {error}".split())
    turn.fit_s += time.perf_counter() - start_s
    turn.done += 1


class Rounds:
    """Trains candidates, round after round."""

    def __init__(self, collective: "AnyCollective", schedule: Schedule) -> None:
        self._collective = collective
        self._schedule = schedule

    def run(self, wanted: Sequence[tuple[Candidate, int]]) -> None:
        """Take candidates nearer to the calls that are wanted of each, by one round.

        Raises WorkersLost where workers are lost again and again.
        """
        for attempt in range(_MOST_LOSSES):
            turns = self._plan(wanted)
            try:
                states = [(self._schedule, own) for own in turns]
                answers = self._collective.each(take_turns, states)
                break
            except WorkersLost:
                if attempt + 1 == _MOST_LOSSES:
                    raise
        by_number = {candidate.number: candidate for candidate, _ in wanted}
        for turn in (turn for answer in answers for turn in answer):
            candidate = by_number[turn.candidate]
            candidate.model, candidate.failure = turn.model, turn.failure
            candidate.calls += turn.done
            candidate.fit_s += turn.fit_s
            if turn.failure is not None:
                candidate.score = float("nan")

    def _plan(self, wanted: Sequence[tuple[Candidate, int]]) -> list[list[Turn]]:
        """Return the turns of each worker.

        No worker gets much more than the one that has least: those left over come in the next
        round, which else would begin late for all. Who has furthest to go comes first.
        """
        workers = self._collective.workers
        holder_of = {
            number: rank for rank, worker in enumerate(workers) for number in worker.numbers
        }
        turns: list[list[Turn]] = [[] for _ in workers]
        for candidate, calls in sorted(wanted, key=lambda pair: pair[0].calls - pair[1]):
            rank, turn = self._next_turn(candidate, calls, holder_of)
            turns[rank].append(turn)
        loads = [sum(len(turn.visits) for turn in own) for own in turns]
        limit = min(load for load in loads if load)
        return [_up_to(limit, own) for own in turns]

    def _next_turn(
        self, candidate: Candidate, calls: int, holder_of: dict[int, int]
    ) -> tuple[int, Turn]:
        visits: list[Visit] = []
        for call in range(candidate.calls, calls):
            visit = self._schedule.visit(candidate.start, call)
            if visits and holder_of[visit[0]] != holder_of[visits[0][0]]:
                break
            visits.append(visit)
        return holder_of[visits[0][0]], Turn(candidate.number, candidate.model, visits)


def _up_to(limit: int, turns: Sequence[Turn]) -> list[Turn]:
    taken: list[Turn] = []
    load = 0
    for turn in turns:
        if load >= limit:
            break
        taken.append(turn)
        load += len(turn.visits)
    return taken
