"""One controller at a time owns a run."""

import json
import os
import shutil
import subprocess
import sys
import threading

import pytest

from hpc_ml.errors import BadRun, RunFolderGone
from hpc_ml.runs.heartbeat import Heartbeat
from hpc_ml.runs.layout import RunLayout
from hpc_ml.runs.ownership import Ownership, OwnershipLost, drop_dead_owner, read_owner

HOLD = (
    "import sys; from pathlib import Path\n"
    "from hpc_ml.runs.layout import RunLayout\n"
    "from hpc_ml.runs.ownership import Ownership\n"
    "Ownership.take(RunLayout(Path(sys.argv[1])), job_id='77')\n"
    "print('held', flush=True); sys.stdin.read()\n"
)


@pytest.fixture
def layout(tmp_path):
    path = tmp_path / "20261120-185512-3f9a1c"
    path.mkdir()
    return RunLayout(path)


@pytest.fixture
def holder(layout):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, layout.path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


ELSEWHERE = {"host": "node7", "boot_id": "another"}


def change_owner(layout, **changes):
    written = json.loads(layout.owner_file.read_text())
    layout.owner_file.write_text(json.dumps(written | changes))


def test_a_second_controller_is_refused_with_the_first_ones_place(layout, holder):
    with pytest.raises(
        BadRun, match=rf"process {holder.pid} on \S+, job 77, which is alive.*cancel"
    ):
        Ownership.take(layout)


def test_a_killed_controller_loses_the_run_at_once(layout, holder):
    holder.kill()
    holder.wait()
    owner = Ownership.take(layout)
    owner.verify()
    assert sorted(path.name for path in layout.path.iterdir()) == ["owner.json"]


def test_a_later_process_with_the_same_number_is_not_the_owner(layout, holder):
    change_owner(layout, start_ticks=1)
    Ownership.take(layout).verify()


def test_a_host_with_two_names_is_one_host(layout, holder):
    change_owner(layout, host="its other name")
    with pytest.raises(BadRun, match="which is alive"):
        Ownership.take(layout)
    holder.kill()
    holder.wait()
    Ownership.take(layout).verify()


@pytest.mark.parametrize("place", [{"boot_id": "another"}, {"pid_namespace": "pid:[1]"}])
def test_the_same_number_on_another_machine_or_in_a_container_is_no_word(layout, holder, place):
    change_owner(layout, pid=2**22 + 1, **place)
    with Heartbeat(layout, interval_s=0.05), pytest.raises(BadRun, match="which is alive"):
        Ownership.take(layout)


def test_a_released_run_is_free(layout):
    first = Ownership.take(layout)
    first.release()
    Ownership.take(layout).verify()
    with pytest.raises(OwnershipLost, match="owned by process"):
        first.verify()


def test_who_lost_the_run_leaves_the_new_owner_alone(layout):
    first = Ownership.take(layout)
    change_owner(layout, token="another", host="elsewhere")
    with pytest.raises(OwnershipLost, match="elsewhere"):
        first.verify()
    first.release()
    assert read_owner(layout).token == "another"


@pytest.mark.parametrize("alive", [True, False])
def test_elsewhere_the_schedulers_word_counts(layout, alive):
    Ownership.take(layout, job_id="12")
    change_owner(layout, **ELSEWHERE)
    asked = []

    def ask(job_id):
        asked.append(job_id)
        return alive

    if alive:
        with pytest.raises(BadRun, match="on node7, job 12, which is alive"):
            Ownership.take(layout, alive=ask)
    else:
        Ownership.take(layout, alive=ask).verify()
    assert asked == ["12"]


def test_elsewhere_a_heartbeat_that_goes_on_counts(layout):
    Ownership.take(layout)
    change_owner(layout, **ELSEWHERE)
    told = []
    with Heartbeat(layout, interval_s=0.05), pytest.raises(BadRun, match="node7, which is alive"):
        Ownership.take(layout, tell=told.append)
    assert "watching its heartbeat" in told[0]


def test_elsewhere_a_heartbeat_that_stands_still_is_death(layout):
    Ownership.take(layout)
    change_owner(layout, **ELSEWHERE)
    with Heartbeat(layout):
        pass
    Ownership.take(layout, still_s=0.3).verify()


def test_elsewhere_a_scheduler_without_an_answer_leaves_it_to_the_heartbeat(layout):
    Ownership.take(layout, job_id="12")
    change_owner(layout, **ELSEWHERE)
    Ownership.take(layout, alive=lambda job_id: None, still_s=0.1).verify()


def test_a_removed_folder_is_said(layout):
    owner = Ownership.take(layout)
    shutil.rmtree(layout.path)
    with pytest.raises(RunFolderGone, match="was removed"):
        owner.verify()
    owner.release()


def test_who_is_given_up_meanwhile_is_no_obstacle(layout):
    """A run that is released while its heartbeat is watched is free at once."""
    first = Ownership.take(layout)
    change_owner(layout, **ELSEWHERE)
    threading.Timer(0.2, layout.owner_file.unlink).start()
    Ownership.take(layout, still_s=30).verify()
    with pytest.raises(OwnershipLost):
        first.verify()


def claim_file(layout, of=None):
    token = json.loads((of or layout.owner_file).read_text())["token"]
    return layout.path / f"owner-{token}.next"


def leave_claims(layout, depth):
    """Leave the owner of a dead process, and takers that died over its place, one by one."""
    Ownership.take(layout)
    change_owner(layout, start_ticks=1)
    last = layout.owner_file
    for number in range(depth):
        claim = claim_file(layout, last)
        claim.write_text(json.dumps({**json.loads(last.read_text()), "token": f"taker{number}"}))
        last = claim
    return last


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_claims_of_takers_that_died_block_nobody(layout, depth):
    leave_claims(layout, depth)
    Ownership.take(layout).verify()
    assert [path.name for path in layout.path.iterdir()] == ["owner.json"]


def test_a_claim_that_was_never_written_blocks_nobody(layout):
    leave_claims(layout, 1).write_text("")
    Ownership.take(layout, still_s=0.1).verify()


def test_a_taker_that_is_alive_is_named(layout, holder):
    living = json.loads(layout.owner_file.read_text())
    layout.owner_file.unlink()
    leave_claims(layout, 1).write_text(json.dumps(living))
    with pytest.raises(BadRun, match=rf"process {holder.pid} on \S+, job 77, which is alive"):
        Ownership.take(layout)


@pytest.mark.parametrize("text", ["", "{", '{"host": "x"}'])
def test_a_half_written_owner_is_taken_over_when_nothing_moves(layout, text):
    layout.owner_file.write_text(text)
    Ownership.take(layout, still_s=0.1).verify()


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_of_many_takers_one_wins(layout, depth):
    leave_claims(layout, depth)
    won, refused = [], []
    barrier = threading.Barrier(8)

    def take():
        barrier.wait()
        try:
            won.append(Ownership.take(layout))
        except BadRun as error:
            refused.append(error)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    won[0].verify()
    assert len(refused) == 7
    assert [str(e) for e in refused if f"process {os.getpid()} on " not in str(e)] == []
    assert [path.name for path in layout.path.iterdir()] == ["owner.json"]


def test_the_mark_of_a_dead_process_is_dropped_and_that_of_a_live_one_stays(layout, holder):
    drop_dead_owner(layout)
    assert layout.owner_file.exists()
    holder.kill()
    holder.wait()
    drop_dead_owner(layout)
    assert not layout.owner_file.exists()
    drop_dead_owner(layout)
