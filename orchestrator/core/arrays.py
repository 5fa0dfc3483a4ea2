"""Which values travel between processes and are kept in snapshots, and the sentence that refuses all others."""

import copy
import dataclasses
from types import BuiltinFunctionType, FunctionType
from typing import Any, cast

import numpy as np

#: An array is sent, replied and kept in the dtype it has, and is charged by its bytes.
DTYPES = frozenset(
    np.dtype(name) for name in ("float64", "float32", "int64", "int32", "uint64", "uint32", "uint8", "bool")
)
DTYPE_NAMES = "float64, float32, int64, int32, uint64, uint32, uint8 or bool"


#: Types of values that cannot be changed.
FIXED = (bool, int, float, complex, str, bytes, np.generic, range, FunctionType, BuiltinFunctionType, type)


def plain_array(title: str, value: Any) -> np.ndarray:
    """``value`` as a C-ordered numpy array, not copied where it is one. ``title`` names it in the message.

    Raises ``TypeError`` for a dtype other than ``DTYPES`` and for rows of unequal length.
    """
    try:
        array = np.asarray(value, order="C")
    except (TypeError, ValueError) as error:
        raise TypeError(f"{title} is not an array: {error}") from None
    if array.dtype not in DTYPES:
        raise TypeError(f"{title} has the dtype {array.dtype}; use {DTYPE_NAMES}")
    return array


def copied(title: str, value: Any) -> Any:
    """A copy of a value of a state that shares nothing with it. ``title`` names it in the message.

    Raises ``TypeError`` for anything but arrays and numpy scalars of ``DTYPES``, numbers, strings, None, and lists,
    tuples and dicts of these.
    """
    if isinstance(value, np.ndarray):
        return np.array(plain_array(title, value), order="C")
    check_plain(title, value)
    return copy.deepcopy(value)


def frozen(value: Any) -> tuple[bool, Any]:
    """Whether nothing in ``value`` can be changed, and the value with views of its arrays that cannot be written.

    Numbers, texts, arrays of these, functions, tuples and frozen dataclasses of all of them can be shared by seeds.
    Lists, dicts and other objects cannot, because one seed would see what another has changed.
    """
    if isinstance(value, np.ndarray):
        view = cast("np.ndarray[Any, Any]", value).view()
        view.flags.writeable = False
        return not view.dtype.hasobject, view
    if isinstance(value, tuple):
        parts = [frozen(part) for part in cast("tuple[object, ...]", value)]
        whole: list[object] = [part for _, part in parts]
        make = getattr(cast(object, value), "_make", tuple)  # a NamedTuple stays one
        return all(fixed for fixed, _ in parts), make(whole)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        if not cast(Any, value).__dataclass_params__.frozen:
            return False, value
        fields = {field.name: frozen(getattr(value, field.name)) for field in dataclasses.fields(value)}
        changed = dataclasses.replace(value, **{name: part for name, (_, part) in fields.items()})
        return all(fixed for fixed, _ in fields.values()), changed
    return value is None or isinstance(value, FIXED), cast(object, value)


def check_plain(title: str, value: Any) -> None:
    """Raises ``TypeError`` for what ``copied`` does not take."""
    if isinstance(value, bool | int | float | str | None):
        return
    if isinstance(value, np.ndarray | np.generic):
        plain_array(title, value)
    elif isinstance(value, list | tuple):
        for item in cast("list[Any]", value):
            check_plain(title, item)
    elif isinstance(value, dict):
        for key, item in cast("dict[Any, Any]", value).items():
            if not isinstance(key, str | int):
                raise TypeError(f"{title} has a {type(key).__name__} as a key; keys are strings or whole numbers")
            check_plain(title, item)
    else:
        raise TypeError(
            f"{title} holds a {type(value).__name__}; a state is made of arrays, numbers, strings, None, "
            "lists, tuples and dicts"
        )
