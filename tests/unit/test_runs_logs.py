"""The ends of logs, and which logs there are."""

import pytest

from hpc_ml.runs.logs import controller_logs, last_lines, read_from, worker_logs


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("length", [0, 10, 70_000, 200_000])
def test_the_last_lines_of_a_file(tmp_path, length, end):
    lines = ["first", "x" * length, "", "zweite Zeile: ü", "last"]
    path = tmp_path / "log"
    path.write_text("\n".join(lines) + end)
    for count in range(1, 7):
        assert last_lines(path, count) == lines[-count:]


def test_of_no_file_and_an_empty_one_there_are_none(tmp_path):
    (tmp_path / "log").write_text("")
    assert last_lines(tmp_path / "log", 3) == []
    assert last_lines(tmp_path / "nowhere", 3) == []


def test_a_line_without_its_end_is_left_for_the_next_time(tmp_path):
    path = tmp_path / "log"
    path.write_text("one\ntw")
    text, offset = read_from(path, 0, whole_lines=True)
    assert text == "one\n"
    path.write_text("one\ntwo\n")
    assert read_from(path, offset, whole_lines=True) == ("two\n", 8)


def test_jobs_are_numbered_and_matched_to_their_files(make_run):
    run = make_run(controller_job="12;big", worker_jobs=["13.server", "14;big"])
    for name in ("controller.log", "worker-14.log", "worker-99.log"):
        (run.layout.logs / name).write_text("")
    record = run.read_record()
    own, of_job = controller_logs(run.layout, record)
    assert (own.path.name, of_job.path.name) == ("controller.log", "controller-12.log")
    assert [(log.job_id, log.path.name) for log in worker_logs(run.layout, record)] == [
        ("13.server", "worker-13.server.log"),
        ("14;big", "worker-14.log"),
        (None, "worker-99.log"),
    ]
