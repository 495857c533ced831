"""Fitted models as files that outlive the versions they were made with."""

import warnings
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hpc_ml.errors import TaskFailed
from hpc_ml.runs.atomic import write_json
from hpc_ml.tasks.held_out import Measure

_VERSIONS_OF = ("hpc-ml", "scikit-learn", "numpy", "skops")


def join_preparation(preparation: Any, model: Any) -> Any:
    """Return a model that takes the rows as they lie in the source."""
    if preparation is None:
        return model
    from sklearn.pipeline import Pipeline

    return Pipeline([("prepare", preparation), ("model", model)])


def save_model(folder: Path, model: Any, facts: Mapping[str, Any], measure: Measure) -> None:
    """Write `model.skops` and `model.json` to a new folder.

    skops keeps a model without pickle, so that reading it executes no code
    (https://skops.readthedocs.io/en/stable/persistence.html).

    Parameters
    ----------
    folder : Path
        Where the two files go.
    model : estimator
        Fitted, taking the rows as they lie in the source.
    facts : mapping
        Task, parameters, metrics and the digest of the data.
    measure : Measure
        Columns and classes of the data.

    Raises
    ------
    TaskFailed
        When skops has no form for the model, or the disk is full.
    """
    import skops.io

    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / "model.skops"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            skops.io.dump(model, path)
        path.chmod(0o600)
        write_json(
            folder / "model.json",
            {
                **facts,
                "format": "skops",
                "columns": measure.columns,
                "classes": measure.classes,
                "versions": {name: version(name) for name in _VERSIONS_OF},
            },
        )
    except OSError as error:
        raise TaskFailed(
            f"the model cannot be written: {error.strerror or error}", where=str(folder)
        ) from error
    except Exception as error:
        # skops raises errors of its own and of whatever the model holds.
        raise TaskFailed(
            f"the model {type(model).__name__} cannot be kept without pickle: {error}",
            hint="use estimators of scikit-learn, xgboost or lightgbm, or refit: false",
        ) from error
