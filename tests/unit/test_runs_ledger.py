"""Finished units outlive a crash at any byte and a disk that is full."""

import json
import math
import subprocess
import sys

import pytest

from hpc_ml.errors import BadRun, TaskFailed
from hpc_ml.runs import ledger as ledger_module
from hpc_ml.runs.ledger import Ledger

UNITS = {"fit/0/0": {"score": 0.948997, "time_s": 1e-05}, "fit/0/1": [1, "zwei\nümlaut", None]}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger" / "units.jsonl"


def fill(path, units):
    with Ledger.open(path) as ledger:
        for unit, value in units.items():
            ledger.append(unit, value)


def test_units_are_read_again(path):
    fill(path, UNITS)
    with Ledger.open(path) as ledger:
        assert ledger.units == UNITS
        assert ledger.dropped == 0
        ledger.append("fit/1/0", 3)
    with Ledger.open(path) as ledger:
        assert list(ledger.units) == ["fit/0/0", "fit/0/1", "fit/1/0"]


def test_each_line_is_json_with_unit_value_and_checksum(path):
    fill(path, UNITS)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["unit"], line["value"]) for line in lines] == list(UNITS.items())
    assert all(len(line["crc"]) == 8 for line in lines)


def test_a_unit_is_in_the_file_as_soon_as_it_is_kept(path):
    ledger = Ledger.open(path)
    ledger.append("a", 1)
    assert json.loads(path.read_text())["unit"] == "a"
    ledger.close()


def test_units_reach_the_disk_within_a_second(path, monkeypatch):
    synced, now_s = [], [100.0]
    monkeypatch.setattr(ledger_module.os, "fsync", synced.append)
    monkeypatch.setattr(ledger_module.time, "monotonic", lambda: now_s[0])
    with Ledger.open(path) as ledger:
        ledger.append("first", 1)
        at_once = len(synced)
        ledger.append("second", 2)
        ledger.sync_due()
        assert len(synced) == at_once
        now_s[0] += 1
        ledger.sync_due()
        ledger.sync_due()
        assert len(synced) == at_once + 1


def test_nan_and_infinity_survive(path):
    fill(path, {"a": [math.nan, math.inf, -math.inf, 0.1 + 0.2]})
    with Ledger.open(path) as ledger:
        nan, *rest = ledger.units["a"]
    assert math.isnan(nan)
    assert rest == [math.inf, -math.inf, 0.1 + 0.2]


def test_every_cut_of_the_last_record_keeps_the_earlier_ones(path):
    fill(path, UNITS)
    kept_bytes = path.stat().st_size
    fill(path, {"last": {"score": 0.5}})
    whole = path.read_bytes()
    for length in range(kept_bytes, len(whole)):
        path.write_bytes(whole[:length])
        with Ledger.open(path) as ledger:
            assert ledger.units == UNITS
            assert ledger.dropped == (length > kept_bytes)
            ledger.append("last", {"score": 0.5})
        assert path.read_bytes() == whole


@pytest.mark.parametrize("junk", [b"\0" * 40, b"\0" * 40 + b"\n", b'{"unit": "x"}\n', b"\n"])
def test_junk_at_the_end_is_dropped(path, junk):
    fill(path, UNITS)
    with path.open("ab") as file:
        file.write(junk)
    with Ledger.open(path) as ledger:
        assert ledger.units == UNITS
        assert ledger.dropped == 1


def test_a_changed_line_in_the_middle_is_named(path):
    fill(path, UNITS)
    path.write_text(path.read_text().replace("0.948997", "0.948998"))
    with pytest.raises(BadRun, match=r"units\.jsonl:1: .*delete the line"):
        Ledger.open(path)


def test_the_last_of_two_records_of_a_unit_counts(path):
    fill(path, {"a": 1, "b": 2})
    fill(path, {"a": 3})
    with Ledger.open(path) as ledger:
        assert ledger.units == {"a": 3, "b": 2}


def test_the_time_spent_is_counted(path):
    with Ledger.open(path) as ledger:
        before = ledger.seconds_spent
        ledger.append("a", 1)
        assert ledger.seconds_spent > before


def test_closing_twice_is_no_error(path):
    ledger = Ledger.open(path)
    ledger.close()
    ledger.close()


def test_a_full_disk_ends_the_run_and_keeps_the_units(small_disk):
    path = small_disk / "units.jsonl"
    kept = 0
    with Ledger.open(path) as ledger, pytest.raises(TaskFailed, match=r"No space left.*make room"):
        while True:
            ledger.append(f"unit {kept}", "x" * 5_000)
            kept += 1
    with Ledger.open(path) as ledger:
        assert len(ledger.units) == kept > 10
        assert ledger.dropped == 0


def test_a_place_that_cannot_be_written_is_said(path):
    path.parent.write_text("a file where the folder should be")
    with pytest.raises(TaskFailed, match="cannot write"):
        Ledger.open(path)


def test_a_killed_writer_leaves_whole_records(path):
    code = (
        "import sys; from pathlib import Path; from hpc_ml.runs.ledger import Ledger\n"
        "ledger = Ledger.open(Path(sys.argv[1]))\n"
        "for number in range(10**9):\n"
        "    ledger.append(str(number), 'x' * 300)\n"
        "    if number == 200: print('go', flush=True)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE)
    writer.stdout.readline()
    writer.kill()
    writer.communicate()
    with Ledger.open(path) as ledger:
        assert len(ledger.units) > 200
        assert list(ledger.units) == [str(number) for number in range(len(ledger.units))]
