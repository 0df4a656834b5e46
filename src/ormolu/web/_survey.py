"""Which routes of an application could have a door, and why the others have none.

Knows how FastAPI finds the route of a request; no request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, APIRouter
from starlette.routing import Mount, Route, WebSocketRoute

from ormolu.engines import Engines
from ormolu.lanes import why_no_lanes
from ormolu.web._dependency import request_session
from ormolu.web._door import DoorMaker
from ormolu.web._fastapi import (
    MAKERS,
    context_in_scope,
    dependant_of,
    route_contexts,
    why_no_doors,
)
from ormolu.web._tables import is_resource, routers_in

__all__ = [
    "Place", "Survey", "are_bytes_counted", "check_routes", "is_ours", "maker_of", "places_in",
    "slashed_path", "survey", "survey_route",
]  # fmt: skip

_METHODS = frozenset({"handle", "matches"})
_MATCHING = (APIRoute.matches, Mount.matches, Route.matches)


class Place:
    """A route as it is included, and what the surveys of all others ask of it.

    Attributes:
        context: The route.
        path: Its template; None of what is mounted.
        methods: Its methods; none where it takes all.
        pattern: Of the paths that it matches; None where it has no path.
        is_ours: Whether it is of a resource.
    """

    def __init__(self, context: Any) -> None:
        """Ask FastAPI's context, which looks for each answer anew."""
        self.context = context
        self.path: str | None = getattr(context, "path_format", None)
        self.methods: frozenset[str] = frozenset(getattr(context, "methods", None) or ())
        self.pattern: Any = getattr(context, "path_regex", None)
        self.is_ours = is_ours(context.original_route)


@dataclass(frozen=True, kw_only=True)
class Survey:
    """A route that could have a door.

    Attributes:
        context: The route, as it is included.
        maker: What would make the door.
        reason: Why it has none; None if that is up to the maker.
        lacking: Why no plan of this database can answer its requests, even with the route's help.
        calls: What FastAPI calls for each request, beside what its function asks for; None if that
            is nothing.
        rivals: Patterns of earlier routes that may match the same path.
        spelled: Patterns of later routes to which this one leaves paths that are no key of a row.
    """

    context: Any
    maker: DoorMaker
    reason: str | None
    rivals: tuple[re.Pattern[str], ...] = ()
    spelled: tuple[re.Pattern[str], ...] = ()
    lacking: str | None = None
    calls: str | None = None


def survey(app: FastAPI, engines: Engines) -> list[Survey]:
    """Look at all routes of an application that could have a door, in their order."""
    places = places_in(app)
    return [
        survey_route(app, engines, places, number)
        for number, place in enumerate(places)
        if maker_of(place.context) is not None
    ]


def places_in(app: FastAPI) -> list[Place]:
    """Return the routes of an application, in their order."""
    return [Place(context) for context in route_contexts(app.router.routes)]


def maker_of(context: Any) -> DoorMaker | None:
    """Return what makes the door of a route, if it is one that could have a door."""
    endpoint = getattr(context, "endpoint", None)
    maker: DoorMaker | None = getattr(endpoint, "door", None)
    # Whoever wraps an endpoint takes its attributes along, and its door is not theirs.
    return maker if is_ours(maker) and maker is not None and maker.function is endpoint else None


def slashed_path(context: Any) -> str | None:
    """Return the path with a slash at its end that a route answers, too; None if it does not.

    Not of routes of rows.
    """
    route, path = context.original_route, str(context.path_format)
    takes_slash = is_ours(route) and getattr(route, "takes_slash", False) is True
    return f"{path}/" if takes_slash and "{" not in path else None


def check_routes(app: FastAPI, engines: Engines) -> None:
    """Check that the routes which get their sessions from a database can be served from it.

    Raises:
        ConfigurationError: One cannot.
    """
    dialect = engines.opened.reader.sync_engine.dialect
    found = (maker_of(context) for context in route_contexts(app.router.routes))
    makers = (each for each in found if each is not None and _gives(app, engines, each.session))
    # All operations of a resource, at all of their paths, are served from the same tables.
    for maker in {each.subject: each for each in makers}.values():
        maker.check(app, dialect)


def survey_route(app: FastAPI, engines: Engines, places: Sequence[Place], number: int) -> Survey:
    """Look at a route that could have a door, and at the others that its requests may be for.

    Args:
        app: The application.
        engines: The database.
        places: All routes.
        number: Of the route among them.
    """
    context = places[number].context
    maker = maker_of(context)
    assert maker is not None
    lacking = why_no_lanes(engines)
    if lacking is None and not _gives(app, engines, maker.session):
        lacking = "its session is not this database's"
    reason = lacking or why_no_doors() or _why_none(app)
    if reason is not None:
        return Survey(context=context, maker=maker, reason=reason, lacking=lacking)
    rivals, blocker = _rivals_of(places[number], places[:number])
    reason = blocker or _why_not(app, engines, context, maker)
    calls = None if reason is not None else _calls_beside(context)
    return Survey(
        context=context, maker=maker, reason=reason, rivals=rivals, calls=calls,
        spelled=_spelled_in(places[number], places[number + 1 :]),
    )  # fmt: skip


def _why_none(app: FastAPI) -> str | None:
    kinds = {type(router) for router in routers_in(app) if not is_resource(router)}
    # Starlette's own routers, which may be mounted, have none of these methods.
    is_own = any(
        getattr(kind, name, None) not in {None, getattr(APIRouter, name)}
        for kind in kinds
        for name in _METHODS
    )
    return "a router is of a class of the program's own" if is_own else None


def _why_not(app: FastAPI, engines: Engines, context: Any, maker: DoorMaker) -> str | None:
    """Return why a request of a route has to go by FastAPI's own way to it."""
    if type(context.original_route) is not APIRoute and not is_ours(context.original_route):
        return "its route is of a class of the program's own"
    is_counted = maker.reads_body and are_bytes_counted(context)
    reasons = (
        (not _is_next(app, engines), "middleware of the program's own is within the gate"),
        (
            context_in_scope(context) is None or context.dependency_overrides_provider is not app,
            "its route is not included",
        ),
        (context.dependant.call is not context.endpoint, "its function is wrapped"),
        (
            _is_handled(context.original_route) or not _is_made_by_fastapi(context.app),
            "its route is handled in a way of the program's own",
        ),
        ("{" in context.path_format.rpartition("/")[0], "its prefix has parameters"),
        (is_counted, "FastAPI counts the bytes of its body (max_body_size)"),
    )
    return next((reason for is_so, reason in reasons if is_so), None)


def _calls_beside(context: Any) -> str | None:
    if context.dependencies:
        return "dependencies of the application or a router run for each request"
    return "dependencies were added to its route" if _has_more(context) else None


def is_ours(given: Any) -> bool:
    """Tell whether a route is a resource's, or the maker of a door not the program's attribute."""
    return getattr(type(given), "is_ormolu", False) is True


def _is_handled(route: Any) -> bool:
    """Tell whether the program has replaced a method of one route."""
    return not vars(route).keys().isdisjoint(_METHODS)


def _is_made_by_fastapi(app: Any) -> bool:
    module = getattr(app, "__module__", None) or type(app).__module__
    return module in MAKERS


def _has_more(context: Any) -> bool:
    """Tell whether FastAPI calls more for a route than what its function asks for."""
    own = dependant_of(context.path_format, context.endpoint)
    return _calls_of(context.dependant) != _calls_of(own)


def _calls_of(dependant: Any) -> list[Any]:
    calls = [dependant.call]
    for each in dependant.dependencies:
        # What asks for a resource's policies is there in either, with more or less behind it.
        if not getattr(each.call, "is_ormolu", False):
            calls += _calls_of(each)
    return calls


def are_bytes_counted(context: Any) -> bool:
    """Tell whether FastAPI counts the bytes of a route's bodies; not each that we take can."""
    return getattr(context, "max_body_size", None) is not None


def _gives(app: FastAPI, engines: Engines, session: Callable[..., Any]) -> bool:
    """Tell whether a session dependency gives the sessions of a database."""
    if session is request_session:
        return next(filter(None, _owners(app)), None) is engines
    return getattr(getattr(session, "__self__", None), "_engines", None) is engines


def _is_next(app: FastAPI, engines: Engines) -> bool:
    """Tell whether no middleware is within the gate of a database: it would be passed by."""
    owners = _owners(app)
    return engines in owners and None not in owners[owners.index(engines) :]


def _owners(app: FastAPI) -> list[Engines | None]:
    found: Any = [each.kwargs.get("engines") for each in app.user_middleware]
    return list(found)


def _rivals_of(
    place: Place, earlier: Sequence[Place]
) -> tuple[tuple[re.Pattern[str], ...], str | None]:
    """Return what may match the same path first; and why a door is out of the question."""
    path = str(place.path)
    slashed = slashed_path(place.context)
    rivals = []
    for other in earlier:
        is_disjoint = other.methods and other.methods.isdisjoint(place.methods)
        if is_disjoint or isinstance(other.context.original_route, WebSocketRoute):
            continue
        kind = type(other.context.original_route)
        if kind.matches not in _MATCHING and not other.is_ours:
            return (), "an earlier route matches in a way of its own"
        if "{" not in path and other.pattern.match(path):
            return (), f"the earlier route {other.path or '?'} matches it"
        is_rival = "{" in path and _may_match(other.path or "", path)
        if is_rival or (slashed is not None and other.pattern.match(slashed)):
            rivals.append(other.pattern)
    return tuple(rivals), None


def _spelled_in(place: Place, later: Sequence[Place]) -> tuple[re.Pattern[str], ...]:
    """Return the patterns of the program's own routes to which a route of rows leaves a path."""
    return tuple(
        other.pattern
        for other in later
        if not other.is_ours
        and other.path
        and "{" not in other.path
        and not other.methods.isdisjoint(place.methods)
        and place.pattern.match(other.path)
    )


def _may_match(other: str, path: str) -> bool:
    """Tell whether two path templates may match one path."""
    prefix = path.partition("{")[0]
    fixed, brace, _ = other.partition("{")
    if not brace:
        return fixed.rpartition("/")[0] == prefix.rpartition("/")[0]
    return fixed.startswith(prefix) or prefix.startswith(fixed)
