"""One line of the reports of ``check`` and ``doctor``."""

from typing import NamedTuple


class Finding(NamedTuple):
    """The result of one check."""

    what: str  #: what was checked
    state: str  #: ok; note: it works, but read the meaning; wrong: something will fail
    observed: str  #: what was found
    meaning: str  #: what it means, and what to do if it is wrong
