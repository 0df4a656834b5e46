"""Real servers on real sockets: uvicorn in this process, or in one that can be killed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from tests.backends._server import free_port

_START_SECONDS = 20.0
_ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[int]:
    """Serve an application from this event loop; give the port."""
    config = uvicorn.Config(app, port=free_port(), log_level="critical", lifespan="on")
    server = uvicorn.Server(config)
    server.capture_signals = suppress  # type: ignore[assignment, method-assign]
    task = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(_START_SECONDS):
            while not server.started:  # noqa: ASYNC110 -- uvicorn has a flag, no event
                await asyncio.sleep(0.01)
        yield config.port
    finally:
        server.should_exit = True
        await task


class Process:
    """A uvicorn process that serves the bank."""

    def __init__(self, url: str) -> None:
        self.port = free_port()
        command = [
            sys.executable, "-m", "uvicorn", "--factory",
            "tests.reliability._bank:app_of_environment",
            "--port", str(self.port), "--log-level", "critical",
        ]  # fmt: skip
        environment = {**os.environ, "DATABASE_URL": url}
        self._process = subprocess.Popen(command, cwd=_ROOT, env=environment)

    async def wait_until_ready(self) -> None:
        """Wait until the socket is there."""
        async with asyncio.timeout(_START_SECONDS):
            while True:
                assert self._process.poll() is None
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                await asyncio.sleep(0.02)

    def kill(self) -> None:
        """Kill it, as a crash or the kernel does."""
        self._process.kill()
        self._process.wait()
