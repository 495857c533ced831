"""What a controller asks of a cluster, wherever its workers run."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpc_ml.runs.layout import RunLayout
from hpc_ml.spec.job import Job

if TYPE_CHECKING:
    from distributed import Client

    from hpc_ml.sites.profile import SiteProfile


@dataclass(frozen=True)
class Workers:
    """How many workers there are and shall be, and why some are missing."""

    have: int
    want: int
    reason: str = ""


@dataclass(frozen=True)
class ClusterRequest:
    """What a cluster is opened from.

    Parameters
    ----------
    job : Job
        The job, whose place and resources count.
    layout : RunLayout
        The run that the cluster belongs to.
    profile : SiteProfile or None
        The site, where the place is a scheduler.
    python : str
        Python of the workers' jobs.
    tell : callable
        Hears what the user should know, in one line.
    check : callable
        Raises when the run must stop; called while the cluster is waited for.
    submitted : callable
        Hears the id of each job at once, so that it can be ended whatever happens next.
    known_jobs : tuple of str
        The run's jobs from before: its controller's, and those of earlier attempts.
    """

    job: Job
    layout: RunLayout
    profile: "SiteProfile | None"
    python: str
    tell: Callable[[str], None]
    check: Callable[[], None]
    submitted: Callable[[str], None]
    known_jobs: tuple[str, ...] = ()


class Cluster(ABC):
    """A Dask client with its workers, from `open` to `close`."""

    client: "Client"

    @abstractmethod
    def open(self) -> None:
        """Start, and return when the first worker is there. Raises NoCluster."""

    @abstractmethod
    def check(self) -> None:
        """Raise NoCluster when the workers are gone for good."""

    @abstractmethod
    def workers(self) -> Workers:
        """Return how many workers there are and shall be."""

    def expects_workers(self) -> bool:
        """Return whether more workers will come than are there; False where nobody knows."""
        return False

    @property
    def worker_life_s(self) -> float:
        """How long a worker can work on something; infinite where no walltime ends it."""
        return float("inf")

    def is_blameless(self, worker: str) -> bool:
        """Return whether the worker lost at an address was ended by its scheduler, by its word.

        May take some seconds, until the scheduler has said so.
        """
        return False

    @abstractmethod
    def close(self, *, at_once: bool = False) -> None:
        """End every worker and job, and make sure of it; harmless when repeated.

        Unless `at_once`, workers may take some seconds to end by themselves.
        """
