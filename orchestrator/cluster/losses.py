"""Lost trials that Tune (2.60) does not take for lost: it would end all others with them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray.air.execution._internal.actor_manager import RayActorManager
from ray.air.execution._internal.tracked_actor_task import TrackedActorTask
from ray.exceptions import RayActorError, RayError, RayTaskError

from orchestrator.errors import line


def known(error: Exception) -> Exception:
    """``error`` in words that Tune knows.

    A process that Ray ends for want of memory is an ``OutOfMemoryError``, and no ``RayActorError`` as any other death.
    """
    if isinstance(error, RayError) and not isinstance(error, RayActorError | RayTaskError):
        return RayActorError(error_msg=line(error))
    return error


@contextmanager
def losses_known() -> Iterator[None]:
    """Inside, whatever ends a trial's process is a lost trial. Tune runs its cells again and lets the others be."""
    plain = RayActorManager._actor_task_failed

    def failed(self: RayActorManager, tracked_actor_task: TrackedActorTask, exception: Exception) -> Any:
        return plain(self, tracked_actor_task, known(exception))

    RayActorManager._actor_task_failed = failed
    try:
        yield
    finally:
        RayActorManager._actor_task_failed = plain
