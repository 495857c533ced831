"""What is asked of a scheduler, or of this machine."""

from pydantic import Field, NonNegativeInt, PositiveInt

from hpc_ml.spec.model import SpecModel
from hpc_ml.spec.quantities import Memory, Walltime
from hpc_ml.spec.words import Directive, PathText, SchedulerName


class Resources(SpecModel):
    """What each worker gets, and how many of them there are."""

    workers: PositiveInt | None = Field(
        None,
        description="workers: batch jobs on a scheduler, processes on this machine "
        "(default: the site's, or what this machine has cores for)",
    )
    cores: PositiveInt = Field(
        1, description="cores of a worker; each runs one process (default: the site's, else 1)"
    )
    memory: Memory | None = Field(
        None, description="memory of a worker, GiB unless a unit is given"
    )
    gpus: NonNegativeInt = Field(0, description="GPUs of a worker; each runs one process")
    walltime: Walltime = Field("1h", description="how long a worker's job may run")  # type: ignore[assignment]
    queue: SchedulerName | None = Field(
        None,
        description="queue or partition of the jobs",
        json_schema_extra={"flags": ["--queue", "--partition"]},
    )
    account: SchedulerName | None = Field(None, description="account or project that pays")
    directives: tuple[Directive, ...] = Field(
        (),
        description="a further option of the scheduler, as its own command takes it; repeatable",
        json_schema_extra={"flag": "--directive", "form": "items"},
    )
    python: PathText | None = Field(
        None, description="Python of the jobs (default: the one that runs hpc-ml)"
    )
    wait: Walltime | None = Field(
        None, description="give up when no worker has come after this long (default: never)"
    )
    replacements: NonNegativeInt | None = Field(
        None,
        description="how many lost workers may be replaced; those that leave at the end of their "
        "walltime and preempted ones do not count (default: three for each worker)",
    )


class Controller(SpecModel):
    """What the controller's own batch job asks for under `hpc-ml submit`."""

    cores: PositiveInt = Field(1, description="cores of the controller's job")
    memory: Memory | None = Field("4 GiB", description="memory of the controller's job")  # type: ignore[assignment]
    walltime: Walltime | None = Field(
        None, description="walltime of the controller's job (default: the workers')"
    )
    queue: SchedulerName | None = Field(
        None, description="queue of the controller's job (default: the workers')"
    )
    requeue: NonNegativeInt = Field(
        0,
        description="how many times a controller that reached its walltime is followed by another, "
        "which goes on; with 1 or more, so is each that is preempted",
        json_schema_extra={"flag": "--requeue"},
    )
