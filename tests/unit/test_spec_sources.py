"""The layers that are not job files: environment, assignments, the user's and the project's."""

import pytest

from hpc_ml.errors import BadJob
from hpc_ml.spec.layers import (
    assignment_layer,
    environment_layer,
    project_layer,
    user_config_layer,
)


def test_variables_are_keys_by_flag_and_in_full():
    layer = environment_layer(
        {
            "HPC_ML_ON": "slurm",
            "HPC_ML_WORKERS": "3",
            "HPC_ML_DATA__TARGET": "y",
            "HPC_ML_PARTITION": "gpu",
            "HPC_ML_DATA": "digits",
            "HPC_ML_CATEGORICAL": "a,b",
            "HPC_ML_SITE": "",
            "HPC_ML_RUNS": "/scratch/runs",
            "HPC_ML_DEBUG": "1",
            "PATH": "/bin",
        }
    )
    assert layer.values == {
        "on": "slurm",
        "resources": {"workers": "3", "queue": "gpu"},
        "data": {"target": "y", "name": "digits", "categorical": ["a", "b"]},
    }
    assert layer.places["resources", "queue"] == "HPC_ML_PARTITION"


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"HPC_ML_WORKER": "3"},
         "HPC_ML_WORKER: unknown key 'WORKER' after HPC_ML_; did you mean 'WORKERS'? known: TASK"),
        ({"HPC_ML_RUN": "x"}, "HPC_ML_RUN: unknown key 'RUN' after HPC_ML_; did you mean 'RUNS'?"),
        ({"HPC_ML_CORES": "2", "HPC_ML_RESOURCES__CORES": "3"},
         "HPC_ML_RESOURCES__CORES: resources.cores is also set by HPC_ML_CORES; leave out one"),
        ({"HPC_ML_COLUMNS": "[a"}, "HPC_ML_COLUMNS: not YAML"),
        ({"HPC_ML_DATA": "digits", "HPC_ML_DATA__NAME": "iris"},
         "HPC_ML_DATA__NAME: data.name is also set by HPC_ML_DATA; leave out one"),
    ],
)  # fmt: skip
def test_variables_that_are_refused(environ, message):
    with pytest.raises(BadJob) as refused:
        environment_layer(environ)
    assert str(refused.value).startswith(message)


def test_assignments_reach_any_key():
    layer = assignment_layer(
        [
            "resources.cores=4",
            "data.name=make_blobs(n_samples=10, random_state=0)",
            "data.path=null",
        ]
    )
    assert layer.values == {
        "resources": {"cores": "4"},
        "data": {"name": "make_blobs(n_samples=10, random_state=0)", "path": None},
    }
    assert layer.places["resources", "cores"] == "--set resources.cores"


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        (
            "resources.cores",
            "--set: 'resources.cores' is not KEY=VALUE; write --set resources.cores=4",
        ),
        ("=4", "--set: '=4' is not KEY=VALUE"),
        ("a b=4", "--set: 'a b=4' is not KEY=VALUE"),
        ("x=[1", "--set x: not YAML"),
        ("seed=2", "--set seed: seed is also set by --set seed; leave out one of them"),
    ],
)
def test_assignments_that_are_refused(assignment, message):
    with pytest.raises(BadJob) as refused:
        assignment_layer(["seed=1", assignment])
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    "words", [["data=digits", "data.target=y"], ["data.target=y", "data=digits"]]
)
def test_a_source_of_data_leaves_the_other_keys_of_data(words):
    assert assignment_layer(words).values == {"data": {"name": "digits", "target": "y"}}


def test_the_projects_file_is_optional_and_checked(tmp_path):
    assert project_layer(tmp_path).values == {}
    (tmp_path / "hpc-ml.yaml").write_text("# only a comment\n")
    assert project_layer(tmp_path).values == {}
    (tmp_path / "hpc-ml.yaml").write_text("site: gadi\nsite: lumi\n")
    with pytest.raises(BadJob, match=r"hpc-ml\.yaml:2: key 'site' is here twice"):
        project_layer(tmp_path)


def test_the_users_config_lies_where_the_platform_keeps_it(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert user_config_layer().values == {}
    (tmp_path / "hpc-ml").mkdir()
    (tmp_path / "hpc-ml" / "config.yaml").write_text("resources: {account: ab12}\n")
    layer = user_config_layer()
    assert layer.values == {"resources": {"account": "ab12"}}
    assert layer.place_of(("resources", "account")).endswith("config.yaml:1")
    assert layer.origin.startswith("user's config ")
