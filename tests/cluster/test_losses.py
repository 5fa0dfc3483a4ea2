"""A trial's process that Ray ends for want of memory is a lost trial, as one that dies by itself."""

from types import SimpleNamespace

import pytest
from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import ActorDiedError, OutOfMemoryError, RayActorError, RayTaskError, WorkerCrashedError

from orchestrator.cluster.losses import known, losses_known

KILLED = "2 worker(s) were killed due to the node running low on memory.\nOOM kill reason: much\nRefer to the pages."


@pytest.mark.parametrize("error", [OutOfMemoryError(KILLED), WorkerCrashedError()])
def test_tune_learns_that_a_process_is_lost(error):
    told = known(error)
    assert isinstance(told, RayActorError)
    assert str(told) == str(error).splitlines()[0].rstrip(".")


@pytest.mark.parametrize("error", [ActorDiedError(), RayTaskError("f", "trace", ValueError()), ValueError()])
def test_what_tune_knows_stays_what_it_is(error):
    assert known(error) is error


def test_only_the_trial_whose_process_was_ended_is_lost():
    """Tune's own method raises for an error that it does not know, which ends every trial."""
    told = []
    actor = SimpleNamespace(actor_id=1, _on_error=lambda actor, error: told.append(error))
    manager = SimpleNamespace(_failed_actor_ids=set(), _cleanup_actor=lambda tracked_actor: None)
    task = SimpleNamespace(_tracked_actor=actor, _on_error=None)
    fail = RayActorManager._actor_task_failed
    with losses_known():
        RayActorManager._actor_task_failed(manager, task, OutOfMemoryError(KILLED))  # pyright: ignore[reportArgumentType]
    assert [type(error) for error in told] == [RayActorError]
    assert manager._failed_actor_ids == {1}
    assert RayActorManager._actor_task_failed is fail
