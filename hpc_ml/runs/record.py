"""What run.json says of a run."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict


class RunState(StrEnum):
    """How far a run is."""

    PENDING = "pending"  # made, its controller has not begun
    STARTING = "starting"  # the controller opens its cluster
    RUNNING = "running"
    COMPLETED = "completed"
    PARTIAL = "partial"  # a budget or deadline was reached; what is there is valid
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"  # stopped before its end; resumable

    @property
    def ended(self) -> bool:
        """Whether no controller works on the run any more."""
        return self not in (RunState.PENDING, RunState.STARTING, RunState.RUNNING)


class RunRecord(BaseModel):
    """One run, as it is kept in run.json.

    `host` and `pid` are the controller's, `scheduler` the module that its jobs went to, job ids
    are the scheduler's own strings; `controller_jobs` are all that the run has had, the present one
    last. `workers` is how many the run was begun with. `walltimes_reached` and `idle_terms` count
    the controllers that went on by themselves at their walltime, and those of them, up to now, in
    a row that finished nothing new. `job` has the keys that decide the result, `data` rows,
    columns and size of the data. Keeping the work safe took `safekeeping_s` of the `controller_s`
    that controllers ran. Keys that a newer hpc-ml wrote are kept as they are.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    id: str
    task: str
    state: RunState
    created_at: AwareDatetime
    name: str | None = None
    started_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    on: str = "local"
    site: str | None = None
    scheduler: str | None = None
    host: str | None = None
    pid: int | None = None
    controller_job: str | None = None
    controller_jobs: list[str] = []
    walltimes_reached: int = 0
    idle_terms: int = 0
    worker_jobs: list[str] = []
    workers: int | None = None
    seed: int = 0
    versions: dict[str, str] = {}
    exit_code: int | None = None
    error: str | None = None
    data_digest: str | None = None
    data: dict[str, int | None] | None = None
    job: dict[str, Any] | None = None
    safekeeping_s: float = 0.0
    controller_s: float = 0.0

    def change(self, **changes: Any) -> "RunRecord":
        """Return the record with other values, validated. Raises TypeError for unknown keys."""
        unknown = changes.keys() - RunRecord.model_fields.keys()
        if unknown:
            raise TypeError(f"run.json has no {', '.join(sorted(unknown))}")
        return RunRecord.model_validate({**self.model_dump(), **changes})


def read_clock() -> datetime:
    """Return the local time with its zone, as a run's records have it."""
    return datetime.now().astimezone()
