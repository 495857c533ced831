"""Which GPUs a build of LightGBM can train on."""

from functools import lru_cache

import lightgbm
import numpy as np
from lightgbm.basic import LightGBMError

from hpc_ml.estimators.boosting_quiet import muted

_TYPES = ("cuda", "gpu")
_NOT_BUILT = "not enabled in this build"


@lru_cache(maxsize=1)
def find_device() -> str | None:
    """Return the `device_type` that this build has code for, or None; no GPU need be here."""
    rows = np.zeros((4, 1))
    for name in _TYPES:
        try:
            with muted():
                data = lightgbm.Dataset(rows, rows[:, 0], params={"verbosity": -1})
                lightgbm.Booster({"device_type": name, "verbosity": -1}, data)
        except LightGBMError as error:
            if _NOT_BUILT in str(error):
                continue
        return name
    return None
