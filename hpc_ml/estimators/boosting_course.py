"""How far the training of a booster is, and when it is done: pure."""

import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

Metrics = Mapping[str, float]

# Bounds how long a worker trains before it answers: what a stop or a lost worker costs, and how
# often progress is seen. With early stopping the rounds of one answer may be in vain.
_ANSWER_EVERY_S = 1.0
_ANSWER_EVERY_S_IF_STOPPING = 0.2


@dataclass(frozen=True)
class Schedule:
    """How many rounds there are, and after how many a state is kept.

    Parameters
    ----------
    n_rounds : int
        Rounds of boosting.
    segment_rounds : int
        Rounds of a segment: at its end the booster is kept, and random draws start anew from the
        seed and the segment's number.
    patience : int or None
        Early stopping: rounds without a better score after which training ends.
    truncates : bool
        Whether rounds that turn out to be in vain can be cut off again.
    """

    n_rounds: int
    segment_rounds: int
    patience: int | None = None
    truncates: bool = True

    def segment(self, round_number: int) -> int:
        """Return the number of the segment that a round belongs to."""
        return round_number // self.segment_rounds

    def segment_end(self, round_number: int) -> int:
        """Return the round before which the segment of a round ends."""
        return min(self.n_rounds, (self.segment(round_number) + 1) * self.segment_rounds)

    def rounds_at_once(self, round_number: int, round_s: float | None) -> int:
        """Return how many rounds to train before the next answer.

        `round_s` is what a round takes, where it is known.
        """
        left = self.segment_end(round_number) - round_number
        if self.patience is not None and not self.truncates:
            return 1
        if round_s is None:
            return min(left, 4)
        limit_s = _ANSWER_EVERY_S if self.patience is None else _ANSWER_EVERY_S_IF_STOPPING
        return max(1, min(left, math.floor(limit_s / max(round_s, 1e-6))))


@dataclass(frozen=True)
class Verdict:
    """The best round so far, and after how many rounds training stops, or None to go on."""

    best: int
    stop: int | None


def judge(scores: Sequence[float], patience: int, *, maximise: bool) -> Verdict:
    """Return what early stopping makes of the scores of all rounds so far.

    Only a score that is better than the best before it counts, as in both libraries.
    """
    best = 0
    for number, score in enumerate(scores):
        if number and (score > scores[best] if maximise else score < scores[best]):
            best = number
        elif number - best >= patience:
            return Verdict(best, number + 1)
    return Verdict(best, None)


@dataclass(frozen=True)
class Begun:
    """In which mode a training began, and by how many ranks; "" and 0 where it has not.

    Draws of rows, and what rounding decides, follow from the ranks: as many as there were workers
    at first, whoever is there later.
    """

    mode: str = ""
    ranks: int = 0


@dataclass
class Course:
    """The state of a training, from which it can go on in another process.

    Attributes
    ----------
    key
        Digest of data and parameters: the state of another training is not taken.
    rounds
        Rounds that are done; `model` holds their booster in the library's own format.
    history
        Value of each metric by round; nan where it was not measured.
    maximise
        Whether more is better, by metric.
    watched, best
        With early stopping, the metric that it follows and its best round; "" and None without.
    stopped
        Whether early stopping has ended the training.
    """

    key: str = ""
    rounds: int = 0
    history: dict[str, list[float]] = field(default_factory=dict)
    maximise: dict[str, bool] = field(default_factory=dict)
    watched: str = ""
    best: int | None = None
    stopped: bool = False
    model: bytes = b""

    def add(self, metrics: Metrics, maximise: Mapping[str, bool]) -> None:
        """Note one more round with its metrics."""
        for name in dict.fromkeys((*self.history, *metrics)):
            values = self.history.setdefault(name, [math.nan] * self.rounds)
            values.append(metrics.get(name, math.nan))
        self.maximise.update(maximise)
        self.rounds += 1

    def cut(self, rounds: int) -> None:
        """Forget all rounds after the first so many."""
        for values in self.history.values():
            del values[rounds:]
        self.rounds = rounds

    def dump(self) -> bytes:
        """Return the state as bytes without pickle."""
        facts = asdict(self)
        facts.pop("model")
        packed = io.BytesIO()
        np.savez(
            packed,
            facts=np.frombuffer(json.dumps(facts).encode(), np.uint8),
            model=np.frombuffer(self.model, np.uint8),
        )
        return packed.getvalue()

    @classmethod
    def load(cls, packed: bytes) -> "Course":
        """Return the state that `dump` gave."""
        with np.load(io.BytesIO(packed), allow_pickle=False) as parts:
            facts: dict[str, Any] = json.loads(parts["facts"].tobytes())
            return cls(**facts, model=parts["model"].tobytes())


def seed_of_segment(seed: int, segment: int) -> int:
    """Return the seed of a segment's random draws; that of the first is the job's own."""
    if segment == 0:
        return seed
    drawn = np.random.SeedSequence((seed, segment)).generate_state(1)[0]
    return int(drawn) & 0x7FFFFFFF
