"""One line of the benchmarks' table."""

from typing import NamedTuple


class Figure(NamedTuple):
    """A measured figure beside its target."""

    what: str
    measured: str
    target: str
    met: bool
    details: str
