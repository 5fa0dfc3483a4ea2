"""A headless Chromium that opens a page, evaluates scripts in it and collects what its console reports."""

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
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-extensions", "--disable-background-networking", "--disable-sync", "--disable-component-update"),
    "--remote-debugging-port=0",
)


def program() -> str | None:
    """The path of a Chromium or Chrome, None if there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@dataclass(frozen=True)
class Visit:
    """``values`` of the scripts in order; ``complaints``: errors, warnings and exceptions of the console, requests."""

    values: list[Any]
    complaints: list[str]


def look(page: Path, scripts: Sequence[str], width: int = 1100, dark: bool = False) -> Visit:
    """Open ``page`` in a window of that width, with a light or dark system, and evaluate JavaScript in it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [str(program()), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
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
    raise RuntimeError("Chromium ended before it opened a debugging port.")


async def _visit(address: str, page: Path, scripts: Sequence[str], width: int, dark: bool) -> Visit:
    complaints: list[str] = []
    loaded = asyncio.Event()
    answers: dict[int, asyncio.Future[Any]] = {}
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://{address}/json") as reply:
            targets = await reply.json()
        address_of_page = next(target["webSocketDebuggerUrl"] for target in targets if target["type"] == "page")
        async with session.ws_connect(address_of_page, max_msg_size=0) as socket:

            async def listen() -> None:
                async for message in socket:
                    _sort(json.loads(message.data), complaints, loaded, answers)

            async def ask(method: str, **parameters: Any) -> Any:
                number = len(answers)
                answers[number] = asyncio.get_running_loop().create_future()
                await socket.send_json({"id": number, "method": method, "params": parameters})
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
                answer = await ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
                values.append(answer["result"].get("value"))
            listener.cancel()
            return Visit(values, complaints)


def _sort(
    message: Mapping[str, Any], complaints: list[str], loaded: asyncio.Event, answers: dict[int, asyncio.Future[Any]]
) -> None:
    """Sort one message of the browser: an answer, the end of loading, or a complaint."""
    if "id" in message:
        answers[message["id"]].set_result(message.get("result", {"result": {}}))
        return
    content = message["params"]
    if message["method"] == "Page.loadEventFired":
        loaded.set()
    elif message["method"] == "Runtime.exceptionThrown":
        complaints.append(str(content["exceptionDetails"].get("exception", content["exceptionDetails"])))
    elif message["method"] == "Runtime.consoleAPICalled" and content["type"] in ("error", "warning", "assert"):
        complaints.append(str(content["args"]))
    elif message["method"] == "Log.entryAdded" and content["entry"]["level"] in ("error", "warning"):
        complaints.append(content["entry"]["text"])
    elif message["method"] == "Network.requestWillBeSent":
        url = content["request"]["url"]
        if not url.startswith(("file:", "data:", "blob:")):
            complaints.append(f"asks the network for {url}")
