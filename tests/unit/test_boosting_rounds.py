"""Rounds of boosting: segments, early stopping, the state that is kept, where training runs."""

import math

import pytest

from hpc_ml.errors import BadJob
from hpc_ml.estimators.boosting_course import Course, Schedule, judge, seed_of_segment
from hpc_ml.estimators.boosting_layout import Size, Worker, choose_layout, fix_parts

GIB = 2**30


@pytest.mark.parametrize(
    ("scores", "maximise", "expected"),
    [
        ([3, 2, 1], False, (2, None)),
        ([3, 1, 2, 2], False, (1, 4)),
        ([3, 1, 2, 1, 0], False, (1, 4)),  # a tie is no improvement
        ([1, 2, 1, 1], True, (1, 4)),
        ([1, math.nan, math.nan], False, (0, 3)),
    ],
)
def test_training_ends_after_rounds_without_a_better_score(scores, maximise, expected) -> None:
    verdict = judge(scores, 2, maximise=maximise)
    assert (verdict.best, verdict.stop) == expected


def test_segments_end_at_fixed_rounds_whatever_was_trained_at_once() -> None:
    schedule = Schedule(n_rounds=250, segment_rounds=100)
    assert [schedule.segment_end(n) for n in (0, 99, 100, 240)] == [100, 100, 200, 250]
    assert schedule.rounds_at_once(98, round_s=0.001) == 2
    assert schedule.rounds_at_once(0, round_s=30.0) == 1


def test_rounds_that_cannot_be_cut_off_are_trained_one_by_one() -> None:
    schedule = Schedule(n_rounds=50, segment_rounds=50, patience=5, truncates=False)
    assert schedule.rounds_at_once(0, round_s=1e-4) == 1


def test_each_segment_has_a_seed_and_the_first_one_the_job_s_own() -> None:
    seeds = [seed_of_segment(7, segment) for segment in range(4)]
    assert seeds[0] == 7
    assert len(set(seeds)) == 4
    assert seeds == [seed_of_segment(7, segment) for segment in range(4)]


def test_a_kept_course_is_the_same_after_loading() -> None:
    course = Course(model=b"\x00model", best=0, watched="validation_auc")
    course.add({"validation_auc": 0.5}, {"validation_auc": True})
    course.add({"train_auc": 0.6}, {"train_auc": True})
    loaded = Course.load(course.dump())
    assert repr(loaded) == repr(course)  # nan is in it
    loaded.cut(1)
    assert loaded.rounds == 1
    assert loaded.history["validation_auc"] == [0.5]


def workers(count: int, *, hosts: int = 1, memory_gib: float = 8, cores: int = 64) -> list[Worker]:
    return [
        Worker(f"host{n % hosts}", f"process{n}", 1, cores, memory_gib * GIB) for n in range(count)
    ]


def size(rows: int, *, n_features: int = 50, row_bytes: float = 140) -> Size:
    return Size(rows, n_features, 100, 200, row_bytes, 40, 2**25)


def test_one_worker_trains_with_the_cores_of_the_idle_ones_beside_it() -> None:
    layout = choose_layout(workers(4), [10_000] * 4, size(40_000))
    assert (layout.mode, layout.ranks, layout.threads) == ("one", (0,), (4,))
    assert choose_layout(workers(4, cores=2), [10_000] * 4, size(40_000)).threads == (2,)
    assert choose_layout(workers(4), [1] * 4, size(4), most_threads=3).threads == (3,)


def test_many_hosts_pay_for_much_data_and_not_for_little() -> None:
    many = workers(16, hosts=4, memory_gib=64)
    assert choose_layout(many, [100] * 16, size(1600)).mode == "one"
    large = choose_layout(many, [10**6] * 16, size(16 * 10**6))
    assert (large.mode, len(large.ranks)) == ("all", 16)


def test_a_worker_without_rows_is_left_out() -> None:
    layout = choose_layout(workers(3), [10, 0, 10], size(20), mode="all")
    assert (layout.mode, layout.ranks) == ("all", (0, 2))


def test_workers_of_one_process_do_not_train_beside_each_other() -> None:
    threads = [Worker("host", "one", 1, 8, GIB * 8) for _ in range(2)]
    assert choose_layout(threads, [10, 10], size(20), mode="all").mode == "one"


def test_memory_decides_between_one_worker_all_and_disk() -> None:
    rows = 20_000_000  # 2.6 GiB binned, 3.7 GiB as they are read
    assert choose_layout(workers(4, memory_gib=16), [rows // 4] * 4, size(rows)).at_once
    streamed = choose_layout(workers(1, memory_gib=4), [rows], size(rows))
    assert (streamed.mode, streamed.at_once) == ("one", False)
    assert choose_layout(workers(4, memory_gib=2), [rows // 4] * 4, size(rows)).mode == "all"
    assert choose_layout(workers(1, memory_gib=2), [rows], size(rows)).mode == "disk"
    with pytest.raises(BadJob, match="GiB of memory"):
        choose_layout(workers(1, memory_gib=2), [rows], size(rows), more_come=True)


def test_what_fits_nowhere_is_refused_with_the_memory_that_it_needs() -> None:
    rows = 200_000_000
    with pytest.raises(BadJob, match=r"needs 3\d\.\d GiB.*--workers 1 needs 9\.4 GiB"):
        choose_layout(workers(2, memory_gib=2), [rows // 2] * 2, size(rows))
    assert choose_layout(workers(1, memory_gib=9.4), [rows], size(rows)).mode == "disk"


def test_a_training_goes_on_as_it_began_where_it_can() -> None:
    four, held = workers(4, hosts=4), [1000] * 4
    assert choose_layout(four, held, size(4000), mode="all").mode == "all"
    assert choose_layout(four[:1], [4000], size(4000), mode="all").mode == "all"
    assert choose_layout(four[:1], [4000], size(4000)).mode == "one"


def test_fixed_parts_go_to_whoever_holds_them_and_to_all_alike() -> None:
    parts = [(0, 1), (2, 3), (4, 5)]
    rows = [1000] * 6
    three = fix_parts(workers(3), [(4, 5), (0, 1), (2, 3)], parts, rows, size(6000))
    assert (three.mode, three.ranks, three.threads) == ("all", (1, 2, 0), (1, 1, 1))
    two = fix_parts(workers(2), [(0, 1, 2), (3, 4, 5)], parts, rows, size(6000))
    assert two.ranks == (0, 0, 1)
    assert two.parts == tuple(parts)
    many = [Worker("host", f"process{n}", 4, 8, 8 * GIB) for n in range(2)]
    assert fix_parts(many, [(0, 1, 2), (3, 4, 5)], parts, rows, size(6000)).threads == (2, 2, 4)
    five = fix_parts(workers(5), [(0, 1), (2, 3), (), (4,), (5,)], parts, rows, size(6000))
    assert five.ranks == (0, 1, 3)


def test_fixed_parts_need_the_memory_of_those_who_share_them() -> None:
    parts, rows = [(0,), (1,), (2,)], [5_000_000] * 3
    held = [(0,), (1,), (2,)]
    assert fix_parts(workers(3, memory_gib=2), held, parts, rows, size(15_000_000)).parts
    with pytest.raises(BadJob, match="GiB of memory"):
        fix_parts(workers(2, memory_gib=2), held[:2], parts, rows, size(15_000_000))
