"""XGBoost's own estimators, trained by the workers of a Dask cluster.

Parameters and attributes are those of `xgboost`, https://xgboost.readthedocs.io; what differs:

- `fit` takes rows in partitions and Dask collections too, and `group`, the query of each row.
- With `early_stopping_rounds`, a share of the rows (`validation_fraction`) is kept from training
  to validate with; there is no `eval_set`. The last metric of `eval_metric` decides.
- `eval_metric` may also name scikit-learn's scorers.
- After every `segment_rounds` rounds the booster is kept, so that a run goes on from there; random
  draws begin anew then, from the seed and the number of the segment.
- `layout` says where to train: "one" worker that has all rows, "all" of them, each with its own
  rows, or "auto", whichever is faster; the other is taken where memory or the cluster ask for it.
- `watch_training` measures the metrics on the training rows too. `history_` has all of them.
- Labels may be of any type.
"""

from typing import Any

import numpy as np
import xgboost
from xgboost.core import XGBoostError

from hpc_ml.estimators.boosting_constraints import place_interactions, place_monotone
from hpc_ml.estimators.boosting_course import Course
from hpc_ml.estimators.boosting_fit import (
    OWN_PARAMETERS,
    SEGMENT_ROUNDS,
    VALIDATION_FRACTION,
    Columns,
    DistributedBooster,
    as_names,
)
from hpc_ml.estimators.boosting_metrics import split_metrics
from hpc_ml.estimators.boosting_orders import Recipe
from hpc_ml.estimators.boosting_rows import RowPlan
from hpc_ml.estimators.boosting_training import Training
from hpc_ml.estimators.inputs import is_dask
from hpc_ml.estimators.xgboost_network import open_tracker
from hpc_ml.estimators.xgboost_training import XgboostTrainer

# Bytes of a value: its bin by rows and by columns, as measured while some are missing (without
# missing ones it is half as much); or, where values are not binned, these by rows and by columns.
# And of a row, for each class: target, margin, gradients, the place in the tree.
_BIN_BYTES, _VALUE_BYTES = 6, 16
_ROW_BYTES = 40


class DistributedXgboost(DistributedBooster, xgboost.XGBModel):
    """What the three estimators of XGBoost share."""

    _errors = (XGBoostError,)

    def __init__(
        self,
        *,
        validation_fraction: float = VALIDATION_FRACTION,
        segment_rounds: int = SEGMENT_ROUNDS,
        watch_training: bool = False,
        layout: str = "auto",
        **parameters: Any,
    ) -> None:
        self.validation_fraction = validation_fraction
        self.segment_rounds = segment_rounds
        self.watch_training = watch_training
        self.layout = layout
        super().__init__(**parameters)

    def local_estimator(self) -> Any:
        """Return XGBoost's own estimator with the same booster; it knows classes by number."""
        parameters = {
            name: value for name, value in self.get_params().items() if name not in OWN_PARAMETERS
        }
        local = self._counterpart(**parameters)
        local._Booster = self.get_booster()
        if self._kind == "classification":
            local.n_classes_ = self.n_classes_
        return local

    def gains_and_splits(self) -> tuple[Any, Any]:
        """Return for each column what its splits gained in all, and how many there are."""
        booster = self.get_booster()
        names = booster.feature_names or [f"f{n}" for n in range(booster.num_features())]
        kinds = ("weight", "weight") if self.booster == "gblinear" else ("total_gain", "weight")
        gains, splits = (booster.get_score(importance_type=kind) for kind in kinds)
        return (
            np.array([gains.get(name, 0.0) for name in names]),
            np.array([splits.get(name, 0.0) for name in names]),
        )

    def _wrapper_params(self) -> set[str]:
        return super()._wrapper_params() | OWN_PARAMETERS

    def _check_parameters(self) -> None:
        super()._check_parameters()
        metrics = as_names(self.eval_metric)
        if callable(self.objective) or any(map(callable, metrics)) or self.callbacks:
            raise ValueError(
                "objective and eval_metric must be names, and callbacks cannot follow rows to the "
                "workers"
            )

    def _training(self, plan: RowPlan, columns: Columns, seed: int | None) -> Training:
        own, scorers = split_metrics(as_names(self.eval_metric))
        params = self._library_params(plan, columns, own)
        linear = params.get("booster") == "gblinear"
        outputs = max(1, int(params.get("num_class", 1)))
        names = as_names(self.eval_metric)
        return Training(
            recipe=Recipe(
                trainer=XgboostTrainer,
                params=params,
                plan=plan,
                metrics=own,
                scorers={name: name for name in scorers},
                watch_training=self.watch_training,
                feature_names=columns.names_without("[]<"),
                feature_types=tuple(self.feature_types or ()) or columns.types,
                feature_weights=self.feature_weights,
                missing=self.missing,
            ),
            schedule=self._schedule(
                self.get_num_boosting_rounds(),
                segment_rounds=self.segment_rounds,
                truncates=not linear and params.get("booster") != "dart",
            ),
            seed=seed,
            row_bytes=_value_bytes(params) * columns.number + _ROW_BYTES * outputs,
            disk_row_bytes=_ROW_BYTES * outputs,
            network=open_tracker,
            watched=names[-1] if names else "",
            on_device=_device if self.device is None else dict,
            most_threads=self.n_jobs,
            layout=self.layout,
        )

    def _library_params(
        self, plan: RowPlan, columns: Columns, metrics: tuple[str, ...]
    ) -> dict[str, Any]:
        params = {
            name: value
            for name, value in self.get_xgb_params().items()
            if value is not None and name not in ("random_state", "n_jobs", "eval_metric")
        }
        if metrics:
            params["eval_metric"] = list(metrics)
        if plan.classes is not None and len(plan.classes) > 2:
            if params.get("objective") != "multi:softmax":
                params["objective"] = "multi:softprob"
            params["num_class"] = len(plan.classes)
        if params.get("monotone_constraints"):
            placed = place_monotone(params["monotone_constraints"], columns.names, columns.number)
            params["monotone_constraints"] = f"({','.join(map(str, placed))})"
        interactions = params.get("interaction_constraints")
        if interactions and not isinstance(interactions, str):
            groups = place_interactions(interactions, columns.names, columns.number)
            params["interaction_constraints"] = str(groups)
        return params

    def _take_course(self, course: Course, plan: RowPlan, columns: Columns) -> None:
        if plan.classes is not None:
            self._labels = plan.classes
            self.n_classes_ = len(plan.classes)
            if self.n_classes_ > 2 and self.objective != "multi:softmax":
                self.objective = "multi:softprob"
        booster = xgboost.Booster({"n_jobs": self.n_jobs})
        booster.load_model(bytearray(course.model))
        if course.best is not None:
            score = course.history[course.watched][course.best]
            booster.set_attr(best_iteration=str(course.best), best_score=str(score))
        self._Booster = booster
        self.evals_result_ = {
            "validation_0": {
                name.removeprefix("validation_"): values
                for name, values in course.history.items()
                if name.startswith("validation_")
            }
        }


class XGBClassifier(DistributedXgboost, xgboost.XGBClassifier):
    """XGBoost's classifier; see the text of this module for what differs."""

    _kind = "classification"
    _counterpart = xgboost.XGBClassifier

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = False
        return tags

    @property
    def classes_(self) -> Any:
        """The labels, sorted."""
        return self._labels

    def predict(self, X: Any, **words: Any) -> Any:
        """Return labels; parameters are those of `xgboost.XGBClassifier.predict`."""
        found = self._follow("predict", X, **words)
        if is_dask(X) or words.get("output_margin"):
            return found
        return self._labels[np.asarray(found).astype(np.intp)]

    def predict_proba(self, X: Any, **words: Any) -> Any:  # type: ignore[override]
        """Return the probability of each class."""
        return self._follow("predict_proba", X, **words)


class XGBRegressor(DistributedXgboost, xgboost.XGBRegressor):
    """XGBoost's regressor; see the text of this module for what differs."""

    _kind = "regression"
    _counterpart = xgboost.XGBRegressor

    def predict(self, X: Any, **words: Any) -> Any:
        """Return numbers; parameters are those of `xgboost.XGBRegressor.predict`."""
        return self._follow("predict", X, **words)


class XGBRanker(DistributedXgboost, xgboost.XGBRanker):
    """XGBoost's ranker; see the text of this module for what differs."""

    _kind = "ranking"
    _counterpart = xgboost.XGBRanker

    def predict(self, X: Any, **words: Any) -> Any:
        """Return scores to rank by; parameters are those of `xgboost.XGBRanker.predict`."""
        return self._follow("predict", X, **words)


def _value_bytes(params: dict[str, Any]) -> int:
    binned = params.get("tree_method", "auto") in ("auto", "hist")
    return _BIN_BYTES if binned and params.get("booster") != "gblinear" else _VALUE_BYTES


def _device() -> dict[str, str]:
    return {"device": "cuda"} if xgboost.build_info()["USE_CUDA"] else {}
