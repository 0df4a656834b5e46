"""What a route depends on, read once: FastAPI reads it anew for each request.

The functions are called as FastAPI calls them: each once for a request, with what it asks for.
Scopes of OAuth and limits are FastAPI's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ormolu.web._fastapi import is_awaited, parameter_reader, read_dependant
from ormolu.web._parameters import reader_of

__all__ = ["Step", "step_of"]

# Where in a request the parameters of each kind are.
_SOURCES: dict[str, Callable[[Request], Mapping[str, Any]]] = {
    "path_params": attrgetter("path_params"),
    "query_params": attrgetter("query_params"),
    "header_params": attrgetter("headers"),
    "cookie_params": attrgetter("cookies"),
}

# What else a function may ask for by its type.
_GIVEN = ("request_param_name", "http_connection_param_name", "response_param_name")

_OTHERS = (
    "background_tasks_param_name", "body_params", "concurrency", "own_oauth_scopes",
    "parent_oauth_scopes", "security_scopes_param_name", "websocket_param_name",
)  # fmt: skip

# What the functions have returned, by themselves and the scope that they are asked in.
_Found = dict[tuple[Any, Any], Any]


class Step:
    """A function that is called for a request, after those that it asks.

    Attributes:
        name: Of the parameter that gets its result; None if nobody does.
        call: The function.
    """

    def __init__(self, dependant: Any, steps: Sequence[Step]) -> None:
        self.name: str | None = dependant.name
        self.call: Callable[..., Any] = dependant.call
        self._key = (dependant.call, dependant.scope)
        self._is_shared = dependant.use_cache
        self._is_awaited = is_awaited(dependant.call)
        self._steps = steps
        self._parameters = [
            (reader_of(getattr(dependant, kind)), source)
            for kind, source in _SOURCES.items()
            if getattr(dependant, kind)
        ]
        names = [getattr(dependant, each) for each in _GIVEN]
        self._requests = [name for name in names[:2] if name]
        self._response: str | None = names[2]

    async def ask(
        self, request: Request, response: Response, found: _Found
    ) -> tuple[dict[str, Any], list[Any]]:
        """Return the arguments of the function, and what is wrong with the request for them.

        Args:
            request: Of a client.
            response: Whose headers are added to the answer's.
            found: What functions have returned for this request.
        """
        values: dict[str, Any] = {}
        errors: list[Any] = []
        for step in self._steps:
            await step.add_to(values, errors, request, response, found)
        for read, source in self._parameters:
            found_here, wrong = read(source(request))
            values.update(found_here)
            errors += wrong
        for name in self._requests:
            values[name] = request
        if self._response is not None:
            values[self._response] = response
        return values, errors

    async def add_to(
        self,
        values: dict[str, Any],
        errors: list[Any],
        request: Request,
        response: Response,
        found: _Found,
    ) -> None:
        """Call the function, unless that was done, and add its result to others' arguments."""
        if self._is_shared and self._key in found:
            result = found[self._key]
        else:
            arguments, wrong = await self.ask(request, response, found)
            if wrong:
                errors += wrong
                return
            if self._is_awaited:
                result = await self.call(**arguments)
            else:
                result = await run_in_threadpool(self.call, **arguments)
            found.setdefault(self._key, result)
        if self.name is not None:
            values[self.name] = result


def step_of(dependant: Any) -> Step | None:
    """Return the step that FastAPI would take for a function; None if only FastAPI can.

    Args:
        dependant: What FastAPI keeps of the function.
    """
    if parameter_reader() is None:
        return None
    try:
        read_dependant(dependant)
        others = [getattr(dependant, name) for name in _OTHERS]
    except AttributeError:
        return None
    if any(others):
        return None
    steps = [step_of(each) for each in dependant.dependencies]
    known = [each for each in steps if each is not None]
    return Step(dependant, known) if len(known) == len(steps) else None
