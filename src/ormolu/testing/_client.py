"""An application as a server runs it, and a client that talks to it without a socket."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from starlette.types import ASGIApp, Receive, Scope, Send

from ormolu.testing._ordering import Exchange, exchanges

__all__ = ["client_of", "running"]

_log = logging.getLogger("ormolu.testing")

_Message = MutableMapping[str, Any]


@asynccontextmanager
async def running(app: ASGIApp) -> AsyncIterator[dict[str, Any]]:
    """Run an application's lifespan, all of it in one task, as a server does.

    A fixture's setup and its end are run in two, which task groups do not bear.

    Returns:
        What the lifespan leaves for requests, in `request.state`.

    Raises:
        RuntimeError: The startup or the shutdown failed without an error.
    """
    state: dict[str, Any] = {}
    told: asyncio.Queue[_Message] = asyncio.Queue()
    said: asyncio.Queue[_Message] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.4"}, "state": state}

    async def run() -> None:
        await app(scope, told.get, said.put)

    task = asyncio.create_task(run())
    await _tell("lifespan.startup", told, said, task)
    try:
        yield state
    finally:
        await _tell("lifespan.shutdown", told, said, task)
        await task


async def _tell(
    kind: str, told: asyncio.Queue[_Message], said: asyncio.Queue[_Message], task: asyncio.Task[Any]
) -> None:
    """Tell the application something, and wait for its answer.

    Raises:
        RuntimeError: It answers that it failed.
    """
    await told.put({"type": kind})
    answer = asyncio.create_task(said.get())
    await asyncio.wait({answer, task}, return_when=asyncio.FIRST_COMPLETED)
    if answer.done() and answer.result()["type"] == f"{kind}.complete":
        return
    answer.cancel()
    # Its error, if it has one.
    await task
    message = f"{kind} failed: {answer.result() if not answer.cancelled() else ''}"
    raise RuntimeError(message)


@asynccontextmanager
async def client_of(
    app: ASGIApp, check: Callable[[], None] = lambda: None
) -> AsyncIterator[httpx2.AsyncClient]:
    """Run an application, and give a client that sees what a server would send.

    Args:
        app: The application.
        check: Is called before each request.
    """
    async with running(app) as state:
        transport = _Transport(app, state, check)
        async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
            yield client


class _Transport(httpx2.ASGITransport):
    """Calls an application, and logs its errors, as a server does."""

    def __init__(self, app: ASGIApp, state: dict[str, Any], check: Callable[[], None]) -> None:
        async def served(scope: Scope, receive: Receive, send: Send) -> None:
            scope["state"] = state.copy()
            exchange = Exchange(f"{scope['method']} {scope['path']}")
            exchanges.set(exchange)

            async def send_noted(message: _Message) -> None:
                if message["type"] == "http.response.start":
                    exchange.begin_answer()
                await send(message)

            try:
                await app(scope, receive, send_noted)
            except Exception:
                _log.exception("%s %s failed", scope["method"], scope["path"])
                raise

        super().__init__(app=served, raise_app_exceptions=False)
        self._check = check

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Check, then call the application."""
        self._check()
        return await super().handle_async_request(request)
