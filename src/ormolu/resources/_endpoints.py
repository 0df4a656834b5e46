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

from ormolu.resources._answers import as_response
from ormolu.resources._placing import Asked, Asking, parameter
from ormolu.resources._routes import Call, Endpoint
from ormolu.web import answer_problems, call_columns, raise_failure

__all__ = ["endpoint_function", "operation_id"]


def endpoint_function(
    endpoint: Endpoint, asking: Asking, session: Callable[..., Any]
) -> Callable[..., Awaitable[Response]]:
    """Return the function that FastAPI calls for an endpoint.

    It keeps no declaration, as FastAPI keeps it for longer than its application.

    Args:
        endpoint: The operation.
        asking: What asks for the policies.
        session: Dependency that gives the session.
    """
    declaration = asking.declaration
    is_guarded = declaration.policy is not None
    path = declaration.path.strip("/")

    async def answer(
        request: Request, response: Response, session: AsyncSession, asked: Asked
    ) -> Response:
        call_columns(request.scope, partial(_call_column, endpoint, asked))
        raise_failure(request.scope)
        call = Call(request, session, asked.exposure, asked.policies)
        call.privacy = asked.privacy
        if is_guarded:
            call.note_policies()
        made = as_response(request, await endpoint.handler(call))
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
    answer.__name__ = f"{endpoint.name}_{path.replace('/', '_')}"
    answer.__doc__ = None
    answer_problems(answer)
    answer.asking = asking  # type: ignore[attr-defined]
    if is_guarded:
        answer.privacy = asking.privacy_in  # type: ignore[attr-defined]
    return answer


def _call_column(endpoint: Endpoint, asked: Asked, column: Any, name: str) -> str | None:
    hidden = asked.exposure.policy(asked.policies).hidden
    return asked.exposure.call(column, name, hidden, is_new=endpoint.name != "update")


def operation_id(endpoint: Endpoint, route: Any) -> str:
    """Return an id by the path with its prefixes: a resource may be included more than once.

    An application's own `generate_unique_id_function` goes before it.
    """
    path = route.path_format.removesuffix(endpoint.path)
    return f"{endpoint.name}_{re.sub(r'[^a-zA-Z0-9]+', '_', path).strip('_')}"
