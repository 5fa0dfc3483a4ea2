"""A bucket that refuses, is away, or lies: a sweep whose results are kept on a real S3 server on loopback."""

import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from pyarrow import fs

from tests.tools.faults.bucket import Server
from tests.tools.faults.driver import run
from tests.tools.faults.report import Report
from tests.tools.faults.scene import Scene, ends, once, scene

#: Seconds that the bucket refuses, and that it is away.
REFUSED, AWAY = 10.0, 15.0
#: Nobody's keys.
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "nobody", "AWS_EC2_METADATA_DISABLED": "true"}


@contextmanager
def _bucket(case: str) -> Iterator[tuple[Server, Scene]]:
    """A scene whose results are in a bucket."""
    os.environ.update(KEYS)  # of this process too: it reads the results
    server, bucket = Server(), f"faults-{uuid.uuid4().hex}"  # moto keeps the objects of all servers of a process
    try:
        where = {"endpoint_override": server.address, "scheme": "http", "region": "us-east-1"}
        fs.S3FileSystem(**where, allow_bucket_creation=True).create_dir(bucket)
        place = f"s3://{bucket}/results?{'&'.join(f'{key}={value}' for key, value in where.items())}"
        with scene(case, place, dict(os.environ)) as here:
            yield server, here
    finally:
        server.stop()


def _befallen(kind: str, case: str, report: Report, act: Callable[[Server, Scene], str]) -> None:
    with _bucket(case) as (server, here):
        once(kind, nullcontext(here), report, lambda here: act(server, here))


def refused(report: Report) -> None:
    """Nothing may be written for a while."""

    def refuse(server: Server, here: Scene) -> str:
        driver = here.start()
        here.half_finished(driver)
        server.refused = lambda method, path: "403 AccessDenied" if method == "PUT" else ""
        time.sleep(REFUSED)
        server.refused = lambda method, path: ""
        return f"for {REFUSED:.0f} s, {ends(here.finish(driver))}"

    _befallen("bucket refuses PUT", "heads", report, refuse)


def outage(report: Report) -> None:
    """Nobody listens for a while."""

    def leave(server: Server, here: Scene) -> str:
        driver = here.start()
        here.half_finished(driver)
        server.stop()
        time.sleep(AWAY)
        server.start()
        return f"for {AWAY:.0f} s, {ends(here.finish(driver))}"

    _befallen("bucket away", "reciprocity", report, leave)


def corrupted(report: Report) -> None:
    """What is read is not what was written. Every command has to name the file, and none may believe it."""

    def lie(server: Server, here: Scene) -> str:
        codes = here.finish(here.start("--backend", "inline"), struck=False)
        said: list[str] = []
        for name, alter in (("one bit", _flipped), ("half", _halved)):
            path = here.files("metrics")[0]
            server.altered = lambda of, data, path=path, alter=alter: alter(data) if of.endswith(path) else data
            for words in (("verify",), ("fingerprint", f"faults/{here.case}"), ("query", "FROM metrics")):
                done = run(*words, "--results", here.place, environment=dict(os.environ))
                said.append(f"{words[0]} {name} {done.returncode}")
                if not done.returncode or path not in done.stdout + done.stderr or "Traceback" in done.stderr:
                    here.wrong.append(f"{words[0]} of {name}: {(done.stdout + done.stderr).strip()[-300:]}")
            server.altered = lambda of, data: data
        return f"{ends(codes)}, then {', '.join(said)}"

    _befallen("bucket lies", "heads", report, lie)


def _flipped(data: bytes) -> bytes:
    """One bit of the middle is another."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def _halved(data: bytes) -> bytes:
    """The second half never comes."""
    return data[: len(data) // 2]
