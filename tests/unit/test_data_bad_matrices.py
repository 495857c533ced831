"""Arrays and names that cannot be learned from: one line each, with the next step."""

import gzip
import zipfile

import numpy as np
import pytest

from hpc_ml.data import DataSource, inspect, load
from hpc_ml.errors import BadData
from hpc_ml.spec.data import Data


def refusal(*, test_size=0.2, stratify=True, supervised=True, **words):
    """Return the one line with which both inspect and load refuse the data."""
    words = {key: str(value) if key == "path" else value for key, value in words.items()}
    source = DataSource(Data(**words), 0, test_size, stratify and supervised, supervised)
    lines = []
    for look in (inspect, load):
        with pytest.raises(BadData) as caught:
            look(source)
        lines.append(str(caught.value))
    assert lines[0] == lines[1]
    assert "\n" not in lines[0]
    return lines[0]


X = np.arange(40.0).reshape(20, 2)
Y = np.arange(20) % 2


def with_value(value, row=2, column=1):
    changed = X.copy()
    changed[row, column] = value
    return changed


ARRAYS = {
    "no y": ({"X": X, "z": Y}, {}, ["no array named y, but X, z", "numpy.savez"]),
    "nothing": ({}, {}, ["no array named X, but none"]),
    "pickled X": ({"X": X.astype(object), "y": Y}, {}, ["array X holds pickled Python objects"]),
    "pickled y": ({"X": X, "y": Y.astype(object)}, {}, ["array y holds pickled Python objects"]),
    "missing": ({"X": with_value(np.nan), "y": Y}, {}, ["row 3, column '1'", "data.missing"]),
    "infinite": (
        {"X": with_value(np.inf), "y": Y}, {"missing": "keep"},
        ["column '1' has an infinite value in row 3", "data.drop"],
    ),
    "a missing target": (
        {"X": X, "y": np.where(np.arange(20) == 4, np.nan, Y)}, {"missing": "impute"},
        ["the target has 1 missing value, the first in row 5", "--missing drop"],
    ),
    "an infinite target": (
        {"X": X, "y": np.where(np.arange(20) == 4, np.inf, Y)}, {},
        ["the target has an infinite value in row 5"],
    ),
    "fewer targets than rows": ({"X": X, "y": Y[:-1]}, {}, ["X has 20 rows and y has 19"]),
    "several targets": ({"X": X, "y": X}, {}, ["the target has shape (20, 2)"]),
    "one number as target": ({"X": X, "y": np.array(1)}, {}, ["the target has shape ()"]),
    "one dimension": ({"X": X[:, 0], "y": Y}, {}, ["X has 1 dimensions instead of 2"]),
    "three dimensions": ({"X": X[..., None], "y": Y}, {}, ["X has 3 dimensions instead of 2"]),
    "no columns": ({"X": X[:, :0], "y": Y}, {}, ["X has no columns"]),
    "no rows": ({"X": X[:0], "y": Y[:0]}, {}, ["there are no rows"]),
    "words": ({"X": X.astype("U"), "y": Y}, {}, ["X is of type <U32, and numbers are needed"]),
    "complex": ({"X": X.astype(complex), "y": Y}, {}, ["X is of type complex128"]),
    "a target of dates": (
        {"X": X, "y": Y.astype("M8[D]")}, {}, ["the target is of type datetime64[D]"],
    ),
    "one class": ({"X": X, "y": Y * 0}, {}, ["target 'y' has one value only, 0"]),
    "a class of one row": (
        {"X": X, "y": np.where(np.arange(20) == 4, 9, Y)}, {}, ["class 9 of target 'y' has 1 row"],
    ),
    "a named target": ({"X": X, "y": Y}, {"target": "y"}, ["its target in the array y"]),
    "a text": ({"X": X, "y": Y}, {"text": "0"}, ["data.text needs a table of named columns"]),
    "a category": ({"X": X, "y": Y}, {"categorical": ["0"]}, ["data.categorical needs a table"]),
    "a wrong column": (
        {"X": X, "y": Y}, {"columns": ["2"]}, ["data.columns names '2'", "known: 0, 1"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ARRAYS)
def test_bad_arrays_are_refused(tmp_path, case):
    arrays, words, expected = ARRAYS[case]
    np.savez(tmp_path / "a.npz", **arrays)
    line = refusal(path=tmp_path / "a.npz", **words)
    for part in expected:
        assert part in line


def test_a_damaged_npz_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, X=X, y=Y)
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    assert "cannot be read as npz" in refusal(path=path)
    path.write_bytes(whole[:200] + b"\xff\xff\xff" + whole[203:])
    assert "cannot be read as npz" in refusal(path=path)


def test_an_array_that_is_shorter_than_its_header_says_is_refused(tmp_path):
    told = {"descr": "<f8", "fortran_order": False, "shape": (10**12, 2)}
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name in ("X", "y"):
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array_header_1_0(member, told)
    assert "array X is cut off" in refusal(path=tmp_path / "a.npz")


NPY = {
    "pickled": (X.astype(object), {}, ["the file holds pickled Python objects", "run code"]),
    "one dimension": (X[:, 0], {}, ["the array has shape (20,), and rows x columns are needed"]),
    "one number": (np.array(1.0), {}, ["the array has shape ()"]),
    "only a target": (Y[:, None], {}, ["X has no columns"]),
    "a wrong target": (X, {"target": "2"}, ["data.target '2' is no column", "0 to 1", "-1"]),
    "a target by name": (X, {"target": "label"}, ["data.target 'label' is no column"]),
    "no rows": (X[:0], {}, ["there are no rows"]),
    "records": (np.zeros((2, 2), "i4,f4"), {}, ["is of type"]),
}


@pytest.mark.parametrize("case", NPY)
def test_a_bad_npy_array_is_refused(tmp_path, case):
    array, words, expected = NPY[case]
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    line = refusal(path=tmp_path / "a.npy", **words)
    for part in expected:
        assert part in line


def test_a_truncated_npy_array_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", X)
    whole = (tmp_path / "a.npy").read_bytes()
    for length in (4, 60, len(whole) - 8):
        (tmp_path / "a.npy").write_bytes(whole[:length])
        line = refusal(path=tmp_path / "a.npy")
        assert "cannot be read as npy" in line or "the array is cut off" in line


LINES = {
    "a word for a value": (b"1 1:2\n# note\n0 1:x\n", [":3: '0 1:x' is not a line of svmlight"]),
    "a word for a label": (b"1 1:2\nyes 1:2\n", [":2: 'yes 1:2' is not a line"]),
    "no colon": (b"1 1:2\n0 2\n", [":2: '0 2' is not a line"]),
    "indices that fall": (b"1 1:2 2:3\n0 2:1 1:1\n", [":2: the indices of this line do not rise"]),
    "indices twice": (b"1 1:2 1:3\n", [":1: the indices of this line do not rise"]),
    "a huge index": (b"1 99999999999:1\n", [":1: index 99999999999 is too large"]),
    "a negative index": (b"1 -1:1\n", [":1: '1 -1:1' is not a line"]),
    "several labels": (b"1,2 1:1\n", [":1: '1,2 1:1' is not a line"]),
    "only notes": (b"# nothing\n", ["there are no rows"]),
    "empty": (b"", ["the file is empty"]),
    "binary": (b"\xff\x00\xfe\n", [":1:", "is not a line"]),
    "missing": (b"1 1:2\n0 1:nan\n", ["row 2, column '0'", "data.missing"]),
    "infinite": (b"1 1:2\n0 1:inf\n", ["column '0' has an infinite value in row 2"]),
    "one class": (b"1 1:2\n1 1:3\n", ["has one value only"]),
    "truncated gzip": (gzip.compress(b"1 1:2\n" * 99)[:-9], ["cannot be read as svmlight"]),
}


@pytest.mark.parametrize("case", LINES)
def test_bad_svmlight_is_refused(tmp_path, case):
    content, expected = LINES[case]
    (tmp_path / "a.svmlight").write_bytes(content)
    line = refusal(path=tmp_path / "a.svmlight")
    for part in expected:
        assert part in line


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"name": "digit"}, "did you mean 'digits'?"),
        ({"name": "20newsgroups"}, "not in scikit-learn's cache"),
        ({"name": "digits", "target": "y"}, "the target of digits is given"),
        ({"name": "digits", "text": "y"}, "data.text needs a table"),
        ({"name": "20newsgroups", "text": "post"}, "data.text needs a table"),
        ({"name": "iris", "columns": ["petal"]}, "known: sepal length (cm)"),
        ({"name": "make_moons()", "categorical": ["0"]}, "data.categorical needs a table"),
        ({"name": "make_moons(noize=1)"}, "did you mean 'noise'?"),
        ({"name": "make_regression(n_targets=2)", "stratify": False}, "shape (100, 2)"),
        ({"name": "make_regression()"}, "holds continuous numbers"),
        ({"name": "make_blobs(n_samples=4)"}, "class"),
        ({}, "the job names no data"),
    ],
)  # fmt: skip
def test_bad_names_are_refused(tmp_path, monkeypatch, words, expected):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    assert expected in refusal(**words)
