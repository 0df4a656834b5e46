"""Which policies a route of a resource depends on: those of the application that it is in.

FastAPI calls the dependencies in a function's signature, but a resource is made before its
application is known. So its routes depend on a `PolicyDependency`, another one in each application.
"""

from __future__ import annotations

import inspect
import logging
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple

from fastapi import Depends
from starlette.applications import Starlette
from starlette.requests import Request

from ormolu.errors import ConfigurationError
from ormolu.resources.declare import Declaration, Exposure, Policies, checked_policy
from ormolu.resources.routes._applications import ApplicationResources, all_of, find_resources
from ormolu.resources.routes._collisions import collisions_in
from ormolu.web import (
    Privacy,
    contexts_of,
    dependant_of,
    dependencies_of,
    note_outer,
    solve,
)

__all__ = [
    "BoundRoutes", "PolicyDependency", "ResolvedPolicies", "bind_routes", "opened", "parameter",
]  # fmt: skip

_log = logging.getLogger("ormolu")

_KEY = "ormolu_bound_routes"
_OPENED_KEY = "ormolu_bound_at_start"


class ResolvedPolicies(NamedTuple):
    """The policies of one request.

    Attributes:
        exposure: What the application of the request shows of the resource.
        policies: The policies of all that the request may touch.
        privacy: The cache headers of answers that depend on policies; None without policies.
    """

    exposure: Exposure
    policies: Policies
    privacy: Privacy | None


class PolicyDependency:
    """A dependency that resolves the policies of all that a request may touch in one application.

    Attributes:
        privacy: The cache headers of answers that depend on policies; None without policies.
    """

    # Marks our dependency for those who inspect the routes.
    is_ormolu = True

    def __init__(self, declaration: Declaration, exposure: Exposure | None = None) -> None:
        """Depend on the policies of one application.

        Args:
            declaration: The declaration of the resource.
            exposure: What it shows there; None until the application is known.
        """
        # Weak references, since FastAPI keeps its dependencies longer than the application.
        self._declaration = weakref.ref(declaration)
        reached = [] if exposure is None else exposure.reached
        guarded = [each for each in reached if each.declaration.policy is not None]
        policies = [each.declaration.policy for each in guarded]
        self.privacy: Privacy | None = Privacy(policies) if guarded else None
        self._exposure = None if exposure is None else weakref.ref(exposure)
        self._guarded = [weakref.ref(each) for each in guarded]
        self.__signature__: inspect.Signature = inspect.Signature(
            [
                parameter("request", Request),
                *(
                    parameter(f"policy_{index}", Annotated[Any, Depends(policy)])
                    for index, policy in enumerate(policies)
                ),
            ]
        )

    @property
    def declaration(self) -> Declaration:
        """Return the declaration of the resource.

        Raises:
            ConfigurationError: The resource was garbage collected.
        """
        found = self.live_declaration
        if found is None:
            raise ConfigurationError(_GONE)
        return found

    @property
    def live_declaration(self) -> Declaration | None:
        """Return the declaration of the resource, None if that was garbage collected."""
        return self._declaration()

    def privacy_in(self, app: Any) -> Privacy | None:
        """Return the cache headers of answers in an application, without resolving its policies."""
        if not isinstance(app, Starlette):
            return None
        return bind_routes(app).dependency(self.declaration).privacy

    async def __call__(self, request: Request, **found: Any) -> ResolvedPolicies:
        """Return the policies of a request, when FastAPI calls this dependency.

        Raises:
            ConfigurationError: The application is unknown, or FastAPI cannot resolve its policies.
            RequestValidationError: A parameter of a policy is wrong.
        """
        app = request.scope.get("app")
        note_outer(request.scope)
        exposure = None if self._exposure is None else self._exposure()
        if not isinstance(app, Starlette):
            if exposure is None:
                raise ConfigurationError(_UNPLACED)
        elif exposure is None or exposure.registry is not find_resources(app).registry:
            return await _resolve_again(request, bind_routes(app).dependency(self.declaration))
        policies = {}
        for index, reference in enumerate(self._guarded):
            each = reference()
            assert each is not None
            policies[each] = checked_policy(found[f"policy_{index}"], each.declaration.model)
        return ResolvedPolicies(exposure, policies, self.privacy)


_UNPLACED = (
    "This route is of a resource whose application is not known. Write "
    "app.include_router(the_resource)."
)

_GONE = (
    "This route calls a function of a resource that is gone. Keep the resource as long as its "
    "routes, or write app.include_router(the_resource)."
)


@dataclass
class BoundRoutes:
    """The routes of one application, which depend on its policies.

    Attributes:
        found: The resources of the application.
        dependencies: The policy dependency of each.
        logged: The collisions of paths that were logged.
        literal_paths: Methods and paths of the program's own routes without path parameters.
    """

    found: ApplicationResources
    dependencies: dict[Exposure, PolicyDependency] = field(default_factory=dict)
    logged: set[str] = field(default_factory=set)
    literal_paths: set[tuple[str, str]] = field(default_factory=set)

    def exposure(self, declaration: Declaration) -> Exposure:
        """Return what a resource shows."""
        return self.found.registry.exposure(declaration)

    def dependency(self, declaration: Declaration) -> PolicyDependency:
        """Return the policy dependency of a resource."""
        exposure = self.exposure(declaration)
        if exposure not in self.dependencies:
            self.dependencies[exposure] = PolicyDependency(declaration, exposure)
        return self.dependencies[exposure]


def bind_routes(app: Starlette) -> BoundRoutes:
    """Make each route of an application depend on the policies of the resources in it.

    Raises:
        ConfigurationError: It is not certain what a relation leads to.
    """
    found = find_resources(app)
    bound: BoundRoutes | None = getattr(app.state, _KEY, None)
    if bound is not None and bound.found is found:
        return bound
    is_same = bound is not None and bound.found.registry is found.registry
    logged = set() if bound is None else bound.logged
    bound = BoundRoutes(found, bound.dependencies if bound is not None and is_same else {}, logged)
    contexts = list(contexts_of(app))
    made: dict[Any, Any] = {}
    for context in contexts:
        _bind_route(context, bound, made)
        bound.literal_paths |= _literal_paths_of(context)
    for collision in collisions_in(contexts):
        if collision not in logged:
            logged.add(collision)
            _log.warning("%s", collision)
    setattr(app.state, _KEY, bound)
    return bound


def _bind_route(route: Any, bound: BoundRoutes, made: dict[Any, Any]) -> None:
    """Make an included route depend on the policies of its application.

    Args:
        route: The route.
        bound: The routes of the application.
        made: FastAPI's dependants, by dependency and path; of those without policies for all paths.
    """
    dependencies = dependencies_of(route)
    for index, each in enumerate(dependencies):
        if isinstance(each.call, PolicyDependency):
            dependency, path = bound.dependency(each.call.declaration), route.path_format
            # Only policies ask for parameters of the path.
            place = dependency, path if dependency.privacy else None
            if place not in made:
                made[place] = dependant_of(path, dependency, each.name)
            dependencies[index] = made[place]


def _literal_paths_of(route: Any) -> set[tuple[str, str]]:
    """Return the methods and path of the program's own route, if it has no path parameters."""
    path, methods = getattr(route, "path_format", None), getattr(route, "methods", None)
    is_ours = hasattr(getattr(route, "endpoint", None), "policy_dependency")
    if is_ours or not methods or not path or "{" in path:
        return set()
    return {(method, path) for method in methods}


@asynccontextmanager
async def opened(app: Any) -> AsyncIterator[None]:
    """Be the lifespan of a resource: bind the routes of the application before it serves.

    Raises:
        ConfigurationError: It is not certain what a relation leads to there.
    """
    if not isinstance(app, Starlette) or getattr(app.state, _OPENED_KEY, False):
        # Another resource of the application, whose lifespan is around this one, has done it.
        yield
        return
    for each in all_of(app):
        bind_routes(each)
    setattr(app.state, _OPENED_KEY, True)
    try:
        yield
    finally:
        setattr(app.state, _OPENED_KEY, False)


async def _resolve_again(request: Request, dependency: PolicyDependency) -> ResolvedPolicies:
    """Resolve the policies of the application that a request is for.

    Its route depended on those of another application or of none: the routes have changed, the
    application has not started, or the program has made the route of a resource's function.

    Raises:
        ConfigurationError: FastAPI cannot resolve them.
        RequestValidationError: A parameter of a policy is wrong.
    """
    if dependency.privacy is None:
        return await dependency(request)
    found: ResolvedPolicies = await solve(request, dependency)
    return found


def parameter(name: str, annotation: Any) -> inspect.Parameter:
    """Return a parameter for FastAPI to fill."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
