"""The recipe of a job's data: small enough to travel to every worker."""

import hashlib
import json
import os
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hpc_ml.data.location import Location, is_url
from hpc_ml.errors import BadData
from hpc_ml.spec.data import BUNDLED, Data, is_name
from hpc_ml.spec.nearest import nearest

if TYPE_CHECKING:
    from hpc_ml.spec.job import Job


@dataclass(frozen=True)
class DataSource:
    """Everything that decides which rows and columns a worker gets, and nothing of the rows.

    Parameters
    ----------
    spec : Data
        What the job says; a relative path is taken from the present folder and made absolute.
    seed : int
        Decides the held-out rows, and the rows of a generator whose random_state is unset.
    test_size : float
        Share of the rows that is held out; 0 holds none out.
    stratify : bool
        Whether the target is classes: each keeps its share in both parts.
    supervised : bool
        Whether there is a target.
    """

    spec: Data
    seed: int = 0
    test_size: float = 0.0
    stratify: bool = False
    supervised: bool = True

    def __post_init__(self) -> None:
        if self.spec.path is not None and not is_url(self.spec.path.removeprefix("file://")):
            path = self.spec.path.removeprefix("file://")
            absolute = os.path.abspath(os.path.expanduser(path))
            object.__setattr__(self, "spec", self.spec.model_copy(update={"path": absolute}))

    @classmethod
    def from_job(
        cls, job: "Job[Any]", *, supervised: bool, stratify: bool, test_size: float
    ) -> "DataSource":
        """Return the recipe of a job; `test_size` holds where the job does not say it."""
        asked = job.data.test_size
        return cls(
            spec=job.data,
            seed=job.seed,
            test_size=test_size if asked is None else asked,
            stratify=stratify and supervised,
            supervised=supervised,
        )

    def __hash__(self) -> int:
        return hash(self.key)  # the job's words hold mappings, which have no hash

    def __getstate__(self) -> dict[str, Any]:
        # The files are listed where they are read, not carried along.
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def key(self) -> str:
        """A digest of the recipe, the same in every process and version."""
        recipe = {
            "data": self.spec.model_dump(mode="json", exclude={"test_size"}),
            "seed": self.seed,
            "test_size": self.test_size,
            "stratify": self.stratify,
            "supervised": self.supervised,
        }
        return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]

    @cached_property
    def location(self) -> Location:
        """Where the files lie. Raises BadData where the job names none."""
        if self.spec.path is None:
            raise BadData(
                "the job names no data",
                hint="give a file by --data FILE (data.path) or a table by --data digits",
            )
        return Location(self.spec.path)

    @property
    def where(self) -> str:
        """What messages call the data: the path or the name."""
        return self.spec.path or self.spec.name or "data"


def check_name(name: str) -> None:
    """Raise BadData unless `name` is a bundled table or has the form of a generator call."""
    if not is_name(name):
        raise BadData(
            f"no bundled table is called {name!r}",
            where="data.name",
            hint=f"{nearest(name, BUNDLED)}, or a call such as make_classification(n_samples=1000)",
        )
