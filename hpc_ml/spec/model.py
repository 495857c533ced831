"""The base of every model that a user writes: frozen, and strict about its keys."""

from pydantic import BaseModel, ConfigDict


class SpecModel(BaseModel):
    """A frozen model in which an unknown key is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False
    )
