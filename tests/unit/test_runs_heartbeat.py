"""The heartbeat tells how far the run is, and hears that it shall stop."""

import threading

import pytest

from hpc_ml.runs.cancellation import clear_cancel, request_cancel
from hpc_ml.runs.heartbeat import Heartbeat, Progress, Workers, read_beat
from hpc_ml.runs.layout import RunLayout


@pytest.fixture
def layout(tmp_path):
    return RunLayout(tmp_path)


def wait_until(true, timeout_s=10):
    pause = threading.Event()
    for _ in range(int(timeout_s / 0.01)):
        if true():
            return True
        pause.wait(0.01)
    return False


def test_it_beats_until_it_is_stopped(layout):
    heartbeat = Heartbeat(layout, interval_s=0.01)
    heartbeat.start()
    assert wait_until(lambda: read_beat(layout).beat > 3)
    heartbeat.stop()
    heartbeat.stop()
    last = read_beat(layout)
    assert not any("heartbeat" in thread.name for thread in threading.enumerate())
    assert read_beat(layout) == last


def test_the_last_beat_has_the_last_word(layout):
    with Heartbeat(layout) as heartbeat:
        heartbeat.report_progress(3, 48, "fits")
        heartbeat.report_workers(want=4, have=1)
        heartbeat.report_reason("job 12 waits for free nodes")
    beat = read_beat(layout)
    assert beat.progress == Progress(done=3, total=48, unit="fits")
    assert beat.workers == Workers(want=4, have=1)
    assert beat.reason == "job 12 waits for free nodes"


def test_what_the_controller_before_has_told_holds_until_more_is_known(layout):
    with Heartbeat(layout) as heartbeat:
        heartbeat.report_progress(3, 48, "fits")
        heartbeat.report_workers(want=4, have=1)
    with Heartbeat(layout):
        beat = read_beat(layout)
    assert (beat.progress, beat.workers) == (Progress(done=3, total=48, unit="fits"), None)


def test_a_request_to_stop_is_heard(layout):
    with Heartbeat(layout, interval_s=0.01) as heartbeat:
        assert not heartbeat.cancel_requested
        request_cancel(layout)
        assert wait_until(lambda: heartbeat.cancel_requested)


def test_a_request_that_came_first_is_heard_at_the_start(layout):
    request_cancel(layout)
    with Heartbeat(layout) as heartbeat:
        assert heartbeat.cancel_requested
    clear_cancel(layout)
    with Heartbeat(layout) as heartbeat:
        assert not heartbeat.cancel_requested


def test_a_full_disk_stops_nothing(small_disk):
    layout = RunLayout(small_disk)
    with Heartbeat(layout, interval_s=0.01) as heartbeat:
        with pytest.raises(OSError, match="No space"):
            (small_disk / "fill").write_bytes(b"x" * 2**21)
        assert wait_until(lambda: heartbeat.failed_beats > 2)
        (small_disk / "fill").unlink()
        missed = read_beat(layout).beat
        assert wait_until(lambda: read_beat(layout).beat > missed)


def test_no_heartbeat_and_a_broken_one_are_none(layout):
    assert read_beat(layout) is None
    layout.heartbeat_file.write_text("{")
    assert read_beat(layout) is None
