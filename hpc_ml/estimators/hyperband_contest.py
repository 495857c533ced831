"""The rungs of all brackets: candidates are trained, scored, and the best of them go on."""

import copy
import math
import pickle
import time
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from hpc_ml.estimators.hyperband_brackets import Bracket
from hpc_ml.estimators.hyperband_rounds import Candidate, Rounds, Schedule
from hpc_ml.estimators.incremental_scores import Score, ScoreRequest, score_models
from hpc_ml.estimators.incremental_state import KeptState

if TYPE_CHECKING:
    from hpc_ml.estimators.inputs import AnyCollective

# Models that go to the workers at once to be scored.
_MESSAGE_BYTES = 64 * 2**20
_KEPT = ("calls", "fit_s", "score_s", "score", "failure")


class Contest:
    """A search under way; all brackets go on at the same time.

    Parameters
    ----------
    collective : Collective
        Over `TrainingPartitions`.
    schedule : Schedule
        Which partitions candidates see.
    score : Score
        How they are scored, on the rows that are held back.
    brackets : sequence of Bracket
        Their rungs.
    candidates : sequence of Candidate
        Untrained, numbered 0, 1, 2 ..
    state : KeptState
        Where the state is kept.
    """

    def __init__(
        self,
        collective: "AnyCollective",
        schedule: Schedule,
        score: Score,
        brackets: Sequence[Bracket],
        candidates: Sequence[Candidate],
        state: KeptState,
    ) -> None:
        self.candidates = list(candidates)
        self._history: list[dict[str, Any]] = []
        self._collective = collective
        self._rounds = Rounds(collective, schedule)
        self._schedule = schedule
        self._score = score
        self._brackets = brackets
        self._rungs = [0] * len(brackets)
        self._within = [
            [one.number for one in candidates if one.bracket == bracket]
            for bracket in range(len(brackets))
        ]
        self._state = state
        self._total = self._count_calls()

    def run(self) -> None:
        """Train, score and promote until every bracket is through its rungs."""
        while wanted := self._wanted():
            self._collective.checkpoint.check()
            self._rounds.run(wanted)
            self._judge()
            done = sum(candidate.calls for candidate in self.candidates)
            self._collective.checkpoint.progress(done, max(done, self._total), "calls")
            self._keep()

    @property
    def history(self) -> list[dict[str, Any]]:
        """The scores after each rung, in an order that no set of workers changes."""
        return sorted(self._history, key=itemgetter("bracket", "rung", "candidate"))

    @property
    def best(self) -> Candidate | None:
        """The candidate with the highest last score, None where all failed."""
        scored = [one for one in self.candidates if not math.isnan(one.score)]
        return max(scored, key=_rank) if scored else None

    def _wanted(self) -> list[tuple[Candidate, int]]:
        """Return the candidates with calls to come in their rung, and how many in all."""
        return [
            (self.candidates[number], rungs[place].calls)
            for rungs, place, within in self._under_way()
            for number in within
            if self._lacks_calls(number, rungs[place].calls)
        ]

    def _under_way(self) -> list[tuple[Bracket, int, list[int]]]:
        return [
            (rungs, place, within)
            for rungs, place, within in zip(self._brackets, self._rungs, self._within, strict=True)
            if place < len(rungs)
        ]

    def _lacks_calls(self, number: int, calls: int) -> bool:
        candidate = self.candidates[number]
        return candidate.failure is None and candidate.calls < calls

    def _judge(self) -> None:
        """Score the rungs that are through, and let the best of each go on."""
        for bracket, rungs in enumerate(self._brackets):
            while (place := self._rungs[bracket]) < len(rungs):
                if any(self._lacks_calls(one, rungs[place].calls) for one in self._within[bracket]):
                    break
                self._finish_rung(bracket, place)

    def _finish_rung(self, bracket: int, place: int) -> None:
        within = [self.candidates[number] for number in self._within[bracket]]
        self._score_all([one for one in within if one.failure is None])
        for one in within:
            self._history.append(
                {
                    "candidate": one.number,
                    "bracket": bracket,
                    "rung": place,
                    "partial_fit_calls": one.calls,
                    "score": one.score,
                }
            )
        rungs = self._brackets[bracket]
        room = rungs[place + 1].candidates if place + 1 < len(rungs) else 0
        promoted = sorted((one for one in within if one.failure is None), key=_rank, reverse=True)
        self._within[bracket] = sorted(one.number for one in promoted[:room])
        self._rungs[bracket] = place + 1
        self._let_go()

    def _let_go(self) -> None:
        """Forget the models of those that are out, but the best of them."""
        within = {number for *_, numbers in self._under_way() for number in numbers}
        out = [one for one in self.candidates if one.calls and one.number not in within]
        best = max(out, key=_rank, default=None)
        for one in out:
            if one is not best:
                one.model = None

    def _score_all(self, candidates: Sequence[Candidate]) -> None:
        if not candidates:
            return
        size_bytes = len(pickle.dumps(candidates[0].model))
        together = max(1, _MESSAGE_BYTES // max(1, size_bytes))
        for first in range(0, len(candidates), together):
            group = candidates[first : first + together]
            start_s = time.perf_counter()
            models = [one.model for one in group]
            request = ScoreRequest(
                models, self._score, self._schedule.order, held_back=True, forgiving=True
            )
            scores = score_models(self._collective, request)
            took_s = time.perf_counter() - start_s
            for one, score in zip(group, scores, strict=True):
                one.score = score
                one.score_s += took_s / len(group)

    def _count_calls(self) -> int:
        total = 0
        for rungs, within in zip(self._brackets, self._within, strict=True):
            before = 0
            for rung in rungs:
                total += min(rung.candidates, len(within)) * (rung.calls - before)
                before = rung.calls
        return total

    def restore(self) -> None:
        """Go on where the checkpoint says that this search was."""
        found = self._state.read(self.candidates[0].model)
        if found is None:
            return
        facts, models = found
        self._rungs, self._within = facts["rungs"], facts["within"]
        self._history = facts["history"]
        for one, kept in zip(self.candidates, facts["candidates"], strict=True):
            for key, value in zip(_KEPT, kept, strict=True):
                setattr(one, key, value)
            if one.calls:
                one.model = models.get(f"model{one.number}")

    def _keep(self) -> None:
        facts = {
            "rungs": list(self._rungs),
            "within": [list(numbers) for numbers in self._within],
            "history": list(self._history),
            "candidates": [[getattr(one, key) for key in _KEPT] for one in self.candidates],
        }
        models: Mapping[str, Any] = {
            f"model{one.number}": one.model
            for one in self.candidates
            if one.calls and one.model is not None
        }
        if self._collective.client is None:  # here models are trained in place
            models = copy.deepcopy(models)
        self._state.keep(facts, models)


def _rank(candidate: Candidate) -> tuple[float, int]:
    """Higher scores first, then earlier candidates; no score comes last."""
    score = -math.inf if math.isnan(candidate.score) else candidate.score
    return score, -candidate.number
