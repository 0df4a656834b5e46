"""Which way the requests of a resource take, why, and with what SQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import FastAPI
from sqlalchemy import URL, Dialect

from ormolu.engines import Engines, read_url
from ormolu.errors import ConfigurationError
from ormolu.lanes import why_no_lanes_for
from ormolu.resources.declare import Exposure
from ormolu.resources.http import open_for_all
from ormolu.resources.routes._applications import find_resources
from ormolu.resources.routes._frontdoor import DoorMaker
from ormolu.sessions import has_session_listeners
from ormolu.transactions import Access
from ormolu.web import NoDoorError, Survey, survey, why_no_doors, why_not_asked

__all__ = ["Explanation", "explain_application", "explain_door"]

Way = Literal["front door", "plan", "session"]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One operation of a resource.

    Attributes:
        operation: Its name.
        method: HTTP method.
        path: Path, with its parameters.
        way: "front door": a plan answers, past FastAPI's routing, after the dependencies that the
            route has; "plan": one does after FastAPI has called the route; "session": the session
            of the request's unit of work does.
        reason: Why it is no front door; None if it is one.
        sql: The statement that is sent for a usual request: of a list the one that reads its rows,
            of a write the one for all columns that a client may send; without the conditions of a
            policy. None where the session answers.
    """

    operation: str
    method: str
    path: str
    way: Way
    reason: str | None
    sql: str | None


def explain_application(app: FastAPI) -> list[Explanation]:
    """Explain all resources of an application, as it serves them.

    Raises:
        ConfigurationError: No database is attached to it, or it is not certain what a relation of
            its resources leads to.
    """
    attachment = getattr(app.state, "ormolu", None)
    if attachment is None:
        message = "This application has no database. Write db.attach(app) after app = FastAPI()."
        raise ConfigurationError(message)
    found: dict[tuple[str, str], Explanation] = {}
    for engines in attachment.engines:
        for explanation in _explain_routes(app, engines):
            place = (explanation.method, explanation.path)
            if place not in found or explanation.way == "front door":
                found[place] = explanation
    return list(found.values())


def _explain_routes(app: FastAPI, engines: Engines) -> Iterator[Explanation]:
    registry = find_resources(app).registry
    for route in survey(app, engines):
        context, maker = route.context, route.maker
        if not context.include_in_schema or not isinstance(maker, DoorMaker):
            continue
        exposure = registry.exposure(maker.declaration)
        access = Access.READ if maker.is_read else Access.WRITE
        lacking = route.lacking or _why_heard(engines, access)
        detour = route.reason or _why_not_asked(route, exposure)
        for method in sorted(context.methods):
            asked, url = (method, context.path_format), engines.target.url
            yield explain_door(maker, exposure, asked, url, lacking=lacking, detour=detour)


def _why_not_asked(route: Survey, exposure: Exposure) -> str | None:
    """Return why only FastAPI can call what a route depends on, beside its session."""
    has_policies = any(each.declaration.policy for each in exposure.reached)
    is_asked = has_policies or route.calls is not None
    return why_not_asked(route.context, route.maker.session) if is_asked else None


def _why_heard(engines: Engines, access: Access) -> str | None:
    """Return who would not hear of statements that are sent past SQLAlchemy."""
    if has_session_listeners():
        return "the program listens to sessions, and may add to each statement"
    # Without its driver no engine can be made to look at; the requests will tell.
    with suppress(ImportError):
        if engines.has_listeners(access):
            name = "engine" if access is Access.WRITE else "reader_engine"
            return f"the program listens to the statements of db.{name}, or logs them"
    return None


def explain_door(
    maker: DoorMaker,
    exposure: Exposure,
    asked: tuple[str, str],
    url: str | URL,
    *,
    lacking: str | None = None,
    detour: str | None = None,
) -> Explanation:
    """Explain one operation.

    Args:
        maker: What makes its door.
        exposure: What is shown.
        asked: Method and path.
        url: Of a database.
        lacking: Why no plan can answer, if that is known.
        detour: Why its requests have to go by FastAPI's route, if they have.
    """
    target = read_url(url)
    dialect = _dialect_of(target.url)
    reason = lacking or why_no_lanes_for(target.driver)
    detour = detour or why_no_doors()
    sql = None
    try:
        sql = open_for_all(maker.operation, exposure, dialect).usual.text
    except NoDoorError as error:
        # What the resource itself says tells more.
        reason = str(error)
    except Exception as error:
        # Requests are answered all the same, and the log names the error.
        reason = f"its door cannot be made ({type(error).__name__}: {error})"
    return Explanation(
        operation=maker.operation.name,
        method=asked[0],
        path=asked[1],
        way="session" if reason else "plan" if detour else "front door",
        reason=reason or detour,
        sql=sql if reason is None else None,
    )


def _dialect_of(url: URL) -> Dialect:
    """Return a dialect with its driver, which some types ask for classes of its own."""
    kind: Any = url.get_dialect()
    driver = None
    with suppress(ImportError):
        driver = kind.import_dbapi()
    dialect: Dialect = kind(dbapi=driver)
    return dialect
