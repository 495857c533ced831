"""Where K-means stands after an iteration, as bytes that it can go on from."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hpc_ml.estimators.kmeans_starts import is_given
from hpc_ml.estimators.kmeans_survey import digest_of
from hpc_ml.estimators.lloyd import Descent

_PARAMETERS = (
    "n_clusters", "n_init", "max_iter", "tol", "oversampling_factor", "init_max_iter",
)  # fmt: skip


@dataclass(frozen=True)
class Standing:
    """All runs of all models, and what is known of the data.

    Attributes
    ----------
    offset : ndarray of shape (n_features,) or None
        What is subtracted from the rows.
    scatter : float
        Weighted sum of squared distances of the rows from the offset, or from zero.
    spread : float
        Mean of the variances of the columns.
    descents : list of list of Descent
        The runs of each model.
    """

    offset: np.ndarray | None
    scatter: float
    spread: float
    descents: list[list[Descent]]

    def copy(self) -> "Standing":
        """Return what further iterations do not change."""
        descents = [
            [replace(run, inertias=[*run.inertias], shifts=[*run.shifts]) for run in starts]
            for starts in self.descents
        ]
        return replace(self, descents=descents)


def fingerprint_of(collective: Any, models: Sequence[Any]) -> str:
    """Return what a state must have been made of to be gone on from: data and parameters."""
    return json.dumps(
        [collective.partitions.key, collective.rows, *(_describe(model) for model in models)]
    )


def _describe(model: Any) -> list[Any]:
    init = digest_of(np.asarray(model.init)) if is_given(model.init) else repr(model.init)
    return [init, repr(model.random_state), *(repr(getattr(model, p)) for p in _PARAMETERS)]


def pack(standing: Standing, fingerprint: str) -> bytes:
    """Return a standing as bytes."""
    arrays: dict[str, Any] = {} if standing.offset is None else {"offset": standing.offset}
    facts = []
    for number, starts in enumerate(standing.descents):
        for start, run in enumerate(starts):
            values = vars(run)
            here = {name: v for name, v in values.items() if isinstance(v, np.ndarray)}
            arrays |= {f"{number}.{start}.{name}": array for name, array in here.items()}
            facts.append([number, {name: v for name, v in values.items() if name not in here}])
    about = {
        "fingerprint": fingerprint, "scatter": standing.scatter, "spread": standing.spread,
        "runs": facts,
    }  # fmt: skip
    file = io.BytesIO()
    np.savez(file, about=np.array(json.dumps(about)), **arrays)
    return file.getvalue()


def unpack(kept: bytes, fingerprint: str) -> Standing | None:
    """Return the standing, or None where it was made of other data or parameters."""
    with np.load(io.BytesIO(kept), allow_pickle=False) as file:
        about = json.loads(file["about"].item())
        if about["fingerprint"] != fingerprint:
            return None
        descents: list[list[Descent]] = []
        for number, facts in about["runs"]:
            if number == len(descents):
                descents.append([])
            prefix = f"{number}.{len(descents[number])}."
            arrays = {n.removeprefix(prefix): file[n] for n in file.files if n.startswith(prefix)}
            descents[number].append(Descent(**(facts | arrays)))
        offset = file["offset"] if "offset" in file.files else None
        return Standing(offset, about["scatter"], about["spread"], descents)
