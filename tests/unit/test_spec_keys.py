"""The table of keys: flags, variables and help follow from the models."""

from typing import Literal

import pytest
from pydantic import Field, PositiveInt

from hpc_ml.errors import BadJob
from hpc_ml.spec.allowed import describe
from hpc_ml.spec.keys import all_keys, common_keys
from hpc_ml.spec.model import SpecModel
from hpc_ml.spec.reading import read_pairs, read_source, read_word


class Halving(SpecModel):
    factor: int = Field(3, ge=2)


class Settings(SpecModel):
    n_clusters: PositiveInt = Field(8, description="number of clusters")
    params: dict[str, object] = Field({}, json_schema_extra={"flag": "--param", "form": "values"})
    grid: dict[str, object] = Field({}, json_schema_extra={"form": "lists"})
    cv: int | dict[str, object] = 5
    scoring: str | tuple[str, ...] | None = None
    refit: bool = True
    metric: Literal["l1", "l2"] = "l2"
    score: float | Literal["nan"] = "nan"
    halving: Halving = Halving()


KEYS = {key.dotted: key for key in all_keys(Settings)}


@pytest.mark.parametrize(
    ("dotted", "flags"),
    [
        ("resources.workers", ("--workers",)),
        ("resources.queue", ("--queue", "--partition")),
        ("resources.directives", ("--directive",)),
        ("controller.memory", ("--controller-memory",)),
        ("data", ("--data",)),
        ("data.path", ()),
        ("data.test_size", ("--test-size",)),
        ("on", ("--on",)),
        ("task", ()),
        ("n_clusters", ("--n-clusters",)),
        ("params", ("--param",)),
        ("halving.factor", ("--halving-factor",)),
    ],
)
def test_flags_follow_from_the_fields(dotted, flags):
    assert KEYS[dotted].flags == flags


def test_variables_follow_from_path_and_flags():
    assert set(KEYS["resources.queue"].variables) == {
        "HPC_ML_RESOURCES__QUEUE", "HPC_ML_QUEUE", "HPC_ML_PARTITION",
    }  # fmt: skip
    assert KEYS["data.test_size"].variables == ("HPC_ML_DATA__TEST_SIZE", "HPC_ML_TEST_SIZE")


def test_no_two_keys_share_a_variable():
    variables = [variable for key in common_keys() for variable in key.variables]
    assert len(variables) == len(set(variables))


@pytest.mark.parametrize(
    ("dotted", "allowed"),
    [
        ("n_clusters", "a whole number of at least 1"),
        ("halving.factor", "a whole number of at least 2"),
        ("data.test_size", "a number of at least 0 and below 1"),
        ("metric", "l1 or l2"),
        ("score", "a number or nan"),
        ("scoring", "text or a list of text"),
        ("refit", "true or false"),
        ("params", "a mapping"),
        ("resources.memory", "memory (GiB (16), or a number with a unit: 512 MiB, 16 GiB, 16GB)"),
    ],
)
def test_what_a_key_takes_is_said_in_words(dotted, allowed):
    assert describe(KEYS[dotted].schema) == allowed


def test_a_task_may_not_take_a_key_of_every_job():
    class Bad(SpecModel):
        seed: int = 0

    with pytest.raises(TypeError, match="seed"):
        all_keys(Bad)


@pytest.mark.parametrize("name", ["workers", "debug", "test_size"])
def test_a_task_may_not_take_a_flag_that_is_taken(name):
    bad = type("Bad", (SpecModel,), {"__annotations__": {name: int}, name: 1})
    with pytest.raises(TypeError, match=f"--{name.replace('_', '-')}"):
        all_keys(bad)


@pytest.mark.parametrize(
    ("dotted", "word", "value"),
    [
        ("resources.workers", "4", "4"),
        ("resources.workers", "null", None),
        ("resources.queue", "None", None),
        ("resources.memory", "16 GiB", "16 GiB"),
        ("data.target", "1e5", "1e5"),
        ("data.columns", "a, b,c", ["a", "b", "c"]),
        ("data.columns", "a", ["a"]),
        ("resources.directives", "--nodelist=a,b", ["--nodelist=a,b"]),
        ("resources.directives", '["--a", "--b"]', ["--a", "--b"]),
        ("cv", "3", 3),
        ("cv", "{KFold: {n_splits: 3}}", {"KFold": {"n_splits": 3}}),
        ("scoring", "accuracy", "accuracy"),
        ("scoring", "accuracy,f1", ["accuracy", "f1"]),
        ("scoring", "None", None),
        ("score", "nan", "nan"),
        ("params", "{a: 1}", {"a": 1}),
        ("refit", "False", False),
    ],
)
def test_words_become_values(dotted, word, value):
    assert read_word(KEYS[dotted], word, "--set") == value


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["C=0.1,1,10"], {"C": [0.1, 1, 10]}),
        (["C=1"], {"C": [1]}),
        (["C=[1, 2]"], {"C": [1, 2]}),
        (["kernel=rbf,poly", "shrinking=True,false"],
         {"kernel": ["rbf", "poly"], "shrinking": [True, False]}),
        (["depth=None,5"], {"depth": [None, 5]}),
        (["layers=[50],[100, 50]"], {"layers": [[50], [100, 50]]}),
        (["C={loguniform: [0.001, 10]}"], {"C": {"loguniform": [0.001, 10]}}),
        (["name='None','a,b'"], {"name": ["None", "a,b"]}),
    ],
)  # fmt: skip
def test_a_grid_by_flags(words, values):
    assert read_pairs(KEYS["grid"], words, "--grid") == values


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("gamma=auto", "auto"), ("C=1e-3", 1e-3), ("x=None", None), ("x=yes", "yes"),
        ("x=a=b", "a=b"), ("w={0: 1.5}", {0: 1.5}), ("x='1'", "1"), ("x=a # b", "a # b"),
    ],
)  # fmt: skip
def test_a_parameter_by_flag(word, value):
    name = word.partition("=")[0]
    assert read_pairs(KEYS["params"], [word], "--param") == {name: value}


@pytest.mark.parametrize("word", ["C", "C=", "=1", "", "C:1"])
def test_a_grid_without_values_shows_the_right_form(word):
    with pytest.raises(BadJob) as refused:
        read_pairs(KEYS["grid"], [word], "--grid")
    assert str(refused.value) == (f"--grid: {word!r} is not NAME=V1,V2,..; write --grid C=0.1,1,10")


@pytest.mark.parametrize(
    ("words", "problem"),
    [(["C=[1,2"], "--grid C: not YAML"), (["C=1", "C=2"], "--grid: C is given twice")],
)
def test_a_grid_that_cannot_be_read(words, problem):
    with pytest.raises(BadJob, match=problem):
        read_pairs(KEYS["grid"], words, "--grid")


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("digits", "name"),
        ("20newsgroups", "name"),
        ("make_blobs(n_samples=10)", "name"),
        ("digist", "name"),
        ("reviews.parquet", "path"),
        ("data/digits", "path"),
        ("https://example.org/data.csv", "path"),
        ("table", "path"),
    ],
)
def test_data_are_a_path_or_a_name(tmp_path, monkeypatch, word, kind):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table").mkdir()
    assert read_source(word) == {kind: word}
