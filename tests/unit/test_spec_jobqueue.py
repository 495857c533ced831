"""A site's Dask jobqueue.yaml, with old and new key names, as the base of a job."""

from pathlib import Path

import pytest

from hpc_ml.errors import BadJob
from hpc_ml.spec.layers import dask_jobqueue_layer

OLD = """
jobqueue:
  slurm:
    name: dask-worker
    cores: 4
    memory: 16GB
    processes: 2
    queue: normal
    project: ab12
    walltime: '01:30:00'
    job-extra: ['--constraint=a100']
    env-extra: ['module load python']
    interface: ib0
    death-timeout: 60
"""
NEW = """
jobqueue:
  pbs:
    account: zz9
    job_extra_directives: ["-l place=scatter"]
    walltime: 5400
    memory: null
    log-directory: null
    scheduler-options: {}
"""


@pytest.fixture
def read(tmp_path):
    """Read a text as the only Dask configuration there is."""

    def layer_of(text, scheduler="slurm", name="jobqueue.yaml"):
        (tmp_path / "dask").mkdir(exist_ok=True)
        (tmp_path / "dask" / name).write_text(text)
        environ = {"DASK_ROOT_CONFIG": "/nowhere", "DASK_CONFIG": str(tmp_path / "dask")}
        return dask_jobqueue_layer(scheduler, environ, home=tmp_path / "home")

    return layer_of


def test_old_names_are_read_and_the_rest_is_told(read):
    layer = read(OLD)
    assert layer.values == {
        "resources": {
            "cores": 4, "memory": "15625000 KiB", "queue": "normal", "account": "ab12",
            "walltime": "01:30:00", "directives": ["--constraint=a100"],
        }
    }  # fmt: skip
    assert layer.place_of(("resources", "queue")).endswith("jobqueue.yaml:8")
    told = [note.split("jobqueue.yaml:")[1] for note in layer.notes]
    assert told == [
        "7: processes is not taken: it has no counterpart here",
        "12: env-extra is not taken: it has no counterpart here",
        "13: interface is not taken: it has no counterpart here",
    ]


@pytest.mark.parametrize("scheduler", ["pbs", "torque"])
def test_new_names_and_seconds_of_pbs(read, scheduler):
    layer = read(NEW, scheduler)
    assert layer.values == {
        "resources": {
            "account": "zz9", "directives": ["-l place=scatter"], "walltime": "01:30:00",
        }
    }  # fmt: skip
    assert layer.notes == ()


def test_another_schedulers_section_says_nothing(read):
    assert read(OLD, "pbs").values == {}


def test_the_file_that_importing_dask_jobqueue_leaves_says_nothing(read):
    shipped = """
jobqueue:
  slurm:
    name: dask-worker
    cores: null
    memory: null
    death-timeout: 60
    worker-command: "distributed.cli.dask_worker"
    worker-extra-args: []
    shebang: "#!/usr/bin/env bash"
    queue: null
    account: null
    env-extra: null
    job-extra-directives: []
    scheduler-options: {}
"""
    assert (read(shipped).values, read(shipped).notes) == ({}, ())
    commented = "".join(f"# {line}\n" for line in shipped.splitlines())
    assert (read(commented).values, read(commented).notes) == ({}, ())


@pytest.mark.parametrize(
    ("line", "note"),
    [
        ("walltime: '30:00'", "walltime is not taken: '30:00' is not a walltime"),
        ("memory: lots", "memory is not taken: 'lots' is not an amount of memory"),
        (
            "job-extra: ['-o $HOME/log']",
            "job-extra is not taken: '-o $HOME/log' is not a directive",
        ),
        ("cores: many", "cores is not taken: "),
    ],
)
def test_what_cannot_be_taken_is_told_and_does_not_stop_a_job(read, line, note):
    layer = read(f"jobqueue:\n  slurm:\n    {line}\n")
    assert layer.values == {}
    assert note in layer.notes[0]
    assert "jobqueue.yaml:3: " in layer.notes[0]


def test_any_file_of_dasks_folder_counts_if_it_mentions_jobqueue(read):
    assert read("jobqueue: {slurm: {queue: x}}", name="site.yaml").values == {
        "resources": {"queue": "x"}
    }


def test_a_file_of_something_else_is_passed_over_even_if_broken(read):
    assert read("a: [", name="distributed.yaml").values == {}


def test_a_broken_file_names_its_line(read):
    with pytest.raises(BadJob, match=r"jobqueue\.yaml:3: not YAML"):
        read("jobqueue:\n  slurm:\n    a: b: c\n")


def test_the_users_own_file_wins_over_the_sites(tmp_path):
    root, home = tmp_path / "etc", tmp_path / "home"
    for folder, queue in ((root, "site"), (home / ".config" / "dask", "mine")):
        Path(folder).mkdir(parents=True)
        (folder / "jobqueue.yaml").write_text(f"jobqueue: {{slurm: {{queue: {queue}}}}}")
    layer = dask_jobqueue_layer("slurm", {"DASK_ROOT_CONFIG": str(root)}, home=home)
    assert layer.values == {"resources": {"queue": "mine"}}
