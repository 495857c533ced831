"""Data behind URLs: read as files are, or refused with what is missing."""

import fsspec
import numpy as np
import pandas as pd
import pytest
import zarr

from hpc_ml.data.location import Location
from hpc_ml.data.plan import place_row
from hpc_ml.errors import BadData
from tests.unit.data_partitions import plan_of, read_all

FRAME = pd.DataFrame({"a": np.arange(50) / 7, "c": ["u", "v"] * 25, "label": np.arange(50) % 2})


@pytest.fixture
def store():
    """A store in this process's memory, behind memory:// URLs."""
    system = fsspec.filesystem("memory")
    yield system
    system.rm("/", recursive=True)


@pytest.fixture
def folder(tmp_path, store):
    """A folder and its copy in the store: `put` copies it."""

    class Folder:
        path = tmp_path / "t"

        def put(self):
            store.put(str(self.path), "/t", recursive=True)

    Folder.path.mkdir()
    return Folder()


WRITERS = {
    "t.csv": lambda path: FRAME.to_csv(path, index=False),
    "t.csv.gz": lambda path: FRAME.to_csv(path, index=False),
    "t.parquet": lambda path: FRAME.to_parquet(path, row_group_size=20),
    "t.jsonl": lambda path: FRAME.to_json(path, orient="records", lines=True),
    "t.feather": lambda path: FRAME.to_feather(path),
    "t.npy": lambda path: np.save(path, FRAME[["a", "label"]].to_numpy()),
    "t.npz": lambda path: np.savez(path, X=FRAME[["a"]], y=FRAME["label"]),
    "t.svm": lambda path: path.write_text("".join(f"{n % 2} 1:{n} 4:2\n" for n in range(50))),
    "t.zarr": lambda path: zarr.create_array(path, data=FRAME[["a", "label"]].to_numpy()),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_url_is_read_as_the_file_is(folder, name):
    path = folder.path / name
    WRITERS[name](path)
    folder.put()
    here, there = plan_of(path), plan_of(f"memory://t/{name}")
    assert here.pieces == there.pieces and there.key == plan_of(f"memory://t/{name}").key
    mine, theirs = read_all(there), read_all(here)
    if here.kind == "table":
        assert mine.equals(theirs)
    else:
        assert (mine[0] != theirs[0]).sum() == 0 and (mine[1] == theirs[1]).all()
    assert place_row(there, 0, 3).startswith(f"memory://t/{name}")


def test_patterns_folders_and_hive_partitions_lie_behind_urls_too(folder):
    FRAME.to_parquet(folder.path / "hive", partition_cols=["c"])
    for number in range(3):
        FRAME[number::3].to_csv(folder.path / f"{number}.csv", index=False)
    folder.put()
    hive = plan_of("memory://t/hive")
    assert hive.names == ("a", "label", "c") and read_all(hive).num_rows == 50
    parts = plan_of("memory://t/*.csv")
    assert len(parts.files) == 3 and read_all(parts).num_rows == 50


def test_the_query_of_an_address_is_no_pattern():
    location = Location("https://example.org/data/t.csv?token=a*b")
    assert not location.is_pattern and location.name == "t.csv"


def test_a_file_url_is_a_path(tmp_path):
    FRAME.to_csv(tmp_path / "t.csv", index=False)
    assert plan_of(f"file://{tmp_path}/t.csv").key == plan_of(tmp_path / "t.csv").key


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("memory://t/t.csv", "memory://t/t.csv: no such file or folder; check the URL"),
        ("memory://t/*.csv", "no file matches the pattern"),
        ("abfs://box/t.csv", "reading abfs:// needs a package .* pip install adlfs"),
        ("nix://box/t.csv", "nix:// is no kind of URL that can be read; give a path, or one of s3"),
    ],
)
def test_a_url_that_cannot_be_read_is_refused_with_what_is_missing(store, url, problem):
    with pytest.raises(BadData, match=problem):
        plan_of(url)
