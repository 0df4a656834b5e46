"""Another program, with a look at its event loop: how long what was ready had to wait.

`$WATCHED` names the program. `GET /stalls` answers the waits since the last time, in milliseconds.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import time

from starlette.types import ASGIApp, Receive, Scope, Send

_EVERY = 0.001

_program: ASGIApp = importlib.import_module(os.environ["WATCHED"]).app
_waits: list[float] = []
_tasks: list[asyncio.Task[None]] = []


async def _watch() -> None:
    while True:
        due = time.perf_counter() + _EVERY
        await asyncio.sleep(_EVERY)
        _waits.append((time.perf_counter() - due) * 1000)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http" or scope["path"] != "/stalls":
        await _program(scope, receive, send)
        return
    if not _tasks:
        _tasks.append(asyncio.create_task(_watch()))
    body = json.dumps(_waits).encode()
    _waits.clear()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
