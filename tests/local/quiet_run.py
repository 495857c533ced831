"""A run without a controller: what a task needs of one, kept in memory and in a folder."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hpc_ml.estimators.surroundings import NoCheckpoint


class QuietRun(NoCheckpoint):
    """Keeps units and states in memory, so that a second task can go on with them."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.seed = seed
        self.told: list[str] = []
        self.units: dict[str, Any] = {}
        self.states: dict[str, bytes] = {}
        self.cv_results_file = folder / "cv_results.csv"
        self.history_file = folder / "history.csv"
        self.importances_file = folder / "importances.csv"
        self.sample_file = folder / "sample.csv"
        self.predictions_folder = folder / "predictions"
        self.model_folder = folder / "model"

    def finished(self) -> Mapping[str, Any]:
        return self.units

    def record(self, unit: str, value: Any) -> None:
        self.units[unit] = value

    def kept_state(self, name: str) -> bytes | None:
        return self.states.get(name)

    def keep_state(self, name: str, make: Callable[[], bytes], unit_s: float | None = None) -> None:
        self.states[name] = make()

    def progress(self, done: int, total: int, unit: str) -> None:
        pass

    def tell(self, message: str) -> None:
        self.told.append(message)

    def check(self) -> None:
        pass
