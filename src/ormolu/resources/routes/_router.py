"""The routes of a resource: its operations, answers for other methods, and added routes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.datastructures import Default
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.datastructures import URL
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from ormolu.errors import RefusedError
from ormolu.resources.declare import Declaration, live_resources
from ormolu.resources.http import Operation, offered_by, read_key
from ormolu.resources.openapi import complete
from ormolu.resources.routes._binding import PolicyDependency, bind_routes, opened
from ormolu.resources.routes._endpoints import endpoint_function, operation_id
from ormolu.resources.routes._frontdoor import DoorMaker
from ormolu.web import (
    Describer,
    answer_problems,
    answers_in,
    contexts_of,
    only_read,
    raise_failure,
    route_path,
)

__all__ = ["ResourceRouter"]


class ResourceRouter(APIRouter):
    """The routes of one resource.

    Attributes:
        declaration: What the program declared.
        makers: The door makers of the documented routes, by method and path.
    """

    is_ormolu = True

    def __init__(self, declaration: Declaration, session: Callable[..., Any]) -> None:
        super().__init__(lifespan=opened)
        own = Routes()
        self.routes: list[BaseRoute] = own
        self.declaration: Declaration = declaration
        self._session = session
        self._dependency = PolicyDependency(declaration)
        self._own_tags = (declaration.path.strip("/"),)
        self.makers: dict[tuple[str, str], DoorMaker] = {}
        self._build()
        own.count_own()
        self._built = len(own)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Tell whether a request is for one of the routes, quickly where it is not.

        FastAPI asks each included router, which asks all its routes: with a hundred resources that
        would take longer than the request itself.
        """
        is_alone = len(self.routes) == self._built
        if is_alone and self.declaration.path not in scope["path"]:
            return Match.NONE, {}
        app = scope.get("app")
        if isinstance(app, Starlette):
            # Bind before FastAPI calls the dependencies.
            bind_routes(app)
        return super().matches(scope)

    def _build(self) -> None:
        """Make the routes once: the program's changes of them stay."""
        operations = offered_by(self.declaration)
        base = self.declaration.path
        functions = [self._add(base, operation) for operation in operations]
        # Last, since a pattern that ends in a slash also matches a line feed after it.
        for operation, function in zip(operations, functions, strict=True):
            self._add_hidden(f"{base}{operation.path}/", operation.methods, (operation, function))
        for path in dict.fromkeys(operation.path for operation in operations):
            methods = {
                method for each in operations if each.path == path for method in each.methods
            }
            for slash in ("", "/"):
                self._refuse(base + path + slash, methods)

    def _add(self, base: str, operation: Operation) -> Callable[..., Any]:
        declaration = self.declaration
        function: Any = endpoint_function(operation, self._dependency, self._session)
        function.describe = _describer_of(operation, self._dependency)
        shown, *others = operation.methods
        path = base + operation.path
        self.makers[shown, path] = function.door
        self.add_api_route(
            path, function, methods=[shown], name=function.__name__, tags=[*self._own_tags],
            generate_unique_id_function=Default(partial(operation_id, operation)),
            status_code=operation.status, response_model=None,
            include_in_schema=shown != "QUERY" and operation.needs not in declaration.undocumented,
            dependencies=_dependencies(operation), route_class_override=_class_of(operation),
            summary=operation.summary.format(declaration.name),
        )  # fmt: skip
        self._note_route()
        if others:
            self._add_hidden(path, others, (operation, function))
        return function  # type: ignore[no-any-return]

    def _add_hidden(
        self, path: str, methods: Sequence[str], served: tuple[Operation, Callable[..., Any]]
    ) -> None:
        operation, function = served
        self.add_api_route(
            path, function, methods=[*methods], name=function.__name__, response_model=None,
            include_in_schema=False, status_code=operation.status, tags=[*self._own_tags],
            dependencies=_dependencies(operation), route_class_override=_class_of(operation),
        )  # fmt: skip
        self._note_route()

    def _note_route(self) -> None:
        route = self.routes[-1]
        assert isinstance(route, ResourceRoute)
        route.declaration = self.declaration

    def _refuse(self, path: str, methods: AbstractSet[str]) -> None:
        self.add_api_route(
            path, answer_nothing, methods=["OPTIONS"], include_in_schema=False,
            response_model=None, tags=[*self._own_tags], route_class_override=Refusal,
        )  # fmt: skip
        route = self.routes[-1]
        assert isinstance(route, Refusal)
        route.served = frozenset(methods)


def _describer_of(operation: Operation, dependency: PolicyDependency) -> Describer:
    """Return the describer that completes an operation in the document of an application."""

    def describe(app: FastAPI, documented: dict[str, Any], schemas: dict[str, Any]) -> None:
        exposure = bind_routes(app).exposure(dependency.declaration)
        backends = {each.target.url.get_backend_name() for each in app.state.ormolu.engines}
        is_for_sqlite = "sqlite" in backends
        complete(operation, exposure, (documented, schemas), is_for_sqlite=is_for_sqlite)

    return Describer(f"{dependency.declaration.name}.{operation.name}", bind_routes, describe)


def _class_of(operation: Operation) -> type[APIRoute]:
    return RowRoute if operation.is_of_row else ResourceRoute


def _dependencies(operation: Operation) -> Sequence[Any]:
    # A QUERY by POST reads, too: on SQLite it would wait for writers.
    return [Depends(only_read)] if operation.name == "query" else []


class ResourceRoute(APIRoute):
    """A route of a resource.

    Attributes:
        declaration: The declaration of the resource, which lives as long as its routes.
    """

    is_ormolu = True
    declaration: Declaration

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, unless a dependency that its door has called has failed.

        Raises:
            Exception: The error of the dependency.
        """
        raise_failure(scope)
        await super().handle(scope, receive, send)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request; dependencies that its door has called are not called."""
        solve_and_answer = super().get_route_handler()
        function: Any = self.endpoint

        async def handle(request: Request) -> Response:
            answers = answers_in(request.scope)
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


class Refusal(APIRoute):
    """Answers methods that no route has at a path of a resource: with 405, and OPTIONS.

    Attributes:
        served: The methods that the resource has at the path.
    """

    served: frozenset[str]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Leave a request to any other route of the application that has it."""
        match, child_scope = super().matches(scope)
        if match is Match.NONE or scope["method"] in _methods_at(scope, route_path(scope)):
            return Match.NONE, {}
        return Match.FULL, child_scope

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
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


class Routes(list[BaseRoute]):
    """The routes that a program adds to a resource, followed by the resource's own.

    So `/orders/stats` is reached whenever it is added, and is not taken for a key.
    """

    def __init__(self) -> None:
        super().__init__()
        self._first: BaseRoute | None = None

    def count_own(self) -> None:
        """Count the routes so far as the resource's own."""
        self._first = self[0] if self else None

    def append(self, route: BaseRoute) -> None:
        """Add a route, before the resource's own ones if these are counted."""
        live_resources.note_change()
        own = (place for place, each in enumerate(self) if each is self._first)
        self.insert(next(own, len(self)), route)


async def answer_nothing() -> None:
    """Be the endpoint of a `Refusal`, which never calls it."""


answer_problems(answer_nothing)


def _with_slash_toggled(path: str) -> str:
    """Return a path without its last slash, or with one if it has none."""
    return path.rstrip("/") if path.endswith("/") else f"{path}/"


def _methods_at(scope: Scope, path: str) -> set[str]:
    """Return the methods for which an application has a route at a path."""
    app = scope.get("app")
    found: set[str] = set()
    for context in contexts_of(app) if isinstance(app, Starlette) else ():
        if not isinstance(context.original_route, Refusal) and _matches(context, path):
            # A route without methods answers all.
            found |= context.methods or {scope["method"]}
    return found


def _matches(context: Any, path: str) -> bool:
    # A mounted application has all paths below its own, so ignore it.
    is_route = isinstance(context.original_route, Route)
    return is_route and context.path_regex.match(path) is not None
