"""One program as a server: one worker of uvicorn, on a core and a port of its own."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench._place import Place
from bench._processors import cpu_seconds, use_core
from bench._programs import ROOT, Program
from bench._requests import Request

__all__ = ["Server", "serve"]

_START_SECONDS = 30.0
_IDLE_SECONDS = 0.06
_IDLE_SHARE = 0.2
_MOST_SECONDS_UNTIL_IDLE = 10.0


@dataclass(frozen=True)
class Server:
    """A running program."""

    port: int
    process: int

    def ask(self, request: Request) -> tuple[int, Any, int]:
        """Send one request; return the status, the JSON of the answer, and its length."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(request.method, request.path, request.body, request.all_headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text) if text else None, len(text)

    def settle(self) -> None:
        """Wait until it has done what is left of a window: it would slow down the next one."""
        deadline = time.monotonic() + _MOST_SECONDS_UNTIL_IDLE
        before = cpu_seconds(self.process)
        while time.monotonic() < deadline:
            time.sleep(_IDLE_SECONDS)
            now = cpu_seconds(self.process)
            if now - before <= _IDLE_SECONDS * _IDLE_SHARE:
                return
            before = now


@contextmanager
def serve(program: Program, url: str | None, place: Place, **variables: str) -> Iterator[Server]:
    """Run a program on its core, with its database in $DATABASE_URL, and other variables."""
    port = _free_port()
    log = place.folder / f"server_{port}.log"
    command = [
        str(program.python), "-m", "uvicorn", "--app-dir", str(ROOT), program.app,
        "--port", str(port), "--workers", "1", "--loop", "uvloop", "--http", "httptools",
        "--no-access-log", "--log-level", "error",
    ]  # fmt: skip
    environment = {**os.environ, "DATABASE_URL": url or "", **variables}
    with log.open("wb") as output, use_core(place.cores.server):
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _wait_for(process, port, log)
        yield Server(port, process.pid)
    finally:
        process.terminate()
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    message = f"{process.args!r} did not start: {log.read_text(errors='replace')[-2000:]}"
    raise RuntimeError(message)
