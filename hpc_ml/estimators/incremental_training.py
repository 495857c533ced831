"""The training of one model, epoch after epoch, by visits to the workers that hold the data."""

import copy
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hpc_ml.estimators.incremental_order import TrainingOrder
from hpc_ml.estimators.incremental_scores import Score, ScoreRequest, score_models
from hpc_ml.estimators.incremental_state import KeptState
from hpc_ml.estimators.incremental_steps import Journey, train

if TYPE_CHECKING:
    from hpc_ml.estimators.inputs import AnyCollective

# Long enough that what ends a stretch costs nothing, short enough that little is lost.
_STRETCH_S = 2.0
_FIRST_STRETCH = 4
_LONGER = 4


@dataclass(frozen=True)
class Stopping:
    """When a training ends before its last epoch, and which model it gives then.

    Parameters
    ----------
    early : bool
        Whether it may.
    patience : int
        Epochs in a row without a better score that end it.
    tol : float
        By how much a score must be better to count.
    """

    early: bool
    patience: int
    tol: float


@dataclass
class Progress:
    """Where a training is; what is not a model is JSON.

    `position` counts the partitions of the epoch that are done, `stale` the epochs in a row
    without a better score.
    """

    epoch: int = 0
    position: int = 0
    calls: int = 0
    samples: int = 0
    train_s: float = 0.0
    stale: int = 0
    best_score: float | None = None
    best_epoch: int | None = None
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Training:
    """A training under way.

    Parameters
    ----------
    collective : Collective
        Over `TrainingPartitions`.
    model : estimator
        With `partial_fit`; replaced by the trained one.
    order : TrainingOrder
        Which rows come when.
    epochs : int
        Passes over the data, at most.
    classes : ndarray or None
        All labels, where the estimator asks for them.
    score : Score or None
        How the model is scored after each epoch.
    score_train : bool
        Whether the rows that are trained on are scored too.
    stopping : Stopping
        What an early stop asks for.
    state : KeptState
        Where the state is kept.
    before : sequence of transformers
        The steps before the model, kept with it.
    """

    collective: "AnyCollective"
    model: Any
    order: TrainingOrder
    epochs: int
    classes: np.ndarray | None
    score: Score | None
    score_train: bool
    stopping: Stopping
    state: KeptState
    before: Sequence[Any] = ()
    best: Any = None
    progress: Progress = field(default_factory=Progress)
    _stretch: int = _FIRST_STRETCH

    def run(self) -> None:
        """Train to the end."""
        progress = self.progress
        while progress.epoch < self.epochs and not self._is_over():
            self._run_epoch()
            self._judge()
            progress.epoch, progress.position = progress.epoch + 1, 0
            self._keep()

    def _is_over(self) -> bool:
        return self.stopping.early and self.progress.stale >= self.stopping.patience

    def _run_epoch(self) -> None:
        """Visit the partitions of an epoch that are left, in stretches of a few seconds."""
        progress = self.progress
        numbers = self.order.partitions(self.collective.n_partitions, progress.epoch)
        while progress.position < len(numbers):
            stretch = numbers[progress.position : progress.position + self._stretch]
            took_s = self._visit(stretch)
            progress.position += len(stretch)
            self._report(len(numbers))
            if progress.position < len(numbers):
                self._keep()
            due = int(_STRETCH_S * len(stretch) / max(took_s, 1e-9))
            self._stretch = max(1, min(due, _LONGER * self._stretch))

    def _visit(self, numbers: Sequence[int]) -> float:
        self.collective.checkpoint.check()
        progress, start_s = self.progress, time.perf_counter()
        journey = Journey(
            self.model, self.order, progress.epoch, self.classes, progress.calls, progress.samples
        )
        journey = self.collective.visit(train, journey, numbers)
        took_s = time.perf_counter() - start_s
        self.model = journey.model
        progress.calls, progress.samples = journey.calls, journey.samples
        progress.train_s += took_s
        return took_s

    def _report(self, count: int) -> None:
        done = self.progress.epoch * count + self.progress.position
        self.collective.checkpoint.progress(done, self.epochs * count, "partitions")

    def _judge(self) -> None:
        """Score the model of a finished epoch, and note it in the history."""
        progress = self.progress
        entry: dict[str, Any] = {
            "epoch": progress.epoch + 1,
            "partial_fit_calls": progress.calls,
            "samples": progress.samples,
        }
        if self.score_train:
            entry["train_score"] = self._measure(held_back=False)
        if self.order.validation_fraction > 0:
            entry["validation_score"] = self._measure(held_back=True)
            self._compare(entry["validation_score"])
        entry["train_s"] = progress.train_s
        progress.history.append(entry)

    def _measure(self, *, held_back: bool) -> float:
        assert self.score is not None
        request = ScoreRequest([self.model], self.score, self.order, held_back)
        return score_models(self.collective, request)[0]

    def _compare(self, score: float) -> None:
        """Count the epochs without a better score, and remember the best one.

        As scikit-learn counts them: what is better by less than `tol` is the best so far, and
        still counts as no better.
        """
        progress, best = self.progress, self.progress.best_score
        if math.isnan(score):
            progress.stale += 1
            return
        improved = best is None or score >= best + self.stopping.tol
        progress.stale = 0 if improved else progress.stale + 1
        if best is None or score > best:
            progress.best_score, progress.best_epoch = score, progress.epoch + 1
            if self.stopping.early:
                self.best = copy.deepcopy(self.model)

    @property
    def chosen(self) -> Any:
        """The model of the best epoch where an early stop asks for it, else the last."""
        return self.best if self.best is not None else self.model

    def restore(self) -> bool:
        """Go on where the checkpoint says that this training was; return whether it says so."""
        found = self.state.read([self.model, *self.before])
        if found is None:
            return False
        facts, models = found
        self.progress = Progress(**facts)
        self.model, self.best = models["model"], models.get("best")
        self.before = [models[f"before{number}"] for number in range(len(self.before))]
        return True

    def _keep(self) -> None:
        # In this process the model is trained in place; from a worker comes a new one.
        model = self.model if self.collective.client is not None else copy.deepcopy(self.model)
        models: Mapping[str, Any] = {
            "model": model,
            **({} if self.best is None else {"best": self.best}),
            **{f"before{number}": step for number, step in enumerate(self.before)},
        }
        self.state.keep(asdict(self.progress), models)
