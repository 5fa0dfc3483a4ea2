"""A cache of computed results that several replicates share."""

from collections.abc import Callable, Hashable
from typing import TypeVar, cast

#: Bytes of results of one group that are kept.
MOST_KEPT = 2.5e8

Result = TypeVar("Result")


class Cache:
    """Results of an environment, by group and key: the seeds of a cell share them.

    A result must be a pure function of the environment, its group and its key.
    """

    def __init__(self) -> None:
        self._groups: dict[Hashable, dict[Hashable, object]] = {}

    def get(self, group: Hashable, key: Hashable, make: Callable[[], Result], size: float = 0.0) -> Result:
        """The result of ``key`` in ``group``, from ``make`` the first time.

        ``size`` is the bytes of each of the group's results, roughly. The oldest are dropped where more than
        ``MOST_KEPT`` bytes would be kept.
        """
        results = self._groups.setdefault(group, {})
        if key not in results:
            while results and (len(results) + 1) * size > MOST_KEPT:
                results.pop(next(iter(results)))
            results[key] = make()
        return cast(Result, results[key])  # ``make`` gave it
