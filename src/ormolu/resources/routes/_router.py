"""The routes of a resource: its operations, what is said where there is none, and what is added."""

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
from ormolu.resources.declare import Declaration, made
from ormolu.resources.http import Operation, offered_by, read_key
from ormolu.resources.openapi import complete
from ormolu.resources.routes._endpoints import endpoint_function, operation_id
from ormolu.resources.routes._frontdoor import DoorMaker
from ormolu.resources.routes._placing import Asking, opened, place
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
        makers: What makes the door of each route in the document, by method and path.
    """

    is_ormolu = True

    def __init__(self, declaration: Declaration, session: Callable[..., Any]) -> None:
        super().__init__(lifespan=opened)
        own = Routes()
        self.routes: list[BaseRoute] = own
        self.declaration: Declaration = declaration
        self._session = session
        self._asking = Asking(declaration)
        self._own_tags = (declaration.path.strip("/"),)
        self.makers: dict[tuple[str, str], DoorMaker] = {}
        self._build()
        own.count_own()
        self._built = len(own)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Tell whether a request is for one of the routes, quickly where it is not.

        FastAPI asks each included router, and each asks all of its routes: with a hundred
        resources that would take longer than the request itself.
        """
        is_alone = len(self.routes) == self._built
        if is_alone and self.declaration.path not in scope["path"]:
            return Match.NONE, {}
        app = scope.get("app")
        if isinstance(app, Starlette):
            # Before FastAPI calls what a route depends on.
            place(app)
        return super().matches(scope)

    def _build(self) -> None:
        """Make the routes, once: what the program changes of them stays."""
        operations = offered_by(self.declaration)
        base = self.declaration.path
        functions = [self._add(base, operation) for operation in operations]
        # After the rows' own paths: a pattern that ends in a slash matches a line feed after it.
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
        function: Any = endpoint_function(operation, self._asking, self._session)
        function.describe = _describer_of(operation, self._asking)
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


def _describer_of(operation: Operation, asking: Asking) -> Describer:
    """Return what completes an operation in the document of an application."""

    def describe(app: FastAPI, documented: dict[str, Any], schemas: dict[str, Any]) -> None:
        exposure = place(app).exposure(asking.declaration)
        backends = {each.target.url.get_backend_name() for each in app.state.ormolu.engines}
        is_for_sqlite = "sqlite" in backends
        complete(operation, exposure, (documented, schemas), is_for_sqlite=is_for_sqlite)

    return Describer(f"{asking.declaration.name}.{operation.name}", place, describe)


def _class_of(operation: Operation) -> type[APIRoute]:
    return RowRoute if operation.is_of_row else ResourceRoute


def _dependencies(operation: Operation) -> Sequence[Any]:
    # POST too: on SQLite it would wait for those who write.
    return [Depends(only_read)] if operation.name == "query" else []


class ResourceRoute(APIRoute):
    """A route of a resource.

    Attributes:
        declaration: What the resource declares; it lives as long as its routes.
    """

    is_ormolu = True
    declaration: Declaration

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, unless a door that was asked first found that it must fail.

        Raises:
            Exception: What kept the door from answering: a dependency's refusal, say.
        """
        raise_failure(scope)
        await super().handle(scope, receive, send)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request; what a door has asked already is not asked again."""
        ask_and_answer = super().get_route_handler()
        function: Any = self.endpoint

        async def handle(request: Request) -> Response:
            answers = answers_in(request.scope)
            if answers is None:
                return await ask_and_answer(request)
            response = Response()
            response.raw_headers = answers.headers
            session = await function.door.session(request)
            made: Response = await function(
                request=request, response=response, session=session, **answers.values
            )
            return made

        return handle


class RowRoute(ResourceRoute):
    """A route of a row. What is no key of one may be the path of another route."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Leave a path to the route that spells it out, wherever that is, if no row can have it."""
        match, child_scope = super().matches(scope)
        app = scope.get("app")
        if match is Match.FULL and isinstance(app, Starlette):
            asked = (scope["method"], route_path(scope))
            if asked in place(app).spelled and not self._has_key(scope, child_scope):
                return Match.NONE, {}
        return match, child_scope

    def _has_key(self, scope: Scope, child_scope: Scope) -> bool:
        try:
            read_key({**scope, **child_scope}, self.declaration.keys, self.declaration.name)
        except RefusedError:
            return False
        return True


class Refusal(APIRoute):
    """Answers what no route of the application does at a path of a resource: 405, and OPTIONS.

    Attributes:
        served: The methods that the resource has there.
    """

    served: frozenset[str]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Leave a request to whatever else the application has for it, earlier or later."""
        match, child_scope = super().matches(scope)
        if match is Match.NONE or scope["method"] in _methods_at(scope, route_path(scope)):
            return Match.NONE, {}
        return Match.FULL, child_scope

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell what is there.

        Raises:
            HTTPException: 405.
        """
        path, app = route_path(scope), scope.get("app")
        redirects = isinstance(app, Starlette) and app.router.redirect_slashes
        if redirects and scope["method"] in _methods_at(scope, _turned(path)):
            # As Starlette does where nothing has the path.
            location = URL(scope={**scope, "path": _turned(scope["path"])})
            await RedirectResponse(str(location))(scope, receive, send)
            return
        methods = {*self.served, *_methods_at(scope, path), "OPTIONS"}
        headers = {"Allow": ", ".join(sorted(methods))}
        if scope["method"] != "OPTIONS":
            raise HTTPException(405, headers=headers)
        await Response(status_code=204, headers=headers)(scope, receive, send)


class Routes(list[BaseRoute]):
    """The routes that a program adds to a resource, and then the resource's own.

    So `/orders/stats` is reached, and no row's key, whenever it is added.
    """

    def __init__(self) -> None:
        super().__init__()
        self._first: BaseRoute | None = None

    def count_own(self) -> None:
        """Take what is here for the resource's own."""
        self._first = self[0] if self else None

    def append(self, route: BaseRoute) -> None:
        """Add a route, before the resource's own once these are there."""
        made.note_change()
        own = (place for place, each in enumerate(self) if each is self._first)
        self.insert(next(own, len(self)), route)


async def answer_nothing() -> None:
    """Be the function of a `Refusal`, which calls none."""


answer_problems(answer_nothing)


def _turned(path: str) -> str:
    """Return a path without the slash at its end, or with one."""
    return path.rstrip("/") if path.endswith("/") else f"{path}/"


def _methods_at(scope: Scope, path: str) -> set[str]:
    """Return the methods for which an application has a route at a path."""
    app = scope.get("app")
    found: set[str] = set()
    for context in contexts_of(app) if isinstance(app, Starlette) else ():
        if not isinstance(context.original_route, Refusal) and _matches(context, path):
            # A route without methods answers each.
            found |= context.methods or {scope["method"]}
    return found


def _matches(context: Any, path: str) -> bool:
    # Not what is mounted: that has all below its path.
    is_route = isinstance(context.original_route, Route)
    return is_route and context.path_regex.match(path) is not None
