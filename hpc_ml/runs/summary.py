"""What a run came to, from its files alone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpc_ml.runs.atomic import replace_non_finite
from hpc_ml.runs.folder import RunFolder
from hpc_ml.runs.layout import RunLayout
from hpc_ml.runs.record import RunState


@dataclass(frozen=True)
class RunSummary:
    """A run's state, metrics and artefacts.

    `artefacts` maps names to absolute paths, `job` is the id of the controller's batch job, and
    `exit_code` is None as long as the run has not ended.
    """

    run: str
    dir: Path
    task: str
    state: RunState
    metrics: Mapping[str, Any]
    artefacts: Mapping[str, Path]
    job: str | None
    exit_code: int | None

    def as_json(self) -> dict[str, Any]:
        """Return what `--json` prints of a run."""
        return {
            "run": self.run,
            "dir": str(self.dir),
            "task": self.task,
            "state": self.state.value,
            "metrics": replace_non_finite(dict(self.metrics)),
            "artefacts": {name: str(path) for name, path in self.artefacts.items()},
        }

    def as_submission_json(self) -> dict[str, Any]:
        """Return what `submit --json` prints."""
        return {
            "run": self.run,
            "dir": str(self.dir),
            "task": self.task,
            "state": self.state.value,
            "job": self.job,
        }


def summarise(folder: RunFolder) -> RunSummary:
    """Return what a run came to so far. Raises BadRun when its record cannot be read."""
    record = folder.read_record()
    return RunSummary(
        run=folder.run_id,
        dir=folder.path,
        task=record.task,
        state=record.state,
        metrics=_read_metrics(folder.layout),
        artefacts=find_artefacts(folder.layout),
        job=record.controller_job,
        exit_code=record.exit_code,
    )


def find_artefacts(layout: RunLayout) -> dict[str, Path]:
    """Return the artefacts that are there, by the names that users know them by."""
    table = {
        "model": layout.model,
        "metrics": layout.metrics_file,
        "cv_results": layout.cv_results_file,
        "history": layout.history_file,
        "importances": layout.importances_file,
        "sample": layout.sample_file,
        "predictions": layout.predictions,
    }
    return {name: path for name, path in table.items() if path.exists()}


def _read_metrics(layout: RunLayout) -> dict[str, Any]:
    # Written at once at the end of a run: before that there are none.
    try:
        metrics = json.loads(layout.metrics_file.read_bytes())
    except (OSError, ValueError):
        return {}
    return metrics if isinstance(metrics, dict) else {}
