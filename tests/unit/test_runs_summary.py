"""What a run came to, from its files alone."""

import pytest

from hpc_ml.runs.atomic import write_json
from hpc_ml.runs.summary import summarise


def test_json_of_a_finished_run(make_run):
    run = make_run(exit_code=0)
    write_json(run.layout.metrics_file, {"best_score": 0.948997, "best_params": {"C": 1.0}})
    run.layout.cv_results_file.write_text("mean_test_score\n")
    run.layout.model.mkdir()
    assert summarise(run).as_json() == {
        "run": run.run_id,
        "dir": str(run.path),
        "task": "gridsearch",
        "state": "completed",
        "metrics": {"best_score": 0.948997, "best_params": {"C": 1.0}},
        "artefacts": {
            "model": str(run.path / "model"),
            "metrics": str(run.path / "metrics.json"),
            "cv_results": str(run.path / "cv_results.csv"),
        },
    }


def test_json_of_a_submission(make_run):
    run = make_run(state="pending", controller_job="12;big")
    assert summarise(run).as_submission_json() == {
        "run": run.run_id,
        "dir": str(run.path),
        "task": "gridsearch",
        "state": "pending",
        "job": "12;big",
    }


@pytest.mark.parametrize("text", [None, "", "{", "[1]", "\udc80"])
def test_metrics_that_are_not_there_yet_are_none(make_run, text):
    run = make_run(state="running")
    if text is not None:
        run.layout.metrics_file.write_bytes(text.encode(errors="surrogateescape"))
    assert summarise(run).metrics == {}
