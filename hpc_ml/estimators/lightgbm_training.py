"""LightGBM's side of a worker that trains: binned rows, rounds, and scores to go on from.

https://lightgbm.readthedocs.io/en/stable/Parallel-Learning-Guide.html
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np
from lightgbm.basic import LightGBMError, _InnerPredictor

from hpc_ml.estimators.boosting_orders import Begin, Measure, Muster, Ready, Recipe, Round
from hpc_ml.estimators.boosting_quiet import muted
from hpc_ml.estimators.boosting_rows import Part, group_sizes, load_validation
from hpc_ml.estimators.lightgbm_network import NetworkWatch, cut_network, release_port
from hpc_ml.estimators.lightgbm_rows import TrainingRows

if TYPE_CHECKING:
    from hpc_ml.estimators.holder import Holder

# A fraction must change for the draws of rows to begin anew.
_FRACTIONS = ("bagging_fraction", "pos_bagging_fraction", "neg_bagging_fraction")


class LightgbmTrainer:
    """A booster on one worker, alone or with others."""

    OWN_ROWS = True

    def __init__(self, holder: "Holder", muster: Muster) -> None:
        self._recipe: Recipe = muster.recipe
        self._holder = holder
        self._params = dict(self._recipe.params) | {"num_threads": muster.threads}
        self._params["metric"] = list(self._recipe.metrics) or "None"
        self._network = dict(muster.network)
        self._booster: Any = None
        self._rounds = 0
        self._resources = ExitStack()
        self._rows = TrainingRows(holder, muster)
        if muster.bins is not None:
            # Rows that all workers miss in the sample are still there: no feature is left out.
            self._params["feature_pre_filter"] = False
        self._training = self._dataset(self._rows, self._binned(muster.bins)).construct()
        self._validation = load_validation(holder, muster.numbers, self._recipe.plan)

    def ready(self) -> Ready:
        measures = {"train": _measure(self._rows)}
        rows = self._validation
        if rows is not None:
            measures["validation"] = _measure(rows)
        if rows is None or not self._recipe.scorers:
            return Ready(measures)
        return Ready(measures, rows.y, rows.weight)

    def begin(self, begin: Begin) -> None:
        """Start a segment; what was drawn in the segments before has no part in it."""
        if self._booster is None:
            with self._all_or_none():
                self._start(begin)
        elif begin.seed is not None:
            self._draw_anew(begin.seed)
        self._rounds = begin.rounds

    def advance(self, rounds: int) -> list[Round]:
        """Train some rounds and return what was measured after each."""
        measured = []
        with self._all_or_none():
            for _ in range(rounds):
                self._booster.update()
                measured.append(self._measure())
                self._rounds += 1
        return measured

    def export(self, rounds: int) -> bytes:
        """Return the model of the first rounds as text."""
        text: str = self._booster.model_to_string(num_iteration=rounds)
        return text.encode()

    def close(self) -> None:
        """Leave the other workers, and free the rows."""
        self._resources.close()
        self._booster = self._training = self._validation = None

    @staticmethod
    def watch(network: Mapping[str, Any]) -> AbstractContextManager[Any]:
        """Return what ends this worker's waiting for others as soon as one has gone."""
        return closing(NetworkWatch(network)) if network else nullcontext()

    @staticmethod
    def is_left_alone(error: Exception) -> bool:
        """Return whether an error only says that another worker has gone."""
        return isinstance(error, LightGBMError) and "ocket" in str(error)

    def _start(self, begin: Begin) -> None:
        params = self._params | ({} if begin.seed is None else {"seed": begin.seed})
        if begin.model is not None:
            before = lightgbm.Booster(model_str=begin.model.decode())
            self._training.set_init_score(self._rows.predict(before, self._params["num_threads"]))
            # What `lightgbm.train` does for init_model, which wants all rows in one array.
            self._training._predictor = _InnerPredictor.from_booster(before, pred_parameter={})
        if self._network:
            params = {"tree_learner": "data"} | params | self._network
            release_port(self._holder, self._network)
            with muted():  # it says that it listens, whatever the verbosity
                self._booster = lightgbm.Booster(params, self._training)
            self._resources.callback(self._booster.free_network)
        else:
            self._booster = lightgbm.Booster(params, self._training)
        if self._validation is not None:
            validating = self._dataset(self._validation).set_reference(self._training)
            self._booster.add_valid(validating, "validation")
        self._rows.parts = tuple  # what they hold is needed no more

    @contextmanager
    def _all_or_none(self) -> Iterator[None]:
        """Where this rank cannot go on, let the worker's others not wait for it."""
        try:
            yield
        except Exception:
            if self._network:
                cut_network(self._network)
            raise

    def _draw_anew(self, seed: int) -> None:
        drawn = {name: self._params[name] for name in _FRACTIONS if self._params.get(name, 1) < 1}
        if drawn:
            self._booster.reset_parameter({name: share / 2 for name, share in drawn.items()})
        self._booster.reset_parameter({**drawn, "seed": seed})

    def _binned(self, bins: Part | None) -> Any:
        return None if bins is None else self._dataset(bins)

    def _dataset(self, rows: "Part | TrainingRows", reference: Any = None) -> Any:
        names, types = self._recipe.feature_names, self._recipe.feature_types
        return lightgbm.Dataset(
            rows.X,
            rows.y,
            reference=reference,
            weight=rows.weight,
            group=None if rows.group is None else group_sizes(rows.group),
            feature_name="auto" if names is None else list(names),
            categorical_feature=(
                "auto" if types is None else [n for n, kind in enumerate(types) if kind == "c"]
            ),
            params=self._params,
        )

    def _measure(self) -> Round:
        results = self._booster.eval_train() if self._recipe.watch_training else []
        predicted: list[Any] = []

        def note(values: Any, _: Any) -> tuple[str, float, bool]:
            predicted.append(values.copy())
            return "", 0.0, True

        if self._validation is not None:
            results = results + self._booster.eval_valid(note if self._recipe.scorers else None)
        metrics, maximise = {}, {}
        for rows, metric, value, more in (result[:4] for result in results):
            if metric:
                name = f"{'train' if rows == 'training' else rows}_{metric}"
                metrics[name] = float(value)
                maximise[name] = bool(more)
        return Round(metrics, maximise, predicted[0] if predicted else None)


def _measure(rows: "Part | TrainingRows") -> Measure:
    groups = 0 if rows.group is None else len(group_sizes(rows.group))
    return Measure(len(rows) if rows.weight is None else float(np.sum(rows.weight)), groups)
