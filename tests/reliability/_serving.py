"""Real servers on real sockets: uvicorn in this process, or in one that can be killed."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import uvicorn
from starlette.types import ASGIApp

from ormolu.testing._postgresql import free_port
from tests.reliability._bank import app_of, database_of

_START_SECONDS = 20.0


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[int]:
    """Serve an application from this event loop; give the port."""
    # What uvicorn sets up for logging would stay for the tests after this one.
    config = uvicorn.Config(app, port=free_port(), log_config=None, lifespan="on")
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


# A server that forks servers, and has imported already what they need: a start in 0.1 s, not 2 s.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["uvicorn", "tests.reliability._bank"])


class Process:
    """A uvicorn process that serves the bank."""

    def __init__(self, url: str) -> None:
        self.port = free_port()
        self._process = _context.Process(target=_serve, args=(url, self.port), daemon=True)
        self._process.start()

    async def wait_until_ready(self) -> None:
        """Wait until the socket is there."""
        async with asyncio.timeout(_START_SECONDS):
            while True:
                assert self._process.is_alive()
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                await asyncio.sleep(0.02)

    def kill(self) -> None:
        """Kill it, as a crash or the kernel does."""
        self._process.kill()
        self._process.join()


def _serve(url: str, port: int) -> None:
    db = database_of(url, pool_size=5, max_overflow=0, pool_timeout=5.0)
    uvicorn.run(app_of(db), port=port, log_level="critical")
