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
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ormolu.engines import Engines
from ormolu.errors import DeadlineExceededError
from ormolu.sessions import UnitOfWork
from ormolu.transactions import access_of_method
from ormolu.web._begun import Begun
from ormolu.web._collector import Freezer
from ormolu.web._constraints import callers_of
from ormolu.web._dependency import request_session
from ormolu.web._door import Body, Reply
from ormolu.web._doors import Doors, Entry
from ormolu.web._exchange import EXCHANGE_KEY, Exchange
from ormolu.web._fastapi import LAYERS
from ormolu.web._outer import note_outer
from ormolu.web._privacy import expect_privacy, tell_caches
from ormolu.web._problems import PROBLEMS_KEY, Problems
from ormolu.web._times import begin_times
from ormolu.web._tokens import Tokens
from ormolu.web._units import open_units
from ormolu.web._watch import WATCH_KEY, Lookouts, Watch

__all__ = ["Gate"]

_Begun = Begun[Reply | None]

Answer = Callable[[Receive, Send], Awaitable[None]]


class Gate:
    """ASGI middleware that gives each HTTP request one unit of work of one database."""

    def __init__(
        self, app: ASGIApp, engines: Engines, problems: Problems, freezer: Freezer
    ) -> None:
        self._app = app
        self._engines = engines
        self._problems = problems
        self._freezer = freezer
        self._keeps = engines.options.retry == "all"
        self._lookouts = Lookouts(engines)
        # Such reads mostly wait for nothing, and are over before anybody could watch them.
        self._reads_at_once = engines.begins_with_first_statement
        self._doors = Doors(engines, self._is_next_to)

    def _is_next_to(self, router: Any) -> bool:
        """Tell whether only FastAPI's own layers are between this gate and the routes.

        What a program has put there, in one of many ways, would be passed by.
        """
        layer: Any = self
        while layer != router.app:
            if type(layer) in {Gate, Tokens}:
                layer = layer._app  # noqa: SLF001 -- another gate, or what is around it
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
        begun = None
        if self._reads_at_once and entry is not None and not entry.maker.reads_body:
            begun = Begun(self._doors.answer(entry, scope, Body(receive)))
            if begun.is_done and begun.result is not None:
                await _send_reply(begun.result, send)
                return
        function = None if entry is None else entry.maker.function
        if (outer := scope.get(WATCH_KEY)) is not None:
            # The gate around this one watches the request.
            outer.function = function
            await self._answer(scope, receive, send, entry, begun)
            return
        watch = Watch(scope, receive, self._lookouts, function)
        try:
            await self._answer(scope, watch.receive, send, entry, begun)
        except BaseException as error:
            if not watch.end(error):
                raise
        else:
            watch.end(None)
            return
        finally:
            if watch.is_listening:
                await watch.stop_listening()
        await self._answer_late(watch, scope, receive, send)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, entry: Entry | None, begun: _Begun | None
    ) -> None:
        """Answer a request by a door, which may have begun, or by the application."""
        if entry is None:
            await self._run(scope, receive, send, partial(self._app, scope))
            return
        body = Body(receive)
        reply = await (begun or self._doors.answer(entry, scope, body))
        if reply is not None:
            scope[WATCH_KEY].settle()
            await _send_reply(reply, send)
            return
        answer = partial(self._ask_door, entry, scope, body)
        await self._run(scope, receive, send, answer, body)

    def _find_door(self, scope: Scope, *, is_inner: bool) -> Entry | None:
        entry = self._doors.find(scope)
        if self._engines.stopwatch is not None:
            begin_times(scope, None if entry is None else entry.name)
        if entry is not None and is_inner and entry.maker.session is request_session:
            # Of an application that this one is mounted in: its session is the request's.
            return None
        return entry

    async def _ask_door(
        self, entry: Entry, scope: Scope, body: Body, receive: Receive, send: Send
    ) -> None:
        """Answer by a door that asks what the route depends on, or else by the route."""
        reply = await self._doors.answer_asking(entry, scope, body)
        if reply is None:
            await self._app(scope, receive, send)
        else:
            await _send_reply(reply, send)

    async def _run(
        self, scope: Scope, receive: Receive, send: Send, answer: Answer, body: Body | None = None
    ) -> None:
        """Give each run of a request its unit of work, and end that before the answer leaves."""
        exchange = Exchange(scope, receive, send, body, keeps=self._keeps)
        try:
            while True:
                scope.setdefault(PROBLEMS_KEY, self._problems)
                expect_privacy(scope)
                # Here already, since a route may have a copy of the scope.
                callers_of(scope)
                exchange.unit = unit = UnitOfWork(self._engines, access_of_method(scope["method"]))
                open_units(scope)[self._engines] = unit
                try:
                    await answer(exchange.receive, exchange.send)
                except Exception as error:
                    if not await exchange.takes(error):
                        raise
                finally:
                    await unit.rollback()
                if exchange.failure is None:
                    return
                if not (exchange.is_discarded and await exchange.begin_again()):
                    break
            await self._answer_failure(exchange.failure, scope, receive, send)
        finally:
            if exchange.is_outermost:
                # Its scope would keep itself.
                scope.pop(EXCHANGE_KEY, None)
            if exchange.repeats is not None:
                exchange.repeats.end()

    async def _answer_late(self, watch: Watch, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that was cancelled: its time is over, or its client has left."""
        expect_privacy(scope)
        if isinstance(watch.error, DeadlineExceededError):
            await self._answer_failure(watch.error, scope, receive, send)
        else:
            # For middleware, which waits for an answer, and counts; as nginx calls it.
            await Response(status_code=499)(scope, receive, send)

    async def _answer_failure(
        self, error: Exception, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer an error of which nothing was sent, since its answer came too late."""
        response = await self._problems.answer_failed_commit(Request(scope, receive), error)
        start = {"headers": response.raw_headers}
        tell_caches(scope, start)
        response.raw_headers = start["headers"]
        await response(scope, receive, send)


async def _send_reply(reply: Reply, send: Send) -> None:
    start = {"status": reply.status, "headers": reply.headers}
    await send({"type": "http.response.start", **start})
    await send({"type": "http.response.body", "body": reply.body})
