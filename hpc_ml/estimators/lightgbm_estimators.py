"""LightGBM's own estimators, trained by the workers of a Dask cluster.

Parameters and attributes are those of `lightgbm`, https://lightgbm.readthedocs.io; what differs:

- `fit` takes rows in partitions and Dask collections too, and `group`, the query of each row.
- With `early_stopping_rounds`, a share of the rows (`validation_fraction`) is kept from training
  to validate with; there is no `eval_set`. The last metric of `eval_metric` decides.
- `eval_metric` takes the place of the objective's own metric, and may also name scikit-learn's
  scorers.
- After every `segment_rounds` rounds the booster is kept, so that a run goes on from there; random
  draws begin anew then, from the seed and the number of the segment.
- `layout` says where to train: "one" worker that has all rows, "all" of them, each with its own
  rows, or "auto", whichever is faster; the other is taken where memory or the cluster ask for it.
- `watch_training` measures the metrics on the training rows too. `history_` has all of them.
"""

import re
from typing import Any

import lightgbm
from lightgbm.basic import LightGBMError, _ConfigAliases
from sklearn.preprocessing import LabelEncoder

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
from hpc_ml.estimators.lightgbm_device import find_device
from hpc_ml.estimators.lightgbm_network import open_network
from hpc_ml.estimators.lightgbm_training import LightgbmTrainer

_NOT_IN_NAMES = ',:[]{}" '
_OWN = OWN_PARAMETERS | {"eval_metric", "early_stopping_rounds"}
# Names that both LightGBM and scikit-learn have, and that LightGBM measures.
_COMMON_METRICS = ("average_precision", "r2")
# Metrics that do not follow from those of several workers.
_OF_ALL = {"auc": "roc_auc", "average_precision": "average_precision"}
_SHORT_NAMES = {
    ("logloss", False): "binary_logloss", ("logloss", True): "multi_logloss",
    ("error", False): "binary_error", ("error", True): "multi_error",
}  # fmt: skip
# What is read under one name here, whichever of its aliases it came by.
_NAMED = (
    "boosting", "data_sample_strategy", "objective", "metric", "bagging_freq", "bagging_fraction",
    "pos_bagging_fraction", "neg_bagging_fraction", "monotone_constraints",
    "interaction_constraints", "use_quantized_grad", "verbosity", "tree_learner", "device_type",
)  # fmt: skip
_NOT_HERE = (
    "machines", "num_machines", "local_listen_port", "early_stopping_round", "num_iterations",
    "categorical_feature", "seed",
)  # fmt: skip
_BY_THEIR_NAMES = {"n_estimators", "early_stopping_rounds", "random_state"}
# Bytes of a value: its bin by columns and by rows, as measured, and in the sample by which values
# are binned; and of a row, for each class: target, score, gradients and the place in the tree.
_VALUE_BYTES, _SAMPLED_BYTES = 3, 12
_ROW_BYTES = 40
_SAMPLE_ROWS = 200_000


class DistributedLightgbm(DistributedBooster, lightgbm.LGBMModel):  # type: ignore[misc]
    """What the three estimators of LightGBM share."""

    _errors = (LightGBMError,)

    def __init__(
        self,
        *,
        eval_metric: Any = None,
        early_stopping_rounds: int | None = None,
        validation_fraction: float = VALIDATION_FRACTION,
        segment_rounds: int = SEGMENT_ROUNDS,
        watch_training: bool = False,
        layout: str = "auto",
        **parameters: Any,
    ) -> None:
        self.eval_metric = eval_metric
        self.early_stopping_rounds = early_stopping_rounds
        self.validation_fraction = validation_fraction
        self.segment_rounds = segment_rounds
        self.watch_training = watch_training
        self.layout = layout
        super().__init__(**parameters)

    def local_estimator(self) -> Any:
        """Return LightGBM's own estimator, fitted with the same booster."""
        parameters = {name: value for name, value in self.get_params().items() if name not in _OWN}
        parameters |= self._placed
        local = self._counterpart(**parameters)
        for name, value in vars(self).items():
            if name not in _OWN and name not in parameters and name != "_other_params":
                setattr(local, name, value)
        return local

    def gains_and_splits(self) -> tuple[Any, Any]:
        """Return for each column what its splits gained in all, and how many there are."""
        importance = self.booster_.feature_importance
        return importance("gain"), importance("split")

    def _process_params(self, stage: str) -> dict[str, Any]:
        params = super()._process_params(stage)
        if stage == "predict":
            params |= self._placed
        return {name: value for name, value in params.items() if name not in _OWN}

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if any(map(callable, [self.objective, *as_names(self.eval_metric)])):
            raise ValueError("objective and eval_metric must be names")
        for name in _NOT_HERE:
            given = (_ConfigAliases.get(name) | {name}) & set(self.get_params())
            if given := given - _BY_THEIR_NAMES:
                raise ValueError(
                    f"{min(given)} cannot be set: use n_estimators, early_stopping_rounds, "
                    "random_state, or the categorical columns of fit"
                )

    def _weigh_classes(self, classes: Any, counts: Any) -> tuple[float, ...] | None:
        if self.class_weight is None or classes is None:
            return None
        if isinstance(self.class_weight, str):
            return tuple(counts.sum() / (len(classes) * counts))
        return tuple(float(self.class_weight.get(label, 1)) for label in classes.tolist())

    def _training(self, plan: RowPlan, columns: Columns, seed: int | None) -> Training:
        self._learn_classes(plan)
        params = self._library_params(columns)
        outputs = max(1, int(params.get("num_class", 1)))
        default = params.pop("metric", None)
        names = [
            _SHORT_NAMES.get((name, outputs > 1), name)
            for name in as_names(self.eval_metric) or as_names(default)
        ]
        own, scorers = split_metrics(names, _COMMON_METRICS)
        whole = _is_of_one_piece(params)
        return Training(
            recipe=Recipe(
                trainer=LightgbmTrainer,
                params=params,
                plan=plan,
                metrics=own,
                scorers={name: name for name in scorers},
                watch_training=self.watch_training,
                feature_names=columns.names_without(_NOT_IN_NAMES),
                feature_types=columns.types,
            ),
            schedule=self._schedule(
                self.n_estimators,
                segment_rounds=self._whole_segment(params, whole),
                truncates=not whole,
            ),
            seed=seed,
            row_bytes=_value_bytes(sum(plan.rows)) * columns.number + _ROW_BYTES * outputs,
            network=open_network,
            watched=names[-1] if names else "",
            of_all=_OF_ALL if outputs == 1 else {},
            on_device=_device if "device_type" not in params else dict,
            most_threads=self.n_jobs,
            layout=self.layout,
        )

    def _whole_segment(self, params: dict[str, Any], whole: bool) -> int:
        """Return the rounds of a segment: a multiple of those between two draws of rows."""
        if whole:
            return int(self.n_estimators)
        every = max(1, int(params.get("bagging_freq") or 1))
        return -(-self.segment_rounds // every) * every

    def _library_params(self, columns: Columns) -> dict[str, Any]:
        params = self._process_params("fit")
        for name in _NAMED:
            for alias in (_ConfigAliases.get(name) - {name}) & params.keys():
                params[name] = params.pop(alias)
        for name in ("seed", "num_threads"):
            for alias in _ConfigAliases.get(name) & params.keys():
                del params[alias]
        params = {name: value for name, value in params.items() if value is not None}
        params.setdefault("verbosity", -1)
        self._placed: dict[str, Any] = {}
        if given := params.get("monotone_constraints"):
            placed = place_monotone(given, columns.names, columns.number)
            self._placed["monotone_constraints"] = list(placed)
        if given := params.get("interaction_constraints"):
            groups = place_interactions(given, columns.names, columns.number)
            self._placed["interaction_constraints"] = groups
        return params | self._placed

    def _learn_classes(self, plan: RowPlan) -> None:
        self._objective = self.objective
        if plan.classes is not None:
            self._le = LabelEncoder()
            self._le.classes_ = self._classes = plan.classes
            self._n_classes = len(plan.classes)

    def _take_course(self, course: Course, plan: RowPlan, columns: Columns) -> None:
        best = course.rounds if course.best is None else course.best + 1
        booster = lightgbm.Booster(model_str=_without_network(course.model.decode()))
        if best < course.rounds:
            text = booster.model_to_string(num_iteration=best)
            booster = lightgbm.Booster(model_str=text)
        self._Booster = booster
        self._n_features = self._n_features_in = columns.number
        self._fitted_with_feature_names = columns.names_without(_NOT_IN_NAMES) is not None
        names = [name for name in course.history if name.startswith("validation_")]
        values = {name.removeprefix("validation_"): course.history[name] for name in names}
        self._evals_result = {"validation": values} if names else {}
        self._best_score = {"validation": {name: found[best - 1] for name, found in values.items()}}
        if course.best is not None:
            self._best_iteration = booster.best_iteration = best
        self.fitted_ = True


class LGBMClassifier(DistributedLightgbm, lightgbm.LGBMClassifier):  # type: ignore[misc]
    """LightGBM's classifier; see the text of this module for what differs."""

    _kind = "classification"
    _counterpart = lightgbm.LGBMClassifier

    def predict(self, X: Any, **words: Any) -> Any:  # type: ignore[override]
        """Return labels; parameters are those of `lightgbm.LGBMClassifier.predict`."""
        return self._follow("predict", X, **words)

    def predict_proba(self, X: Any, **words: Any) -> Any:  # type: ignore[override]
        """Return the probability of each class."""
        return self._follow("predict_proba", X, **words)


class LGBMRegressor(DistributedLightgbm, lightgbm.LGBMRegressor):  # type: ignore[misc]
    """LightGBM's regressor; see the text of this module for what differs."""

    _kind = "regression"
    _counterpart = lightgbm.LGBMRegressor

    def predict(self, X: Any, **words: Any) -> Any:  # type: ignore[override]
        """Return numbers; parameters are those of `lightgbm.LGBMRegressor.predict`."""
        return self._follow("predict", X, **words)


class LGBMRanker(DistributedLightgbm, lightgbm.LGBMRanker):  # type: ignore[misc]
    """LightGBM's ranker; see the text of this module for what differs."""

    _kind = "ranking"
    _counterpart = lightgbm.LGBMRanker

    def predict(self, X: Any, **words: Any) -> Any:  # type: ignore[override]
        """Return scores to rank by; parameters are those of `lightgbm.LGBMRanker.predict`."""
        return self._follow("predict", X, **words)


def _value_bytes(rows: int) -> float:
    return _VALUE_BYTES + _SAMPLED_BYTES * min(1.0, _SAMPLE_ROWS / max(1, rows))


def find_known() -> set[str]:
    """Return the names of all parameters, aliases included."""
    aliases = _ConfigAliases._get_all_param_aliases()
    own = lightgbm.LGBMModel().get_params()
    return {*aliases, *(one for names in aliases.values() for one in names), *own, *_OWN}


def _is_of_one_piece(params: dict[str, Any]) -> bool:
    """Return whether rounds depend on more of those before than the model tells."""
    return (
        params.get("boosting") in ("dart", "rf", "random_forest", "goss")
        or params.get("data_sample_strategy") == "goss"
        or params.get("objective") == "rank_xendcg"
        or bool(params.get("use_quantized_grad"))
    )


def _device() -> dict[str, Any]:
    found = find_device()
    return {} if found is None else {"device_type": found}


def _without_network(text: str) -> str:
    """Return a model's text without where its workers were."""
    return re.sub(r"\[(machines|num_machines|local_listen_port): .*\]\n", "", text)
