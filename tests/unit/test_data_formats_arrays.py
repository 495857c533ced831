"""Arrays of every format in partitions: npy, npz, HDF5, Zarr and svmlight."""

import gzip
import sys

import h5py
import numpy as np
import pytest
import zarr
from scipy import sparse
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

from hpc_ml.data import DataSource, inspect, load
from hpc_ml.data import pieces as pieces_module
from hpc_ml.data.plan import place_row, read_partition
from hpc_ml.errors import BadData
from hpc_ml.spec.data import Data
from tests.unit.data_partitions import plan_of, read_all

ROWS, WIDTH = 5_003, 7
rng = np.random.default_rng(0)
X = rng.normal(size=(ROWS, WIDTH)).astype("f4")
Y = rng.integers(0, 3, ROWS)
WORDS = np.array(["a", "bb", "ç"])[Y]


@pytest.fixture(autouse=True)
def small_partitions(monkeypatch):
    """Take 20 kB for a partition, so that these tests need few rows."""
    monkeypatch.setattr(pieces_module, "_SMALLEST_BYTES", 20_000)


def write_hdf5(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name.replace("__", "/")] = (
                values.astype(object) if values.dtype.kind == "U" else values
            )


def write_zarr(path, version=3, **arrays):
    group = zarr.open_group(path, mode="w", zarr_format=version)
    for name, values in arrays.items():
        array = group.create_array(
            name.replace("__", "/"),
            shape=values.shape,
            dtype=str if values.dtype.kind == "U" else values.dtype,
            chunks=(500, *values.shape[1:]),
        )
        array[:] = values


WRITERS = {
    "t.npz": lambda path, **arrays: np.savez(path, **arrays),
    "packed.npz": lambda path, **arrays: np.savez_compressed(path, **arrays),
    "t.h5": write_hdf5,
    "t.zarr": write_zarr,
    "2.zarr": lambda path, **arrays: write_zarr(path, 2, **arrays),
}


@pytest.mark.parametrize("y", [Y, WORDS], ids=["numbers", "words"])
@pytest.mark.parametrize("name", WRITERS)
def test_x_and_y_are_read_by_rows(tmp_path, name, y):
    WRITERS[name](tmp_path / name, X=X, y=y)
    plan = plan_of(tmp_path / name)
    assert len(plan) == (1 if name == "packed.npz" else len(plan)) and plan.n_rows == ROWS
    assert plan.dtype == np.float32 and plan.n_columns == WIDTH
    mine = read_all(plan)
    np.testing.assert_array_equal(mine[0], X)
    np.testing.assert_array_equal(mine[1], y)
    assert mine[0].dtype == np.float32
    assert read_all(plan_of(tmp_path / name, supervised=False))[1] is None
    np.testing.assert_array_equal(read_all(plan, ["3", "0"])[0], X[:, [3, 0]])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("target", [None, "0", "-2"])
@pytest.mark.parametrize("name", ["t.npy", "t.h5", "t.zarr"])
def test_a_column_of_one_array_is_the_target(tmp_path, name, target, order):
    if name == "t.npy":
        np.save(tmp_path / name, np.asarray(X, order=order))
    else:
        WRITERS[name](tmp_path / name, some=X)
    plan = plan_of(tmp_path / name, target=target)
    number = int(target or -1) % WIDTH
    assert len(plan) > 4 and plan.names == tuple(str(n) for n in range(WIDTH) if n != number)
    mine = read_all(plan)
    np.testing.assert_array_equal(mine[0], np.delete(X, number, axis=1))
    np.testing.assert_array_equal(mine[1], X[:, number])
    some = [str((number + 2) % WIDTH), str((number + 1) % WIDTH)]
    np.testing.assert_array_equal(read_all(plan, some)[0], X[:, [int(word) for word in some]])


def test_chunks_are_not_torn_apart(tmp_path):
    write_zarr(tmp_path / "t.zarr", X=X, y=Y)
    assert {rows % 500 for rows in plan_of(tmp_path / "t.zarr").rows[:-1]} == {0}


def test_a_zarr_store_that_is_one_array(tmp_path):
    zarr.create_array(tmp_path / "t.zarr", data=X, chunks=(500, WIDTH))
    plan = plan_of(tmp_path / "t.zarr", supervised=False)
    np.testing.assert_array_equal(read_all(plan)[0], X)
    key = plan.key
    zarr.open_array(tmp_path / "t.zarr", mode="a")[0, 0] = 7
    assert plan_of(tmp_path / "t.zarr", supervised=False).key != key


@pytest.mark.parametrize("name", ["t.h5", "t.zarr"])
def test_the_array_or_group_may_be_named(tmp_path, name):
    WRITERS[name](tmp_path / name, a__X=X, a__y=Y, b__one=X, c__one=X, c__two=X)
    np.testing.assert_array_equal(read_all(plan_of(tmp_path / name, dataset="a"))[1], Y)
    for dataset in ("b", "b/one"):
        mine = read_all(plan_of(tmp_path / name, dataset=dataset, supervised=False))
        np.testing.assert_array_equal(mine[0], X)
    for dataset in (None, "c", "d"):
        with pytest.raises(BadData, match=r"there is no array .*data\.dataset=NAME: a/X, a/y"):
            plan_of(tmp_path / name, dataset=dataset)


def test_several_files_of_arrays_are_one(tmp_path):
    for number in range(3):
        part = slice(number * 1_000, number * 1_000 + 1_000)
        np.save(tmp_path / f"{number}.npy", X[part])
        np.savez(tmp_path / f"{number}.npz", X=X[part], y=Y[part])
        write_hdf5(tmp_path / f"{number}.h5", X=X[part], y=Y[part])
    for ending in ("npy", "npz", "h5"):
        plan = plan_of(tmp_path / f"*.{ending}")
        np.testing.assert_array_equal(read_all(plan)[0][:, 0], X[:3_000, 0])
    assert place_row(plan, len(plan) - 1, 0).startswith(f"{tmp_path}/2.h5, row ")
    np.save(tmp_path / "2.npy", X[:, :3])
    with pytest.raises(BadData, match=r"2\.npy: the array has 3 columns of float32"):
        plan_of(tmp_path / "*.npy")
    with pytest.raises(BadData, match="files of several formats"):
        plan_of(tmp_path)


BAD = {
    "no y": ({"X": X}, "there is no array y beside X|no array named y"),
    "other rows": ({"X": X, "y": Y[:-1]}, "X has 5003 rows and y has 5002"),
    "a wide y": ({"X": X, "y": X}, "one value for each row is needed"),
    "no arrays": ({}, "there is no array X|no array named X"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("name", ["t.npz", "t.h5", "t.zarr"])
def test_arrays_that_do_not_fit_are_refused(tmp_path, name, case):
    arrays, problem = BAD[case]
    WRITERS[name](tmp_path / name, **arrays)
    with pytest.raises(BadData, match=problem):
        plan_of(tmp_path / name)


@pytest.mark.parametrize("name", ["t.h5", "t.npz", "t.npy"])
def test_a_file_that_is_cut_off_is_refused(tmp_path, name):
    path = tmp_path / name
    if name == "t.npy":
        np.save(path, X)
    else:
        WRITERS[name](path, X=X, y=Y)
    path.write_bytes(path.read_bytes()[:-4_000])
    with pytest.raises(BadData, match=r"cannot be read as|cut off"):
        read_all(plan_of(path))


@pytest.mark.parametrize(("name", "module"), [("t.h5", "h5py"), ("t.zarr", "zarr")])
def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch, name, module):
    WRITERS[name](tmp_path / name, X=X)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BadData, match=rf"{module}, which is not installed; pip install {module}"):
        plan_of(tmp_path / name)


@pytest.mark.parametrize("name", ["t.h5", "t.zarr", "t.npz"])
def test_every_array_format_is_searched_over_as_well(tmp_path, name):
    WRITERS[name](tmp_path / name, X=X[:60], y=WORDS[:60])
    source = DataSource(Data(path=str(tmp_path / name)), 0, 0.0, True, True)
    assert inspect(source).n_features == WIDTH and inspect(source).target_kind == "text"
    table = load(source)
    np.testing.assert_array_equal(table.X_train, X[:60])
    assert table.y_train.tolist() == WORDS[:60].tolist()


@pytest.fixture(scope="module")
def csr():
    return sparse.random(3_000, 60, 0.1, format="csr", random_state=0)


@pytest.mark.parametrize("zero_based", [True, False])
@pytest.mark.parametrize("name", ["t.svmlight", "t.libsvm.gz"])
def test_svmlight_has_the_same_columns_in_all_partitions(tmp_path, csr, name, zero_based):
    content = tmp_path / "plain"
    dump_svmlight_file(csr, Y[:3_000], str(content), zero_based=zero_based, comment="1:2 0:3\n# 9")
    packed = name.endswith("gz")
    data = content.read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(data) if packed else data)
    plan = plan_of(tmp_path / name)
    whole, y = load_svmlight_file(str(content))
    assert (len(plan) > 4) is not packed and plan.n_columns == whole.shape[1] and plan.sparse
    mine = read_all(plan)
    assert (mine[0] != whole).nnz == 0 and mine[0].shape == whole.shape
    np.testing.assert_array_equal(mine[1], y)
    wider = plan_of(tmp_path / name, n_features=100)
    assert read_partition(wider, 0).X.shape[1] == wider.n_columns == 100
    assert place_row(plan, 0, 0) == f"{tmp_path / name}:6"


def test_queries_of_svmlight_are_groups(tmp_path, csr):
    queries = np.arange(3_000) // 10
    dump_svmlight_file(csr, Y[:3_000], str(tmp_path / "t.svm"), query_id=queries)
    plan = plan_of(tmp_path / "t.svm")
    groups = [read_partition(plan, number).group for number in range(len(plan))]
    np.testing.assert_array_equal(np.concatenate(groups), queries)


def test_a_line_without_a_query_among_others_is_told(tmp_path):
    (tmp_path / "t.svm").write_text("0 qid:1 1:2\n# none\n1 1:3\n")
    with pytest.raises(BadData, match=r"t\.svm:3: this line has no qid, and others have one"):
        read_all(plan_of(tmp_path / "t.svm"))


def test_a_broken_line_of_svmlight_is_told_when_it_is_read(tmp_path, csr):
    dump_svmlight_file(csr, Y[:3_000], str(tmp_path / "t.svm"))
    lines = (tmp_path / "t.svm").read_text().splitlines()
    lines[2_900] = "1 3:4 2:5"
    (tmp_path / "t.svm").write_text("\n".join(lines))
    with pytest.raises(BadData, match=r"t\.svm:2901: the indices of this line do not rise"):
        read_all(plan_of(tmp_path / "t.svm"))
    lines[2_900] = "1 3:4 200:5"
    (tmp_path / "t.svm").write_text("\n".join(lines))
    with pytest.raises(BadData, match="n_features"):
        read_all(plan_of(tmp_path / "t.svm", n_features=60))
