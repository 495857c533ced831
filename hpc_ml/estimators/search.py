"""scikit-learn's parameter searches on a Dask cluster, with the same results to the letter.

Everything that is said of `sklearn.model_selection.GridSearchCV` and the others holds here: same
parameters, `cv_results_`, `best_*` attributes, errors and warnings. What differs: the fits run on
the workers of `hpc_ml.estimators.surroundings` or of Dask's current client, `n_jobs` and
`pre_dispatch` have no effect, `failures_` lists why fits failed, and callbacks are refused.
"""

import pickle
from collections.abc import Mapping
from typing import Any

from sklearn.base import _fit_context, clone, is_classifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.model_selection import GridSearchCV as SklearnGridSearchCV
from sklearn.model_selection import HalvingGridSearchCV as SklearnHalvingGridSearchCV
from sklearn.model_selection import HalvingRandomSearchCV as SklearnHalvingRandomSearchCV
from sklearn.model_selection import RandomizedSearchCV as SklearnRandomizedSearchCV
from sklearn.model_selection import check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import indexable
from sklearn.utils.validation import _check_method_params

from hpc_ml.estimators.engine import Engine
from hpc_ml.estimators.evaluation import Evaluation
from hpc_ml.estimators.inputs import compute_dask
from hpc_ml.estimators.outcomes import report_warnings
from hpc_ml.estimators.recipe import Recipe, pack
from hpc_ml.estimators.resident import Resident
from hpc_ml.estimators.surroundings import current_checkpoint, current_client
from hpc_ml.estimators.worker_data import stand_in


class DistributedSearch(BaseSearchCV):
    """The `fit` that scikit-learn's searches inherit, with Dask in the place of joblib."""

    # Whether all fits of one iteration may fail, as long as some of another do not.
    _judged_at_the_end = False

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, **params: Any) -> "DistributedSearch":
        """Run fit with all sets of parameters.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list or WorkerData, of n_samples rows
            Training data, or how the workers read them. A Dask collection is computed first: the
            folds are cut from all rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Target; needed here also where the workers read X.
        **params : dict of str -> object
            For the estimator's `fit`, the scorer and the splitter, as in scikit-learn.

        Returns
        -------
        self : object
            The fitted search.

        Raises
        ------
        ValueError
            Where scikit-learn does, and when no Dask client is there.
        HpcMlError
            When the cluster or the checkpoint ends the search.
        """
        if getattr(self, "_skl_callbacks", None):
            raise ValueError("callbacks cannot follow fits to the workers: use set_callbacks()")
        scorers, refit_metric = self._get_scorers()
        X, y = indexable(*_rows_of(X, y))
        params = _check_method_params(X, params=params)
        routed = self._get_routed_params_for_fit(params)
        self._check_splits(X, y, routed.splitter.split)
        recipe = self._make_recipe(scorers, routed)
        _tell_of_threads(recipe)
        resident = Resident(X, y, pack(recipe, "the estimator"))
        self.failures_: list[dict[str, Any]] = []
        with Engine(current_client(), current_checkpoint(), resident) as engine:
            evaluation = Evaluation(
                self, engine, recipe, lambda cv: cv.split(X, y, **routed.splitter.split)
            )
            self._search(evaluation)
            if self._judged_at_the_end:
                evaluation.judge_failures()
            self._select(evaluation, refit_metric)
            if self.refit:
                self._refit(engine, evaluation)
        report_warnings(evaluation.records, current_checkpoint().tell)
        self.scorer_ = scorers._scorers if isinstance(scorers, _MultimetricScorer) else scorers
        self.cv_results_ = evaluation.results
        return self

    def _check_splits(self, X: Any, y: Any, split_params: Mapping[str, Any]) -> None:
        self._checked_cv_orig = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        self._check_input_parameters(X=X, y=y, split_params=split_params)
        self.n_splits_ = self._checked_cv_orig.get_n_splits(X, y, **split_params)

    def _check_input_parameters(self, X: Any, y: Any, split_params: Mapping[str, Any]) -> None:
        """Check nothing; halving has more to say. scikit-learn 1.8 has no such default."""

    def _make_recipe(self, scorers: Any, routed: Any) -> Recipe:
        return Recipe(
            estimator=clone(self.estimator),
            scorer=scorers,
            fit_params=routed.estimator.fit,
            score_params=routed.scorer.score,
            return_train_score=self.return_train_score,
            error_score=self.error_score,
            verbose=self.verbose,
        )

    def _search(self, evaluation: Evaluation) -> None:
        if hasattr(self, "_init_callback_context"):
            # scikit-learn 1.9 wants a context even where there are no callbacks.
            context = self._init_callback_context(max_subtasks=1)
            self._run_search(evaluation, callback_ctx=context)
        else:
            self._run_search(evaluation)

    def _select(self, evaluation: Evaluation, refit_metric: str) -> None:
        results, first = evaluation.results, evaluation.outcomes[0]["test_scores"]
        self.multimetric_ = isinstance(first, dict)
        if callable(self.scoring) and self.multimetric_:
            self._check_refit_for_multimetric(first)
            refit_metric = self.refit
        if self.refit or not self.multimetric_:
            self.best_index_ = self._select_best_index(self.refit, refit_metric, results)
            if not callable(self.refit):
                self.best_score_ = results[f"mean_test_{refit_metric}"][self.best_index_]
            self.best_params_ = results["params"][self.best_index_]

    def _refit(self, engine: Engine, evaluation: Evaluation) -> None:
        packed, self.refit_time_, heard = engine.refit(self.best_params_)
        self.best_estimator_ = pickle.loads(packed)
        evaluation.records.append({"warnings": heard})
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_


def _tell_of_threads(recipe: Recipe) -> None:
    asked = {name: value for name, value in recipe.thread_parameters.items() if value is not None}
    if asked:
        words = ", ".join(f"{name}={value}" for name, value in asked.items())
        current_checkpoint().tell(
            f"{words} has no effect: each thread of a worker fits one model, with one thread"
        )


class GridSearchCV(SklearnGridSearchCV, DistributedSearch):
    """Exhaustive search over parameter values; see `sklearn.model_selection.GridSearchCV`."""


class RandomizedSearchCV(SklearnRandomizedSearchCV, DistributedSearch):
    """Search over drawn parameters; see `sklearn.model_selection.RandomizedSearchCV`."""


class HalvingGridSearchCV(SklearnHalvingGridSearchCV, DistributedSearch):
    """Search by successive halving; see `sklearn.model_selection.HalvingGridSearchCV`."""

    def fit(self, X: Any, y: Any = None, **params: Any) -> "HalvingGridSearchCV":
        """Run fit with all sets of parameters; see `DistributedSearch.fit`."""
        return super().fit(*_rows_of(X, y), **params)


class HalvingRandomSearchCV(SklearnHalvingRandomSearchCV, DistributedSearch):
    """Successive halving of drawn parameters; see `sklearn.model_selection`."""

    def fit(self, X: Any, y: Any = None, **params: Any) -> "HalvingRandomSearchCV":
        """Run fit with all sets of parameters; see `DistributedSearch.fit`."""
        return super().fit(*_rows_of(X, y), **params)


def _rows_of(X: Any, y: Any) -> tuple[Any, Any]:
    """Return X and y as scikit-learn's searches take them."""
    X, y = compute_dask(X, y)
    return stand_in(X), y
