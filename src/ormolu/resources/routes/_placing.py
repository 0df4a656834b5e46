"""Which policies a route of a resource asks for: those of the application that it is in.

FastAPI calls what a function's signature names, and a resource is made before its application is
known. So its routes depend on `Asking`, which is another one for each application.
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
from ormolu.resources.routes._applications import Found, all_of, find_resources
from ormolu.resources.routes._collisions import collisions_in
from ormolu.web import Privacy, contexts_of, dependant_of, dependencies_of, solve

__all__ = ["Asked", "Asking", "Placed", "opened", "parameter", "place"]

_log = logging.getLogger("ormolu")

_KEY = "ormolu_placed"


class Asked(NamedTuple):
    """What one request has of a resource.

    Attributes:
        exposure: What is shown in the application that it is for.
        policies: What its policies allow.
        privacy: What answers that depend on them tell caches; None without any.
    """

    exposure: Exposure
    policies: Policies
    privacy: Privacy | None


class Asking:
    """Asks for the policies of all that a request of a resource may touch in one application.

    Attributes:
        privacy: What answers that depend on policies tell caches; None without any.
    """

    # For whoever compares what FastAPI calls with what a function asks for.
    is_ormolu = True

    def __init__(self, declaration: Declaration, exposure: Exposure | None = None) -> None:
        """Ask for the policies of one application.

        Args:
            declaration: What the resource declares.
            exposure: What it shows there; None until the application is known.
        """
        # Weak, as the exposure is: FastAPI keeps what it calls for longer than the application.
        self._declaration = weakref.ref(declaration)
        reached = [] if exposure is None else exposure.reached
        guarded = [each for each in reached if each.declaration.policy is not None]
        policies = [each.declaration.policy for each in guarded]
        self.privacy = Privacy(policies) if guarded else None
        self._exposure = None if exposure is None else weakref.ref(exposure)
        self._guarded = [weakref.ref(each) for each in guarded]
        self.__signature__ = inspect.Signature(
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
        """Return what the resource declares.

        Raises:
            ConfigurationError: Nobody has it any more.
        """
        found = self.kept
        if found is None:
            raise ConfigurationError(_GONE)
        return found

    @property
    def kept(self) -> Declaration | None:
        """Return what the resource declares, None if nobody has it any more."""
        return self._declaration()

    def privacy_in(self, app: Any) -> Privacy | None:
        """Return what answers tell caches in an application, before its policies are asked."""
        if not isinstance(app, Starlette):
            return None
        return place(app).asking(self.declaration).privacy

    async def __call__(self, request: Request, **found: Any) -> Asked:
        """Return what a request has, as FastAPI calls a dependency.

        Raises:
            ConfigurationError: The application is not known, or FastAPI cannot be asked.
            RequestValidationError: A policy has no use for the request.
        """
        app = request.scope.get("app")
        exposure = None if self._exposure is None else self._exposure()
        if not isinstance(app, Starlette):
            if exposure is None:
                raise ConfigurationError(_UNPLACED)
        elif exposure is None or exposure.registry is not find_resources(app).registry:
            return await _ask_again(request, place(app).asking(self.declaration))
        policies = {}
        for index, reference in enumerate(self._guarded):
            each = reference()
            assert each is not None
            policies[each] = checked_policy(found[f"policy_{index}"], each.declaration.model)
        return Asked(exposure, policies, self.privacy)


_UNPLACED = (
    "This route is of a resource whose application is not known. Write "
    "app.include_router(the_resource)."
)

_GONE = (
    "This route calls a function of a resource that is gone. Keep the resource as long as its "
    "routes, or write app.include_router(the_resource)."
)


@dataclass
class Placed:
    """The routes of one application, of which each asks for its policies.

    Attributes:
        found: The resources of the application.
        askings: What asks for the policies of each.
        told: What was said of their paths.
        spelled: Methods and whole paths of the program's own routes.
    """

    found: Found
    askings: dict[Exposure, Asking] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    spelled: set[tuple[str, str]] = field(default_factory=set)

    def exposure(self, declaration: Declaration) -> Exposure:
        """Return what a resource shows."""
        return self.found.registry.exposure(declaration)

    def asking(self, declaration: Declaration) -> Asking:
        """Return what asks for the policies of a resource."""
        exposure = self.exposure(declaration)
        if exposure not in self.askings:
            self.askings[exposure] = Asking(declaration, exposure)
        return self.askings[exposure]


def place(app: Starlette) -> Placed:
    """Let each route of an application ask for the policies of the resources in it.

    Raises:
        ConfigurationError: It is not certain what a relation leads to.
    """
    found = find_resources(app)
    placed: Placed | None = getattr(app.state, _KEY, None)
    if placed is not None and placed.found is found:
        return placed
    is_same = placed is not None and placed.found.registry is found.registry
    told = set() if placed is None else placed.told
    placed = Placed(found, placed.askings if placed is not None and is_same else {}, told)
    contexts = list(contexts_of(app))
    made: dict[Any, Any] = {}
    for context in contexts:
        _place_route(context, placed, made)
        placed.spelled |= _spelled_by(context)
    for collision in collisions_in(contexts):
        if collision not in told:
            told.add(collision)
            _log.warning("%s", collision)
    setattr(app.state, _KEY, placed)
    return placed


def _place_route(route: Any, placed: Placed, made: dict[Any, Any]) -> None:
    """Let a route, as it is included, ask for the policies of an application.

    Args:
        route: The route.
        placed: The resources of the application.
        made: What FastAPI has made of what is asked, by path.
    """
    dependencies = dependencies_of(route)
    for index, each in enumerate(dependencies):
        if isinstance(each.call, Asking):
            asking, path = placed.asking(each.call.declaration), route.path_format
            if (asking, path) not in made:
                made[asking, path] = dependant_of(path, asking, each.name)
            dependencies[index] = made[asking, path]


def _spelled_by(route: Any) -> set[tuple[str, str]]:
    """Return the methods and the path of a route of the program's own, if it is of one path."""
    path, methods = getattr(route, "path_format", None), getattr(route, "methods", None)
    is_ours = hasattr(getattr(route, "endpoint", None), "asking")
    if is_ours or not methods or not path or "{" in path:
        return set()
    return {(method, path) for method in methods}


@asynccontextmanager
async def opened(app: Any) -> AsyncIterator[None]:
    """Be the lifespan of a resource: look at the application before it serves.

    Raises:
        ConfigurationError: It is not certain what a relation leads to there.
    """
    for each in all_of(app) if isinstance(app, Starlette) else ():
        place(each)
    yield


async def _ask_again(request: Request, asking: Asking) -> Asked:
    """Ask for the policies of the application that a request is for.

    Its route asked for those of another one, or of none: it was made by hand of a resource's, and
    the application's routes have changed, or it has not started.

    Raises:
        ConfigurationError: FastAPI cannot be asked for them.
        RequestValidationError: A policy has no use for the request.
    """
    if asking.privacy is None:
        return await asking(request)
    found: Asked = await solve(request, asking)
    return found


def parameter(name: str, annotation: Any) -> inspect.Parameter:
    """Return a parameter for FastAPI to fill."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
