"""A search that Optuna guides: each round of candidates is chosen by the scores of those before.

The sampler is Optuna's tree-structured Parzen estimator (Bergstra, Bardenet, Bengio, Kegl:
Algorithms for hyper-parameter optimization, NeurIPS 2011). Folds, fits, results and the
checkpoint are those of the other searches.
"""

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import joblib
import optuna
from sklearn.utils import check_random_state

from hpc_ml.estimators.evaluation import Evaluation
from hpc_ml.estimators.search import DistributedSearch
from hpc_ml.estimators.surroundings import current_checkpoint

_ROUNDS = 8
_STARTUP_TRIALS = 10
# Distributions without bounds are searched between these quantiles.
_QUANTILES = (0.001, 0.999)

Space = Mapping[str, Any]


class TPESearchCV(DistributedSearch):
    """Search by Optuna's TPE sampler, with the parameters of scikit-learn's RandomizedSearchCV.

    The candidates follow from `random_state`, `trials_at_once` and the scores alone, so that any
    number of workers gives the same search. A candidate that comes up again is not fitted again.

    Parameters
    ----------
    estimator : estimator
        As in RandomizedSearchCV, and so are scoring, refit, cv, verbose, error_score and
        return_train_score; with several metrics, `refit` must name the one that guides.
    param_distributions : dict or list of dict
        Lists of values, or frozen distributions of scipy.stats; uniform, loguniform and randint
        are searched between their bounds, others between their quantiles 0.001 and 0.999.
    n_iter : int, default=10
        How many candidates are tried. The first 10, or a third where that is less, are drawn at
        random.
    trials_at_once : int, default=None
        How many candidates are chosen before the next scores are looked at; None: an eighth of
        n_iter. More keep more workers busy, fewer learn more from each other.
    random_state : int, RandomState instance or None, default=None
        Decides what is drawn.
    """

    _judged_at_the_end = True

    def __init__(
        self,
        estimator: Any,
        param_distributions: Space | Sequence[Space],
        *,
        n_iter: int = 10,
        trials_at_once: int | None = None,
        scoring: Any = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        random_state: Any = None,
        error_score: Any = math.nan,
        return_train_score: bool = False,
    ) -> None:
        self.param_distributions = param_distributions
        self.n_iter = n_iter
        self.trials_at_once = trials_at_once
        self.random_state = random_state
        super().__init__(
            estimator=estimator,
            scoring=scoring,
            refit=refit,
            cv=cv,
            verbose=verbose,
            error_score=error_score,
            return_train_score=return_train_score,
        )

    def _run_search(self, evaluate_candidates: Evaluation, callback_ctx: Any = None) -> None:
        at_once = self.trials_at_once or math.ceil(self.n_iter / _ROUNDS)
        with _quiet():
            study = self._make_study()
            known: dict[str, float] = {}
            repeated = 0
            evaluate_candidates.expect(self.n_iter)
            for first in range(0, self.n_iter, at_once):
                trials = [study.ask() for _ in range(min(at_once, self.n_iter - first))]
                candidates = [_suggest(trial, self.param_distributions) for trial in trials]
                repeated += self._evaluate_new(evaluate_candidates, candidates, known)
                evaluate_candidates.expect(self.n_iter - repeated)
                for trial, candidate in zip(trials, candidates, strict=True):
                    _tell(study, trial, known[joblib.hash(candidate)])
                if not first:
                    self._tell_idle(at_once, evaluate_candidates.n_threads)

    def _tell_idle(self, at_once: int, threads: int) -> None:
        fits = at_once * self.n_splits_
        if threads > fits:
            current_checkpoint().tell(
                f"{threads} fits could run at once, and a round of {at_once} trials has {fits}: "
                f"trials_at_once={math.ceil(threads / self.n_splits_)} keeps all workers busy"
            )

    def _make_study(self) -> optuna.Study:
        # Of several spaces a trial has one's parameters alone, which have no common density.
        joint = isinstance(self.param_distributions, Mapping)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(
                n_startup_trials=min(_STARTUP_TRIALS, math.ceil(self.n_iter / 3)),
                multivariate=joint,
                constant_liar=True,
                seed=check_random_state(self.random_state).randint(2**31 - 1),
            )
        return optuna.create_study(direction="maximize", sampler=sampler)

    def _evaluate_new(
        self, evaluate: Evaluation, candidates: Sequence[Space], known: dict[str, float]
    ) -> int:
        """Fit candidates and note their scores; return how many have come up before."""
        new = {joblib.hash(one): one for one in candidates if joblib.hash(one) not in known}
        if new:
            results = evaluate(list(new.values()))
            scores = results[self._guiding_column(results)][-len(new) :]
            known.update(zip(new, map(float, scores), strict=True))
        return len(candidates) - len(new)

    def _guiding_column(self, results: Mapping[str, Any]) -> str:
        if "mean_test_score" in results:
            return "mean_test_score"
        if not isinstance(self.refit, str) or f"mean_test_{self.refit}" not in results:
            raise ValueError("with several metrics, refit must name the one that guides the search")
        return f"mean_test_{self.refit}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from telling of each trial; the run does."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _suggest(trial: optuna.Trial, spaces: Space | Sequence[Space]) -> dict[str, Any]:
    """Return the parameters of a trial; of several spaces it takes one first."""
    if isinstance(spaces, Mapping):
        return {name: _suggest_value(trial, name, spaces[name]) for name in spaces}
    number = trial.suggest_categorical("space", range(len(spaces)))
    space = spaces[number]
    return {name: _suggest_value(trial, f"{number}/{name}", space[name]) for name in space}


def _suggest_value(trial: optuna.Trial, name: str, values: Any) -> Any:
    if not hasattr(values, "ppf"):
        # By number: Optuna takes plain values only, and these may be anything.
        return values[trial.suggest_categorical(name, range(len(values)))]
    low, high = values.support()
    match values.dist.name:
        case "randint":
            return trial.suggest_int(name, int(low), int(high))
        case "uniform":
            return trial.suggest_float(name, float(low), float(high))
        case "loguniform" | "reciprocal":
            return trial.suggest_float(name, float(low), float(high), log=True)
    return float(values.ppf(trial.suggest_float(name, *_QUANTILES)))


def _tell(study: optuna.Study, trial: optuna.Trial, score: float) -> None:
    if math.isfinite(score):
        study.tell(trial, score)
    else:
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
