from typing import TypeVar

from pyarrow import Array, ChunkedArray, Scalar

V = TypeVar("V", bound=Array | ChunkedArray)

def fill_null(values: V, fill_value: Scalar | float | str) -> V: ...
