"""Doors: a short way past FastAPI for requests that a route of ours would answer with success.

A door takes what nothing but its route is concerned with, and hands everything else over to
FastAPI with its body replayed. Knows no resource: what a door does is the business of its maker.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from fastapi import FastAPI
from fastapi.routing import APIRoute, APIRouter, iter_route_contexts
from starlette._utils import get_route_path
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import Message, Receive, Scope, Send

from ormolu.engines import Engines
from ormolu.errors import RefusedError, UnavailableError
from ormolu.lanes import Lanes, NotDoneError, UnplannableError, lanes_of, why_no_lanes
from ormolu.sessions import are_sessions_heard

__all__ = ["Body", "Door", "DoorMaker", "Doors", "NoDoorError", "Reply", "raise_failure"]

_FAILURE_KEY = "ormolu.failure"
_MATCHING = (APIRoute.matches, Mount.matches, Route.matches)
_FASTAPI_TELEMETRY = "fastapi.telemetry"


class Reply(NamedTuple):
    """A successful answer.

    Attributes:
        status: HTTP status.
        headers: Names in lower case, and values.
        body: Bytes.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Body:
    """The body of a request, which is read once and can be read again by whoever comes after."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._chunks: list[bytes] = []
        self._is_more: bool | None = None
        self._end: Message | Exception | None = None

    async def read(self, most: int) -> bytes | None:
        """Return the body; None if it is larger than that, or does not come."""
        size = 0
        while True:
            try:
                message = await self._receive()
            except Exception as error:
                # Of middleware that counts, say: it is for the application's handlers.
                self._end = error
                return None
            if message["type"] != "http.request":
                self._end = message
                return None
            chunk = message.get("body", b"")
            self._is_more = bool(message.get("more_body", False))
            size += len(chunk)
            if chunk:
                self._chunks.append(chunk)
            if size > most:
                return None
            if not self._is_more:
                return self._join()

    async def receive(self) -> Message:
        """Return what was read, as one message, and then what comes.

        Raises:
            Exception: What kept the body from being read.
        """
        if self._is_more is not None:
            more, self._is_more = self._is_more, None
            return {"type": "http.request", "body": self._join(), "more_body": more}
        end, self._end = self._end, None
        if isinstance(end, Exception):
            raise end
        return await self._receive() if end is None else end

    def _join(self) -> bytes:
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)


class Door(Protocol):
    """Answers the requests of one route of one database."""

    async def answer(self, scope: Scope, body: Body) -> Reply | None:
        """Answer a request; None hands it over, and then nothing was changed.

        Raises:
            UnavailableError: There is no outcome, and none to be had by trying again.
            Exception: The same, if it is a write.
        """
        ...


class NoDoorError(Exception):
    """A route has no door; the message says why."""


class DoorMaker(Protocol):
    """What an endpoint carries as `door`.

    Attributes:
        reads_body: Whether its requests have a body.
        is_read: Whether nothing is changed, whatever comes of it.
        is_replaced: Whether its route is no longer one.
        function: The endpoint.
        session: The dependency that gives the session.
    """

    reads_body: bool
    is_read: bool
    is_replaced: bool
    function: Callable[..., Any]
    session: Callable[..., Any]

    def make(self, engines: Engines, lanes: Lanes) -> Door:
        """Return the door.

        Raises:
            NoDoorError: There is none.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """A door in its place.

    Attributes:
        door: What answers.
        maker: What made it.
        route: The route that it stands for.
        endpoint: The function of that.
        pattern: Of the path, if there are parameters in it.
        context: What FastAPI keeps of the route, as it is included.
        rivals: Patterns of routes that come earlier, and may match the same path.
        provider: Whose `dependency_overrides` there may be.
    """

    door: Door
    maker: DoorMaker
    route: Any
    endpoint: Callable[..., Any]
    pattern: re.Pattern[str] | None
    context: Any
    rivals: tuple[re.Pattern[str], ...]
    provider: Any


class _Opened:
    """The doors on one event loop.

    Attributes:
        app: The application that they are of.
        lanes: What they use.
        exact: By method and path.
        below: By method, and path up to the last slash.
        is_outdated: Whether a route of theirs is no longer one.
    """

    def __init__(self, app: FastAPI, lanes: Lanes) -> None:
        self.app = app
        self.lanes = lanes
        self.exact: dict[tuple[str, str], _Entry] = {}
        self.below: dict[tuple[str, str], _Entry] = {}
        self.is_outdated = False
        self._loop = asyncio.get_running_loop()
        self._sizes = [(router, _size_of(router)) for router in _routers_of(app.router)]

    def is_right(self, app: object) -> bool:
        """Tell whether application, event loop, lanes and routes are those of the doors."""
        return (
            app is self.app
            and self._loop is asyncio.get_running_loop()
            and not self.lanes.is_closed
            and not self.is_outdated
            and all(_size_of(router) == size for router, size in self._sizes)
        )

    @property
    def is_over(self) -> bool:
        """Tell whether no request will be answered by these any more."""
        return self.lanes.is_closed or self._loop is asyncio.get_running_loop()

    def add(self, context: Any, entry: _Entry) -> None:
        """Add a door."""
        prefix, _, last = context.path_format.rpartition("/")
        # For HEAD the route makes an answer without its body.
        for method in context.methods - {"HEAD"}:
            if "{" in last:
                self.below.setdefault((method, prefix), entry)
            else:
                self.exact.setdefault((method, context.path_format), entry)

    def find(self, method: str, path: str) -> _Entry | None:
        """Return the door at a path."""
        entry = self.exact.get((method, path))
        if entry is not None:
            return entry
        prefix, _, key = path.rpartition("/")
        return self.below.get((method, prefix)) if key else None


class Doors:
    """The doors of one application to one database."""

    def __init__(self, engines: Engines, is_served: Callable[[Any, Callable[..., Any]], bool]):
        """Open none yet: the routes are known when the first request comes.

        Args:
            engines: The database.
            is_served: Tells for a FastAPI and a session dependency whether it gives sessions of
                this database.
        """
        self._engines = engines
        self._is_served = is_served
        self._opened: _Opened | None = None
        # One for each event loop, as there may be several at once, in threads of their own.
        self._all: list[_Opened] = []

    def find(self, scope: Scope) -> _Entry | None:
        """Return the door for a request, if nothing else is concerned with it."""
        opened, app = self._opened, scope.get("app")
        if opened is None or not opened.is_right(app):
            opened = self._opened = self._right(app)
            if opened is None:
                return None
        path: str = scope["path"]
        if scope.get("root_path"):
            path = get_route_path(scope)
        entry = opened.find(scope["method"], path)
        if entry is None:
            return None
        if entry.maker.is_replaced:
            opened.is_outdated = True
            return self.find(scope)
        if entry.provider.dependency_overrides or _FASTAPI_TELEMETRY in scope:
            return None
        if entry.rivals and any(rival.match(path) for rival in entry.rivals):
            return None
        return entry

    async def serve(
        self, entry: _Entry, scope: Scope, receive: Receive, send: Send
    ) -> Receive | None:
        """Answer a request; or return from where FastAPI receives it."""
        body = Body(receive)
        try:
            reply = await entry.door.answer(scope, body)
        except (NotDoneError, RefusedError, UnplannableError):
            return body.receive
        except Exception as error:
            if isinstance(error, UnavailableError) or not entry.maker.is_read:
                # Not to be tried again; raised, and answered, where all errors are.
                scope[_FAILURE_KEY] = error
            # Else code of the program's own, such as a type, has failed: it will there too.
            return body.receive
        if reply is None:
            return body.receive
        _leave_traces(entry, scope)
        status, headers, content = reply
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})
        return None

    def _right(self, app: Any) -> _Opened | None:
        """Return the doors of an application on the running event loop, opened anew if need be."""
        for each in self._all:
            if each.is_right(app):
                return each
        opened = self._open(app)
        kept = [each for each in self._all if not each.is_over]
        self._all = kept if opened is None else [*kept, opened]
        return opened

    def _open(self, app: Any) -> _Opened | None:
        if not isinstance(app, FastAPI):
            return None
        try:
            lanes = lanes_of(self._engines, are_sessions_heard)
        except NotDoneError:
            return None
        opened = _Opened(app, lanes)
        for found in survey(app, self._engines, self._is_served):
            if found.reason is None:
                with suppress(NoDoorError):
                    opened.add(found.context, self._make(found, lanes))
        return opened

    def _make(self, found: Survey, lanes: Lanes) -> _Entry:
        context = found.context
        return _Entry(
            door=found.maker.make(self._engines, lanes),
            maker=found.maker,
            route=context.original_route,
            endpoint=context.endpoint,
            pattern=context.path_regex if context.param_convertors else None,
            context=context._route_context,  # noqa: SLF001 -- FastAPI shows it nowhere else
            rivals=found.rivals,
            provider=context.dependency_overrides_provider,
        )


@dataclass(frozen=True, kw_only=True)
class Survey:
    """A route that could have a door.

    Attributes:
        context: The route, as it is included.
        maker: What would make the door.
        reason: Why it has none; None if that is up to the maker.
        rivals: Patterns of earlier routes that may match the same path.
    """

    context: Any
    maker: DoorMaker
    reason: str | None
    rivals: tuple[re.Pattern[str], ...]


def survey(
    app: FastAPI, engines: Engines, is_served: Callable[[Any, Callable[..., Any]], bool]
) -> list[Survey]:
    """Look at all routes of an application that could have a door, in their order."""
    found: list[Survey] = []
    earlier: list[Any] = []
    lacking = why_no_lanes(engines) or _why_none(app)
    for context in iter_route_contexts(app.router.routes):
        endpoint = getattr(context, "endpoint", None)
        maker = getattr(endpoint, "door", None)
        # Whoever wraps an endpoint takes its attributes along, and its door is not theirs.
        if maker is not None and maker.function is endpoint and not maker.is_replaced:
            rivals, blocker = _rivals_of(context, earlier)
            reason = lacking or blocker or _why_not(app, context, maker, is_served)
            found.append(Survey(context=context, maker=maker, reason=reason, rivals=rivals))
        earlier.append(context)
    return found


def _why_none(app: FastAPI) -> str | None:
    kinds = {type(router) for router in _routers_of(app.router)}
    is_own = any(
        kind.handle is not APIRouter.handle or kind.matches is not APIRouter.matches
        for kind in kinds
    )
    return "a router is of a class of the program's own" if is_own else None


def _why_not(
    app: FastAPI,
    context: Any,
    maker: DoorMaker,
    is_served: Callable[[Any, Callable[..., Any]], bool],
) -> str | None:
    if type(context.original_route) is not APIRoute:
        return "its route is of a class of the program's own"
    is_counted = maker.reads_body and context.max_body_size is not None
    reasons = (
        (not is_served(app, maker.session), "its session is not this database's"),
        (context.dependency_overrides_provider is not app, "its route is not included"),
        (context.dependant.call is not context.endpoint, "its function is wrapped"),
        (context.dependencies, "dependencies of the application or a router run for each request"),
        ("{" in context.path_format.rpartition("/")[0], "its prefix has parameters"),
        (is_counted, "FastAPI counts the bytes of its body (max_body_size)"),
    )
    return next((reason for is_so, reason in reasons if is_so), None)


def _rivals_of(
    context: Any, earlier: Sequence[Any]
) -> tuple[tuple[re.Pattern[str], ...], str | None]:
    """Return what may match the same path first; and why a door is out of the question."""
    path: str = context.path_format
    rivals = []
    for other in earlier:
        methods = set(getattr(other, "methods", None) or ())
        is_disjoint = methods and not methods & context.methods
        if is_disjoint or isinstance(other.original_route, WebSocketRoute):
            continue
        if type(other.original_route).matches not in _MATCHING:
            return (), "an earlier route matches in a way of its own"
        pattern = other.path_regex
        if "{" not in path and pattern.match(path):
            return (), f"the earlier route {getattr(other, 'path_format', '?')} matches it"
        if "{" in path and _may_match(getattr(other, "path_format", ""), path):
            rivals.append(pattern)
    return tuple(rivals), None


def _may_match(other: str, path: str) -> bool:
    """Tell whether two path templates may match one path."""
    prefix = path.partition("{")[0]
    fixed, brace, _ = other.partition("{")
    if not brace:
        return fixed.rpartition("/")[0] == prefix.rpartition("/")[0]
    return fixed.startswith(prefix) or prefix.startswith(fixed)


def _size_of(router: Any) -> tuple[int, int]:
    """Return what changes whenever a route is added to a router, or taken away."""
    return len(router.routes), router._routes_version  # noqa: SLF001 -- one may replace another


def _routers_of(router: Any) -> Iterator[Any]:
    """Yield the routers to which the program may add routes."""
    yield router
    for route in router.routes:
        included = getattr(route, "original_router", None)
        # Those of resources make new doors themselves.
        if included is not None and not getattr(included, "is_ormolu", False):
            yield from _routers_of(included)


def _leave_traces(entry: _Entry, scope: Scope) -> None:
    """Say where a request went, for middleware that asks after its answer."""
    scope["route"], scope["endpoint"] = entry.route, entry.endpoint
    scope.setdefault("router", entry.provider.router)
    # FastAPI's own name for it: its route does not know the prefixes it is included with.
    scope.setdefault("fastapi", {})["effective_route_context"] = entry.context
    # Beside those of the path that this application is mounted at.
    found = scope["path_params"] = {**scope.get("path_params", {})}
    match = entry.pattern and entry.pattern.match(get_route_path(scope))
    if match:
        found.update(match.groupdict())


def raise_failure(scope: Scope) -> None:
    """Raise what kept a door from answering, in the route that it stands for.

    Raises:
        Exception: There was something.
    """
    failure: Exception | None = scope.get(_FAILURE_KEY)
    if failure is not None:
        raise failure
