"""What every process sets before numpy and numba load."""

import os
import subprocess
import sys

ONE_THREAD = """
from threadpoolctl import threadpool_info
assert all(pool["num_threads"] == 1 for pool in threadpool_info()), threadpool_info()
"""


def test_the_variables_are_set_before_numpy_loads():
    """One BLAS thread, no SVML, the kernel cache keyed by the source tree: in a process that imports numpy after us."""
    program = f"""
import orchestrator, os, sys
assert "numpy" not in sys.modules
import numpy, numba
{ONE_THREAD}
assert numba.config.DISABLE_INTEL_SVML
assert os.path.basename(numba.config.CACHE_DIR) == orchestrator._process.source_hash(orchestrator._process.WITH_KERNELS)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd="/", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_blas_is_held_to_one_thread_even_if_numpy_came_first():
    program = f"import numpy\nimport orchestrator\n{ONE_THREAD}"
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", program], cwd="/", env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
