"""Data in partitions, as the tests of formats and plans read them."""

import numpy as np
import pyarrow as pa
from scipy import sparse

from hpc_ml.data import DataSource
from hpc_ml.data.plan import plan_partitions, read_partition
from hpc_ml.spec.data import Data


def source_of(path=None, *, supervised=True, **words):
    words |= {} if path is None else {"path": str(path)}
    return DataSource(Data(**words), supervised=supervised)


def plan_of(path=None, **words):
    return plan_partitions(source_of(path, **words))


def read_all(plan, columns=None):
    """Return all partitions of a plan, each read by itself, as one table or as X and y."""
    parts = [read_partition(plan, number, columns) for number in range(len(plan))]
    if plan.rows is not None:
        sizes = [part.num_rows if plan.kind == "table" else part.X.shape[0] for part in parts]
        assert tuple(sizes) == plan.rows
    if plan.kind == "table":
        assert all(part.schema.names == parts[0].schema.names for part in parts)
        assert all(part.schema.types == parts[0].schema.types for part in parts)
        return pa.concat_tables(parts)
    X = [part.X for part in parts]
    X = sparse.vstack(X, format="csr") if sparse.issparse(X[0]) else np.concatenate(X)
    return X, None if parts[0].y is None else np.concatenate([part.y for part in parts])
