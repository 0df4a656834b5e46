"""Where the routes of an application are: in its router, in those included, in those mounted.

Knows how FastAPI and Starlette keep them; no request and no resource.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.routing import Host, Mount, Router

from ormolu.web._fastapi import included_in, route_contexts, version_of
from ormolu.web._outer import Outer, applications_behind

__all__ = ["Table", "contexts_of", "is_resource", "mounted_in", "routers_in"]


class Table:
    """The routes of an application at one moment, but those of resources, which tell of changes."""

    def __init__(self, app: Starlette) -> None:
        """Look at them."""
        # The count of changes as well: a route may be another one, and equal.
        self._kept = [
            (router, list(router.routes), version_of(router))
            for router in routers_in(app)
            if not is_resource(router)
        ]

    def is_current(self) -> bool:
        """Tell whether the program has changed nothing since."""
        # A loop, not `all`, as this is asked for each request.
        for router, routes, changes in self._kept:
            if version_of(router) != changes or routes != router.routes:
                return False
        return True


def is_resource(router: Any) -> bool:
    """Tell whether a router is a resource."""
    return getattr(router, "is_ormolu", False) is True


def routers_in(app: Starlette | Outer) -> list[Any]:
    """Return the routers of an application: not those of applications that are mounted in it."""
    found: dict[int, Any] = {}
    waiting: list[Any] = [app.router]
    while waiting:
        router = waiting.pop()
        if id(router) in found:
            continue
        found[id(router)] = router
        for route in _open_places(router):
            inner = included_in(route) or _mounted(route)
            if isinstance(inner, Router):
                waiting.append(inner)
    return list(found.values())


def mounted_in(app: Starlette | Outer) -> list[Starlette]:
    """Return the applications that are mounted in one, and those that requests find behind it."""
    found = _mounted_by_routes(app)
    behind = applications_behind(app.router)
    if behind:
        known, waiting = {app}, [*found]
        while waiting:
            each = waiting.pop()
            if each not in known:
                known.add(each)
                waiting += _mounted_by_routes(each)
        found += [each for each in behind if each not in known]
    return found


def _mounted_by_routes(app: Starlette | Outer) -> list[Starlette]:
    found = [_mounted(route) for router in routers_in(app) for route in _open_places(router)]
    return [each for each in found if isinstance(each, Starlette)]


def contexts_of(app: Starlette) -> Iterator[Any]:
    """Yield the routes of an application as they are included, those of mounted routers too."""
    waiting: list[Any] = [app.router]
    seen: set[int] = set()
    while waiting:
        router = waiting.pop()
        if id(router) in seen:
            continue
        seen.add(id(router))
        for context in route_contexts(router.routes):
            yield context
            inner = _mounted(context.original_route)
            if isinstance(inner, Router):
                waiting.append(inner)


def _open_places(router: Any) -> list[Any]:
    """Return what another router may be behind: hardly any of the routes of an application."""
    return [route for route in router.routes if not isinstance(route, APIRoute)]


def _mounted(route: Any) -> Any:
    """Return what is mounted at a route, without the middleware around it."""
    if not isinstance(route, (Mount, Host)):
        return None
    app: Any = route.app
    # All of Starlette's, and most of others', has what it is around as `app`.
    while not isinstance(app, (Starlette, Router)) and (inner := getattr(app, "app", None)):
        app = inner
    return app
