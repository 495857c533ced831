"""Trees that come from a file, checked: their numbers lead into memory without further checks."""

from collections.abc import Iterator
from typing import Any

from hpc_ml.errors import BadJob


def check_trees(model: Any, where: str) -> None:
    """Raise BadJob where a number in a tree of the model leads out of the tree or of the rows."""
    for tree, n_features in _find_trees(model):
        if not _CHECKS[type(tree).__name__](tree, n_features):
            raise BadJob(
                f"a {type(tree).__name__} in the model leads out of its bounds",
                where=where,
                hint="make sure that the file is complete and comes from whom you think",
            )


def _find_trees(model: Any) -> Iterator[tuple[Any, int | None]]:
    """Yield every tree within a model, and the features of the rows that reach it, if known."""
    waiting: list[tuple[Any, int | None]] = [(model, None)]
    seen: set[int] = set()
    while waiting:
        value, features = waiting.pop()
        if id(value) in seen or isinstance(value, str | bytes | int | float | None):
            continue
        seen.add(id(value))
        if type(value).__name__ in _CHECKS:
            yield value, features
            continue
        waiting += [(part, _features(value, features)) for part in _parts(value)]


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, list | tuple | set):
        return list(value)
    if hasattr(value, "dtype"):
        return list(value.flat) if value.dtype == object else []
    return list(vars(value).values()) if hasattr(value, "__dict__") else []


def _features(owner: Any, outer: int | None) -> int | None:
    """Return the features of the rows that reach the trees of an estimator, where it checks them.

    A forest hands the rows that it has checked to the trees of its estimators as they are.
    """
    from sklearn.ensemble._forest import BaseForest
    from sklearn.ensemble._gb import BaseGradientBoosting
    from sklearn.ensemble._hist_gradient_boosting.gradient_boosting import (
        BaseHistGradientBoosting,
    )

    if not hasattr(owner, "fit"):
        return outer
    own: int | None = getattr(owner, "n_features_in_", None)
    if isinstance(owner, BaseForest | BaseGradientBoosting | BaseHistGradientBoosting):
        return own
    if not hasattr(owner, "tree_") or own is None:
        return None
    return own if outer is None else min(own, outer)


def _check_tree(tree: Any, n_features: int | None) -> bool:
    import numpy as np

    if not 0 < tree.node_count <= tree.capacity:
        return False
    inner = tree.children_left != -1
    children = np.stack([tree.children_left[inner], tree.children_right[inner]])
    return _lead_on(children, np.flatnonzero(inner), tree.node_count) and _are_within(
        tree.feature[inner], tree.n_features if n_features is None else n_features
    )


def _check_predictor(tree: Any, n_features: int | None) -> bool:
    import numpy as np

    nodes = tree.nodes
    inner = nodes["is_leaf"] == 0
    split = nodes[inner]
    children = np.stack([split["left"], split["right"]]).astype(np.int64)
    by_category = split[split["is_categorical"] != 0]["bitset_idx"].astype(np.int64)
    return (
        len(nodes) > 0
        and _lead_on(children, np.flatnonzero(inner), len(nodes))
        and (n_features is None or _are_within(split["feature_idx"], n_features))
        and _are_within(by_category, len(tree.raw_left_cat_bitsets))
    )


def _check_neighbours(tree: Any, _n_features: int | None) -> bool:
    data, rows, nodes, _ = tree.get_arrays()
    return (
        len(rows) == len(data)
        and _are_within(rows, len(data))
        and _are_within(nodes["idx_start"], len(data) + 1)
        and _are_within(nodes["idx_end"], len(data) + 1)
    )


def _lead_on(children: Any, parents: Any, count: int) -> bool:
    """Return whether children stand behind their parents, so that every way down ends."""
    return bool((children > parents).all() and (children < count).all())


def _are_within(numbers: Any, count: int) -> bool:
    return bool(((numbers >= 0) & (numbers < count)).all())


_CHECKS = {
    "Tree": _check_tree,
    "TreePredictor": _check_predictor,
    "KDTree": _check_neighbours,
    "BallTree": _check_neighbours,
}
