"""A headless Chromium to look at a page with: what it says, how wide it is, what its console complains of."""

import asyncio
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
         "--disable-extensions", "--disable-background-networking", "--remote-debugging-port=0")  # fmt: skip


def found() -> str | None:
    """The program, if there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@dataclass(frozen=True)
class Seen:
    """``values`` of the scripts in order; ``complaints`` of the console: errors, warnings, exceptions, requests."""

    values: list[Any]
    complaints: list[str]


def look(page: Path, scripts: Sequence[str], width: int = 1100, dark: bool = False) -> Seen:
    """Open ``page`` in a window of that width, with a light or dark system, and evaluate JavaScript in it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        program = [str(found()), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        with subprocess.Popen(program, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
            try:
                address = _address(process)
                return asyncio.run(asyncio.wait_for(_visit(address, page, scripts, width, dark), 30))
            finally:
                process.kill()


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if match := re.search(r"DevTools listening on ws://([^/]+)", line):
            return match[1]
    raise RuntimeError("Chromium ended before it could be asked anything.")


async def _visit(address: str, page: Path, scripts: Sequence[str], width: int, dark: bool) -> Seen:
    complaints: list[str] = []
    loaded = asyncio.Event()
    answers: dict[int, asyncio.Future[Any]] = {}
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://{address}/json") as reply:
            targets = await reply.json()
        where = next(target["webSocketDebuggerUrl"] for target in targets if target["type"] == "page")
        async with session.ws_connect(where, max_msg_size=0) as socket:

            async def listen() -> None:
                async for message in socket:
                    _heard(json.loads(message.data), complaints, loaded, answers)

            async def ask(method: str, **given: Any) -> Any:
                number = len(answers)
                answers[number] = asyncio.get_running_loop().create_future()
                await socket.send_json({"id": number, "method": method, "params": given})
                return await answers[number]

            listener = asyncio.create_task(listen())
            for domain in ("Runtime", "Log", "Page", "Network"):
                await ask(f"{domain}.enable")
            size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
            await ask("Emulation.setDeviceMetricsOverride", **size)
            scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
            await ask("Emulation.setEmulatedMedia", features=[scheme])
            await ask("Page.navigate", url=page.as_uri())
            await loaded.wait()
            values = []
            for script in scripts:
                values.append((await ask("Runtime.evaluate", expression=script, returnByValue=True,
                                         awaitPromise=True))["result"].get("value"))  # fmt: skip
            listener.cancel()
            return Seen(values, complaints)


def _heard(
    message: Mapping[str, Any], complaints: list[str], loaded: asyncio.Event, answers: dict[int, asyncio.Future[Any]]
) -> None:
    """Sort one message of the browser: an answer, the end of loading, or something to complain of."""
    if "id" in message:
        answers[message["id"]].set_result(message.get("result", {"result": {}}))
        return
    given = message["params"]
    if message["method"] == "Page.loadEventFired":
        loaded.set()
    elif message["method"] == "Runtime.exceptionThrown":
        complaints.append(str(given["exceptionDetails"].get("exception", given["exceptionDetails"])))
    elif message["method"] == "Runtime.consoleAPICalled" and given["type"] in ("error", "warning", "assert"):
        complaints.append(str(given["args"]))
    elif message["method"] == "Log.entryAdded" and given["entry"]["level"] in ("error", "warning"):
        complaints.append(given["entry"]["text"])
    elif message["method"] == "Network.requestWillBeSent":
        url = given["request"]["url"]
        if not url.startswith(("file:", "data:", "blob:")):
            complaints.append(f"asks the network for {url}")
