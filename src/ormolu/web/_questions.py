"""What a route depends on, asked of FastAPI by a door: its own way to a function is passed by.

FastAPI calls the dependencies as ever; a door only asks earlier, before routing. What they raise
is raised by the route, and what they return is not asked for again if the door hands over.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from ormolu.web._fastapi import dependant_of, is_body_counted, solver
from ormolu.web._steps import step_of
from ormolu.web._survey import is_ours

__all__ = ["Answers", "Questions", "answers_in", "may_refuse_later", "why_not_asked"]

_KEY = "ormolu.answers"


class Answers(NamedTuple):
    """What the dependencies of a request returned.

    Attributes:
        endpoint: The route's function.
        values: By the parameters of that.
        headers: What they add to the answer's.
    """

    endpoint: Callable[..., Any]
    values: Mapping[str, Any]
    headers: list[tuple[bytes, bytes]]


class Questions:
    """Asks for all that a route depends on but its session."""

    def __init__(self, context: Any, session: Callable[..., Any]) -> None:
        """Look at a route, of which `why_not_asked` found nothing.

        Args:
            context: The route, as it is included.
            session: Its dependency that gives the session.
        """
        self._provider = context.dependency_overrides_provider
        self._root = dependant_of(context.path_format, _answer_nothing)
        self._root.dependencies = _asked_by(context, session)
        self._step = step_of(self._root)
        self._endpoint: Callable[..., Any] = context.endpoint

    async def ask(self, request: Request) -> Answers:
        """Return what the dependencies return for a request.

        Raises:
            RequestValidationError: Something that they ask for is missing or wrong.
            Exception: One refuses the request.
        """
        if self._step is not None:
            response = Response()
            # As FastAPI has it: the status and the length are not known yet.
            del response.headers["content-length"]
            response.status_code = None  # type: ignore[assignment]
            values, errors = await self._step.ask(request, response, {})
        else:
            values, errors, response = await self._solve(request)
        if errors:
            raise RequestValidationError(errors)
        answers = request.scope[_KEY] = Answers(self._endpoint, values, response.raw_headers)
        return answers

    async def _solve(self, request: Request) -> tuple[dict[str, Any], list[Any], Response]:
        scope = request.scope
        # Nothing of these routes ends later; FastAPI looks for both all the same.
        async with AsyncExitStack() as stack:
            scope["fastapi_inner_astack"] = scope["fastapi_function_astack"] = stack
            solved = await solver()(
                request=request, dependant=self._root, async_exit_stack=stack,
                dependency_overrides_provider=self._provider, embed_body_fields=False,
            )  # fmt: skip
        return solved.values, solved.errors, solved.response


async def _answer_nothing() -> None:
    """Be the function that asks for what a route depends on."""


def answers_in(scope: Scope) -> Answers | None:
    """Return what the dependencies of a request's route returned, if its door has asked."""
    answers: Answers | None = scope.get(_KEY)
    if answers is None or answers.endpoint is not scope.get("endpoint"):
        return None
    return answers


def why_not_asked(context: Any, session: Callable[..., Any]) -> str | None:
    """Return why only FastAPI can call what a route depends on; None if it may be asked."""
    if solver() is None:
        return "this version of FastAPI has no solve_dependencies"
    if not is_ours(context.original_route):
        return "its route is made by hand, and would ask again"
    waiting, found = _asked_by(context, session), []
    while waiting:
        each = waiting.pop()
        found.append(each)
        waiting += each.dependencies
    if any(_ends_later(each.call) for each in found):
        return "a dependency ends after its route: it has a yield"
    asks = ("body_params", "background_tasks_param_name")
    if any(getattr(each, name, True) for each in found for name in asks):
        return "a dependency asks for the body, or for background tasks"
    return None


def may_refuse_later(scope: Scope) -> bool:
    """Tell whether a request may be refused after its route, and before the answer leaves.

    By a dependency of scope "function" that ends then, or because its body, which need not have
    been read, is too large. The request is rolled back then.
    """
    context = scope.get("fastapi", {}).get("effective_route_context", scope.get("route"))
    dependant = getattr(context, "dependant", None)
    if dependant is None or is_body_counted(scope):
        return True
    waiting = [dependant]
    while waiting:
        each = waiting.pop()
        if each.scope == "function" and _ends_later(each.call):
            return True
        waiting += each.dependencies
    return False


def _asked_by(context: Any, session: Callable[..., Any]) -> list[Any]:
    return [each for each in context.dependant.dependencies if each.call is not session]


def _ends_later(call: Any) -> bool:
    """Tell whether a dependency goes on after its value is used."""
    while isinstance(call, functools.partial):
        call = call.func
    call = inspect.unwrap(call)
    if inspect.isclass(call):
        return False
    kinds = (call, inspect.unwrap(getattr(call, "__call__", call)))  # noqa: B004 -- as FastAPI
    return any(inspect.isgeneratorfunction(each) or inspect.isasyncgenfunction(each)
               for each in kinds)  # fmt: skip
