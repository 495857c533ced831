"""Arrays, svmlight and bundled tables: as NumPy and scikit-learn read them."""

import gzip

import numpy as np
import pytest
from scipy import sparse
from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.svm import LinearSVC
from sklearn.utils import Bunch

from hpc_ml.data import DataSource, inspect, load
from hpc_ml.data import bundled as bundled_module
from hpc_ml.spec.data import Data


def source_of(*, test_size=0.2, seed=0, stratify=True, supervised=True, **words):
    words = {key: str(value) if key == "path" else value for key, value in words.items()}
    return DataSource(Data(**words), seed, test_size, stratify, supervised)


def assert_same_parts(table, X, y, source):
    expected = train_test_split(
        X, y, test_size=source.test_size, random_state=source.seed,
        stratify=y if source.stratify else None,
    )  # fmt: skip
    got = (table.X_train, table.X_test, table.y_train, table.y_test)
    for mine, theirs in zip(got, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("name", ["digits", "breast_cancer", "iris", "wine"])
def test_a_bundled_table_is_scikit_learns(name):
    source = source_of(name=name)
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    table = load(source)
    assert_same_parts(table, X, y, source)
    assert table.preparation is None
    summary = inspect(source)
    assert summary.rows == len(y) and summary.n_features == X.shape[1]
    assert summary.class_counts == dict(zip(*np.unique(y, return_counts=True), strict=True))


def test_a_target_of_many_whole_numbers_is_continuous_in_regression():
    source = source_of(name="diabetes", stratify=False)
    X, y = datasets.load_diabetes(return_X_y=True)
    assert_same_parts(load(source), X, y, source)
    assert inspect(source).target_kind == "continuous" and load(source).classes is None


def test_columns_of_a_bundled_table_have_names():
    table = load(source_of(name="wine", columns=["hue", "alcohol"]))
    wine = datasets.load_wine(as_frame=True).frame
    assert table.feature_names == ("hue", "alcohol")
    assert table.X_train.shape[1] == 2
    assert set(table.X_train[:, 0]) <= set(wine["hue"])


def test_newsgroups_are_texts_where_they_are_cached(monkeypatch):

    posts = Bunch(data=[f"post {number}" for number in range(20)], target=np.arange(20) % 2)
    monkeypatch.setattr(datasets, "fetch_20newsgroups", lambda **_: posts)
    table = load(source_of(name="20newsgroups"))
    assert table.X_train.shape == (16,) and table.X_train.dtype == object
    assert bundled_module.read_bundled("20newsgroups").is_text


def test_a_generator_gives_scikit_learns_split():
    source = source_of(name="make_classification(n_samples=1000, random_state=0)")
    X, y = datasets.make_classification(n_samples=1000, random_state=0)
    assert_same_parts(load(source), X, y, source)
    assert inspect(source).rows == 1000


def test_the_seed_of_the_job_makes_the_rows_of_a_generator():
    one, other = (load(source_of(name="make_moons()", seed=seed)).X_train for seed in (1, 2))
    assert not np.array_equal(one, other)


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 4)), rng.integers(0, 2, 60)


@pytest.mark.parametrize("dtype", ["f8", "f4", ">f8", "i4", "f2", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npz_keeps_the_numbers_and_the_width_of_floats(arrays, tmp_path, dtype, order):
    X, y = np.asarray(arrays[0].astype(dtype), order=order), arrays[1]
    np.savez(tmp_path / "a.npz", X=X, y=y)
    source = source_of(path=tmp_path / "a.npz")
    table = load(source)
    assert_same_parts(table, X, y, source)
    assert table.X_train.dtype == (np.float32 if dtype in ("f4", "f2") else np.float64)
    assert table.X_train.dtype.isnative and table.X_train.flags.c_contiguous
    assert table.X_train.flags.aligned and inspect(source).rows == 60


@pytest.mark.parametrize("y", [["no", "yes"], [True, False], [1.5, 2.5], [3, 4]])
def test_npz_keeps_labels_of_any_kind(tmp_path, y):
    y = np.array(y * 10)
    np.savez_compressed(tmp_path / "a.npz", X=np.arange(20.0)[:, None], y=y[:, None])
    table = load(source_of(path=tmp_path / "a.npz", stratify=False))
    assert set(table.y_train) <= set(y.tolist())
    assert table.y_train.dtype.kind == ("O" if y.dtype.kind == "U" else y.dtype.kind)


@pytest.mark.parametrize(("target", "column"), [(None, 4), ("-1", 4), ("0", 0), (2, 2)])
def test_a_column_of_an_npy_array_is_the_target(arrays, tmp_path, target, column):
    X, y = arrays
    whole = np.insert(X, column, y, axis=1)
    np.save(tmp_path / "a.npy", whole)
    source = source_of(path=tmp_path / "a.npy", target=target)
    table = load(source)
    assert_same_parts(table, X, y, source)
    assert str(column) not in table.feature_names and len(table.feature_names) == 4
    told = "target: the last column of the array" in inspect(source).notes
    assert told is (target is None)


def test_columns_of_an_npy_array_are_named_by_number(arrays, tmp_path):
    np.save(tmp_path / "a.npy", np.column_stack(arrays))
    table = load(source_of(path=tmp_path / "a.npy", columns=[2, 0], test_size=0))
    np.testing.assert_array_equal(table.X_train, arrays[0][:, [2, 0]])


def test_without_a_target_an_npy_array_is_learned_from_whole(arrays, tmp_path):
    np.save(tmp_path / "a.npy", arrays[0])
    source = source_of(path=tmp_path / "a.npy", supervised=False, stratify=False, test_size=0)
    table = load(source)
    np.testing.assert_array_equal(table.X_train, arrays[0])
    assert table.y_train is None and inspect(source).target is None
    table.X_train[0, 0] = 1  # in memory of its own, not in the file


@pytest.mark.parametrize("name", ["a.svmlight", "a.libsvm", "a.svmlight.gz"])
def test_svmlight_is_scikit_learns(arrays, tmp_path, name):
    X, y = np.where(arrays[0] > 0, arrays[0], 0), arrays[1]
    datasets.dump_svmlight_file(X, y, str(tmp_path / "plain"), zero_based=False)
    content = (tmp_path / "plain").read_bytes()
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    source = source_of(path=path)
    table = load(source)
    X_there, y_there = datasets.load_svmlight_file(str(tmp_path / "plain"))
    train, test = train_test_split(np.arange(60), test_size=0.2, random_state=0, stratify=y)
    assert (table.X_train != X_there[train]).nnz == 0 and (table.X_test != X_there[test]).nnz == 0
    np.testing.assert_array_equal(table.y_test, y_there[test])
    assert table.X_train.format == "csr" and table.X_train.indices.dtype == np.int32
    LinearSVC().fit(table.X_train, table.y_train)
    assert inspect(source).n_features == 4


@pytest.mark.parametrize("missing", ["drop", "impute", "keep"])
def test_missing_numbers_are_treated_as_asked(tmp_path, missing):
    X = np.array([[1.0, 2.0], [np.nan, 4.0], [3.0, 6.0], [5.0, 8.0]])
    np.savez(tmp_path / "a.npz", X=X, y=[0, 1, 0, 1])
    source = source_of(path=tmp_path / "a.npz", missing=missing, test_size=0)
    table = load(source)
    expected = {
        "drop": X[[0, 2, 3]],
        "keep": X,
        "impute": np.where(np.isnan(X), 3.0, X),
    }[missing]
    np.testing.assert_array_equal(table.X_train, expected)
    assert inspect(source).rows == len(expected)
    if missing == "impute":
        np.testing.assert_array_equal(table.preparation.transform(X), expected)


def test_missing_numbers_in_sparse_rows_are_found():
    from hpc_ml.data.matrix import Matrix
    from hpc_ml.data.matrix_scan import treat_missing

    X = sparse.csr_matrix(np.array([[0, 1.0], [np.nan, 0], [0, 0], [2.0, 0]]))
    matrix = Matrix(X, np.array([0, 1, 0, 1]), None)
    kept = treat_missing(matrix, source_of(name="digits", missing="drop"))
    assert kept.y.tolist() == [0, 0, 1] and kept.X.shape == (3, 2)
