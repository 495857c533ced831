"""Rows of a generator in any number, made block by block.

All blocks share one problem (centres, the informative subspace, coefficients), drawn once from
random_state; the rows of a block are drawn from random_state and the block's number. So a row is
the same whichever partition it lies in. What a problem is made of follows scikit-learn's
generators (sklearn/datasets/_samples_generator.py); the rows differ from theirs.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import gcd
from typing import TYPE_CHECKING, Any

from hpc_ml.data.generators import GeneratorCall, argument, generate, small_call

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

_SHARED, _ROWS = 0, 1


@dataclass(frozen=True)
class BlockCall:
    """A generator's call, the rows that it makes, and how many of them a block has."""

    call: GeneratorCall
    rows: int
    block_rows: int

    def __str__(self) -> str:
        return str(self.call)


def make_rows(made: BlockCall, start: int, stop: int) -> "tuple[Array, Array]":
    """Return X (rows x features, float64) and y of a range of rows that begins with a block."""
    import numpy as np

    block = _problem(made)
    parts = [
        block(number) for number in range(start // made.block_rows, -(-stop // made.block_rows))
    ]
    return np.concatenate([X for X, _ in parts]), np.concatenate([y for _, y in parts])


def _problem(made: BlockCall) -> "Callable[[int], tuple[Array, Array]]":
    """Return the function that makes a block by its number."""
    own = {
        "make_blobs": _blobs,
        "make_classification": _classification,
        "make_regression": _regression,
    }
    return own.get(made.call.name, _repeated)(made)


def _draws(made: BlockCall, *words: int) -> "np.random.Generator":
    import numpy as np

    return np.random.default_rng([int(made.call.arguments["random_state"]), *words])


def _block(made: BlockCall, number: int) -> tuple[int, "np.random.Generator"]:
    rows = min(made.block_rows, made.rows - number * made.block_rows)
    return rows, _draws(made, _ROWS, number)


def _groups_of(made: BlockCall, counts: "Array", number: int, rng: Any, shuffle: bool) -> "Array":
    """Return the group of each row of a block: over all rows, each group has its exact count.

    Rows step through the groups by a stride that meets each place once.
    """
    import numpy as np

    total = int(counts.sum())
    stride = 1 if not shuffle else _coprime(total)
    first = number * made.block_rows
    rows = min(made.block_rows, total - first)
    places = (first * stride % total + np.arange(rows, dtype=np.int64) * stride) % total
    groups = np.searchsorted(np.cumsum(counts), places, side="right")
    return rng.permutation(groups) if shuffle else groups


def _coprime(total: int) -> int:
    stride = max(1, round(total * 0.6180339887498949))
    while gcd(stride, total) > 1:
        stride += 1
    return stride


def _blobs(made: BlockCall) -> "Callable[[int], tuple[Array, Array]]":
    import numpy as np
    from sklearn.datasets import make_blobs

    words = {**small_call(made.call).arguments, "return_centers": True}
    _, _, centres = make_blobs(**words)
    asked = argument(made.call, "n_samples")
    counts = _even(made.rows, len(centres)) if np.ndim(asked) == 0 else np.array(asked)
    widths = np.broadcast_to(argument(made.call, "cluster_std"), len(centres))
    shuffle = bool(argument(made.call, "shuffle"))

    def make(number: int) -> "tuple[Array, Array]":
        rows, rng = _block(made, number)
        y = _groups_of(made, counts, number, rng, shuffle)
        X = rng.standard_normal((rows, centres.shape[1]))
        X *= widths[y, np.newaxis]
        X += centres[y]
        return X, y

    return make


def _even(rows: int, parts: int) -> "Array":
    import numpy as np

    return np.full(parts, rows // parts) + (np.arange(parts) < rows % parts)


def _regression(made: BlockCall) -> "Callable[[int], tuple[Array, Array]]":
    import numpy as np

    n_features, n_targets = (argument(made.call, key) for key in ("n_features", "n_targets"))
    informative = min(n_features, argument(made.call, "n_informative"))
    rng = _draws(made, _SHARED)
    coefficients = np.zeros((n_features, n_targets))
    coefficients[:informative] = 100 * rng.uniform(size=(informative, n_targets))
    if argument(made.call, "shuffle"):
        rng.shuffle(coefficients)
    mixing = _mixing(made, rng)
    noise, bias = argument(made.call, "noise"), argument(made.call, "bias")

    def make(number: int) -> "tuple[Array, Array]":
        rows, rng = _block(made, number)
        width = n_features if mixing is None else len(mixing)
        X = rng.standard_normal((rows, width))
        if mixing is not None:
            X = X @ mixing
        y = X @ coefficients + bias
        if noise > 0:
            y += rng.normal(scale=noise, size=y.shape)
        return X, np.squeeze(y, axis=1) if n_targets == 1 else y

    return make


def _mixing(made: BlockCall, rng: "np.random.Generator") -> "Array | None":
    """Return what makes rows of low rank of independent ones, with make_low_rank_matrix's profile.

    The left singular vectors, orthogonal there, are independent normal numbers here.
    """
    import numpy as np

    rank = argument(made.call, "effective_rank")
    if rank is None:
        return None
    n_features, tail = (argument(made.call, key) for key in ("n_features", "tail_strength"))
    directions, _ = np.linalg.qr(rng.standard_normal((n_features, n_features)))
    steps = np.arange(n_features) / rank
    profile = (1 - tail) * np.exp(-(steps**2)) + tail * np.exp(-0.1 * steps)
    mixed: Array = (profile[:, np.newaxis] * directions.T) / np.sqrt(made.rows)
    return mixed


def _classification(made: BlockCall) -> "Callable[[int], tuple[Array, Array]]":
    call = made.call
    n_classes, per_class = (argument(call, key) for key in ("n_classes", "n_clusters_per_class"))
    rng = _draws(made, _SHARED)
    space = _Space.draw(made, rng)
    counts = _cluster_counts(made, n_classes, per_class)
    shuffle, flip_y = bool(argument(call, "shuffle")), argument(call, "flip_y")

    def make(number: int) -> "tuple[Array, Array]":
        rows, rng = _block(made, number)
        clusters = _groups_of(made, counts, number, rng, shuffle)
        X = space.rows(clusters, rng)
        y = clusters % n_classes
        if flip_y > 0:
            flipped = rng.uniform(size=rows) < flip_y
            y[flipped] = rng.integers(n_classes, size=int(flipped.sum()))
        return X, y

    return make


def _cluster_counts(made: BlockCall, n_classes: int, per_class: int) -> "Array":
    """Return the rows of each cluster, as scikit-learn counts them."""
    import numpy as np

    weights = argument(made.call, "weights")
    if weights is None:
        weights = [1 / n_classes] * n_classes
    elif len(weights) == n_classes - 1:
        weights = [*weights, 1 - sum(weights)]
    clusters = n_classes * per_class
    counts = np.array(
        [int(made.rows * weights[k % n_classes] / per_class) for k in range(clusters)]
    )
    counts += _even(max(0, made.rows - int(counts.sum())), clusters)
    return counts


@dataclass(frozen=True)
class _Space:
    """The clusters of a classification problem and how features are made of them."""

    centres: "Array"
    spreads: "Array"
    redundant: "Array"
    repeated: "Array"
    shift: "Array"
    scale: "Array"
    order: "Array"

    @classmethod
    def draw(cls, made: BlockCall, rng: "np.random.Generator") -> "_Space":
        """Draw a problem."""
        import numpy as np

        call = made.call
        n_features, informative, redundant, repeated, separation = (
            argument(call, key)
            for key in ("n_features", "n_informative", "n_redundant", "n_repeated", "class_sep")
        )
        clusters = argument(call, "n_classes") * argument(call, "n_clusters_per_class")
        centres = (2.0 * _corners(clusters, informative, rng) - 1) * separation
        if not argument(call, "hypercube"):
            centres *= rng.uniform(size=(clusters, 1))
            centres *= rng.uniform(size=(1, informative))
        spreads = 2 * rng.uniform(size=(clusters, informative, informative)) - 1
        shift, scale = argument(call, "shift"), argument(call, "scale")
        if shift is None:
            shift = (2 * rng.uniform(size=n_features) - 1) * separation
        if scale is None:
            scale = 1 + 100 * rng.uniform(size=n_features)
        shuffle = argument(call, "shuffle")
        return cls(
            centres,
            spreads,
            2 * rng.uniform(size=(informative, redundant)) - 1,
            rng.integers(informative + redundant, size=repeated),
            np.broadcast_to(shift, n_features),
            np.broadcast_to(scale, n_features),
            rng.permutation(n_features) if shuffle else np.arange(n_features),
        )

    def rows(self, clusters: "Array", rng: "np.random.Generator") -> "Array":
        """Return rows of these clusters."""
        import numpy as np

        informative = rng.standard_normal((len(clusters), self.centres.shape[1]))
        for cluster in np.unique(clusters):
            at = clusters == cluster
            informative[at] = informative[at] @ self.spreads[cluster] + self.centres[cluster]
        known = np.hstack([informative, informative @ self.redundant])
        known = np.hstack([known, known[:, self.repeated]])
        X = np.empty((len(clusters), len(self.order)))
        X[:, self.order[: known.shape[1]]] = known
        others = self.order[known.shape[1] :]
        X[:, others] = rng.standard_normal((len(clusters), len(others)))
        X += self.shift
        X *= self.scale
        return X


def _corners(count: int, dimensions: int, rng: "np.random.Generator") -> "Array":
    """Return different corners of a hypercube, as 0 and 1."""
    import numpy as np

    if dimensions > 30:
        rest = rng.integers(2, size=(count, dimensions - 30))
        return np.hstack([rest, _corners(count, 30, rng)])
    numbers = rng.choice(2**dimensions, count, replace=False)
    corners: Array = (numbers[:, np.newaxis] >> np.arange(dimensions)) & 1
    return corners


def _repeated(made: BlockCall) -> "Callable[[int], tuple[Array, Array]]":
    """Call the generator for each block: for those whose problem has nothing drawn in it."""
    import numpy as np

    asked = argument(made.call, "n_samples")

    def make(number: int) -> "tuple[Array, Array]":
        rows, rng = _block(made, number)
        n_samples: Any = rows
        if np.ndim(asked):
            groups = _groups_of(made, np.array(asked), number, rng, shuffle=True)
            n_samples = tuple(int(count) for count in np.bincount(groups, minlength=len(asked)))
        words = {"n_samples": n_samples, "random_state": int(rng.integers(2**31))}
        return generate(replace(made.call, arguments={**made.call.arguments, **words}))

    return make
