"""Training by `partial_fit` on data in partitions: the model travels to the data."""

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import joblib
from sklearn.base import _fit_context
from sklearn.utils._param_validation import HasMethods, Interval

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
from hpc_ml.estimators.incremental_training import Stopping, Training
from hpc_ml.estimators.inputs import is_partitioned, opened

if TYPE_CHECKING:
    from hpc_ml.estimators.inputs import AnyCollective

_STATE = "incremental"
_VALIDATION_FRACTION = 0.1


class Incremental(IncrementalBase):
    """Trains any scikit-learn estimator that has `partial_fit` on data of any size.

    The data lie in partitions on the workers. The model goes from one to the next and is trained
    where they lie, so that only the model travels. Which rows it sees in which order follows from
    `random_state` alone; the result is that of the same calls of `partial_fit` in one process
    (`partial_fit_calls`), to the last bit, on any number of workers.

    Parameters
    ----------
    estimator : estimator
        With `partial_fit`; or a pipeline whose last step has it. Steps before the last need no
        fit, such as HashingVectorizer, or have `partial_fit` too, such as StandardScaler: these
        are fitted first, each by a pass over the data. Steps that are not trained run on all
        workers at once.
    epochs : int, default=1
        Passes over the data.
    shuffle : bool, default=True
        Whether each epoch takes the partitions, and the rows that are cut into batches, in
        another order. Partitions come in shuffled runs of neighbours, as these lie on one worker.
    batch_size : int, default=None
        Rows of one call of `partial_fit`. None gives it a whole partition, in whose rows
        estimators such as SGDClassifier make an order of their own.
    classes : array-like of shape (n_classes,), default=None
        All labels. None finds them by a pass over the data.
    early_stopping : bool, default=False
        Whether to end when the validation score no longer gets better, and to keep the model of
        the best epoch.
    validation_fraction : float, default=None
        Share of each partition's rows that is held back and scored after each epoch. None holds
        0.1 back with `early_stopping` and nothing without.
    n_iter_no_change : int, default=5
        Epochs without a better score that end an early-stopping fit.
    tol : float, default=1e-4
        By how much a score must be better to count.
    scoring : str or scorer, default=None
        What is scored; None is the estimator's own `score`.
    return_train_score : bool, default=False
        Whether the rows that are trained on are scored after each epoch too.
    random_state : int, RandomState instance or None, default=None
        Decides the order and the rows held back, and fills every `random_state` of the estimator
        that is None.

    Attributes
    ----------
    estimator_ : estimator
        The trained one; with `early_stopping` that of the best epoch.
    classes_ : ndarray of shape (n_classes,)
        The labels, of a classifier.
    history_ : list of dict
        For each epoch: `epoch`, `partial_fit_calls`, `samples` and `train_s` so far, and
        `train_score` and `validation_score` where they are asked for.
    n_iter_ : int
        Epochs that were done.
    best_score_, best_epoch_ : float, int
        The best validation score and its epoch, where rows are held back.
    order_ : TrainingOrder
        The order of the rows; `partial_fit_calls` takes it.
    n_features_in_ : int
        Columns of X.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit"])],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "classes": ["array-like", None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left"), None],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "scoring": [str, callable, None],
        "return_train_score": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        epochs: int = 1,
        shuffle: bool = True,
        batch_size: int | None = None,
        classes: Any = None,
        early_stopping: bool = False,
        validation_fraction: float | None = None,
        n_iter_no_change: int = 5,
        tol: float = 1e-4,
        scoring: Any = None,
        return_train_score: bool = False,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.epochs = epochs
        self.shuffle = shuffle
        self.batch_size = batch_size
        self.classes = classes
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.scoring = scoring
        self.return_train_score = return_train_score
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "Incremental":
        """Train for `epochs` passes over the data.

        Parameters
        ----------
        X : array, sparse matrix, DataFrame or Dask collection of n_samples rows, Partitions, or \
an open Collective
            The data; texts where the estimator takes them.
        y : of shape (n_samples,), default=None
            The target; not where partitions hold it.
        sample_weight : of shape (n_samples,), default=None
            Handed to `partial_fit`.

        Returns
        -------
        self : object
            Fitted.

        Raises
        ------
        ValueError
            For parameters, data or an estimator that this cannot be done with.
        HpcMlError
            When the cluster or the checkpoint ends the training.
        """
        if not is_partitioned(X):
            X, y, sample_weight = check_training_rows(self, X, y, sample_weight)
        with opened(X, y, sample_weight=sample_weight) as collective:
            self._train(collective)
        return self

    def _train(self, collective: "AnyCollective") -> None:
        estimator = clone_seeded(self.estimator, self.random_state)
        steps, last = split_pipeline(estimator)
        training = self._make_training(collective, last)
        training.before = steps
        if training.restore():
            steps = list(training.before)
        else:
            training.before = steps = fit_steps(collective, steps)
        if steps:
            read_all(collective)
        with training_view(collective, steps):
            training.run()
        self._note(training, join_pipeline(estimator, steps, training.chosen), collective)

    def _make_training(self, collective: "AnyCollective", last: Any) -> Training:
        self.order_ = order = self._make_order(collective)
        labelled = accepts(last, "classes")
        scored = self.return_train_score or order.validation_fraction > 0
        return Training(
            collective=collective,
            model=last,
            order=order,
            epochs=self.epochs,
            classes=read_classes(collective, self.classes) if labelled else None,
            score=choose_score(last, self.scoring) if scored else None,
            score_train=self.return_train_score,
            stopping=Stopping(self.early_stopping, self.n_iter_no_change, self.tol),
            state=self._open_state(collective, last),
        )

    def _open_state(self, collective: "AnyCollective", last: Any) -> KeptState:
        """Return where the state is kept, under a name that trainings of one run do not share."""
        digest = self._digest(collective, last)
        return KeptState(collective.checkpoint, f"{_STATE}-{digest[:8]}", digest)

    def _make_order(self, collective: "AnyCollective") -> TrainingOrder:
        share = self.validation_fraction
        if share is None:
            share = _VALIDATION_FRACTION if self.early_stopping else 0.0
        if self.early_stopping and share == 0:
            raise ValueError("early_stopping needs a validation_fraction above 0")
        order = TrainingOrder(draw_seed(self.random_state), self.shuffle, self.batch_size, share)
        order.check_holds_back(collective.rows)
        return order

    def _digest(self, collective: "AnyCollective", last: Any) -> str:
        """Return what tells this training from others; `epochs` may grow."""
        parameters = {**self.get_params(deep=True), "epochs": None, "random_state": None}
        what = (parameters, type(last).__name__, self.order_, collective.rows)
        return str(joblib.hash(what))

    def _note(self, training: Training, fitted: Any, collective: "AnyCollective") -> None:
        self.estimator_ = fitted
        self.history_ = training.progress.history
        self.n_iter_ = training.progress.epoch
        if training.classes is not None:
            self.classes_ = training.classes
        if training.progress.best_epoch is not None:
            self.best_score_ = training.progress.best_score
            self.best_epoch_ = training.progress.best_epoch
        if not takes_texts(self.estimator):
            self.n_features_in_ = collective.n_features
