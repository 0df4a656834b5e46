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
from ormolu.resources._applications import find_resources
from ormolu.resources._exposures import Exposure
from ormolu.resources._frontdoor import DoorMaker
from ormolu.sessions import are_sessions_heard
from ormolu.transactions import Access
from ormolu.web import NoDoorError, survey, why_no_doors

__all__ = ["Explanation", "explain_application", "explain_door"]

Way = Literal["front door", "session"]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One operation of a resource.

    Attributes:
        operation: Its name.
        method: HTTP method.
        path: Path, with its parameters.
        way: "front door": a plan answers, past FastAPI; "session": FastAPI's route does, with the
            session of its unit of work.
        reason: Why it is the session; None for the front door.
        sql: The statement that the door sends for a usual request: of a list the one that reads
            its rows, of a write the one for all columns that a client may send. None where the
            session answers.
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
        access = Access.READ if maker.is_read else Access.WRITE
        reason = route.reason or _why_heard(engines, access)
        for method in sorted(context.methods):
            asked = (method, context.path_format)
            exposure = registry.exposure(maker.declaration)
            yield explain_door(maker, exposure, asked, engines.target.url, reason=reason)


def _why_heard(engines: Engines, access: Access) -> str | None:
    """Return who would not hear of statements that are sent past SQLAlchemy."""
    if are_sessions_heard():
        return "the program listens to sessions, and may add to each statement"
    # Without its driver no engine can be made to look at; the requests will tell.
    with suppress(ImportError):
        if engines.is_heard(access):
            name = "engine" if access is Access.WRITE else "reader_engine"
            return f"the program listens to the statements of db.{name}, or logs them"
    return None


def explain_door(
    maker: DoorMaker,
    exposure: Exposure,
    asked: tuple[str, str],
    url: str | URL,
    *,
    reason: str | None = None,
) -> Explanation:
    """Explain one operation.

    Args:
        maker: What makes its door.
        exposure: What is shown.
        asked: Method and path.
        url: Of a database.
        reason: Why there is no door, if that is known.
    """
    target = read_url(url)
    dialect = _dialect_of(target.url)
    reason = reason or why_no_doors() or why_no_lanes_for(target.driver)
    sql = None
    try:
        sql = maker.open(exposure, dialect, None).usual.text
    except NoDoorError as error:
        # What the resource itself says tells more.
        reason = str(error)
    except Exception as error:
        # Requests are answered all the same, and the log names the error.
        reason = f"its door cannot be made ({type(error).__name__}: {error})"
    return Explanation(
        operation=maker.name,
        method=asked[0],
        path=asked[1],
        way="front door" if reason is None else "session",
        reason=reason,
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
