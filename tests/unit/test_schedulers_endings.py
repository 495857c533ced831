"""Jobs that are cancelled and seen to be gone."""

from collections.abc import Iterable
from typing import Any

import pytest

from hpc_ml.errors import NoCluster
from hpc_ml.schedulers import endings
from hpc_ml.schedulers.base import JobReport, JobState, SchedulerBusy
from hpc_ml.schedulers.endings import end_jobs

PENDING, RUNNING, ENDED, GONE = (
    JobState.PENDING, JobState.RUNNING, JobState.CANCELLED, JobState.GONE,
)  # fmt: skip


class Played:
    """A scheduler that answers each poll with the next of its answers, the last one for ever."""

    commands = ("sbatch", "scancel")

    def __init__(self, *answers: dict[str, JobState] | Exception, deaf: int = 0) -> None:
        self._answers = list(answers)
        self._deaf = deaf
        self.cancelled: list[str] = []

    def cancel(self, job_ids: Iterable[str]) -> None:
        if self._deaf:
            self._deaf -= 1
            raise SchedulerBusy("no answer")
        self.cancelled += job_ids

    def poll(self, job_ids: Iterable[str]) -> dict[str, JobReport]:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return {job: JobReport(job, answer[job]) for job in job_ids}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endings, "_LOOK_EVERY_S", 0.001)


def end(scheduler: Any, *job_ids: str, limit_s: float = 30, grace_s: float = 0) -> list[str]:
    end_jobs(scheduler, job_ids, limit_s=limit_s, grace_s=grace_s)
    return scheduler.cancelled


def test_nothing_is_done_about_no_jobs() -> None:
    assert end(Played({})) == []


def test_only_jobs_that_have_not_ended_are_cancelled() -> None:
    first = {"1": RUNNING, "2": PENDING, "3": ENDED, "4": GONE}
    scheduler = Played(first, {"1": RUNNING, "2": ENDED}, {"1": ENDED})
    assert sorted(end(scheduler, "1", "2", "3", "4")) == ["1", "2"]


def test_running_jobs_may_end_by_themselves_first() -> None:
    scheduler = Played({"1": RUNNING, "2": PENDING}, {"1": ENDED, "2": ENDED})
    assert end(scheduler, "1", "2", grace_s=30) == ["2"]


def test_a_scheduler_that_does_not_say_is_asked_again() -> None:
    assert end(Played({"1": RUNNING}, SchedulerBusy("no answer"), {"1": ENDED}), "1") == ["1"]


def test_jobs_that_do_not_end_are_named_with_the_command_that_ends_them() -> None:
    with pytest.raises(NoCluster, match="jobs 1, 2 have not ended; end them with: scancel 1 2"):
        end(Played({"1": RUNNING, "2": RUNNING}), "1", "2", limit_s=0.01)


def test_a_scheduler_that_does_not_hear_is_told() -> None:
    with pytest.raises(NoCluster, match="jobs 1 have not ended: no answer"):
        end(Played({"1": RUNNING}, deaf=10**6), "1", limit_s=0.01)
