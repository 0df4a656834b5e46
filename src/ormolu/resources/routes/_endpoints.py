"""The functions that FastAPI calls for the routes of a resource."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from ormolu.resources.declare import apart
from ormolu.resources.http import Call, Operation, RequestBody, SessionExecutor
from ormolu.resources.routes._frontdoor import DoorMaker
from ormolu.resources.routes._guarded import answer_by_work
from ormolu.resources.routes._placing import Asked, Asking, parameter
from ormolu.transactions import Access
from ormolu.web import (
    Reply,
    Sent,
    answer_problems,
    attempt,
    call_columns,
    is_handed_over,
    lanes_for,
    note_privacy,
    raise_failure,
)

__all__ = ["endpoint_function", "operation_id"]


def endpoint_function(
    operation: Operation, asking: Asking, session: Callable[..., Any]
) -> Callable[..., Awaitable[Response]]:
    """Return the function that FastAPI calls for an operation.

    It keeps no declaration, as FastAPI keeps it for longer than its application.

    Args:
        operation: It.
        asking: What asks for the policies.
        session: Dependency that gives the session.
    """
    declaration = asking.declaration
    is_guarded = declaration.policy is not None
    path = declaration.path.strip("/")

    async def answer(
        request: Request, response: Response, session: AsyncSession, asked: Asked
    ) -> Response:
        scope = request.scope
        # A route that is made by hand of this function does not raise it earlier.
        raise_failure(scope)
        call_columns(scope, partial(_call_column, operation, asked))
        if is_guarded and asked.privacy is not None:
            note_privacy(scope, asked.privacy)
        body = RequestBody(request)
        reply = await answer_beside(session, maker, scope, body, asked)
        if reply is None:
            executor = SessionExecutor(asked.exposure, session, apart(asked.policies))
            call = Call(scope, body, asked.exposure.declaration, executor, asked.privacy)
            reply = await operation.handler(call)
        made = _response_of(reply, scope)
        # What dependencies set, as FastAPI adds it to what it makes of other endpoints' values.
        made.raw_headers.extend(response.raw_headers)
        return made

    answer.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            parameter("request", Request),
            parameter("response", Response),
            parameter("session", Annotated[AsyncSession, Depends(session)]),
            parameter("asked", Annotated[Any, Depends(asking)]),
        ]
    )
    answer.__name__ = f"{operation.name}_{path.replace('/', '_')}"
    answer.__doc__ = None
    answer_problems(answer)
    answer.asking = asking  # type: ignore[attr-defined]
    if is_guarded:
        answer.privacy = asking.privacy_in  # type: ignore[attr-defined]
    maker = DoorMaker(operation, asking, answer, session)
    answer.door = maker  # type: ignore[attr-defined]
    return answer


async def answer_beside(
    session: AsyncSession, maker: DoorMaker, scope: Scope, body: Sent, asked: Asked
) -> Reply | None:
    """Answer a request on a lane instead of in its session; None leaves it to that.

    Raises:
        UnavailableError: There is no outcome, and none to be had by trying again.
        Exception: Of a write: nobody knows what came of it.
    """
    if is_handed_over(scope):
        return None
    at_hand = lanes_for(scope, session, Access.READ if maker.is_read else Access.WRITE)
    if at_hand is None:
        return None
    name = f"{scope['method']} {asked.exposure.declaration.path}"
    answer = answer_by_work(maker.operation, scope, body, at_hand, asked)
    return await attempt(answer, maker, name)


def _response_of(reply: Reply, scope: Scope) -> Response:
    """Return what Starlette sends; for HEAD the headers alone."""
    made = Response(status_code=reply.status)
    made.body = b"" if scope["method"] == "HEAD" else reply.body
    made.raw_headers = [*reply.headers]
    return made


def _call_column(operation: Operation, asked: Asked, column: Any, name: str) -> str | None:
    hidden = asked.exposure.policy(asked.policies).hidden
    return asked.exposure.call(column, name, hidden, is_new=operation.name != "update")


def operation_id(operation: Operation, route: Any) -> str:
    """Return an id by the path with its prefixes: a resource may be included more than once.

    An application's own `generate_unique_id_function` goes before it.
    """
    path = route.path_format.removesuffix(operation.path)
    return f"{operation.name}_{re.sub(r'[^a-zA-Z0-9]+', '_', path).strip('_')}"
