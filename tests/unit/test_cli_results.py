"""`hpc-ml results`."""

import json

from hpc_ml.runs.atomic import write_json
from hpc_ml.runs.ownership import Ownership


def test_metrics_and_artefacts_are_shown(make_run, type_words):
    run = make_run(exit_code=0)
    best = {"C": 1.0, "kernel": "rbf", "shrinking": True}
    write_json(run.layout.metrics_file, {"best_score": 0.9489970009, "best_params": best})
    run.layout.model.mkdir()
    code, out, _ = type_words("results", "last")
    assert code == 0
    rows = [line.split(maxsplit=1) for line in out.splitlines()]
    assert ["best_score", "0.948997"] in rows
    assert ["best_params", "C=1, kernel=rbf, shrinking=True"] in rows
    assert ["model", str(run.path / "model")] in rows


def test_json_has_the_exact_numbers(make_run, type_words):
    run = make_run(exit_code=0)
    write_json(run.layout.metrics_file, {"best_score": 0.9489970009})
    code, out, _ = type_words("results", run.run_id, "--json")
    assert code == 0
    assert json.loads(out)["metrics"] == {"best_score": 0.9489970009}


def test_a_running_run_says_so(make_run, type_words):
    run = make_run(state="running")
    Ownership.take(run.layout)
    code, out, _ = type_words("results", "last")
    assert code == 0
    assert "running" in out
    assert "not ended yet" in out


def test_a_failed_run_tells_its_error(make_run, type_words):
    make_run(state="failed", exit_code=1, error="every fit failed")
    code, out, _ = type_words("results", "last")
    assert code == 0
    assert "every fit failed" in out
