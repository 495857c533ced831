"""Searches that train many models little and few models long, on data in partitions."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval

from hpc_ml.estimators.hyperband_brackets import Bracket, halving_bracket, hyperband_brackets
from hpc_ml.estimators.hyperband_search import PartialFitSearch


class HyperbandSearchCV(PartialFitSearch):
    """Search by Hyperband over models that are trained by `partial_fit`.

    Several brackets of successive halving, from many candidates that begin with few calls to few
    with many, train side by side: every worker trains, at each moment, those whose next partition
    it holds. Which are drawn, what each sees and how it scores follows from `random_state`
    alone, on any number of workers.

    Parameters
    ----------
    estimator : estimator
        With `partial_fit`; or a pipeline whose last step has it, see `Incremental`.
    param_distributions : dict, or list of dict
        Lists or distributions of the last step's parameters.
    max_iter : int, default=81
        Calls of `partial_fit`, each on one partition, that the best candidates get.
    factor : int, default=3
        One of this many candidates goes on from one rung to the next.
    validation_fraction : float, default=0.2
        Share of each partition's rows that is held back, by which candidates are scored.
    scoring : str or scorer, default=None
        What is scored; None is the estimator's own `score`.
    classes : array-like of shape (n_classes,), default=None
        All labels. None finds them by a pass over the data.
    shuffle : bool, default=True
        Whether each epoch takes the partitions in another order.
    random_state : int, RandomState instance or None, default=None
        Decides everything that is left to chance.

    Attributes
    ----------
    cv_results_ : dict
        As of scikit-learn's searches with one split, and `bracket` and `partial_fit_calls`.
    history_ : list of dict
        The score of each candidate after each rung.
    best_estimator_, best_params_, best_score_, best_index_
        The candidate with the highest last score; its model is trained as far as it went, on the
        rows that are not held back.
    n_iter_ : int
        Calls of `partial_fit` that its model has had.
    failures_ : list of dict
        Candidates whose training raised, with the reason.

    References
    ----------
    L. Li et al., Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization,
    JMLR 18 (2018).
    """

    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        max_iter: int = 81,
        factor: int = 3,
        validation_fraction: float = 0.2,
        scoring: Any = None,
        classes: Any = None,
        shuffle: bool = True,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.param_distributions = param_distributions
        self.max_iter = max_iter
        self.factor = factor
        self.validation_fraction = validation_fraction
        self.scoring = scoring
        self.classes = classes
        self.shuffle = shuffle
        self.random_state = random_state

    def _brackets(self) -> Sequence[Bracket]:
        return hyperband_brackets(self.max_iter, self.factor)


class SuccessiveHalvingSearchCV(PartialFitSearch):
    """Search by successive halving over models that are trained by `partial_fit`.

    One bracket: `n_candidates` get `min_iter` calls each, one of `factor` goes on with `factor`
    times as many, until one is left or has had `max_iter`. All else as in `HyperbandSearchCV`.

    Parameters
    ----------
    n_candidates : int, default=27
        How many are drawn.
    min_iter : int, default=1
        Calls of `partial_fit` in the first rung.
    max_iter : int, default=81
        The most calls of one candidate.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **PartialFitSearch._parameter_constraints,
        "n_candidates": [Interval(Integral, 1, None, closed="left")],
        "min_iter": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        n_candidates: int = 27,
        min_iter: int = 1,
        max_iter: int = 81,
        factor: int = 3,
        validation_fraction: float = 0.2,
        scoring: Any = None,
        classes: Any = None,
        shuffle: bool = True,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.param_distributions = param_distributions
        self.n_candidates = n_candidates
        self.min_iter = min_iter
        self.max_iter = max_iter
        self.factor = factor
        self.validation_fraction = validation_fraction
        self.scoring = scoring
        self.classes = classes
        self.shuffle = shuffle
        self.random_state = random_state

    def _brackets(self) -> Sequence[Bracket]:
        return [halving_bracket(self.n_candidates, self.min_iter, self.max_iter, self.factor)]
