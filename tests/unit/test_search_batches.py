"""Which worker gets which fits, and how many at a time."""

from hpc_ml.estimators.backlog import Backlog
from hpc_ml.estimators.prefixes import Prefix
from hpc_ml.estimators.rounds import Pace
from hpc_ml.estimators.units import Batch, Unit


def make_units(candidates, folds, share=None):
    return [
        Unit(
            key=f"0/{candidate}/{fold}",
            candidate=candidate,
            fold=fold,
            parameters={},
            prefix=share and Prefix((share(candidate),), (True,), 0),
            of="",
        )
        for candidate in range(candidates)
        for fold in range(folds)
    ]


def take(backlog, worker, limit):
    return [unit.key for unit in backlog.take(worker, limit)]


def test_plain_fits_go_out_in_the_candidates_order():
    backlog = Backlog(make_units(2, 3))
    assert take(backlog, "a", 2) == ["0/0/0", "0/0/1"]
    assert take(backlog, "b", 3) == ["0/0/2", "0/1/0", "0/1/1"]
    assert len(backlog) == 1


def test_what_was_taken_can_be_put_back_first():
    backlog = Backlog(make_units(1, 4))
    taken = backlog.take("a", 3)
    backlog.put_back(taken[1:])
    assert take(backlog, "b", 4) == ["0/0/1", "0/0/2", "0/0/3"]


def test_fits_with_the_same_steps_stay_with_one_worker():
    backlog = Backlog(make_units(4, 2, share=lambda candidate: "ab"[candidate % 2]))
    assert take(backlog, "first", 1) == ["0/0/0"]
    assert take(backlog, "second", 1) == ["0/0/1"]
    assert take(backlog, "first", 1) == ["0/2/0"]
    # What is near to what it did: the same fold.
    assert take(backlog, "first", 2) == ["0/1/0", "0/3/0"]
    assert take(backlog, "second", 3) == ["0/2/1", "0/1/1", "0/3/1"]
    assert not len(backlog)


def test_an_idle_worker_helps_with_the_longest_queue():
    backlog = Backlog(make_units(6, 1, share=lambda candidate: "one"))
    assert take(backlog, "first", 2) == ["0/0/0", "0/1/0"]
    assert take(backlog, "second", 2) == ["0/2/0", "0/3/0"]


def batch(fits, seconds):
    return Batch({str(number): {} for number in range(fits)}, None, seconds)


def test_batches_are_small_until_durations_are_known_then_half_a_second():
    pace = Pace()
    assert pace.size(1000, threads=2) == 4
    pace.learn(batch(4, 0.04))
    assert pace.size(1000, threads=2) == 50
    pace.learn(batch(1, 30.0))
    assert pace.size(1000, threads=2) == 1


def test_the_last_fits_are_spread_over_all_threads():
    pace = Pace()
    pace.learn(batch(4, 0.004))
    assert pace.size(40, threads=4) == 5
    assert pace.size(1, threads=4) == 1


def test_a_thread_has_a_second_batch_only_while_batches_are_short():
    pace = Pace()
    assert pace.depth == 1
    pace.learn(batch(4, 0.5))
    assert pace.depth == 2
    pace.learn(batch(1, 10.0))
    assert pace.depth == 1
