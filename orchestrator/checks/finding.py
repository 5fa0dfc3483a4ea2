"""A finding: one line of what ``check`` and ``doctor`` report."""

from typing import NamedTuple


class Finding(NamedTuple):
    """One line of the doctor's."""

    what: str
    state: str  #: ok; note: works, but know it; wrong: something will fail
    found: str
    meaning: str  #: what it means, and for what is wrong what to do
