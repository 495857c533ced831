"""A controller learns from its scheduler how long its own job may still run."""

import os
from pathlib import Path

import pytest

from hpc_ml.schedulers.own_job import (
    JobEnd,
    find_end,
    find_own_job,
    left_by_qstat,
    left_by_variables,
    own_job_id,
    parse_time_left,
    read_age_s,
)

RECORDED = Path(__file__).parent.parent / "recorded" / "openpbs-23.06"
START, END = 1_700_000_000, 1_700_000_180
VARIABLES = {"SLURM_JOB_START_TIME": str(START), "SLURM_JOB_END_TIME": str(END)}


@pytest.mark.parametrize(
    ("changes", "now_s", "left_s"),
    [
        ({}, START + 30, 150),
        ({}, END + 5, None),  # a shell that has outlived its job
        ({}, START - 100, None),  # the node's clock is not the controller's
        ({"SLURM_JOB_END_TIME": ""}, START, None),
        ({"SLURM_JOB_START_TIME": "soon"}, START, None),
    ],
)
def test_slurms_variables_are_believed_where_the_clocks_agree(changes, now_s, left_s):
    assert left_by_variables({**VARIABLES, **changes}, now_s) == left_s


@pytest.mark.parametrize(
    ("text", "left_s"),
    [
        ("2:58\n", 178), ("0:07", 7), ("1:00:00", 3600), ("1-02:03:04", 93_784),
        ("UNLIMITED", None), ("NOT_SET", None), ("INVALID", None), ("", None),
    ],
)  # fmt: skip
def test_the_time_left_in_squeues_words(text, left_s):
    assert parse_time_left(text) == left_s


def test_the_time_left_in_qstats_words():
    running = (RECORDED / "running.full.txt").read_text()
    assert left_by_qstat(running, age_s=10.0) == 600 - 37
    assert left_by_qstat(running, age_s=100.0) == 500
    assert left_by_qstat("", age_s=10.0) is None


def test_outside_of_a_job_there_is_none():
    assert find_own_job({}, walltime_s=60) is None
    assert own_job_id({"PBS_JOBID": "7.head"}) == "7.head"


def test_what_was_asked_for_counts_where_the_scheduler_is_silent(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    own = find_own_job({"PBS_JOBID": "7.head"}, walltime_s=3600)
    assert own.id == "7.head"
    assert 3600 - own.left_s == pytest.approx(read_age_s(), abs=5)
    assert find_own_job({"PBS_JOBID": "7.head"}).left_s is None
    assert find_own_job({"PBS_JOBID": "7.head", "PBS_WALLTIME": "60"}).left_s < 60
    assert find_own_job({"SLURM_JOB_ID": "7"}).left_s is None
    assert own.why_ended(tmp_path / "no.log") is None


NOTICE = "slurmstepd-n1: error: *** JOB 2 ON n1 CANCELLED AT 2026-11-21T18:41:08 {}***"


@pytest.mark.parametrize(
    ("accounted", "notice", "end"),
    [
        ("PREEMPTED\n", "", JobEnd.PREEMPTION),
        ("TIMEOUT\n", "", JobEnd.WALLTIME),
        ("CANCELLED by 0\n", "", None),
        ("RUNNING\n", "DUE TO PREEMPTION ", JobEnd.PREEMPTION),
        ("", "DUE TO TIME LIMIT ", JobEnd.WALLTIME),
        ("", "", None),
    ],
)
def test_why_slurm_ends_a_job(accounted, notice, end):
    lines = ["fits DUE TO PREEMPTION of others", NOTICE.format(notice), "Terminated"]
    assert find_end(accounted, lines) is end


def test_a_process_has_an_age():
    assert 0 < read_age_s() < os.times().elapsed
