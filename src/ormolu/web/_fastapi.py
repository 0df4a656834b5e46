"""What FastAPI and Starlette promise nobody, and is read all the same: each name stands here.

Where one is gone, `why_no_doors` says so, once in the log too, and requests go by FastAPI's routes.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from operator import attrgetter
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, APIRouter
from starlette.applications import Starlette
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Scope

from ormolu.errors import ConfigurationError
from ormolu.seams import tell_missing

__all__ = [
    "LAYERS",
    "MAKERS",
    "context_in_scope",
    "dependant_of",
    "dependants_behind",
    "dependencies_of",
    "included_in",
    "is_awaited",
    "is_body_counted",
    "parameter_reader",
    "read_dependant",
    "read_parameter",
    "route_contexts",
    "route_path",
    "solve",
    "solver",
    "version_of",
    "why_no_doors",
    "wrap_application",
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


def wrap_application(app: Starlette, wrap: Callable[[ASGIApp], ASGIApp]) -> None:
    """Put something around all of an application, its own middleware too, once that is built.

    Within what Starlette itself has around all, where other tools look for that.
    """
    theirs = app.build_middleware_stack

    def build() -> ASGIApp:
        stack = theirs()
        if not isinstance(stack, ServerErrorMiddleware):
            return wrap(stack)
        stack.app = wrap(stack.app)
        return stack

    app.build_middleware_stack = build  # type: ignore[method-assign]


def version_of(router: Any) -> Any:
    """Return how often the routes of a router were changed. Asked for each request."""
    return getattr(router, "_routes_version", None)


def included_in(route: Any) -> Any:
    """Return the router that stands at a place of another one; None if it is a route."""
    return getattr(route, "original_router", None)


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
read_dependant = attrgetter(
    "background_tasks_param_name", "body_params", "call", "concurrency", "cookie_params",
    "dependencies", "header_params", "http_connection_param_name", "name", "own_oauth_scopes",
    "parent_oauth_scopes", "path_params", "query_params", "request_param_name",
    "response_param_name", "scope", "security_scopes_param_name", "use_cache",
    "websocket_param_name",
)  # fmt: skip
_read_dependant = attrgetter("call", "cookie_params", "dependencies", "header_params")

# Of a parameter: its type and its name in a request, and what may give it other names.
read_parameter = attrgetter("field_info.annotation", "alias", "validation_alias", "config")


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
    """Return the path of a request within its application."""
    find = _find("starlette._utils", "get_route_path")
    if find is not None:
        path: str = find(scope)
        return path
    whole, root = str(scope["path"]), str(scope.get("root_path", ""))
    return whole[len(root) :] if root and whole.startswith(f"{root}/") else whole


def dependant_of(path: str, call: Callable[..., Any], name: str | None = None) -> Any:
    """Return what FastAPI calls for a function.

    Args:
        path: Of the route, whose parameters the function may ask for.
        call: The function.
        name: Of the parameter that gets its result.
    """
    find = _find("fastapi.dependencies.utils", "get_dependant")
    if find is not None:
        return find(path=path, call=call, name=name)
    found = APIRoute(path, call, response_model=None).dependant
    found.name = name
    return found


def dependencies_of(route: Any) -> list[Any]:
    """Return what FastAPI calls for a route, as it is included; a change of the list counts."""
    found: list[Any] = getattr(getattr(route, "dependant", None), "dependencies", [])
    return found


def parameter_reader() -> Any:
    """Return what reads the parameters of a function from a request; None if there is none."""
    found = _find("fastapi.dependencies.utils", "request_params_to_args")
    told = "it reads the dependencies of a guarded route anew for each request"
    return found or tell_missing("FastAPI", "request_params_to_args", told)


def is_awaited(call: Any) -> bool:
    """Tell whether FastAPI awaits what a function returns, and so calls it here.

    As FastAPI does, through partial functions and wrappers; an object is called by its class.
    """
    plain = call
    while isinstance(plain, functools.partial):
        plain = plain.func
    for each in (plain, inspect.unwrap(plain)):
        if inspect.isroutine(each) and inspect.iscoroutinefunction(each):
            return True
    if inspect.isclass(inspect.unwrap(plain)):
        return False
    return inspect.iscoroutinefunction(inspect.unwrap(getattr(plain, "__call__", plain)))  # noqa: B004 -- as FastAPI


def solver() -> Any:
    """Return what calls the dependencies of a request; None if there is none. Asked for each."""
    found = _find("fastapi.dependencies.utils", "solve_dependencies")
    told = "guarded requests go by its routes; those made by hand of a resource's are refused"
    return found or tell_missing("FastAPI", "solve_dependencies", told)


async def solve(request: Request, call: Callable[..., Any]) -> Any:
    """Return what a function returns that FastAPI calls for a request, with what it asks for.

    Raises:
        ConfigurationError: The installed FastAPI cannot be asked for that.
        RequestValidationError: Something that it asks for is missing or wrong.
    """
    ask = solver()
    if ask is None:
        message = "This version of FastAPI has no solve_dependencies: include the resource itself."
        raise ConfigurationError(message)
    places = "".join(f"/{{{name}}}" for name in request.path_params)
    solved = await ask(
        request=request, dependant=dependant_of(places or "/", call),
        dependency_overrides_provider=request.app,
        async_exit_stack=request.scope["fastapi_inner_astack"], embed_body_fields=False,
    )  # fmt: skip
    if solved.errors:
        raise RequestValidationError(solved.errors)
    return await call(**solved.values)


def is_body_counted(scope: Scope) -> bool:
    """Tell whether the bytes of a request's body are counted, and it may be refused for them."""
    return _find("starlette.middleware.body_limit", "MAX_BODY_SIZE_SCOPE_KEY") in scope


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
