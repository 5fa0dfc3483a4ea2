"""Sweeps as jobs of a cluster: submit, list, follow and cancel them through Ray's job server."""

import hashlib
import json
import logging
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.cluster.connection import TOKEN, check_reachable
from orchestrator.cluster.order import ORDER, STARTED, Order
from orchestrator.errors import UserError, line, nearest
from orchestrator.planning.sweep import Sweep
from orchestrator.planning.sweeps import Packing
from orchestrator.plugins import references
from orchestrator.process import release
from orchestrator.store.remote import title

if TYPE_CHECKING:
    from ray.job_submission import JobDetails

#: Seconds between two looks at a job.
PAUSE = 0.5
#: Seconds to wait for a job's start.
PATIENCE = 180.0
ENTRYPOINT = "python -m orchestrator.commands.job_entry"


class Job(NamedTuple):
    """A submitted sweep, as ``jobs`` lists it."""

    job: str
    sweep: str
    status: str  #: pending, running, succeeded, failed or stopped
    submitted: str  #: UTC
    minutes: float
    results: str
    release: str

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.status in ("succeeded", "failed", "stopped")


class JobServer:
    """The job server of a cluster, such as ``http://HEAD:8265``.

    Raises UserError, here and in every method, if nothing answers there or the token is missing or wrong.
    """

    def __init__(self, address: str):
        self.address = address
        if not re.match(r"(https?|ray)://[^/\s]|[^/\s]+:\d+$", address):
            raise UserError(f"address is {address!r}; it takes http://HOST:PORT of a job server.")
        check_reachable(address)
        with self._refusals_as_sentences():
            try:
                from ray.job_submission import JobSubmissionClient
            except ImportError as error:
                raise UserError("Jobs need Ray's job client: pip install 'marl-orchestrator[cluster]'.") from error
            self._client: JobSubmissionClient = JobSubmissionClient(address)
        for name in ("ray", "ray.dashboard.modules.dashboard_sdk", "ray._private.runtime_env.packaging"):
            logging.getLogger(name).setLevel(logging.WARNING)  # they log every upload

    def submit(
        self, sweep: Sweep, results: str, agents_per_actor: Packing | None, retry_failed: bool
    ) -> tuple[Job, bool]:
        """Submit a sweep and wait until it has started. Returns its job, and whether it was running already.

        A sweep that runs already, with the same cells, seeds and results, is joined. Raises UserError if another
        version of the sweep runs into the same results, and for whatever the job refuses before its first trial.
        """
        if "://" not in results and not Path(results).is_absolute():
            raise UserError(
                f"results is {results!r}: a job runs on the cluster, so name a URI such as s3://bucket/folder, or the "
                "absolute path of a folder that its nodes share."
            )
        order = Order(
            release=release(),
            definition=sweep.pinned().model_dump(mode="json"),
            results=results,
            agents_per_actor=agents_per_actor,
            retry_failed=retry_failed,
        )
        seeds = sweep.until.model_dump() if sweep.until else sorted(sweep.seeds)
        digest = hashlib.sha256(json.dumps([sweep.hash, seeds, results]).encode()).hexdigest()[:8]
        prefix = f"{sweep.name.replace('/', '-')}-{digest}-"
        known, shown = self.jobs(), title(results)
        for job in known:
            if not job.over and (job.sweep, job.results) == (sweep.name, shown):
                if job.job.startswith(prefix):
                    return job, True
                raise UserError(
                    f"{sweep.name} is running with other cells or seeds into {shown}, as job {job.job}. "
                    f"Wait for it or cancel it: orchestrator cancel {job.job}"
                )
        name = f"{prefix}{1 + sum(job.job.startswith(prefix) for job in known)}"
        joined = not self._send(name, order, sweep)
        self._await_start(name)
        return self.job(name), joined

    def jobs(self) -> list[Job]:
        """All sweeps that were submitted to this cluster since it was started, newest first."""
        with self._refusals_as_sentences():
            ours = [details for details in self._client.list_jobs() if (details.metadata or {}).get("orchestrator")]
        return [_job(details) for details in sorted(ours, key=lambda details: -(details.start_time or 0))]

    def job(self, name: str) -> Job:
        """A job by its id, or the newest of a sweep by the sweep's name. Raises UserError if there is none."""
        known = self.jobs()
        for job in known:
            if name in (job.job, job.sweep):
                return job
        raise UserError(f"There is no job {name!r}: {nearest(name, [job.job for job in known])}")

    def logs(self, name: str) -> str:
        """What the job has printed so far."""
        with self._refusals_as_sentences():
            return self._client.get_job_logs(name)

    def follow(self, name: str, say: Callable[[str], None]) -> int:
        """Pass on what the job prints until it ends. Returns its exit code."""
        printed = 0
        while True:
            over = self.job(name).over
            text = self.logs(name)
            say(text[printed:])
            printed = len(text)
            if over:
                return self._exit_code(name)
            time.sleep(PAUSE)

    def cancel(self, name: str) -> bool:
        """Stop a job; what it has finished stays stored. Returns False if it had ended already."""
        with self._refusals_as_sentences():
            return self._client.stop_job(name)

    def _send(self, name: str, order: Order, sweep: Sweep) -> bool:
        """Submit under this id; False if another client was faster with the same."""
        # Ray kills a job that has not stopped within 3 s; storing what is finished in a bucket can take longer.
        runtime: dict[str, object] = {"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": "60"}}
        about = {"orchestrator": order.release, "sweep": sweep.name, "results": title(order.results)}
        with tempfile.TemporaryDirectory(prefix="orchestrator-") as folder, self._refusals_as_sentences():
            Path(folder, ORDER).write_text(order.model_dump_json())
            references.ship(sweep.plugins, Path(folder))
            runtime["working_dir"] = folder
            deadline = time.monotonic() + PATIENCE
            while True:
                try:
                    self._client.submit_job(
                        entrypoint=ENTRYPOINT, submission_id=name, runtime_env=runtime, metadata=about
                    )
                    return True
                except RuntimeError as error:
                    if "already exists" in str(error):
                        return False
                    # A cluster that has only just started says so for some seconds.
                    if "No available agent" not in str(error) or time.monotonic() > deadline:
                        raise UserError(f"The cluster at {self.address} refused the job: {line(error)}.") from error
                    time.sleep(PAUSE)

    def _await_start(self, name: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            over, text = self.job(name).over, self.logs(name)
            if STARTED in text or (over and not self._exit_code(name)):
                return
            if over:
                output = text.strip() or self._details(name).message or "it printed nothing"
                refused = self._exit_code(name) == 2
                raise UserError(output.splitlines()[-1] if refused else f"The job {name} failed at its start: {output}")
            time.sleep(PAUSE)

    def _exit_code(self, name: str) -> int:
        details = self._details(name)
        code = details.driver_exit_code
        if code is not None:
            return code if code >= 0 else 128 - code  # as a shell tells a signal
        return {"SUCCEEDED": 0, "STOPPED": 130}.get(details.status, 1)

    def _details(self, name: str) -> "JobDetails":
        with self._refusals_as_sentences():
            return self._client.get_job_info(name)

    @contextmanager
    def _refusals_as_sentences(self) -> Iterator[None]:
        """Ray's and HTTP's refusals as sentences."""
        from ray.exceptions import AuthenticationError

        try:
            yield
        except AuthenticationError as error:
            raise UserError(f"address {self.address}: the cluster does not accept this token. {TOKEN}") from error
        except (ValueError, ModuleNotFoundError) as error:
            raise UserError(f"address is {self.address!r}; it takes http://HOST:PORT of a job server.") from error
        except (ConnectionError, OSError, RuntimeError) as error:
            raise UserError(f"address {self.address}: no Ray job server answers there ({line(error)}).") from error


def _job(details: "JobDetails") -> Job:
    about: dict[str, str] = details.metadata or {}
    began = (details.start_time or 0) / 1000
    ended = (details.end_time or 0) / 1000 or time.time()
    return Job(
        job=details.submission_id or "",
        sweep=about.get("sweep", ""),
        status=str(getattr(details.status, "value", details.status)).lower(),
        submitted=datetime.fromtimestamp(began, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        minutes=round((ended - began) / 60, 1),
        results=about.get("results", ""),
        release=about.get("orchestrator", ""),
    )


def default_address() -> str:
    """Where Ray's own command line looks for the job server."""
    return os.environ.get("RAY_API_SERVER_ADDRESS") or "http://127.0.0.1:8265"
