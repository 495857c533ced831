"""Layers become one job: who wins, where each value came from, and what is refused."""

from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, PositiveInt, model_validator

from hpc_ml.errors import BadJob
from hpc_ml.spec.job import Job
from hpc_ml.spec.layers import (
    Layer,
    assignment_layer,
    dump_job,
    environment_layer,
    job_file_layer,
    peek,
    profile_layer,
    resolve,
    task_layer,
)
from hpc_ml.spec.model import SpecModel
from hpc_ml.spec.yaml_file import parse_yaml


class Settings(SpecModel):
    estimator: str
    params: dict[str, Any] = Field({}, json_schema_extra={"flag": "--param", "form": "values"})
    grid: dict[str, Any] | None = Field(None, json_schema_extra={"form": "lists"})
    search: Literal["grid", "random"] = "grid"
    cv: int = Field(5, ge=2)
    n_iter: PositiveInt = 10
    scoring: str | tuple[str, ...] | None = None
    tol: float = 1e-4

    @model_validator(mode="after")
    def _enough(self) -> "Settings":
        if self.search == "grid" and self.n_iter != 10:
            raise ValueError("n_iter belongs to a random search: add search: random")
        return self


BASE = Layer("base", {"task": "fit", "estimator": "SVC"})


def job_of(*layers):
    return resolve([BASE, *layers], Settings).job


def file_layer(text, name="job.yaml"):
    file = parse_yaml(text, name)
    return Layer(f"job file {name}", file.values, file.places)


def refusal_of(*layers):
    with pytest.raises(BadJob) as refused:
        resolve([BASE, *layers], Settings)
    return str(refused.value)


def test_later_layers_win_key_by_key_and_origins_tell_which():
    resolved = resolve(
        [
            BASE,
            profile_layer("gadi", {"resources": {"cores": 48, "queue": "normal"}}),
            file_layer("on: pbs\nresources: {cores: 4, walltime: 2h}\ncv: 3\n"),
            environment_layer({"HPC_ML_CORES": "8", "HPC_ML_ACCOUNT": "xy1", "HOME": "/"}),
            assignment_layer(["cv=10"], Settings),
        ],
        Settings,
    )
    job, origins = resolved.job, resolved.origins
    assert (job.resources.cores, job.resources.queue, job.resources.walltime) == (8, "normal", 7200)
    assert (job.on, job.settings.cv, job.resources.account) == ("pbs", 10, "xy1")
    assert origins["resources.cores"] == "environment"
    assert origins["resources.queue"] == "site gadi"
    assert origins["resources.walltime"] == "job file job.yaml"
    assert origins["cv"] == "--set"
    assert origins["seed"] == origins["tol"] == "default"


def test_params_merge_by_key_and_grid_is_replaced_whole():
    job = job_of(
        Layer("one", {"params": {"C": 1, "gamma": 2}, "grid": {"a": [1], "b": [2]}}),
        Layer("two", {"params": {"C": 3}, "grid": {"c": [4]}}),
    )
    assert job.settings.params == {"C": 3, "gamma": 2}
    assert job.settings.grid == {"c": [4]}


def test_a_later_source_of_data_takes_the_place_of_the_earlier():
    job = job_of(
        Layer("one", {"data": {"path": "a.csv", "target": "y"}}),
        Layer("two", {"data": {"name": "digits"}}),
    )
    assert (job.data.path, job.data.name, job.data.target) == (None, "digits", "y")


def test_null_takes_a_value_back_and_an_empty_section_says_nothing():
    job = job_of(
        Layer("one", {"resources": {"queue": "fast", "cores": 2}}),
        file_layer("resources:\nparams:\n"),
        assignment_layer(["resources.queue=null"]),
    )
    assert (job.resources.queue, job.resources.cores) == (None, 2)


def test_peek_gives_the_value_that_would_win():
    layers = [Layer("one", {"site": "gadi", "data": {"path": "x"}}), Layer("two", {"data": None})]
    assert peek(layers, "site") == "gadi"
    assert peek(layers, "data.path") == "x"
    assert peek(layers, "resources.cores") is None


def test_notes_of_the_layers_are_kept():
    assert resolve([BASE, Layer("x", {}, notes=("look",))], Settings).notes == ("look",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("resources:\n  coers: 4",
         "job.yaml:2: unknown key 'resources.coers'; did you mean 'cores'? known: workers, cores"),
        ("a: 1\n", "job.yaml:1: unknown key 'a'; known: task, data, on"),
        ("serach: grid", "job.yaml:1: unknown key 'serach'; did you mean 'search'? known: task"),
        ("workers: 4", "job.yaml:1: unknown key 'workers'; did you mean 'resources.workers'?"),
        ("1: 2", "job.yaml:1: unknown key '1'; known"),
        ("resources: 5", "job.yaml:1: resources takes a mapping with keys of workers, cores"),
        ("params: [1]", "job.yaml:1: params takes a mapping, not [1]"),
        ("seed: 1\ncv: 1", "job.yaml:2: cv takes a whole number of at least 2, not 1"),
        ("cv: three", "job.yaml:1: cv takes a whole number of at least 2, not 'three'"),
        ("cv: 2.5", "job.yaml:1: cv takes a whole number of at least 2, not 2.5"),
        ("cv: [1]", "job.yaml:1: cv takes a whole number of at least 2, not [1]"),
        ("tol: .nan", "job.yaml:1: tol takes a number, not nan"),
        ("search: rnadom",
         "job.yaml:1: search takes grid or random, not 'rnadom'; did you mean 'random'?"),
        ("scoring: 3", "job.yaml:1: scoring takes text or a list of text, not 3; write it"),
        ("scoring: [a, 3]", "job.yaml:1: scoring takes text or a list of text, not ['a', 3]"),
        ("on: moon", "job.yaml:1: on: 'moon' is no place to run: use local, slurm, pbs, tcp://"),
        ("name: a b", "job.yaml:1: name: 'a b' is no name of a run"),
        ("data: {test_size: 1}",
         "job.yaml:1: data.test_size takes a number of at least 0 and below 1, not 1"),
        ("data:\n  path: a\n  name: b", "job.yaml:2: give data.path or data.name, not both"),
        ("resources: {walltime: 5x}",
         "job.yaml:1: resources.walltime: '5x' is not a walltime: write minutes (90), 30m"),
        ("resources: {walltime: 0}", "job.yaml:1: resources.walltime: '0' is not a walltime"),
        ("resources: {memory: much}",
         "job.yaml:1: resources.memory: 'much' is not an amount of memory: write GiB (16)"),
        ("resources: {queue: 'a; rm -rf /'}",
         "job.yaml:1: resources.queue: 'a; rm -rf /' has characters that no scheduler takes"),
        ('resources: {account: "a\\nb"}', "job.yaml:1: resources.account: 'a\\nb' has characters"),
        ("resources: {directives: [--ok, '-x $(id)']}",
         "job.yaml:1: resources.directives: '-x $(id)' is not a directive"),
        ("n_iter: 5", "job.yaml:1: n_iter belongs to a random search: add search: random"),
        ("estimator: null", "job.yaml:1: estimator takes text, not None"),
    ],
)  # fmt: skip
def test_what_is_not_allowed_is_one_line_with_place_key_and_remedy(text, message):
    said = refusal_of(file_layer(text))
    assert said.startswith(message)
    assert "\n" not in said


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (assignment_layer(["resources.cores=x"]), "--set resources.cores: resources.cores takes"),
        (environment_layer({"HPC_ML_CORES": "x"}), "HPC_ML_CORES: resources.cores takes"),
        (Layer("flags", {"cv": 1}, {("cv",): "--cv"}), "--cv: cv takes"),
        (profile_layer("gadi", {"resources": {"cores": 0}}), "site gadi: resources.cores takes"),
        (Layer("flags", {"resources": {"x": 1}}, {("resources", "x"): "--x"}), "--x: unknown key"),
    ],
)
def test_every_layer_has_its_place(layer, message):
    assert refusal_of(layer).startswith(message)


def test_the_place_is_that_of_the_layer_that_won():
    lower, upper = file_layer("cv: 1", "low.yaml"), file_layer("cv: 0", "high.yaml")
    assert refusal_of(lower, upper).startswith("high.yaml:1: cv takes")


def test_what_is_missing_names_its_flag():
    with pytest.raises(BadJob, match="estimator is missing; give --estimator or the key"):
        resolve([task_layer("fit")], Settings)


def test_several_errors_are_a_line_each_up_to_five():
    said = refusal_of(file_layer("cv: 1\non: x\nseed: -1\n")).splitlines()
    assert [line.split(" ")[0] for line in said] == ["job.yaml:2:", "job.yaml:3:", "job.yaml:1:"]
    said = refusal_of(file_layer("".join(f"k{n}: 1\n" for n in range(7)))).splitlines()
    assert len(said) == 6
    assert said[-1] == "(and 2 more)"


def test_layers_of_two_tasks_are_refused():
    with pytest.raises(BadJob) as refused:
        resolve([file_layer("cv: 3\ntask: kmeans\n"), task_layer("fit")], Settings)
    assert str(refused.value) == (
        "job.yaml:2: task is 'kmeans' here, but 'fit' was asked for; "
        "use hpc-ml run kmeans, or another job file"
    )


def test_a_dumped_job_is_flat_and_short():
    text = dump_job(job_of(Layer("x", {"resources": {"memory": "16 GiB"}, "params": {"C": None}})))
    values = parse_yaml(text, "job.yaml").values
    assert values["estimator"] == "SVC"
    assert values["resources"]["memory"] == "16 GiB"
    assert values["params"] == {"C": None}  # null is a value of a parameter
    assert "queue" not in values["resources"]
    assert "settings" not in values


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.none() | st.booleans() | NUMBERS | WORDS
FREE = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3)
)
JOBS = st.fixed_dictionaries(
    {
        "task": st.just("fit"),
        "settings": st.fixed_dictionaries(
            {"estimator": WORDS},
            optional={
                "params": st.dictionaries(WORDS, FREE, max_size=3),
                "grid": st.none() | st.dictionaries(WORDS, st.lists(FREE, max_size=3), max_size=3),
                "cv": st.integers(2, 20),
                "scoring": st.none() | WORDS | st.lists(WORDS, max_size=3),
                "tol": st.floats(allow_nan=False, allow_infinity=False),
            },
        ),
    },
    optional={
        "data": st.fixed_dictionaries({"target": WORDS}),
        "on": st.sampled_from(["local", "slurm", "pbs", "tcp://host:8786"]),
        "seed": st.integers(0, 2**32 - 1),
        "resources": st.fixed_dictionaries(
            {},
            optional={
                "workers": st.none() | st.integers(1, 999),
                "memory": st.none() | st.integers(2**20, 2**45).map(lambda n: f"{n}b"),
                "walltime": st.integers(1, 10**6).map(lambda n: f"{n}s"),
                "queue": st.none() | st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True),
                "directives": st.lists(st.sampled_from(["--exclusive", "-l x=a,b"]), max_size=2),
            },
        ),
    },
)


@settings(max_examples=300, deadline=None)
@given(JOBS)
def test_a_dumped_job_reads_back_equal(values):
    job = Job[Settings].model_validate(values)
    assert resolve([file_layer(dump_job(job))], Settings).job == job


def test_a_job_file_is_read_from_disk(tmp_path):
    path = tmp_path / "search.yaml"
    path.write_text("cv: 3\nresources:\n  cores: none\n")
    assert refusal_of(job_file_layer(path)).startswith(f"{path}:3: resources.cores takes")
    with pytest.raises(BadJob, match="there is no such file"):
        job_file_layer(Path("nowhere.yaml"))
