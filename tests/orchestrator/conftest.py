"""Fixtures of the engine's tests; ``enginetools`` beside this file is importable from them."""

import faulthandler
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

#: Seconds after which a test that waits for processes is given up, with every thread's stack.
PATIENCE = 240


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """A Ray of this session's own with two CPUs."""
    import ray

    from orchestrator.process import environment

    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        runtime_env={"env_vars": environment()},
    )
    yield
    ray.shutdown()


@pytest.fixture
def watchdog() -> Iterator[None]:
    """Ends the whole run if a test waits for ever: a hang must not look like patience."""
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()
