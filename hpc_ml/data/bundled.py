"""The tables that come with scikit-learn."""

from typing import Any

from hpc_ml.data.matrix import Matrix
from hpc_ml.errors import BadData


def read_bundled(name: str) -> Matrix:
    """Return a bundled table. Raises BadData for 20newsgroups where it is not cached."""
    if name == "20newsgroups":
        return _read_newsgroups()
    import sklearn.datasets

    table: Any = getattr(sklearn.datasets, f"load_{name}")()
    return Matrix(table.data, table.target, tuple(str(name) for name in table.feature_names))


def _read_newsgroups() -> Matrix:
    import numpy as np
    from sklearn.datasets import fetch_20newsgroups

    try:
        posts: Any = fetch_20newsgroups(subset="all", download_if_missing=False)
    except OSError:
        raise BadData(
            "20newsgroups is not in scikit-learn's cache on this host",
            where="data.name",
            hint="fetch it once where there is a network: python -c 'import sklearn.datasets as d; "
            'd.fetch_20newsgroups(subset="all")\'',
        ) from None
    return Matrix(np.array(posts.data, dtype=object), posts.target, None)
