"""What `db.attach(app)` puts into an application: gate, lifespan, problem answers, health."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.types import Scope

from ormolu.engines import Engines
from ormolu.errors import ConfigurationError
from ormolu.sessions import UnitSession
from ormolu.web._collector import Freezer
from ormolu.web._fastapi import wrap_application
from ormolu.web._gate import Gate
from ormolu.web._handlers import (
    ProblemReach,
    check_reach,
    equip_mounted,
    equip_reached,
    install_handlers,
)
from ormolu.web._health import PROBES, Probe, add_health_routes
from ormolu.web._openapi import document_problems
from ormolu.web._outer import hear_outer
from ormolu.web._overload import Overload, OverloadMode, check_overload
from ormolu.web._problems import Problems
from ormolu.web._survey import check_routes
from ormolu.web._tables import mounted_in
from ormolu.web._tokens import Tokens
from ormolu.web._units import units_of

__all__ = ["attach", "attached_applications", "attached_databases", "attached_engines"]

# Those that the program holds: what a resource is in is for their routes to say.
_applications: weakref.WeakSet[FastAPI] = weakref.WeakSet()


@dataclass(frozen=True, kw_only=True)
class _Attachment:
    """What an application has of Ormolu, kept in `app.state.ormolu`."""

    problems: Problems
    reach: ProblemReach
    freezer: Freezer = field(default_factory=Freezer)
    engines: list[Engines] = field(default_factory=list)
    databases: list[Any] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)


def attach(
    app: FastAPI,
    engines: Engines,
    ping: Callable[[], Awaitable[None]],
    *,
    database: object,
    problem_base_url: str | None,
    reach: ProblemReach,
    health: bool,
    overload: OverloadMode,
) -> None:
    """Give an application a database; see `Database.attach`.

    Raises:
        ConfigurationError: It has it already, or has started, or an option is wrong.
    """
    check_reach(reach)
    check_overload(overload)
    attachment = getattr(app.state, "ormolu", None)
    if attachment is None:
        problems = Problems(**({"base_url": problem_base_url} if problem_base_url else {}))
        attachment = app.state.ormolu = _Attachment(problems=problems, reach=reach)
        install_handlers(app, problems, reach)
        document_problems(app, is_everywhere=reach == "all")
        if health:
            add_health_routes(app, attachment.probes, problems)
        if overload != "off":
            wrap_application(
                app,
                partial(
                    Overload,
                    type_=f"{problems.base_url}overloaded",
                    always=PROBES if health else (),
                ),
            )
    if engines in attachment.engines:
        message = (
            "This database is attached to this application already. Write db.attach(app) once."
        )
        raise ConfigurationError(message)
    if app.middleware_stack is not None:
        message = "The application has started. Write db.attach(app) right after app = FastAPI()."
        raise ConfigurationError(message)
    attachment.engines.append(engines)
    attachment.databases.append(database)
    _applications.add(app)
    attachment.probes.append(Probe(ping, engines))
    if engines.has_replicas:
        app.user_middleware.append(Middleware(Tokens, engines=engines))
    # Appended: the innermost place, whatever the user adds before or after.
    gate = Middleware(
        Gate, engines=engines, problems=attachment.problems, freezer=attachment.freezer
    )
    app.user_middleware.append(gate)
    _compose_lifespan(app, engines, attachment)


def attached_applications(session: object = None) -> list[FastAPI]:
    """Return the applications that have a database; of a session, those that have its own."""
    engines = session.engines if isinstance(session, UnitSession) else None
    return [
        each
        for each in list(_applications)
        if engines is None or engines in each.state.ormolu.engines
    ]


def attached_engines(app: FastAPI) -> list[Engines]:
    """Return the databases that are attached to an application."""
    attachment: _Attachment | None = getattr(app.state, "ormolu", None)
    return [] if attachment is None else list(attachment.engines)


def attached_databases(app: FastAPI) -> list[Any]:
    """Return the databases that are attached to an application, and to those mounted in it."""
    attachment: _Attachment | None = getattr(app.state, "ormolu", None)
    found = [] if attachment is None else list(attachment.databases)
    for mounted in mounted_in(app):
        if isinstance(mounted, FastAPI):
            found.extend(attached_databases(mounted))
    return found


def _equip(scope: Scope) -> None:
    """Have an application that code of the program's own leads to answer as the one around it."""
    if getattr(scope["app"].state, "ormolu", None) is not None:
        return
    units = units_of(scope)
    for each in attached_applications():
        attachment: _Attachment = each.state.ormolu
        if any(engines in units for engines in attachment.engines):
            equip_reached(scope, attachment.problems, attachment.reach)


hear_outer(_equip)


def _compose_lifespan(app: FastAPI, engines: Engines, attachment: _Attachment) -> None:
    """Open before the user's lifespan begins, close after it has ended."""
    theirs: Any = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncIterator[Mapping[str, Any] | None]:
        _warn_of_ignored_events(application, theirs)
        equip_mounted(application, attachment.problems, attachment.reach)
        await engines.open()
        attachment.freezer.begin()
        try:
            check_routes(application, engines)
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
