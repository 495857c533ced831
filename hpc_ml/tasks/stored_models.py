"""Models found and read again: of a run, of a model folder, or of a file of its own."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpc_ml.errors import BadJob, BadRun
from hpc_ml.runs.index import find_run, list_runs
from hpc_ml.spec.paths import expand_home
from hpc_ml.tasks.model_files import FACTS, MODEL_FILES, PREPARATION, split_preparation

if TYPE_CHECKING:
    from hpc_ml.data.column_scans import ColumnSummary

_FILE_KINDS = {".skops": "skops", ".ubj": "xgboost", ".json": "xgboost", ".txt": "lightgbm"}
_PICKLES = (".pkl", ".pickle", ".joblib", ".sav", ".dill", ".cloudpickle")


@dataclass(frozen=True)
class LoadedModel:
    """A fitted model and what must be known to feed it.

    Attributes
    ----------
    estimator
        Takes prepared rows; scikit-learn's interface.
    preparation
        Takes a DataFrame of the rows as they lie in the source and makes what `estimator` takes;
        None where they are taken as they are.
    columns : tuple of ColumnSummary or None
        The columns that rows must have as the job sees them; None for texts, and where the file
        does not tell.
    facts : mapping
        What `model.json` says; empty for a file of its own.
    where : str
        The folder or file that it comes from.
    """

    estimator: Any
    preparation: Any
    columns: "tuple[ColumnSummary, ...] | None"
    facts: Mapping[str, Any] = field(repr=False)
    where: str

    @property
    def classes(self) -> Any:
        """The labels of a classifier in the order of its probabilities; None for others."""
        return getattr(self.estimator, "classes_", None)

    @property
    def takes_texts(self) -> bool:
        """Whether it was fitted on texts, as far as the facts tell."""
        return "columns" in self.facts and self.columns is None

    @property
    def has_names(self) -> bool:
        """Whether the columns have names of their own; those of an array are numbered."""
        names = [column.name for column in self.columns or ()]
        return bool(names) and names != [str(number) for number in range(len(names))]

    @property
    def n_features(self) -> int | None:
        """Columns of what `preparation` takes, or without one `estimator`; None for texts."""
        taker = self.estimator if self.preparation is None else self.preparation
        found = getattr(taker, "n_features_in_", None)
        return None if found is None else int(found)


def find_model(words: str, runs_dir: Path) -> Path:
    """Return the model folder or file that the user's words mean.

    Parameters
    ----------
    words : str
        A run (id, start of one, name, path), a model folder, or a model file; `last` is the
        newest run that has left a model.
    runs_dir : Path
        Where runs lie.

    Raises
    ------
    BadRun
        When no run is meant, or it has left no model.
    BadJob
        For a file that is none of a model.
    """
    path = expand_home(words).absolute()
    if os.path.isfile(path / FACTS):
        return path
    if os.path.isfile(path) or path.suffix in (*_FILE_KINDS, *_PICKLES):
        return _check_file(path)
    runs = list_runs(runs_dir) if words == "last" else []
    with_model = [run for run in runs if (run.layout.model / FACTS).is_file()]
    folder = with_model[0] if with_model else find_run(words, runs_dir)
    if not (folder.layout.model / FACTS).is_file():
        record = folder.read_record()
        advice = "a search keeps one unless refit is false" if record.task == "gridsearch" else ""
        raise BadRun(
            f"run {folder.run_id} ({record.task}, {record.state.value}) has left no model",
            where=str(folder.path),
            hint=advice or "name a run that is completed, a model folder or a model file",
        )
    return folder.layout.model


def _check_file(path: Path) -> Path:
    if path.suffix in _PICKLES:
        raise BadJob(
            "this is a pickle, and reading one executes whatever code it holds",
            where=str(path),
            hint="keep the model by skops.io.dump(model, 'model.skops') and name that file",
        )
    if path.suffix not in _FILE_KINDS:
        raise BadJob(
            f"the ending {path.suffix!r} is that of no model file",
            where=str(path),
            hint="name a run, a model folder, or a file .skops, .ubj or .json (XGBoost), "
            ".txt (LightGBM)",
        )
    if not path.is_file():
        raise BadJob("no such file", where=str(path), hint="check the path of the model")
    return path


def load_model(path: Path, trust: Sequence[str] = ()) -> LoadedModel:
    """Read a model folder or file; nothing of it is executed.

    Parameters
    ----------
    path : Path
        As `find_model` returns it.
    trust : sequence of str
        Types that a skops file may hold beyond those of scikit-learn, NumPy, SciPy, XGBoost,
        LightGBM and hpc-ml: `package.module.Class`.

    Raises
    ------
    BadJob
        When it is damaged, made by a library that is not installed, or holds a type that is not
        trusted, which it names.
    """
    if path.is_dir():
        return _load_folder(path, trust)
    preparation, estimator = split_preparation(_read(path, _FILE_KINDS[path.suffix], None, trust))
    return LoadedModel(estimator, preparation, _own_columns(preparation, estimator), {}, str(path))


# The model that was read last, and when it was written.
_held: dict[tuple[str, str, tuple[str, ...]], LoadedModel] = {}


def hold_model(place: str, trust: tuple[str, ...] = ()) -> LoadedModel:
    """Return a model as `load_model` does, read once in each process as long as it is the same."""
    path = Path(place)
    key = (place, model_stamp(path), trust)
    model = _held.get(key)
    if model is None:
        model = load_model(path, trust)
        _held.clear()
        _held[key] = model
    return model


def model_stamp(path: Path) -> str:
    """Return what changes when a model folder or file does. Raises BadJob where there is none."""
    try:
        status = (path / FACTS if path.is_dir() else path).stat()
    except OSError as error:
        raise BadJob(f"cannot be read: {error.strerror}", where=str(path)) from error
    return f"{status.st_size}-{status.st_mtime_ns}"


def _load_folder(folder: Path, trust: Sequence[str]) -> LoadedModel:
    facts = _read_facts(folder / FACTS)
    if not all(isinstance(column, dict) for column in facts.get("columns") or ()):
        facts.pop("columns")  # the names of features, as earlier versions wrote them
    library = facts.get("format", "skops")
    if library not in MODEL_FILES:
        raise BadJob(
            f"its format {library!r} is none that this version knows",
            where=str(folder / FACTS),
            hint="read it with the hpc-ml that wrote it, or a later one",
        )
    estimator = _read(folder / MODEL_FILES[library], library, facts.get("classes"), trust)
    preparation, estimator = split_preparation(estimator)
    if (folder / PREPARATION).is_file():
        preparation = _read(folder / PREPARATION, "skops", None, trust)
    columns = facts.get("columns")
    return LoadedModel(
        estimator,
        preparation,
        None if columns is None else tuple(map(_read_column, columns)),
        facts,
        str(folder),
    )


def _read_facts(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_bytes())
        if not isinstance(facts, dict):
            raise ValueError("it is no mapping")
    except (OSError, ValueError) as error:
        raise BadJob(f"cannot be read: {error}", where=str(path)) from error
    return facts


def _own_columns(preparation: Any, estimator: Any) -> "tuple[ColumnSummary, ...] | None":
    taker = estimator if preparation is None else preparation
    names = getattr(taker, "feature_names_in_", None)
    return names if names is None else tuple(_read_column({"name": name}) for name in names)


def _read_column(words: Mapping[str, Any]) -> "ColumnSummary":
    from hpc_ml.data.column_scans import ColumnSummary

    return ColumnSummary(str(words["name"]), words.get("kind", "any"), int(words.get("missing", 0)))


def _read(path: Path, library: str, classes: Any, trust: Sequence[str]) -> Any:
    readers: dict[str, Callable[[], Any]] = {
        "skops": lambda: _read_skops(path, trust),
        "xgboost": lambda: _boosters().read_xgboost(str(path), classes),
        "lightgbm": lambda: _boosters().read_lightgbm(str(path), classes),
    }
    try:
        return readers[library]()
    except BadJob:
        raise
    except ImportError as error:
        raise BadJob(
            f"the model needs {error.name}, which is not installed",
            where=str(path),
            hint="pip install 'hpc-ml[boosting]'",
        ) from error
    except Exception as error:
        # Readers raise a dozen kinds of error on a damaged file; all mean the same.
        words = " ".join(str(error).split())[:200] or type(error).__name__
        raise BadJob(
            f"cannot be read as a model of {library}: {words}",
            where=str(path),
            hint="make sure that the file is complete",
        ) from error


def _boosters() -> Any:
    from hpc_ml.tasks import booster_models

    return booster_models


def _read_skops(path: Path, trust: Sequence[str]) -> Any:
    from hpc_ml.tasks.trusted_types import read_trusted

    return read_trusted(path, trust)
