"""The functions that FastAPI calls for the routes of a resource."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from functools import partial
from math import inf
from typing import Annotated, Any

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from ormolu.resources.declare import isolate_policies
from ormolu.resources.http import Call, Operation, RequestBody, SessionExecutor
from ormolu.resources.routes._binding import PolicyDependency, ResolvedPolicies, parameter
from ormolu.resources.routes._frontdoor import DoorMaker
from ormolu.resources.routes._guarded import answer_by_work
from ormolu.transactions import Access
from ormolu.web import (
    Reply,
    Sent,
    answer_problems,
    attempt,
    call_columns,
    is_handed_over,
    lanes_for,
    mark_deadline,
    note_privacy,
    note_stored,
    raise_failure,
    settle,
)

__all__ = ["endpoint_function", "operation_id"]

# Seconds that a list may take where nobody says how long: any client can ask for a slow one.
_LIST = 30.0


def endpoint_function(
    operation: Operation, dependency: PolicyDependency, session: Callable[..., Any]
) -> Callable[..., Awaitable[Response]]:
    """Return the function that FastAPI calls for an operation.

    It refers to no declaration, since FastAPI keeps it longer than its application.

    Args:
        operation: The operation.
        dependency: The dependency that resolves the policies.
        session: The dependency that returns the session.
    """
    declaration = dependency.declaration
    is_guarded = declaration.policy is not None
    path = declaration.path.strip("/")

    async def answer(
        request: Request, response: Response, session: AsyncSession, resolved: ResolvedPolicies
    ) -> Response:
        scope = request.scope
        # A route that the program makes of this function has not raised it yet.
        raise_failure(scope)
        call_columns(scope, partial(_call_column, operation, resolved))
        if is_guarded and resolved.privacy is not None:
            note_privacy(scope, resolved.privacy)
        body = RequestBody(request)
        reply = await answer_on_lane(session, maker, scope, body, resolved)
        if reply is None:
            executor = SessionExecutor(
                resolved.exposure, session, isolate_policies(resolved.policies)
            )
            call = Call(scope, body, resolved.exposure.declaration, executor, resolved.privacy)
            reply = await operation.handler(call)
        made = _response_of(reply, scope)
        # Add the headers that dependencies have set, as FastAPI does for other endpoints.
        made.raw_headers.extend(response.raw_headers)
        return made

    answer.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            parameter("request", Request),
            parameter("response", Response),
            parameter("session", Annotated[AsyncSession, Depends(session)]),
            parameter("resolved", Annotated[Any, Depends(dependency)]),
        ]
    )
    answer.__name__ = f"{operation.name}_{path.replace('/', '_')}"
    answer.__doc__ = None
    answer_problems(answer)
    mark_deadline(answer, declaration.deadline, _LIST if operation.needs == "list" else inf)
    answer.policy_dependency = dependency  # type: ignore[attr-defined]
    if is_guarded:
        answer.privacy = dependency.privacy_in  # type: ignore[attr-defined]
    maker = DoorMaker(operation, dependency, answer, session)
    answer.door = maker  # type: ignore[attr-defined]
    return answer


async def answer_on_lane(
    session: AsyncSession, maker: DoorMaker, scope: Scope, body: Sent, resolved: ResolvedPolicies
) -> Reply | None:
    """Answer a request on a lane; None leaves it to the session.

    Raises:
        UnavailableError: The outcome is unknown, or the database is not available.
        Exception: The outcome of a write is unknown.
    """
    if is_handed_over(scope):
        return None
    at_hand = lanes_for(scope, session, Access.READ if maker.is_read else Access.WRITE)
    if at_hand is None:
        return None
    name = f"{scope['method']} {resolved.exposure.declaration.path}"
    answer = answer_by_work(maker.operation, scope, body, at_hand, resolved)
    reply = await attempt(answer, maker, name)
    if reply is not None and not maker.is_read:
        note_stored(scope)
        settle(scope)
    return reply


def _response_of(reply: Reply, scope: Scope) -> Response:
    """Return the response for Starlette; to a HEAD without the body."""
    made = Response(status_code=reply.status)
    made.body = b"" if scope["method"] == "HEAD" else reply.body
    made.raw_headers = [*reply.headers]
    return made


def _call_column(
    operation: Operation, resolved: ResolvedPolicies, column: Any, name: str
) -> str | None:
    hidden = resolved.exposure.policy(resolved.policies).hidden
    return resolved.exposure.client_name(column, name, hidden, is_new=operation.name != "update")


def operation_id(operation: Operation, route: Any) -> str:
    """Return an id made of the path with its prefixes: a resource may be included twice.

    An application's own `generate_unique_id_function` replaces it.
    """
    path = route.path_format.removesuffix(operation.path)
    return f"{operation.name}_{re.sub(r'[^a-zA-Z0-9]+', '_', path).strip('_')}"
