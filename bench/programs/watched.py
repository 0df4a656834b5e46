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
_watches: list[asyncio.TimerHandle] = []


def _watch(due: float) -> None:
    now = time.perf_counter()
    _waits.append((now - due) * 1000)
    # A timer, not a task, which would have to wait for two turns.
    _watches[:] = [asyncio.get_running_loop().call_later(_EVERY, _watch, now + _EVERY)]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http" or scope["path"] != "/stalls":
        await _program(scope, receive, send)
        return
    if not _watches:
        _watch(time.perf_counter())
    body = json.dumps(_waits).encode()
    _waits.clear()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
