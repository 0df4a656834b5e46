"""Programs that a test runs beside itself, each in a session of its own that ends with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2

__all__ = ["BIN", "ROOT", "running", "serving"]

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[2]

_START_SECONDS = 40.0


@contextmanager
def running(command: list[str], **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program that reads and writes text; kill it and its children at the end."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _signal_group(process, signal.SIGKILL)
        process.communicate()


@contextmanager
def serving(
    command: list[str], port: int, end: signal.Signals, environment: Mapping[str, str]
) -> Iterator[httpx2.Client]:
    """Run a web server until the block ends, then end it, all its workers at once, this way."""
    with (
        running(command, **environment) as process,
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client,
    ):
        _wait_for_answer(process, client)
        yield client
        _signal_group(process, end)
        process.wait(20)


def _wait_for_answer(process: subprocess.Popen[str], client: httpx2.Client) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            client.get("/healthz").raise_for_status()
        except httpx2.TransportError:
            time.sleep(0.1)
        else:
            return
    _signal_group(process, signal.SIGKILL)
    message = f"{process.args!r} does not answer: {process.communicate()[0][-3000:]}"
    raise RuntimeError(message)


def _signal_group(process: subprocess.Popen[str], what: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, what)
