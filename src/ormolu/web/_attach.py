"""What `db.attach(app)` puts into an application: gate, lifespan, problem answers, health."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from fastapi.exception_handlers import (
    http_exception_handler,
    request_validation_exception_handler,
)
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount

from ormolu.engines import Engines
from ormolu.errors import ConfigurationError
from ormolu.web._collector import Freezer
from ormolu.web._gate import Gate
from ormolu.web._health import Probe, add_health_routes
from ormolu.web._openapi import document_problems
from ormolu.web._problems import Problems

__all__ = ["attach"]

_FASTAPI_HANDLERS = (http_exception_handler, request_validation_exception_handler)


@dataclass(frozen=True, kw_only=True)
class _Attachment:
    """What an application has of Ormolu, kept in `app.state.ormolu`."""

    problems: Problems
    freezer: Freezer = field(default_factory=Freezer)
    engines: list[Engines] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)


def attach(
    app: FastAPI,
    engines: Engines,
    ping: Callable[[], Awaitable[None]],
    *,
    problem_base_url: str | None,
    health: bool,
) -> None:
    """Give an application a database; see `Database.attach`.

    Raises:
        ConfigurationError: It has it already, or has started.
    """
    attachment = getattr(app.state, "ormolu", None)
    if attachment is None:
        problems = Problems(**({"base_url": problem_base_url} if problem_base_url else {}))
        attachment = app.state.ormolu = _Attachment(problems=problems)
        install_problem_handlers(app, problems)
        document_problems(app)
        if health:
            add_health_routes(app, attachment.probes, problems)
    if engines in attachment.engines:
        message = (
            "This database is attached to this application already. Write db.attach(app) once."
        )
        raise ConfigurationError(message)
    if app.middleware_stack is not None:
        message = "The application has started. Write db.attach(app) right after app = FastAPI()."
        raise ConfigurationError(message)
    attachment.engines.append(engines)
    attachment.probes.append(Probe(ping))
    # Appended: the innermost place, whatever the user adds before or after.
    gate = Middleware(
        Gate, engines=engines, problems=attachment.problems, freezer=attachment.freezer
    )
    app.user_middleware.append(gate)
    _compose_lifespan(app, engines, attachment)


def install_problem_handlers(app: Starlette, problems: Problems) -> None:
    """Let problems answer each class of error for which the application has no handler."""
    for kind, handler in problems.handlers().items():
        keys = (kind, 500) if kind is Exception else (kind,)
        theirs = [app.exception_handlers[key] for key in keys if key in app.exception_handlers]
        if not theirs or theirs[0] in _FASTAPI_HANDLERS:
            app.exception_handlers[kind] = handler


def _compose_lifespan(app: FastAPI, engines: Engines, attachment: _Attachment) -> None:
    """Open before the user's lifespan begins, close after it has ended."""
    theirs: Any = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncIterator[Mapping[str, Any] | None]:
        _warn_of_ignored_events(application, theirs)
        _equip_mounted(application, attachment.problems)
        await engines.open()
        attachment.freezer.begin()
        try:
            async with theirs(application) as state:
                yield state
        finally:
            attachment.freezer.end()
            await engines.close()

    app.router.lifespan_context = lifespan  # type: ignore[assignment]


def _warn_of_ignored_events(app: FastAPI, lifespan: object) -> None:
    """Say that FastAPI runs no on_event handler beside a lifespan; it does not say so itself."""
    events = [*app.router.on_startup, *app.router.on_shutdown]
    if events and getattr(lifespan, "__wrapped__", None) is not None:
        names = ", ".join(getattr(event, "__name__", "?") for event in events)
        message = f"FastAPI ignores on_event handlers beside lifespan=: {names}. Move them into it."
        warnings.warn(message, RuntimeWarning, stacklevel=2)


def _equip_mounted(app: Starlette, problems: Problems) -> None:
    """Let mounted applications, which handle their own exceptions, answer with problems too."""
    for route in app.routes:
        mounted = route.app if isinstance(route, Mount) else None
        if isinstance(mounted, Starlette):
            install_problem_handlers(mounted, problems)
            _equip_mounted(mounted, problems)
