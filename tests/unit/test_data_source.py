"""The recipe of the data: absolute, picklable, with a key that is the same everywhere."""

import os
import pickle
import subprocess
import sys

import pytest
from pydantic import ValidationError

from hpc_ml.data import DataSource
from hpc_ml.errors import BadData
from hpc_ml.spec.data import Data, is_name
from hpc_ml.spec.job import Job
from hpc_ml.spec.model import SpecModel


class NoSettings(SpecModel):
    pass


def source_of(**data):
    return DataSource(Data(**data))


def test_a_relative_path_is_taken_from_the_folder_it_is_written_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert source_of(path="a.csv").spec.path == str(tmp_path / "a.csv")


def test_a_path_may_start_at_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    assert source_of(path="~/a.csv").spec.path == "/home/ada/a.csv"


def test_the_recipe_travels():
    source = DataSource(Data(name="digits"), 7, 0.2, True, True)
    assert pickle.loads(pickle.dumps(source)) == source
    assert len(pickle.dumps(source)) < 2_000


def test_the_key_is_the_same_in_another_process():
    code = (
        "from hpc_ml.data import DataSource; from hpc_ml.spec.data import Data;"
        "print(DataSource(Data(name='digits'), 7, 0.2, True, True).key)"
    )
    other = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "1"},
    )
    assert other.stdout.strip() == DataSource(Data(name="digits"), 7, 0.2, True, True).key


@pytest.mark.parametrize(
    "other",
    [
        DataSource(Data(name="iris"), 0, 0.2, True),
        DataSource(Data(name="digits"), 1, 0.2, True),
        DataSource(Data(name="digits"), 0, 0.3, True),
        DataSource(Data(name="digits"), 0, 0.2, False),
        DataSource(Data(name="digits", missing="drop"), 0, 0.2, True),
    ],
)
def test_the_key_tells_recipes_apart(other):
    assert DataSource(Data(name="digits"), 0, 0.2, True).key != other.key


@pytest.mark.parametrize(("asked", "given"), [(None, 0.2), (0.5, 0.5), (0, 0)])
def test_the_job_decides_the_held_out_share_before_the_task(asked, given):
    job = Job[NoSettings](
        task="t", data=Data(name="digits", test_size=asked), seed=3, settings=NoSettings()
    )
    source = DataSource.from_job(job, supervised=True, stratify=True, test_size=0.2)
    assert (source.test_size, source.seed, source.stratify) == (given, 3, True)


def test_a_recipe_without_data_says_how_to_name_them():
    with pytest.raises(BadData, match="names no data; give a file by --data"):
        _ = source_of().location


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("digits", True),
        ("make_moons(n_samples=10)", True),
        ("digits.csv", False),
        ("data/digits", False),
        ("table (1).csv", False),
    ],
)
def test_a_word_after_data_is_a_name_or_a_path(word, name):
    assert is_name(word) is name


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ({"path": "a", "name": "digits"}, "not both"),
        ({"name": "digits", "format": "csv"}, "data.format belongs to a file"),
        ({"path": "a", "text": "t", "columns": ["a"]}, "data.text is learned from alone"),
        ({"path": "a", "text": "t", "categorical": ["a"]}, "data.text is learned from alone"),
        ({"path": "a", "text": "t", "target": "t"}, "data.target 't' is also a column"),
        ({"path": "a", "columns": ["t", "u"], "target": "t"}, "data.target 't' is also a column"),
        ({"path": "a", "columns": ["t", "t"]}, "names a column twice"),
        ({"path": "a", "columns": ["t"], "categorical": ["u"]}, "names 'u', which data.columns"),
        ({"path": "a", "columns": []}, "at least 1 item"),
    ],
)
def test_words_that_exclude_each_other_are_refused(words, problem):
    with pytest.raises(ValidationError, match=problem):
        Data(**words)


def test_columns_may_be_numbered():
    assert Data(path="a.npy", target=0, columns=[1, 2]).columns == ("1", "2")


def test_the_package_loads_no_heavy_library():
    code = (
        "import sys, hpc_ml.data;"
        "print({'numpy', 'pandas', 'pyarrow', 'sklearn', 'dask'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
