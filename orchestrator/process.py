"""What every process sets before numpy and numba load: one BLAS thread, no telemetry, a safe kernel cache.

BLAS results depend on its number of threads, and numba's on-disk cache misses an edit of a kernel that lives in
another file than its caller; both would change numbers silently (docs/determinism.md).
"""

import hashlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
DISTRIBUTION = "marl-orchestrator"
PACKAGES = ("orchestrator", "algorithms", "envs")
#: Where kernels are, and whatever a kernel may take a constant from.
WITH_KERNELS = ("orchestrator/core", "algorithms", "envs")

THREADS = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "BLIS_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "NUMBA_NUM_THREADS",
    ),
    "1",
)
#: No short-vector math library in numba: its results depend on a loop's position in a vector.
#: No terminal codes in its error messages: with colorama installed they would reach `runs.error` and the log.
NUMBA = {"NUMBA_DISABLE_INTEL_SVML": "1", "NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING": "1"}
RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",  # replies that nobody waits for after a loss; the loss itself is reported
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends a sweep at once; what is finished is stored by then
    # One process per agent is on purpose: the raylet warns at four times this number, and starts no more at once.
    "RAY_worker_maximum_startup_concurrency": "16",
}


def source_hash(folders: Iterable[str] = PACKAGES) -> str:
    """SHA-256 (16 hex digits) over every Python file below the folders: names and contents."""
    digest = hashlib.sha256()
    for package in folders:
        for path in sorted((HOME / package).rglob("*.py")):
            digest.update(path.relative_to(HOME).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def release() -> str:
    """Name, version and source of this program: what client, driver and nodes have to agree on."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        number = version(DISTRIBUTION)
    except PackageNotFoundError:
        number = "of unknown version"
    return f"{DISTRIBUTION} {number} (source {source_hash()})"


def environment() -> dict[str, str]:
    """The variables that every process of a run has, worker processes of a cluster included."""
    return THREADS | NUMBA | RAY


def prepare() -> None:
    """Set the variables above, and a kernel cache folder that only these very kernels use."""
    os.environ.update(environment())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "marl-orchestrator" / "numba"
    os.environ["NUMBA_CACHE_DIR"] = str(cache / source_hash(WITH_KERNELS))
    if "numba" in sys.modules:
        sys.modules["numba"].config.reload_config()
    if "numpy" in sys.modules:
        single_thread()


def single_thread() -> None:
    """Hold already loaded BLAS libraries to one thread (a notebook may have imported numpy before us)."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
