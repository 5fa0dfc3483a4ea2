"""Ray as the channel to hosts: one actor each, which Ray starts again when its process dies."""

import os
import time
from collections.abc import Sequence
from typing import Any

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, GetTimeoutError, RayError, RayTaskError
from ray.util.placement_group import PlacementGroup
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from orchestrator.fleet.hosts import Away, Died, HostFleet, HostProcess, ProcessId, Stale


class RayFleet(HostFleet):
    """``count`` host actors inside a placement group's bundles (or anywhere), taking no CPU slot of their own.

    Where the group has several bundles, hosts are dealt to them in turn.
    """

    #: The class of its actors.
    process_class: type[HostProcess] = HostProcess

    def __init__(self, count: int, placement_group: PlacementGroup | None = None):
        super().__init__(count, RayChannel(placement_group, self.process_class))


def here() -> ProcessId:
    """This process of the cluster."""
    return ProcessId(ray.get_runtime_context().get_node_id(), os.getpid())


class RayChannel:
    """Actors of Ray."""

    def __init__(self, placement_group: PlacementGroup | None, process_class: type[HostProcess]):
        self._placement_group = placement_group
        self._actor_class = ray.remote(process_class)

    def start(self, k: int) -> Any:
        """An actor that Ray starts again without end."""
        strategy: str | PlacementGroupSchedulingStrategy = "DEFAULT"
        if (group := self._placement_group) is not None:
            strategy = PlacementGroupSchedulingStrategy(group, k % group.bundle_count, True)
        options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": 0, "scheduling_strategy": strategy}
        return self._actor_class.options(**options).remote(here)

    def end(self, handle: Any) -> None:
        """Kill the actor."""
        ray.kill(handle, no_restart=True)

    def share(self, value: object) -> Any:
        """A reference to the value in Ray's object store."""
        return ray.put(value)

    def send(self, handle: Any, method: str, *arguments: Any) -> Any:
        """A reference to the reply."""
        return getattr(handle, method).remote(*arguments)

    def gather(self, sent: Sequence[Any], timeout: float | None = None) -> list[Any]:
        """The replies; Ray's errors in the words of ``Channel``."""
        try:
            return ray.get(list(sent), timeout=timeout)
        except ActorUnavailableError as error:
            raise Away(str(error)) from error
        except ActorDiedError as error:
            # Ray has given it up if it was killed on purpose, or if its placement group is gone.
            raise Died(str(error), for_good="ray.kill" in str(error)) from error
        except GetTimeoutError as error:
            raise TimeoutError(str(error)) from error
        except RayTaskError as error:
            if isinstance(error.cause, Stale):
                raise error.cause from error
            raise
        except RayError as error:  # Ray ended the process, for want of memory above all, or the reply is lost
            raise Died(str(error)) from error

    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def pause(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)
