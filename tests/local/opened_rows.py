"""Rows of a job opened in partitions, and compared with those that one worker makes of all."""

import pickle
from pathlib import Path

import numpy as np
from quiet_run import QuietRun
from scipy import sparse

from hpc_ml.data import DataSource, load
from hpc_ml.spec.data import Data
from hpc_ml.tasks.rows import open_rows


def take(block, _state, _memory):
    return block


def gather(rows):
    """Return the training rows and the held-out rows, each as X, y, weight and group."""
    blocks = rows.collective.map(take)
    assert [len(block) for block in blocks] == list(rows.collective.rows)
    held_out = [block.held_out for block in blocks if block.held_out is not None]
    return join(blocks), join(held_out) if held_out else None


def join(blocks):
    stack = sparse.vstack if sparse.issparse(blocks[0].X) else np.concatenate
    joined = {"X": stack([block.X for block in blocks])}
    for name in ("y", "weight", "group"):
        if getattr(blocks[0], name) is not None:
            joined[name] = np.concatenate([getattr(block, name) for block in blocks])
    return joined


def in_order(part, key=0):
    """Return the rows of a part in the order of a column of X that no two rows share."""
    X = part["X"].toarray() if sparse.issparse(part["X"]) else np.asarray(part["X"])
    order = np.argsort(X if X.ndim == 1 else X[:, key], kind="stable")
    return {"X": X[order]} | {n: values[order] for n, values in part.items() if n != "X"}


def assert_same_rows(source, key=0, client=None):
    """Open the rows of a source and compare them with those of one worker."""
    table = load(source)
    run = QuietRun(Path())
    with open_rows(client, source, run) as rows:
        assert rows.collective.n_partitions > 3
        assert_read_again_alike(rows.collective)
        training, held_out = gather(rows)
        assert rows.feature_names == table.feature_names
        np.testing.assert_array_equal(rows.classes, table.classes)
        assert rows.n_rows == len(table.X_train if table.y_train is None else table.y_train)
        compare(training, table, "train", key)
        if table.X_test is None:
            assert held_out is None and rows.n_held_out == 0
        else:
            assert rows.n_held_out == table.X_test.shape[0]
            compare(held_out, table, "test", key)
        return rows, table, run.told


def assert_read_again_alike(collective):
    """A worker that has lost a partition, or had no room for it, makes the same of it again."""
    partitions = pickle.loads(pickle.dumps(collective.partitions))
    (block,) = collective.map(take, numbers=[2])
    again = partitions.load(2)
    for one, other in ((block, again), (block.held_out, again.held_out)):
        assert (one is None) == (other is None)
        if one is not None:
            pair = [X.toarray() if sparse.issparse(X) else X for X in (one.X, other.X)]
            np.testing.assert_array_equal(*pair)
            np.testing.assert_array_equal(one.y, other.y)


def compare(part, table, side, key):
    expected = {"X": getattr(table, f"X_{side}")}
    for name in ("y", "weight", "group"):
        if getattr(table, f"{name}_{side}") is not None:
            expected[name] = getattr(table, f"{name}_{side}")
    assert part.keys() == expected.keys()
    assert part["X"].dtype == expected["X"].dtype
    assert sparse.issparse(part["X"]) == sparse.issparse(expected["X"])
    got, wanted = in_order(part, key), in_order(expected, key)
    for name, values in wanted.items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(got[name], values, rtol=1e-9, atol=1e-12, err_msg=name)
        else:
            np.testing.assert_array_equal(got[name], values, err_msg=name)
            assert got[name].dtype == values.dtype


def source_of(frame, tmp_path, *, test_size=0.25, stratify=True, supervised=True, **words):
    path = tmp_path / "t.parquet"
    frame.to_parquet(path, index=False, row_group_size=200)
    words = {"target": "label"} | words
    if not supervised:
        words.pop("target")
    return DataSource(Data(path=str(path), **words), 3, test_size, stratify, supervised)
