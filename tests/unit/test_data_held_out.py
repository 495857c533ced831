"""The rows that are held out of classes in partitions."""

import tracemalloc

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from hpc_ml.data import DataSource
from hpc_ml.data.partitioned_split import Parts, key_of, split_by_keys
from hpc_ml.spec.data import Data


def source_of(seed: int, test_size: float = 0.2) -> DataSource:
    return DataSource(Data(name="digits"), seed, test_size, stratify=True)


def hold_out(parts, source):
    """Return the numbers, over all rows, of those that are held out."""
    found = split_by_keys(
        [key_of(Parts(len(y), y)) for y in parts], [len(y) for y in parts], source, grouped=False
    )
    masks = [found.mask(number, Parts(len(y), y)) for number, y in enumerate(parts)]
    return np.flatnonzero(np.concatenate(masks)).tolist()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("test_size", [0.07, 0.2, 0.5])
@pytest.mark.parametrize("shares", [[1, 1], [5, 1, 94], [1] * 40])
def test_they_are_those_of_train_test_split(seed, test_size, shares):
    names = np.array([f"class {number}" for number in range(len(shares))], dtype=object)
    chance = np.divide(shares, sum(shares))
    y = np.random.default_rng(seed).choice(names, size=2003, p=chance)
    _, expected = train_test_split(
        np.arange(len(y)), test_size=test_size, random_state=seed, stratify=y
    )
    parts = [y[:3], y[3:3], y[3:1000], y[1000:]]
    assert hold_out(parts, source_of(seed, test_size)) == sorted(expected)


def test_they_are_chosen_in_little_memory():
    rows, source = 400_000, source_of(0)
    keys = [key_of(Parts(rows, np.arange(rows) % 2))]
    tracemalloc.start()
    split_by_keys(keys, [rows], source, grouped=False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 25 * rows
