"""Where a training is, as bytes without pickle, so that it goes on from there to the same end."""

import io
import json
import warnings
import zipfile
from collections.abc import Mapping
from typing import Any

from sklearn.base import BaseEstimator

from hpc_ml.estimators.surroundings import Checkpoint

_FACTS = "facts.json"


class KeptState:
    """The state of one training in a checkpoint.

    Parameters
    ----------
    checkpoint : Checkpoint
        Where it is kept.
    name : str
        Under which.
    of : str
        Tells this training from others that were kept under the same name.
    """

    def __init__(self, checkpoint: Checkpoint, name: str, of: str) -> None:
        import skops.io  # noqa: F401 - now, since it would count as the cost of the first state

        self._checkpoint = checkpoint
        self._name = name
        self._of = of
        self._told = False

    def read(self, like: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Return facts and models as they were kept, or None where there are none.

        `like` is an estimator, or a list of them, of the kinds that are expected. Raises
        ValueError where something else was kept.
        """
        packed = self._checkpoint.kept_state(self._name)
        if packed is None:
            return None
        facts, models = unpack_state(packed, like)
        return (facts, models) if facts.pop("of") == self._of and models else None

    def keep(self, facts: Mapping[str, Any], models: Mapping[str, Any]) -> None:
        """Keep facts, of which JSON can be made, and models; neither may change any more."""
        self._checkpoint.keep_state(self._name, lambda: self._pack(facts, models))

    def _pack(self, facts: Mapping[str, Any], models: Mapping[str, Any]) -> bytes:
        try:
            return pack_state({**facts, "of": self._of}, models)
        except Exception as error:
            # skops raises errors of its own; a training goes on that cannot be resumed.
            if not self._told:
                self._checkpoint.tell(f"an interrupted run will begin anew: {error}")
                self._told = True
            return pack_state({**facts, "of": self._of}, {})


def pack_state(facts: Mapping[str, Any], models: Mapping[str, Any]) -> bytes:
    """Return facts and estimators as bytes.

    Parameters
    ----------
    facts : mapping
        Whatever JSON can hold; floats keep every digit.
    models : mapping of str -> estimator
        Kept by skops, with every bit of their arrays, counters and random states
        (https://skops.readthedocs.io/en/stable/persistence.html).

    Raises
    ------
    Exception
        Of skops, where it has no form for an estimator.
    """
    import skops.io

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr(_FACTS, json.dumps({**facts, "models": list(models)}))
        for name, model in models.items():
            archive.writestr(f"{name}.skops", skops.io.dumps(model))
    return packed.getvalue()


def unpack_state(packed: bytes, like: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the facts and the estimators that `pack_state` packed.

    Classes of scikit-learn are trusted, and those of the packages whose estimators are in `like`,
    an estimator or a list of them. Raises ValueError where the bytes are something else.
    """
    import skops.io

    trusted = {_package(type(part).__module__) for part in _parts(like)}
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            facts = json.loads(archive.read(_FACTS))
            models = {}
            for name in facts.pop("models"):
                data = archive.read(f"{name}.skops")
                unknown = skops.io.get_untrusted_types(data=data)
                known = [word for word in unknown if _package(word) in trusted]
                models[name] = skops.io.loads(data, trusted=known)
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"this is no state of a training: {error}") from error
    return facts, models


def _parts(like: Any) -> list[Any]:
    if isinstance(like, list | tuple):
        return [part for each in like for part in _parts(each)]
    inside = like.get_params(deep=True).values()
    return [like, *(value for value in inside if isinstance(value, BaseEstimator))]


def _package(word: str) -> str:
    return word.partition(".")[0]
