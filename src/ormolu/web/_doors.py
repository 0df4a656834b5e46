"""Doors: a short way past FastAPI for requests that a route of ours would answer with success.

A door takes what nothing but its route is concerned with, and hands everything else over to
FastAPI with its body replayed. Knows no resource: what a door does is the business of its maker.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.types import Scope

from ormolu.engines import Engines
from ormolu.lanes import Lanes, NotDoneError, lanes_of
from ormolu.sessions import has_session_listeners
from ormolu.web._door import Body, Door, DoorMaker, NoDoorError, Reply
from ormolu.web._fastapi import context_in_scope, route_path, why_no_doors
from ormolu.web._lanes import attempt
from ormolu.web._questions import Questions, why_not_asked
from ormolu.web._survey import (
    are_bytes_counted,
    maker_of,
    places_in,
    slashed_path,
    survey_route,
)
from ormolu.web._tables import Table
from ormolu.web._units import STORED_KEY

__all__ = ["Doors", "Entry", "is_handed_over", "raise_failure"]

_log = logging.getLogger("ormolu")

_FAILURE_KEY = "ormolu.failure"
_HANDED_OVER_KEY = "ormolu.handed_over"
_FASTAPI_TELEMETRY = "fastapi.telemetry"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A door in its place.

    Attributes:
        name: What the log calls it.
        door: What answers.
        maker: What made it.
        route: The route that it stands for.
        endpoint: The function of that.
        names: Parameters in the path.
        pattern: Of the path.
        slashed: The path with a slash at its end, if the route answers there, too.
        context: What FastAPI keeps of the route, as it is included.
        rivals: Patterns of routes that come earlier, and may match the same path.
        spelled: Patterns of later routes to which this one leaves paths that are no key of a row.
        provider: Whose `dependency_overrides` there may be.
        is_counted: Whether FastAPI counts the bytes of bodies.
        app: What FastAPI makes of the function, which a program may replace.
        dependant: What FastAPI calls for the function, to which a program may add.
        width: How many dependencies it has by itself.
        state: What the route has of its own; a method in it is the program's.
        is_open: Whether nothing has to be asked before some requests are answered.
        questions: Asks what the route depends on; None if nothing but the session, or if only
            FastAPI can.
    """

    name: str
    door: Door
    maker: DoorMaker
    route: Any
    endpoint: Callable[..., Any]
    names: tuple[str, ...]
    pattern: Any
    slashed: str | None
    context: Any
    rivals: tuple[re.Pattern[str], ...]
    spelled: tuple[re.Pattern[str], ...]
    provider: Any
    is_counted: bool
    app: Any
    dependant: Any
    width: int
    state: Mapping[str, Any]
    is_open: bool
    questions: Questions | None

    def is_shut(self, scope: Scope, path: str) -> bool:
        """Tell whether something else is concerned with a request."""
        if self.provider.dependency_overrides or _FASTAPI_TELEMETRY in scope:
            return True
        if self.context.app is not self.app or len(self.dependant.dependencies) != self.width:
            return True
        if "handle" in self.state or "matches" in self.state:
            return True
        if self.rivals and any(rival.match(path) for rival in self.rivals):
            return True
        # FastAPI answers 413 to a body that is too large, be it read or not.
        return self.is_counted and any(name == b"content-length" for name, _ in scope["headers"])


class _Opened:
    """The doors on one event loop; each is made when a request asks for it.

    Attributes:
        is_outdated: Whether a route of theirs is no longer one.
    """

    def __init__(self, app: FastAPI, engines: Engines, lanes: Lanes, *, is_next: bool) -> None:
        self.is_outdated = False
        self._app = app
        self._engines = engines
        self._lanes = lanes
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._stack = app.router.middleware_stack
        self._table = Table(app)
        self._places = places_in(app)
        # Places of routes, by method and path, or what comes before the last part of it.
        self._exact: dict[tuple[str, str], int] = {}
        self._below: dict[tuple[str, str], int] = {}
        # Of those that answer there, too: after all that have that path.
        self._slashed: dict[tuple[str, str], int] = {}
        self._entries: dict[int, Entry | None] = {}
        for number, place in enumerate(self._places):
            if is_next and maker_of(place.context) is not None:
                self._note(number, place.context)

    def _note(self, place: int, context: Any) -> None:
        prefix, _, last = context.path_format.rpartition("/")
        # For HEAD the route makes an answer without its body.
        for method in context.methods - {"HEAD"}:
            if "{" in last:
                self._below.setdefault((method, prefix), place)
            else:
                self._exact.setdefault((method, context.path_format), place)
                if (slashed := slashed_path(context)) is not None:
                    self._slashed.setdefault((method, slashed), place)

    def is_right(self, app: object) -> bool:
        """Tell whether application, event loop, lanes and routes are those of the doors."""
        is_there = app is self._app and not self._lanes.is_closed and not self.is_outdated
        # Not by the running loop, for which Python asks the system each time; a thread runs one.
        if not is_there or self._thread != threading.get_ident() or not self._loop.is_running():
            return False
        return self._table.is_current() and self._app.router.middleware_stack == self._stack

    @property
    def is_over(self) -> bool:
        """Tell whether no request will be answered by these any more."""
        return self._lanes.is_closed or self._loop is asyncio.get_running_loop()

    def find(self, method: str, path: str) -> Entry | None:
        """Return the door at a path."""
        place = self._exact.get((method, path))
        if place is None:
            prefix, _, key = path.rpartition("/")
            place = self._below.get((method, prefix)) if key else self._slashed.get((method, path))
            if place is None:
                return None
        if place not in self._entries:
            self._entries[place] = self._make(place)
        entry = self._entries[place]
        if entry is not None and entry.door.is_outdated:
            self.is_outdated = True
        return entry

    def _make(self, place: int) -> Entry | None:
        context = self._places[place].context
        name = f"{','.join(sorted(context.methods or ()))} {context.path_format}"
        try:
            found = survey_route(self._app, self._engines, self._places, place)
            if found.reason is not None:
                return None
            door = found.maker.make(self._app, self._engines, self._lanes)
        except NoDoorError:
            return None
        except Exception as error:
            # A fault of ours, or of the program's own routes or types: the route does without it.
            _log.warning("%s: its door cannot be made (%s).", name, type(error).__name__)
            return None
        is_open = door.is_open and found.calls is None
        is_asked = door.is_guarded or found.calls is not None
        is_asked = is_asked and why_not_asked(context, found.maker.session) is None
        if not (is_open or is_asked):
            return None
        return Entry(
            name=name,
            door=door,
            maker=found.maker,
            route=context.original_route,
            endpoint=found.maker.function,
            names=tuple(context.param_convertors),
            pattern=context.path_regex,
            slashed=slashed_path(context),
            context=context_in_scope(context),
            rivals=found.rivals,
            spelled=found.spelled,
            provider=context.dependency_overrides_provider,
            is_counted=are_bytes_counted(context),
            app=context.app,
            dependant=context.dependant,
            width=len(context.dependant.dependencies),
            state=vars(context.original_route),
            is_open=is_open,
            questions=Questions(context, found.maker.session) if is_asked else None,
        )


class Doors:
    """The doors of one application to one database."""

    def __init__(self, engines: Engines, is_next: Callable[[Any], bool]):
        """Open none yet: the routes are known when the first request comes.

        Args:
            engines: The database.
            is_next: Tells whether nothing of the program's own is before a router.
        """
        self._engines = engines
        self._is_next = is_next
        self._opened: _Opened | None = None
        # One for each event loop, as there may be several at once, in threads of their own.
        self._all: list[_Opened] = []

    def find(self, scope: Scope) -> Entry | None:
        """Return the door for a request, if nothing else is concerned with it."""
        opened, app = self._opened, scope.get("app")
        if opened is None or not opened.is_right(app):
            opened = self._opened = self._right(app)
            if opened is None:
                return None
        path: str = scope["path"]
        if scope.get("root_path"):
            path = route_path(scope)
        entry = opened.find(scope["method"], path)
        if opened.is_outdated:
            return self.find(scope)
        return None if entry is None or entry.is_shut(scope, path) else entry

    async def answer(self, entry: Entry, scope: Scope, body: Body) -> Reply | None:
        """Return the answer for whoever asks; None if FastAPI has to call what the route needs."""
        if not entry.is_open:
            return None
        reply, is_there = None, True
        try:
            reply = await _attempt(entry, scope, body, None)
            is_there = reply is not None
        finally:
            # Where it is cancelled, too: for whoever answers then.
            if is_there:
                _leave_traces(entry, scope)
        return reply

    async def answer_asking(self, entry: Entry, scope: Scope, body: Body) -> Reply | None:
        """Return the answer for who asks, by what the route depends on; None hands it over.

        The route raises then what a dependency raised, or has what they returned.
        """
        if entry.questions is None or _FAILURE_KEY in scope:
            return None
        path = route_path(scope)
        is_there = entry.pattern.match(path) or path == entry.slashed
        if not is_there or any(each.match(path) for each in entry.spelled):
            # Of too few keys, say: another route's, or nobody's.
            return None
        _leave_traces(entry, scope)
        try:
            answers = await entry.questions.ask(Request(scope, body.replay(most=None)))
        except Exception as error:
            scope[_FAILURE_KEY] = entry.endpoint, error
            return None
        reply = await _attempt(entry, scope, body, answers.values)
        if reply is not None:
            # As FastAPI adds it to what it makes of other routes' values.
            reply.headers.extend(answers.headers)
        return reply

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
        if not isinstance(app, FastAPI) or why_no_doors() is not None:
            return None
        try:
            lanes = lanes_of(self._engines, has_session_listeners)
        except NotDoneError:
            return None
        return _Opened(app, self._engines, lanes, is_next=self._is_next(app.router))


async def _attempt(
    entry: Entry, scope: Scope, body: Body, given: Mapping[str, Any] | None
) -> Reply | None:
    try:
        reply = await attempt(entry.door.answer(scope, body, given), entry.maker, entry.name)
    except Exception as error:
        # Not to be tried again; raised, and answered, where all errors are.
        scope[_FAILURE_KEY] = entry.endpoint, error
        return None
    if reply is None:
        scope[_HANDED_OVER_KEY] = True
    elif not entry.maker.is_read:
        scope[STORED_KEY] = True
    return reply


def _leave_traces(entry: Entry, scope: Scope) -> None:
    """Say where a request went, for middleware that asks after its answer."""
    scope["route"], scope["endpoint"] = entry.route, entry.endpoint
    scope.setdefault("router", entry.provider.router)
    # FastAPI's own name for it: its route does not know the prefixes it is included with.
    scope.setdefault("fastapi", {})["effective_route_context"] = entry.context
    # Beside those of the path that this application is mounted at.
    found = scope["path_params"] = {**scope.get("path_params", {})}
    if len(entry.names) == 1:
        found[entry.names[0]] = scope["path"].rpartition("/")[2]
    elif entry.names:
        found.update(entry.pattern.match(route_path(scope)).groupdict())


def is_handed_over(scope: Scope) -> bool:
    """Tell whether a door has tried to answer a request on a lane, and could not."""
    return _HANDED_OVER_KEY in scope


def raise_failure(scope: Scope) -> None:
    """Raise what kept a door from answering, in the route that it stands for.

    Raises:
        Exception: There was something.
    """
    endpoint, failure = scope.get(_FAILURE_KEY, (None, None))
    if failure is not None and endpoint is scope.get("endpoint"):
        raise failure
