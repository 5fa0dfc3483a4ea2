"""The base class of parameter models: what a user may set, checked when it is read."""

from collections.abc import Mapping
from typing import cast

from pydantic import BaseModel, ConfigDict
from pydantic_core import ErrorDetails


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


def input_path(error: ErrorDetails, values: Mapping[str, object]) -> list[str]:
    """Keys and positions that lead through ``values`` to the place of a pydantic error.

    Pydantic's own location also names the members of unions that it tried, such as ``int`` or ``list[int]``. They are
    left out because the input has no such key. A missing key is the last part of its location.
    """
    path: list[str] = []
    here: object = values
    for part in error["loc"]:
        if isinstance(here, Mapping) and part in here:
            here = cast("Mapping[object, object]", here)[part]
        elif isinstance(here, list | tuple) and isinstance(part, int) and part < len(cast("list[object]", here)):
            here = cast("list[object]", here)[part]
        else:
            continue
        path.append(str(part))
    return [*path, str(error["loc"][-1])] if error["type"] == "missing" else path
