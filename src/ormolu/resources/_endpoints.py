"""The functions that FastAPI calls for the routes of a resource, and what they depend on."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ormolu.resources._answers import as_response
from ormolu.resources._exposures import Exposure, Policies
from ormolu.resources._policy import checked_policy
from ormolu.resources._routes import Call, Endpoint
from ormolu.web import Privacy, answer_problems, call_columns, raise_failure

__all__ = ["endpoint_function", "operation_id", "refusing_endpoint"]


def endpoint_function(
    endpoint: Endpoint, exposure: Exposure, session: Callable[..., Any]
) -> Callable[..., Awaitable[Response]]:
    """Return the function that FastAPI calls for an endpoint."""
    guarded = [each for each in exposure.reached if each.declaration.policy is not None]
    policies_of = _policies_dependency(guarded)
    is_guarded = exposure.declaration.policy is not None
    privacy = Privacy([each.declaration.policy for each in guarded]) if guarded else None

    async def answer(
        request: Request, response: Response, session: AsyncSession, policies: Policies
    ) -> Response:
        call_columns(request.scope, partial(_call_column, endpoint, exposure, policies))
        raise_failure(request.scope)
        call = Call(request, session, exposure, policies)
        call.privacy = privacy
        if is_guarded:
            call.note_policies()
        made = as_response(request, await endpoint.handler(call))
        # What dependencies set, as FastAPI adds it to what it makes of other endpoints' values.
        made.raw_headers.extend(response.raw_headers)
        return made

    answer.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            _parameter("request", Request),
            _parameter("response", Response),
            _parameter("session", Annotated[AsyncSession, Depends(session)]),
            _parameter("policies", Annotated[Any, Depends(policies_of)]),
        ]
    )
    answer.__name__ = f"{endpoint.name}_{exposure.declaration.path.strip('/').replace('/', '_')}"
    answer.__doc__ = None
    answer_problems(answer)
    if is_guarded:
        answer.privacy = privacy  # type: ignore[attr-defined]
    return answer


def _call_column(
    endpoint: Endpoint, exposure: Exposure, policies: Policies, column: Any, name: str
) -> str | None:
    hidden = exposure.policy(policies).hidden
    return exposure.call(column, name, hidden, is_new=endpoint.name != "update")


def _policies_dependency(guarded: Sequence[Exposure]) -> Callable[..., Any]:
    """Return a dependency on the policies of all that a request may touch."""

    async def policies(**found: Any) -> Policies:
        return {
            each: checked_policy(found[f"policy_{index}"], each.declaration.model)
            for index, each in enumerate(guarded)
        }

    policies.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            _parameter(f"policy_{index}", Annotated[Any, Depends(each.declaration.policy)])
            for index, each in enumerate(guarded)
        ]
    )
    return policies


def _parameter(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)


def refusing_endpoint(methods: set[str]) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers the methods that a path does not have: 405, and OPTIONS."""
    allow = ", ".join(sorted({*methods, "OPTIONS"}))

    async def refuse_method(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": allow})
        raise HTTPException(405, headers={"Allow": allow})

    answer_problems(refuse_method)
    return refuse_method


def operation_id(endpoint: Endpoint, route: Any) -> str:
    """Return an id by the path with its prefixes: a resource may be included more than once.

    An application's own `generate_unique_id_function` goes before it.
    """
    path = route.path_format.removesuffix(endpoint.path)
    return f"{endpoint.name}_{re.sub(r'[^a-zA-Z0-9]+', '_', path).strip('_')}"
