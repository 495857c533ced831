"""Whether two runs have the same result, times left out."""

import csv
import json
import math
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

_TABLES = ("history.csv", "cv_results.csv", "importances.csv", "sample.csv")
_ROWS_TO_PREDICT = 2000
_MOST_TOLD = 5
_VALUES = (type, str, bytes, int, float, np.generic, np.ndarray)


def list_differences(one: Path, other: Path, tolerance: float) -> list[str]:
    """Return in what the results of two run folders differ first, each in a few words.

    `tolerance` is relative, of numbers; files of predictions and of models are compared by what
    they hold.
    """
    metrics = [_read_json(run / "metrics.json") for run in (one, other)]
    found = chain(
        _differ(*metrics, tolerance, "metrics"),
        *(_differ_tables(one / name, other / name, tolerance) for name in _TABLES),
        _differ_predictions(one / "predictions", other / "predictions", tolerance),
        _differ_models(one / "model", other / "model", tolerance),
    )
    return list(islice(found, _MOST_TOLD))


def list_strays(run: Path) -> list[str]:
    """Return what a run leaves that it should not: half-written files, keys, its owner's record."""
    hidden = [str(path.relative_to(run)) for path in run.rglob(".*")]
    return hidden + [name for name in ("owner.json", "tls") if (run / name).exists()]


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text()) if path.is_file() else None


def _read_table(path: Path) -> Any:
    """Return the columns of a table without those of times, or None where it is not there."""
    if not path.is_file():
        return None
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    columns = dict(zip(header, zip(*rows, strict=True), strict=True)) if rows else {}
    return {
        name: [_as_number(value) for value in values]
        for name, values in columns.items()
        if not name.endswith(("_s", "_time"))
    }


def _as_number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _differ_tables(one: Path, other: Path, tolerance: float) -> Iterator[str]:
    yield from _differ(_read_table(one), _read_table(other), tolerance, one.name)


def _differ_predictions(one: Path, other: Path, tolerance: float) -> Iterator[str]:
    from pyarrow import parquet as pq

    names = [sorted(path.name for path in folder.glob("*")) for folder in (one, other)]
    if names[0] != names[1]:
        yield f"predictions: {len(names[0])} and {len(names[1])} files"
        return
    for name in names[0]:
        tables = [pq.read_table(folder / name).to_pydict() for folder in (one, other)]
        yield from _differ(*tables, tolerance, f"predictions/{name}")


def _differ_models(one: Path, other: Path, tolerance: float) -> Iterator[str]:
    facts = [_read_json(folder / "model.json") for folder in (one, other)]
    yield from _differ(*facts, tolerance, "model.json")
    if None not in facts:
        models = [_read_model(folder, facts[0]["format"]) for folder in (one, other)]
        yield from _differ(*models, tolerance, "model")


def _read_model(folder: Path, library: str) -> Any:
    """Return what a model has learned; of a booster what it predicts."""
    if library == "skops":
        import skops.io

        path = folder / "model.skops"
        return skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    random = np.random.default_rng(0)
    if library == "xgboost":
        import xgboost

        booster = xgboost.Booster(model_file=folder / "model.ubj")
        rows = random.normal(size=(_ROWS_TO_PREDICT, booster.num_features()))
        return booster.num_boosted_rounds(), booster.inplace_predict(rows)
    import lightgbm

    trees = lightgbm.Booster(model_file=str(folder / "model.txt"))
    rows = random.normal(size=(_ROWS_TO_PREDICT, trees.num_feature()))
    return trees.num_trees(), trees.predict(rows)


def _differ(one: Any, other: Any, tolerance: float, where: str) -> Iterator[str]:
    """Yield the first differences of two values, whatever they are."""
    if type(one) is not type(other):
        yield f"{where}: {type(one).__name__} and {type(other).__name__}"
    elif isinstance(one, Mapping):
        if list(one) != list(other):
            yield f"{where}: keys {list(one)} and {list(other)}"
            return
        for key in one:
            yield from _differ(one[key], other[key], tolerance, f"{where}.{key}")
    elif isinstance(one, list | tuple):
        if len(one) != len(other):
            yield f"{where}: {len(one)} and {len(other)} entries"
            return
        for number, (mine, theirs) in enumerate(zip(one, other, strict=True)):
            yield from _differ(mine, theirs, tolerance, f"{where}[{number}]")
    elif not _same(one, other, tolerance):
        parts = _parts_of(one), _parts_of(other)
        if parts[0] is None:
            yield f"{where}: {_short(one)} and {_short(other)}"
        else:
            yield from _differ(*parts, tolerance, where)


def _same(one: Any, other: Any, tolerance: float) -> bool:
    if isinstance(one, np.ndarray):
        return _same_arrays(one, other, tolerance)
    if sparse.issparse(one):
        return _same_arrays(one.toarray(), other.toarray(), tolerance)
    if isinstance(one, float | np.floating):
        if math.isnan(one) or math.isnan(other):
            return math.isnan(one) and math.isnan(other)
        return bool(one == other or math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance))
    if _parts_of(one) is None:
        return bool(one == other)
    return False


def _same_arrays(one: np.ndarray, other: np.ndarray, tolerance: float) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype.names:
        return all(_same_arrays(one[name], other[name], tolerance) for name in one.dtype.names)
    if one.dtype.kind == "O":
        return not list(_differ(one.tolist(), other.tolist(), tolerance, ""))
    if one.dtype.kind in "fc" and tolerance:
        largest = float(np.max(np.abs(one), initial=0.0, where=np.isfinite(one)))
        return np.allclose(one, other, rtol=tolerance, atol=tolerance * largest, equal_nan=True)
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


def _parts_of(value: Any) -> dict[str, Any] | None:
    """Return what an object consists of, or None where it is a value."""
    if isinstance(value, np.random.RandomState):
        return {"state": list(value.get_state())}
    if type(value).__module__ == "sklearn.tree._tree":
        return dict(value.__getstate__())
    if isinstance(value, _VALUES) or value is None or sparse.issparse(value):
        return None
    if getattr(value, "__dict__", None):
        return dict(vars(value))
    return {"reduced": value.__reduce_ex__(4)[1:3]}


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) < 40 else f"{text[:37]}..."
