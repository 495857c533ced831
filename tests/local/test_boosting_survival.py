"""Boosters come out the same whoever trains them, and however often that is interrupted."""

import os
import signal

import numpy as np
import pytest
from boosting_data import DRAWS, LIBRARIES, Diary, Rows, make_table, ours, stop_after, theirs, trees
from distributed import Client
from worker_processes import start_cluster

from hpc_ml.errors import BadJob, Stopped
from hpc_ml.estimators import boosting, surroundings
from hpc_ml.estimators.boosting_layout import Layout
from hpc_ml.estimators.boosting_orders import Worker

both = pytest.mark.parametrize("library", LIBRARIES)
layouts = pytest.mark.parametrize("layout", ["one", "all"])


@pytest.fixture(scope="module")
def table():
    return make_table()


@both
@layouts
def test_a_training_that_was_stopped_goes_on_to_the_same_booster(
    table, client, library, layout
) -> None:
    X, target = table
    rows = Rows(X, target > 0, (500, 1500))
    parameters = {
        "n_estimators": 30, "segment_rounds": 12, "layout": layout, "eval_metric": "auc",
        "early_stopping_rounds": 25, **DRAWS[library],
    }  # fmt: skip
    with surroundings(client, Diary()):
        undisturbed = ours(library, "Classifier", **parameters).fit(rows)
    diary = Diary(stop_after(13))
    with surroundings(client, diary):
        with pytest.raises(Stopped):
            ours(library, "Classifier", **parameters).fit(rows)
        assert diary.states
        diary.at_round = None
        resumed = ours(library, "Classifier", **parameters).fit(rows)
    np.testing.assert_array_equal(resumed.predict_proba(X), undisturbed.predict_proba(X))
    assert resumed.history_ == undisturbed.history_


@pytest.fixture(scope="module")
def mortals():
    """Workers that may die: one a test, and one is left after the last."""
    with start_cluster(n_workers=4) as cluster:
        yield cluster


class Striking(Diary):
    """Kills a worker of a cluster as soon as there are more than 25 rounds."""

    def __init__(self, cluster, client, first_workers: int = 0) -> None:
        super().__init__(self._strike, first_workers)
        self._cluster, self._client = cluster, client

    def _strike(self, done: int) -> None:
        if done > 25:
            self.at_round = None
            there = self._client.scheduler_info(n_workers=-1)["workers"]
            alive = [one for one in self._cluster.workers.values() if one.worker_address in there]
            os.kill(alive[0].process.pid, signal.SIGKILL)


@pytest.mark.parametrize(("library", "layout"), [("XGB", "all"), ("LGBM", "all"), ("LGBM", "one")])
def test_a_training_survives_a_worker_s_death(table, mortals, library, layout) -> None:
    X, target = table
    rows = Rows(X, target > 0, (500, 1500))
    parameters = {"n_estimators": 60, "segment_rounds": 20, "layout": layout}
    with Client(mortals) as client:
        diary = Striking(mortals, client)
        with surroundings(client, Diary()):
            undisturbed = ours(library, "Classifier", **parameters).fit(rows)
        with surroundings(client, diary):
            model = ours(library, "Classifier", **parameters).fit(rows)
    assert any("goes on from round 2" in told for told in diary.told)
    np.testing.assert_allclose(model.predict_proba(X), undisturbed.predict_proba(X), atol=1e-6)


@both
def test_workers_share_what_more_of_them_began(table, client, library) -> None:
    X, target = table
    # Few values: many thresholds part the rows alike, and rounding may not choose among them.
    rows = Rows(X.round(1), target > 0, range(300, len(X), 300))
    parameters = {"n_estimators": 60, "segment_rounds": 20, "layout": "all", **DRAWS[library]}
    diary = Diary(first_workers=4)
    with surroundings(client, diary):
        undisturbed = ours(library, "Classifier", **parameters).fit(rows)
    assert "in 2 workers at once, in 4 parts as it was begun" in diary.told[0]
    with start_cluster(n_workers=3) as cluster, Client(cluster) as other:
        diary = Striking(cluster, other, first_workers=4)
        with surroundings(other, diary):
            model = ours(library, "Classifier", **parameters).fit(rows)
    assert any("goes on from round 2" in told for told in diary.told)
    np.testing.assert_array_equal(model.predict_proba(X), undisturbed.predict_proba(X))


def test_workers_with_gpus_share_nothing(table, client, monkeypatch) -> None:
    X, target = table

    def scout_device(holder, wanted):
        return Worker("host", str(os.getpid()), 1, 1, 2**33, device=True)

    monkeypatch.setattr(boosting, "scout", scout_device)
    diary = Diary(first_workers=4)
    with surroundings(client, diary):
        model = ours("LGBM", "Regressor", layout="all", device_type="cpu")
        model.fit(Rows(X, target, range(300, len(X), 300)))
    assert "2 workers with GPUs cannot share the 4 parts" in diary.told[0]
    assert diary.told[1].endswith("in 2 workers at once")


def test_rows_that_need_workers_still_to_come_wait_for_them(table, monkeypatch) -> None:
    X, target = table
    choose = boosting.choose_layout

    def choose_with_two(workers, *words, **more):
        if len(workers) < 2:
            raise BadJob("2 workers are needed")
        return choose(workers, *words, **more)

    monkeypatch.setattr(boosting, "choose_layout", choose_with_two)
    with start_cluster(n_workers=1) as cluster, Client(cluster) as client:

        class Waiting(Diary):
            def tell(self, message: str) -> None:
                super().tell(message)
                if "waiting" in message:
                    cluster.scale(2)

            def expects_workers(self) -> bool:
                return len(client.scheduler_info(n_workers=-1)["workers"]) < 2

        diary = Waiting(first_workers=2)
        with surroundings(client, diary):
            ours("XGB", "Regressor", layout="all").fit(Rows(X, target, (500, 1500)))
    assert diary.told[0] == "2 workers are needed: waiting for more workers"
    assert diary.told[1].endswith("in 2 workers at once")


@both
def test_rows_that_do_not_fit_beside_their_bins_are_read_one_partition_after_another(
    table, client, library, monkeypatch
) -> None:
    X, target = table
    rows = Rows(X, target, (500, 500, 1500))
    expected = theirs(library, "Regressor").fit(X, target)
    layout = Layout("one", (0,), (1,), at_once=False)
    monkeypatch.setattr(boosting, "choose_layout", lambda *_, **__: layout)
    with surroundings(client, Diary()):
        model = ours(library, "Regressor").fit(rows)
    assert trees(model) == trees(expected)


def test_rows_larger_than_memory_are_boosted_from_disk(table, client, monkeypatch) -> None:
    X, target = table
    expected = theirs("XGB", "Regressor").fit(X, target)
    layout = Layout("disk", (0,), (1,), at_once=False)
    monkeypatch.setattr(boosting, "choose_layout", lambda *_, **__: layout)
    with surroundings(client, Diary()):
        model = ours("XGB", "Regressor").fit(Rows(X, target, (500, 1500)))
    assert model.score(X, target) == pytest.approx(expected.score(X, target), abs=0.002)
    assert not client.run(find_caches) or not any(client.run(find_caches).values())


def find_caches(dask_worker):
    return [name for name in os.listdir(dask_worker.local_directory) if "xgboost" in name]


@both
def test_rows_that_fit_nowhere_are_refused_before_they_are_read(
    table, client, library, monkeypatch
) -> None:
    class Unread(Rows):
        def load(self, number):
            raise AssertionError("read")

    rows = Unread(*table, (500, 1500))
    small = Worker("host", "process", 1, 1, 2**28)
    monkeypatch.setattr(boosting, "scout", lambda holder, wanted: small)
    with surroundings(client, Diary()), pytest.raises(BadJob, match="GiB of memory"):
        ours(library, "Regressor").fit(rows)
