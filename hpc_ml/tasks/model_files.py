"""Fitted models as files that outlive the versions they were made with, written without pickle.

skops (https://skops.readthedocs.io/en/stable/persistence.html) for scikit-learn, UBJSON for
XGBoost, text for LightGBM. Reading any of them executes no code.
"""

import os
import secrets
import shutil
import warnings
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from hpc_ml.errors import TaskFailed
from hpc_ml.runs.atomic import explain_write_failure, sync_file, sync_folder, write_json

FACTS = "model.json"
PREPARATION = "preparation.skops"
MODEL_FILES = {"skops": "model.skops", "xgboost": "model.ubj", "lightgbm": "model.txt"}

_PACKAGES = {"xgboost": ("xgboost", "xgboost-cpu"), "lightgbm": ("lightgbm",), "skops": ()}


def join_preparation(preparation: Any, model: Any) -> Any:
    """Return a model that takes the rows as they lie in the source."""
    if preparation is None:
        return model
    from sklearn.pipeline import Pipeline

    return Pipeline([("prepare", preparation), ("model", model)])


def split_preparation(model: Any) -> tuple[Any, Any]:
    """Return preparation (or None) and model of what `join_preparation` made."""
    if [name for name, _ in getattr(model, "steps", ())] == ["prepare", "model"]:
        return model.steps[0][1], model.steps[1][1]
    return None, model


def library_of(model: Any) -> str:
    """Return whose file a model goes to: xgboost, lightgbm, or skops for all others."""
    package = type(model).__module__.partition(".")[0]
    return package if package in MODEL_FILES else "skops"


def write_model_folder(
    folder: Path, model: Any, preparation: Any, facts: Mapping[str, Any]
) -> None:
    """Write the model, what prepares its rows and `model.json`, all at once or not at all.

    A folder that is there is replaced.

    Raises
    ------
    TaskFailed
        When there is no form for the model without pickle, or the disk is full.
    """
    library = library_of(model)
    new = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        new.mkdir(mode=0o700)
        _write_parts(new, library, model, preparation)
        for path in new.iterdir():
            path.chmod(0o600)
            sync_file(path)
        write_json(new / FACTS, {**facts, "format": library, "versions": _versions(library)})
        _replace(folder, new)
        sync_folder(folder.parent)
    except OSError as error:
        raise explain_write_failure(folder, error) from error
    except Exception as error:
        # skops raises errors of its own and of whatever the model holds.
        raise TaskFailed(
            f"the model {type(model).__name__} cannot be kept without pickle: {error}",
            hint="use estimators of scikit-learn, xgboost or lightgbm",
        ) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _write_parts(folder: Path, library: str, model: Any, preparation: Any) -> None:
    path = folder / MODEL_FILES[library]
    if library == "skops":
        _dump(join_preparation(preparation, model), path)
        return
    if library == "xgboost":
        booster = model.get_booster() if hasattr(model, "get_booster") else model
        booster.save_model(path)
    else:
        booster = getattr(model, "booster_", model)
        booster.save_model(str(path))
    if preparation is not None:
        _dump(preparation, folder / PREPARATION)


def _dump(model: Any, path: Path) -> None:
    import skops.io

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        skops.io.dump(model, path)


def _replace(folder: Path, new: Path) -> None:
    if not folder.exists():
        os.replace(new, folder)
        return
    old = folder.with_name(f"{new.name}.old")
    os.replace(folder, old)
    os.replace(new, folder)
    shutil.rmtree(old)


def _versions(library: str) -> dict[str, str]:
    found = {}
    for name in ("hpc-ml", "scikit-learn", "numpy", "skops", *_PACKAGES[library]):
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # xgboost is also published as xgboost-cpu
            continue
    return found
