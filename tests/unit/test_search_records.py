"""Records of fits: what they keep, and what a worker process keeps for them."""

import json
import math
import pickle
import threading

import numpy as np
import pytest
from scipy import sparse

from hpc_ml.errors import BadData, BadJob, TaskFailed
from hpc_ml.estimators.outcomes import (
    is_finished,
    list_failures,
    make_failure,
    make_record,
    read_record,
    report_warnings,
)
from hpc_ml.estimators.recipe import pack, unpack
from hpc_ml.estimators.resident import DerivedCache, Resident, align
from hpc_ml.estimators.worker_data import StandIn, WorkerData

RESULT = {
    "test_scores": 0.1 + 0.2,
    "train_scores": {"a": math.nan, "b": -math.inf},
    "fit_time": 1e-5,
    "score_time": 0.25,
    "n_test_samples": np.int64(7),
    "fit_error": None,
}


def test_numbers_come_back_as_they_were():
    record = json.loads(json.dumps(make_record(RESULT, {}, "x"), allow_nan=False))
    result = read_record(record, return_train_score=True)
    assert result["test_scores"] == 0.1 + 0.2
    assert math.isnan(result["train_scores"]["a"])
    assert result["train_scores"]["b"] == -math.inf
    assert (result["fit_time"], result["n_test_samples"]) == (1e-5, 7)


def test_a_record_counts_only_for_the_same_fit():
    record = make_record(RESULT, {}, "these")
    assert is_finished(record, "these", return_train_score=True)
    assert not is_finished(record, "others", return_train_score=True)
    assert not is_finished({"of": "these"}, "these", return_train_score=True)
    assert not is_finished(None, "these", return_train_score=False)
    assert not is_finished(make_failure("died", 0, None, "these"), "these", False)


def test_a_lost_fit_has_the_error_score_in_each_metric():
    record = make_failure("its worker died", 0, ["a", "b"], "x")
    assert read_record(record, True)["test_scores"] == {"a": 0.0, "b": 0.0}
    assert list_failures(3, 1, record) == [
        {"candidate": 3, "fold": 1, "reason": "its worker died", "traceback": "its worker died"}
    ]


def test_warnings_are_counted_whatever_their_numbers():
    heard = []
    records = [
        {"warnings": [["ConvergenceWarning", f"gap {gap} after\n 10 steps", 2]]}
        for gap in (0.5, 1e-9)
    ]
    report_warnings([*records, {"warnings": [["UserWarning", "once", 1]]}], heard.append)
    assert heard == ["ConvergenceWarning (4 times): gap 0.5 after 10 steps", "UserWarning: once"]


def test_what_cannot_travel_is_named():
    with pytest.raises(BadJob, match="the scorer cannot be sent to the workers: TypeError"):
        pack(threading.Lock(), "the scorer")
    with pytest.raises(TaskFailed, match=r"the estimator cannot be read on worker .*no_such"):
        unpack(b"cno_such_module\nthing\n.", "the estimator")


def misaligned(array):
    raw = bytearray(array.nbytes + 1)
    raw[1:] = array.tobytes()
    return np.frombuffer(raw, dtype=array.dtype, offset=1).reshape(array.shape)


def test_arrays_are_aligned_and_writable_and_keep_their_order():
    array = misaligned(np.arange(6.0).reshape(2, 3))
    array.setflags(write=False)
    aligned = align(array)
    assert aligned.flags.aligned and aligned.flags.writeable
    np.testing.assert_array_equal(aligned, array)
    assert align(np.asfortranarray(aligned)).flags.f_contiguous
    matrix = sparse.csr_array(np.eye(3))
    matrix.data = misaligned(matrix.data)
    assert align(matrix).data.flags.aligned
    assert align(["text"]) == ["text"]


class Rows:
    key = "rows"
    n_samples = 3
    loaded = 0

    def load(self):
        Rows.loaded += 1
        return np.zeros((3, 2)), np.zeros(3)


def test_data_of_the_workers_are_read_once_a_process_and_never_sent():
    X = StandIn(Rows())
    assert isinstance(X.data, WorkerData)
    one = pickle.loads(pickle.dumps(Resident(X, np.arange(3), b"recipe")))
    other = Resident(X, np.arange(3), b"recipe")
    assert one.arrays()[0] is other.arrays()[0]
    assert Rows.loaded == 1
    assert len(pickle.dumps(one)) < 1000


def test_data_that_changed_under_the_search():
    changed = Rows()
    changed.key, changed.n_samples = "other rows", 4
    with pytest.raises(BadData, match="have 3 rows here, not 4"):
        Resident(StandIn(changed), None, b"").arrays()


def test_stand_in_has_rows_to_count_but_none_to_look_at():
    assert len(StandIn(Rows())) == 3
    with pytest.raises(TypeError, match="rows are on the workers"):
        StandIn(Rows())[0]


def test_derived_rows_stay_within_their_share():
    cache = DerivedCache(limit_bytes=2500)
    made = []

    def get(name, kilobytes=1):
        return cache.get(name, lambda: made.append(name) or np.zeros(kilobytes * 125))

    for name in ("a", "b", "a", "c", "a", "b"):
        get(name)
    assert made == ["a", "b", "c", "b"]
    get("huge", kilobytes=9)
    get("huge", kilobytes=9)
    assert made[-2:] == ["huge", "huge"]


def test_threads_make_a_derived_thing_once():
    cache = DerivedCache(limit_bytes=10**6)
    made, barrier = [], threading.Barrier(4)

    def get():
        barrier.wait()
        cache.get("key", lambda: made.append(1) or "value")

    threads = [threading.Thread(target=get) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]
