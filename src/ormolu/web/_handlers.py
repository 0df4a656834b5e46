"""Which errors of an application are answered as problems, and which as FastAPI would."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.exception_handlers import (
    http_exception_handler,
    request_validation_exception_handler,
)
from fastapi.exceptions import RequestValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Scope

from ormolu.errors import ConfigurationError
from ormolu.web._problems import Handler, Problems
from ormolu.web._tables import mounted_in

__all__ = [
    "ProblemReach", "answer_problems", "check_reach", "equip_mounted", "equip_reached",
    "install_handlers",
]  # fmt: skip

# "resources": routes of resources, and what only Ormolu answers, such as errors of the database.
ProblemReach = Literal["all", "resources"]

_MARK = "ormolu_answers_problems"


def answer_problems(endpoint: Callable[..., Any]) -> None:
    """Mark an endpoint whose errors are problems, whatever the application's others are."""
    setattr(endpoint, _MARK, True)


def check_reach(reach: ProblemReach) -> None:
    """Refuse what is neither.

    Raises:
        ConfigurationError: It is neither.
    """
    if reach not in {"all", "resources"}:
        message = (
            f'attach(problems={reach!r}): write "all", or "resources" to keep FastAPI\'s answers '
            "to the HTTPExceptions and validation errors of your own routes."
        )
        raise ConfigurationError(message)


def install_handlers(app: Starlette, problems: Problems, reach: ProblemReach) -> None:
    """Let problems answer each class of error for which the application has no handler."""
    for kind, handler in problems.handlers().items():
        keys = (kind, 500) if kind is Exception else (kind,)
        theirs = [app.exception_handlers[key] for key in keys if key in app.exception_handlers]
        default = _DEFAULTS.get(kind)
        if theirs and theirs[0] is not default:
            continue
        if reach == "all" or default is None:
            app.exception_handlers[kind] = handler
        elif isinstance(app, FastAPI):
            app.exception_handlers[kind] = _OfResources(handler, default)


def equip_reached(scope: Scope, problems: Problems, reach: ProblemReach) -> None:
    """Let an application answer with problems that was found by a request, and has begun with it.

    Args:
        scope: Of the request, within the application.
        problems: Those of the application around it.
        reach: What that has chosen.
    """
    app: Starlette = scope["app"]
    install_handlers(app, problems, reach)
    # Its layers are made already: Starlette shows them to what is within.
    handlers, _ = scope.get("starlette.exception_handlers", ({}, {}))
    others = app.exception_handlers.keys() - {Exception, HTTPStatus.INTERNAL_SERVER_ERROR}
    handlers.update({kind: app.exception_handlers[kind] for kind in others})


def equip_mounted(app: Starlette, problems: Problems, reach: ProblemReach) -> None:
    """Let mounted applications, which handle their own exceptions, answer with problems too."""
    for mounted in mounted_in(app):
        install_handlers(mounted, problems, reach)
        equip_mounted(mounted, problems, reach)


async def _answer_crash(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("Internal Server Error", status_code=500)


# What FastAPI and Starlette answer where an application has no handler.
_DEFAULTS: dict[type[Exception], Callable[..., Awaitable[Response]]] = {
    Exception: _answer_crash,
    HTTPException: http_exception_handler,
    RequestValidationError: request_validation_exception_handler,
}


@dataclass(frozen=True)
class _OfResources:
    """A handler of ours for the routes of resources, FastAPI's for all others."""

    ours: Handler
    theirs: Handler

    async def __call__(self, request: Request, error: Exception) -> Response:
        is_ours = getattr(request.scope.get("endpoint"), _MARK, False)
        return await (self.ours if is_ours else self.theirs)(request, error)
