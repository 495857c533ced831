"""The data of a job: what they are, whether they can be learned from, and their rows.

    DataSource     the recipe: a few words that travel to every worker
    inspect        reads the data once before anything is submitted; raises BadData
    DataSummary    what inspect tells: rows, columns, target, digest, notes for the user
    load           on a worker: the rows, split and prepared
    Table          what load gives: X_train, y_train, X_test, y_test, ...

The held-out rows are those of scikit-learn's `train_test_split` with the job's seed (`split.py`).
Importing this package loads neither Arrow nor pandas nor scikit-learn.
"""

from hpc_ml.data.inspection import DataSummary, inspect
from hpc_ml.data.source import DataSource
from hpc_ml.data.table import Table, load

__all__ = ["DataSource", "DataSummary", "Table", "inspect", "load"]
