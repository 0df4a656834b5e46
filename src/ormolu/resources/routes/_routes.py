"""One route of a resource: which requests it takes, beside those that its document shows.

Knows how Starlette asks routes; no operation. FastAPI builds each route twice, for itself and as it
is included, so HEAD, a slash too many and refusals have no routes of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.datastructures import URL
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from ormolu.errors import RefusedError
from ormolu.resources.declare import Declaration
from ormolu.resources.http import read_key
from ormolu.resources.routes._binding import bind_routes
from ormolu.web import answer_problems, answers_in, contexts_of, raise_failure, route_path

__all__ = ["ResourceRoute", "RowRoute", "share_paths"]

_METHOD_KEY = "ormolu.method"


class ResourceRoute(APIRoute):
    """A route of a resource.

    Attributes:
        declaration: The declaration of the resource, which lives as long as its routes.
        others: Methods that it answers beside the documented one.
        served: All methods that the resource has at its path.
        takes_slash: Whether it answers at its path with a slash at the end, too.
    """

    is_ormolu = True
    methods: set[str]
    declaration: Declaration
    others: frozenset[str] = frozenset()
    served: frozenset[str] = frozenset()
    takes_slash = False

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Describe the route; what answers is made where it is included, or when it is asked for.

        Args:
            path: Path.
            endpoint: Function without a docstring; it asks for no body.
            options: Those of FastAPI, `name` among them.
        """
        self._options = options
        super().__init__(path, _stand_in, **options)
        self.endpoint = endpoint
        # What FastAPI has made of the stand-in: it makes it anew where the route is included.
        for name in ("app", "dependant"):
            self.__dict__.pop(name, None)

    @cached_property
    def app(self) -> Any:  # type: ignore[override]
        """Return what answers where the route is not included."""
        return self._whole.app

    @cached_property
    def dependant(self) -> Any:  # type: ignore[override]
        """Return what FastAPI calls where the route is not included."""
        return self._whole.dependant

    @cached_property
    def _whole(self) -> APIRoute:
        whole = object.__new__(type(self))
        APIRoute.__init__(whole, self.path, self.endpoint, **self._options)
        return whole

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Tell whether a request is for this route, be it only to be refused.

        A method that no route of the application has at the path is refused by the first route of
        the resource there.
        """
        match, child_scope = super().matches(scope)
        if match is Match.NONE and self.takes_slash and _is_slashed(scope):
            match, child_scope = super().matches({**scope, "path": scope["path"][:-1]})
        if match is not Match.PARTIAL:
            return match, child_scope
        method = scope["method"]
        if method in self.others:
            return Match.FULL, child_scope
        if method in self.served or method in _methods_at(scope, route_path(scope)):
            return match, child_scope
        return Match.FULL, {**child_scope, "endpoint": answer_nothing}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, unless a dependency that its door has called has failed.

        Raises:
            HTTPException: 405.
            Exception: The error of the dependency.
        """
        if scope.get("endpoint") is answer_nothing:
            await self._refuse(scope, receive, send)
            return
        raise_failure(scope)
        with self._documented_method(scope):
            await super().handle(scope, receive, send)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request; dependencies that its door has called are not called."""
        solve_and_answer = super().get_route_handler()
        function: Any = self.endpoint

        async def handle(request: Request) -> Response:
            scope = request.scope
            scope["method"] = scope.pop(_METHOD_KEY, scope["method"])
            answers = answers_in(scope)
            if answers is None:
                return await solve_and_answer(request)
            response = Response()
            response.raw_headers = answers.headers
            session = await function.door.session(request)
            made: Response = await function(
                request=request, response=response, session=session, **answers.values
            )
            return made

        return handle

    @contextmanager
    def _documented_method(self, scope: Scope) -> Iterator[None]:
        """Show FastAPI the documented method until it calls the handler: it refuses all others."""
        method = scope["method"]
        if method not in self.others:
            yield
            return
        scope[_METHOD_KEY], scope["method"] = method, next(iter(self.methods))
        try:
            yield
        finally:
            scope.pop(_METHOD_KEY, None)
            scope["method"] = method

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the methods that are allowed.

        Raises:
            HTTPException: 405.
        """
        path, app = route_path(scope), scope.get("app")
        redirects = isinstance(app, Starlette) and app.router.redirect_slashes
        if redirects and scope["method"] in _methods_at(scope, _with_slash_toggled(path)):
            # As Starlette does where no route has the path.
            location = URL(scope={**scope, "path": _with_slash_toggled(scope["path"])})
            await RedirectResponse(str(location))(scope, receive, send)
            return
        methods = {*self.served, *_methods_at(scope, path), "OPTIONS"}
        headers = {"Allow": ", ".join(sorted(methods))}
        if scope["method"] != "OPTIONS":
            raise HTTPException(405, headers=headers)
        await Response(status_code=204, headers=headers)(scope, receive, send)


class RowRoute(ResourceRoute):
    """A route of a row. What is no valid key may be the path of another route."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Leave a path that is no key of a row to a route with exactly that path."""
        match, child_scope = super().matches(scope)
        app = scope.get("app")
        if match is Match.FULL and isinstance(app, Starlette):
            place = (scope["method"], route_path(scope))
            if place in bind_routes(app).literal_paths and not self._has_key(scope, child_scope):
                return Match.NONE, {}
        return match, child_scope

    def _has_key(self, scope: Scope, child_scope: Scope) -> bool:
        try:
            read_key({**scope, **child_scope}, self.declaration.keys, self.declaration.name)
        except RefusedError:
            return False
        return True


async def _stand_in() -> None: ...


async def answer_nothing() -> None:
    """Be the endpoint of a refused request, which is never called."""


answer_problems(answer_nothing)


def share_paths(routes: Collection[ResourceRoute]) -> None:
    """Let the routes of a resource know what they have of each path between them."""
    for route in routes:
        slashed = f"{route.path_format}/"
        # A key that may have a slash may be empty, too, and is looked for first.
        rivals = [each for each in routes if each.methods & route.methods]
        route.takes_slash = not any(each.path_regex.match(slashed) for each in rivals)
        beside = [each for each in routes if each.path_format == route.path_format]
        route.served = frozenset(
            method for each in beside for method in (*each.methods, *each.others)
        )


def _is_slashed(scope: Scope) -> bool:
    return scope["type"] == "http" and str(scope["path"]).endswith("/")


def _with_slash_toggled(path: str) -> str:
    """Return a path without its last slash, or with one if it has none."""
    return path.rstrip("/") if path.endswith("/") else f"{path}/"


def _methods_at(scope: Scope, path: str) -> set[str]:
    """Return the methods for which an application has a route at a path."""
    app = scope.get("app")
    found: set[str] = set()
    for context in contexts_of(app) if isinstance(app, Starlette) else ():
        # A mounted application has all paths below its own, so ignore it.
        if isinstance(context.original_route, Route) and _is_at(context, path):
            # A route without methods answers all.
            found |= context.methods or {scope["method"]}
            found |= getattr(context.original_route, "others", frozenset())
    return found


def _is_at(context: Any, path: str) -> bool:
    if context.path_regex.match(path) is not None:
        return True
    takes_slash = getattr(context.original_route, "takes_slash", False) and path.endswith("/")
    return takes_slash and context.path_regex.match(path[:-1]) is not None
