"""The gate: the innermost middleware. It owns a request's unit of work and ends it in time.

COMMIT happens just before the first byte of the answer leaves, so that no client ever holds an
answer to something that was not stored. A yield dependency cannot do that: FastAPI runs its end
after the answer, or without having seen the answer's status.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ormolu.engines import Engines
from ormolu.sessions import UnitOfWork
from ormolu.transactions import access_of_method, is_committed
from ormolu.web._collector import Freezer
from ormolu.web._constraints import callers_of
from ormolu.web._dependency import request_session
from ormolu.web._door import Body, Reply
from ormolu.web._doors import Doors, Entry
from ormolu.web._fastapi import LAYERS
from ormolu.web._outer import note_outer
from ormolu.web._privacy import expect_privacy, tell_caches
from ormolu.web._problems import PROBLEMS_KEY, Problems
from ormolu.web._units import open_units

__all__ = ["Gate"]


class Gate:
    """ASGI middleware that gives each HTTP request one unit of work of one database."""

    def __init__(
        self, app: ASGIApp, engines: Engines, problems: Problems, freezer: Freezer
    ) -> None:
        self._app = app
        self._engines = engines
        self._problems = problems
        self._freezer = freezer
        self._doors = Doors(engines, self._is_next_to)

    def _is_next_to(self, router: Any) -> bool:
        """Tell whether only FastAPI's own layers are between this gate and the routes.

        What a program has put there, in one of many ways, would be passed by.
        """
        layer: Any = self
        while layer != router.app:
            if type(layer) is Gate:
                layer = layer._app  # noqa: SLF001 -- another gate
            elif type(layer).__module__ in LAYERS:
                layer = layer.app
            else:
                return False
            if layer is router:
                layer = router.middleware_stack
        return type(router) is APIRouter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the request; commit or roll back before its answer leaves."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._freezer.note_request()
        note_outer(scope)
        units = open_units(scope)
        if self._engines in units:
            # A mounted application that is attached too: the outer gate's unit of work serves.
            await self._app(scope, receive, send)
            return
        entry = self._find_door(scope, is_inner=bool(units))
        if entry is None:
            await self._run(scope, receive, send, partial(self._app, scope, receive))
            return
        body = Body(receive)
        reply = await self._doors.answer(entry, scope, body)
        if reply is not None:
            await _send_reply(reply, send)
            return
        await self._run(scope, receive, send, partial(self._ask_door, entry, scope, body))

    def _find_door(self, scope: Scope, *, is_inner: bool) -> Entry | None:
        entry = self._doors.find(scope)
        if entry is not None and is_inner and entry.maker.session is request_session:
            # Of an application that this one is mounted in: its session is the request's.
            return None
        return entry

    async def _ask_door(self, entry: Entry, scope: Scope, body: Body, send: Send) -> None:
        """Answer by a door that asks what the route depends on, or else by the route."""
        reply = await self._doors.answer_asking(entry, scope, body)
        if reply is None:
            await self._app(scope, body.replay(), send)
        else:
            await _send_reply(reply, send)

    async def _run(
        self, scope: Scope, receive: Receive, send: Send, answer: Callable[[Send], Awaitable[None]]
    ) -> None:
        """Give a request its unit of work, and end that before the answer leaves."""
        scope.setdefault(PROBLEMS_KEY, self._problems)
        expect_privacy(scope)
        # Here already, since a route may have a copy of the scope.
        callers_of(scope)
        unit = UnitOfWork(self._engines, access_of_method(scope["method"]))
        open_units(scope)[self._engines] = unit
        exchange = _Exchange(unit, scope, send)
        try:
            await answer(exchange.send)
        except Exception as error:
            # After a failed COMMIT this is only what the stack above made of that error.
            if exchange.commit_error is None:
                if not isinstance(error, ClientDisconnect):
                    raise
                await exchange.end_for_nobody(receive)
        finally:
            await unit.rollback()
        if exchange.commit_error is not None:
            request = Request(scope, receive)
            response = await self._problems.answer_failed_commit(request, exchange.commit_error)
            start = {"headers": response.raw_headers}
            tell_caches(scope, start)
            response.raw_headers = start["headers"]
            await response(scope, receive, send)


async def _send_reply(reply: Reply, send: Send) -> None:
    start = {"status": reply.status, "headers": reply.headers}
    await send({"type": "http.response.start", **start})
    await send({"type": "http.response.body", "body": reply.body})


class _Exchange:
    """One answer on its way out.

    Attributes:
        commit_error: Why the COMMIT failed; then nothing of the answer was sent.
    """

    def __init__(self, unit: UnitOfWork, scope: Scope, send: Send) -> None:
        self.commit_error: Exception | None = None
        self._unit = unit
        self._scope = scope
        self._send = send
        self._has_begun = False

    async def send(self, message: Message) -> None:
        """End the unit of work before the first message, then pass the message on."""
        if self.commit_error is not None:
            return
        if message["type"] == "http.response.start":
            if not self._unit.is_over:
                await self._end(message["status"])
            tell_caches(self._scope, message)
            self._has_begun = True
        await self._send(message)

    async def end_for_nobody(self, receive: Receive) -> None:
        """Answer a client that went away while its body came, as FastAPI does: with 400.

        No error of the program's, which a server would log; but middleware waits for an answer.
        """
        if not self._has_begun:
            response = Response(status_code=400)
            await response(self._scope, receive, self.send)

    async def _end(self, status: int) -> None:
        if not is_committed(status):
            await self._unit.rollback()
            return
        try:
            await self._unit.commit()
        except Exception as error:
            # Raised as well: background tasks and the rest of the answer must not run.
            self.commit_error = error
            raise
