"""Models of parameters: what a user may set, checked where it is read."""

from pydantic import BaseModel, ConfigDict


class Parameters(BaseModel):
    """Base of parameter models: frozen, nothing unknown, infinities only where a field allows them."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())
