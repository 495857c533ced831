"""What the searches over incrementally trained models have in common."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import joblib
from sklearn.base import _fit_context, clone
from sklearn.model_selection import ParameterSampler
from sklearn.utils._param_validation import HasMethods, Interval

from hpc_ml.estimators.hyperband_brackets import Bracket
from hpc_ml.estimators.hyperband_contest import Contest
from hpc_ml.estimators.hyperband_results import make_results
from hpc_ml.estimators.hyperband_rounds import Candidate, Schedule
from hpc_ml.estimators.incremental_data import training_view
from hpc_ml.estimators.incremental_order import TrainingOrder, draw_seed
from hpc_ml.estimators.incremental_parts import (
    clone_seeded,
    fit_steps,
    join_pipeline,
    read_all,
    read_classes,
    split_pipeline,
)
from hpc_ml.estimators.incremental_responses import IncrementalBase
from hpc_ml.estimators.incremental_rows import check_training_rows, takes_texts
from hpc_ml.estimators.incremental_scores import choose_score
from hpc_ml.estimators.incremental_state import KeptState
from hpc_ml.estimators.incremental_steps import accepts
from hpc_ml.estimators.inputs import is_partitioned, opened

if TYPE_CHECKING:
    from hpc_ml.estimators.inputs import AnyCollective

_STATE = "hyperband"


class PartialFitSearch(IncrementalBase):
    """What the searches over `partial_fit` have in common."""

    _fitted_name = "best_estimator_"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit"])],
        "param_distributions": [dict, list],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "factor": [Interval(Integral, 2, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "scoring": [str, callable, None],
        "classes": ["array-like", None],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
    }

    param_distributions: Any
    max_iter: int
    factor: int
    validation_fraction: float
    scoring: Any
    classes: Any
    shuffle: bool
    random_state: Any

    def _brackets(self) -> Sequence[Bracket]:
        raise NotImplementedError

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "PartialFitSearch":
        """Search.

        Parameters
        ----------
        X : array, sparse matrix, DataFrame or Dask collection of n_samples rows, Partitions, or \
an open Collective
            The data; texts where the estimator takes them.
        y : of shape (n_samples,), default=None
            The target; not where partitions hold it.
        sample_weight : of shape (n_samples,), default=None
            Handed to `partial_fit` and to the scores.

        Returns
        -------
        self : object
            With the best estimator, trained as far as it was.

        Raises
        ------
        ValueError
            For parameters, data or an estimator that this cannot be done with, and where every
            candidate failed.
        HpcMlError
            When the cluster or the checkpoint ends the search.
        """
        if not is_partitioned(X):
            X, y, sample_weight = check_training_rows(self, X, y, sample_weight)
        with opened(X, y, sample_weight=sample_weight) as collective:
            self._search(collective)
        return self

    def _search(self, collective: "AnyCollective") -> None:
        estimator = clone_seeded(self.estimator, self.random_state)
        steps, last = split_pipeline(estimator)
        schedule = self._make_schedule(collective, last)
        self.order_ = schedule.order
        brackets = list(self._brackets())
        candidates = self._draw(brackets, estimator, last, schedule)
        steps = fit_steps(collective, steps)
        if steps:
            read_all(collective)
        with training_view(collective, steps):
            score = choose_score(last, self.scoring)
            digest = self._digest(collective, schedule, candidates)
            state = KeptState(collective.checkpoint, _STATE, digest)
            contest = Contest(collective, schedule, score, brackets, candidates, state)
            contest.restore()
            contest.run()
        self._note(contest, estimator, steps, collective)

    def _make_schedule(self, collective: "AnyCollective", last: Any) -> Schedule:
        order = TrainingOrder(
            draw_seed(self.random_state),
            self.shuffle,
            validation_fraction=self.validation_fraction,
        )
        order.check_holds_back(collective.rows)
        return Schedule(
            order=order,
            numbers=tuple(number for number, count in enumerate(collective.rows) if count),
            classes=read_classes(collective, self.classes) if accepts(last, "classes") else None,
        )

    def _draw(
        self, brackets: Sequence[Bracket], estimator: Any, last: Any, schedule: Schedule
    ) -> list[Candidate]:
        """Return the candidates of all brackets; each bracket draws its own."""
        prefix = _prefix(estimator, last)
        drawn: list[tuple[int, dict[str, Any]]] = []
        for bracket, rungs in enumerate(brackets):
            sampler = ParameterSampler(
                self.param_distributions,
                _at_most(self.param_distributions, rungs[0].candidates),
                random_state=(schedule.order.seed + bracket) % 2**32,
            )
            drawn += [(bracket, dict(parameters)) for parameters in sampler]
        return [
            Candidate(
                number=number,
                bracket=bracket,
                parameters=parameters,
                start=number * len(schedule.numbers) // len(drawn),
                model=clone(last).set_params(**_without(prefix, parameters)),
            )
            for number, (bracket, parameters) in enumerate(drawn)
        ]

    def _digest(
        self, collective: "AnyCollective", schedule: Schedule, candidates: Sequence[Candidate]
    ) -> str:
        """Return what tells this search from others.

        Distributions share NumPy's global random state, so that what they drew stands for them.
        """
        own = {**self.get_params(deep=True), "random_state": None, "param_distributions": None}
        drawn = [one.parameters for one in candidates]
        return str(joblib.hash((own, type(self).__name__, schedule.order, drawn, collective.rows)))

    def _note(
        self, contest: Contest, estimator: Any, steps: Sequence[Any], collective: "AnyCollective"
    ) -> None:
        best = contest.best
        self.failures_ = [
            {"candidate": one.number, "reason": one.failure}
            for one in contest.candidates
            if one.failure is not None
        ]
        if best is None:
            reason = self.failures_[0]["reason"] if self.failures_ else "no score is a number"
            raise ValueError(f"all candidates failed, the first with {reason}")
        self.cv_results_ = make_results(contest.candidates)
        self.history_ = contest.history
        self.best_index_ = best.number
        self.best_params_ = best.parameters
        self.best_score_ = best.score
        self.best_estimator_ = join_pipeline(estimator, steps, best.model)
        self.n_iter_ = best.calls
        self.n_splits_ = 1
        if hasattr(best.model, "classes_"):
            self.classes_ = best.model.classes_
        if not takes_texts(self.estimator):
            self.n_features_in_ = collective.n_features


def _prefix(estimator: Any, last: Any) -> str:
    """Return what stands before the names of the last step's parameters."""
    return "" if estimator is last else f"{estimator.steps[-1][0]}__"


def _without(prefix: str, parameters: dict[str, Any]) -> dict[str, Any]:
    for name in parameters:
        if not name.startswith(prefix):
            raise ValueError(
                f"{name!r} cannot be searched: only parameters of the last step can "
                f"({prefix}...), as the steps before it are shared by all candidates"
            )
    return {name.removeprefix(prefix): value for name, value in parameters.items()}


def _at_most(space: Any, wanted: int) -> int:
    """Return how many candidates there are, where all parameters are lists of values."""
    grids = [space] if isinstance(space, dict) else space
    count = 0
    for grid in grids:
        if any(hasattr(values, "rvs") for values in grid.values()):
            return wanted
        size = 1
        for values in grid.values():
            size *= len(values)
        count += size
    return min(wanted, count)
