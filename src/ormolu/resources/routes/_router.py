"""The routes of a resource: its operations, and those that a program adds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.datastructures import Default
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from ormolu.resources.declare import Declaration, live_resources
from ormolu.resources.http import Operation, offered_by
from ormolu.resources.openapi import complete
from ormolu.resources.routes._binding import PolicyDependency, bind_routes, opened
from ormolu.resources.routes._endpoints import endpoint_function, operation_id
from ormolu.resources.routes._frontdoor import DoorMaker
from ormolu.resources.routes._routes import ResourceRoute, RowRoute, share_paths
from ormolu.web import Describer, only_read

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
        share_paths([self._add(base, operation) for operation in operations])

    def _add(self, base: str, operation: Operation) -> ResourceRoute:
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
        route = self.routes[-1]
        assert isinstance(route, ResourceRoute)
        route.declaration, route.others = declaration, frozenset(others)
        return route


def _describer_of(operation: Operation, dependency: PolicyDependency) -> Describer:
    """Return the describer that completes an operation in the document of an application."""

    def describe(app: FastAPI, documented: dict[str, Any], schemas: dict[str, Any]) -> None:
        exposure = bind_routes(app).exposure(dependency.declaration)
        backends = {each.target.url.get_backend_name() for each in app.state.ormolu.engines}
        is_for_sqlite = "sqlite" in backends
        complete(operation, exposure, (documented, schemas), is_for_sqlite=is_for_sqlite)

    return Describer(f"{dependency.declaration.name}.{operation.name}", bind_routes, describe)


def _class_of(operation: Operation) -> type[ResourceRoute]:
    return RowRoute if operation.is_of_row else ResourceRoute


def _dependencies(operation: Operation) -> Sequence[Any]:
    # A QUERY by POST reads, too: on SQLite it would wait for writers.
    return [Depends(only_read)] if operation.name == "query" else []


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
