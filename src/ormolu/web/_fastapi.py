"""What FastAPI and Starlette promise nobody, and is read all the same: each name stands here.

Where one is gone, `why_no_doors` says so, once in the log too, and requests go by FastAPI's routes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from operator import attrgetter
from typing import Any

from fastapi.routing import APIRouter
from starlette.types import Scope

from ormolu.seams import tell_missing

__all__ = [
    "LAYERS",
    "MAKERS",
    "context_in_scope",
    "dependant_of",
    "dependants_behind",
    "route_contexts",
    "route_path",
    "version_of",
    "why_no_doors",
]

# Modules of what FastAPI puts between middleware and routes.
LAYERS = frozenset(
    {"fastapi._body_limit", "fastapi.middleware.asyncexitstack", "starlette.middleware.body_limit",
     "starlette.middleware.exceptions"}
)  # fmt: skip

# Modules of what FastAPI makes of a function: itself, or within a limit of its body.
MAKERS = frozenset(
    {"fastapi._body_limit", "fastapi.routing", "starlette.middleware.body_limit",
     "starlette.routing"}
)  # fmt: skip

# Of a router: how often its routes were changed. Asked for each request.
version_of: Callable[[Any], Any] = attrgetter("_routes_version")

# Of a route as it is included: what FastAPI keeps in the scope of its requests.
context_in_scope: Callable[[Any], Any] = attrgetter("_route_context")

# What doors read of a router, of its place in another one, and of a route as it is included.
_read_router = attrgetter("_routes_version", "handle", "matches", "middleware_stack")
_read_inclusion = attrgetter("original_router")
_read_context = attrgetter(
    "_route_context", "app", "dependant.call", "dependant.dependencies", "dependencies",
    "dependency_overrides_provider", "endpoint", "include_in_schema", "methods", "original_route",
    "param_convertors", "path_format", "path_regex",
)  # fmt: skip
_read_dependant = attrgetter("call", "cookie_params", "dependencies", "header_params")


@cache
def _find(module: str, name: str) -> Any:
    """Return what a module has by a name; None if either is gone."""
    try:
        return getattr(import_module(module), name)
    except (AttributeError, ImportError):
        return None


@cache
def why_no_doors() -> str | None:
    """Return what the installed FastAPI lacks of what doors read; None if that is nothing."""
    missing = _missing_name()
    if missing is None:
        return None
    tell_missing("FastAPI", missing, "all requests go by its routes, which takes longer")
    return f"this version of FastAPI has no {missing}"


def _missing_name() -> str | None:
    for module, name in (
        ("fastapi.dependencies.utils", "get_dependant"),
        ("fastapi.routing", "iter_route_contexts"),
        ("starlette._utils", "get_route_path"),
    ):
        if _find(module, name) is None:
            return name
    router, outer = APIRouter(), APIRouter()
    router.add_api_route("/", _answer_nothing)
    outer.include_router(router)
    try:
        _read_router(outer)
        _read_inclusion(outer.routes[0])
        _read_context(next(route_contexts(outer.routes)))
    except AttributeError as error:
        return error.name
    return None


async def _answer_nothing() -> None:
    """Be the endpoint of a route that nobody asks for."""


def route_contexts(routes: Any) -> Iterator[Any]:
    """Yield all routes as they are included, in their order; as they are if FastAPI tells none."""
    iterate = _find("fastapi.routing", "iter_route_contexts")
    if iterate is not None:
        yield from iterate(routes)
        return
    told = "documents lack the details of resources that are included with a prefix"
    tell_missing("FastAPI", "iter_route_contexts", told)
    for route in routes:
        included = getattr(route, "original_router", None)
        yield from [_Bare(route)] if included is None else route_contexts(included.routes)


class _Bare:
    """A route without its place in another router.

    Attributes:
        original_route: The route.
    """

    def __init__(self, route: Any) -> None:
        self.original_route = route

    def __getattr__(self, name: str) -> Any:
        """Return what the route has."""
        return getattr(self.original_route, name)


def route_path(scope: Scope) -> str:
    """Return the path of a request within its application; only where there are doors."""
    path: str = _find("starlette._utils", "get_route_path")(scope)
    return path


def dependant_of(path: str, call: Callable[..., Any]) -> Any:
    """Return what FastAPI calls for a function; only where there are doors."""
    return _find("fastapi.dependencies.utils", "get_dependant")(path=path, call=call)


def dependants_behind(call: Callable[..., Any]) -> list[Any] | None:
    """Return what FastAPI calls for a function, itself first; None if it does not tell."""
    find = _find("fastapi.dependencies.utils", "get_dependant")
    if find is None:
        return tell_missing("FastAPI", "get_dependant", "guarded answers say Vary: *")
    found = [find(path="/", call=call)]
    try:
        for each in found:
            _read_dependant(each)
            found += each.dependencies
    except AttributeError as error:
        return tell_missing("FastAPI", error.name, "guarded answers say Vary: *")
    return found
