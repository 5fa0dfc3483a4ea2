"""The base class of parameter models: what a user may set, checked when it is read."""

from pydantic import BaseModel, ConfigDict


class Parameters(BaseModel):
    """Base of the parameters of algorithms and environments: a frozen pydantic model without unknown fields.

    Infinite values are refused unless a field allows them. Give every field a description: ``describe`` prints it.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        protected_namespaces=(),
        defer_build=True,  # validators are built at their first use: ``list`` imports all models and uses none
    )
