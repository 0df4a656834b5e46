"""What answers the requests of a resource, why, and with what SQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import FastAPI
from sqlalchemy import URL, Dialect

from ormolu.engines import Engines, Target
from ormolu.errors import ConfigurationError
from ormolu.lanes import why_no_lanes_for
from ormolu.resources.declare import Exposure
from ormolu.resources.http import make_unrestricted_work
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
        way: "front door": a plan answers, without FastAPI's routing, after the dependencies of the
            route; "plan": a plan answers after FastAPI has called the route; "session": the session
            of the request does.
        reason: Why it is not the front door; None if it is.
        sql: The statement of a plain request, without the conditions of a policy: for a list the
            one that reads the rows, for a write the one with all columns that a client may send.
            None where the session answers.
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
        no_plan = route.lacking or _why_no_plan(engines, access)
        no_door = route.reason or _why_no_door(route, exposure)
        for method in sorted(context.methods):
            place = (method, context.path_format)
            yield explain_door(
                maker, exposure, place, engines.target, no_plan=no_plan, no_door=no_door
            )


def _why_no_door(route: Survey, exposure: Exposure) -> str | None:
    """Return why only FastAPI can call the dependencies of a route, besides its session."""
    has_policies = any(each.declaration.policy for each in exposure.reached)
    has_dependencies = has_policies or route.calls is not None
    return why_not_asked(route.context, route.maker.session) if has_dependencies else None


def _why_no_plan(engines: Engines, access: Access) -> str | None:
    """Return which listener would miss statements that are not sent by SQLAlchemy."""
    if has_session_listeners():
        return "the program listens to sessions, and may add to each statement"
    # Without its driver there is no engine; requests will fail with the reason.
    with suppress(ImportError):
        if engines.has_listeners(access):
            name = "engine" if access is Access.WRITE else "reader_engine"
            return f"the program listens to the statements of db.{name}, or logs them"
    return None


def explain_door(
    maker: DoorMaker,
    exposure: Exposure,
    place: tuple[str, str],
    target: Target,
    *,
    no_plan: str | None = None,
    no_door: str | None = None,
) -> Explanation:
    """Explain one operation.

    Args:
        maker: Makes its door.
        exposure: What is shown.
        place: Method and path.
        target: A database.
        no_plan: Why no plan can answer, if that is known.
        no_door: Why FastAPI's route has to be called, if that is known.
    """
    dialect = _dialect_of(target.url)
    no_plan = no_plan or why_no_lanes_for(target.driver)
    no_door = no_door or why_no_doors()
    sql = None
    try:
        sql = make_unrestricted_work(maker.operation, exposure, dialect).sample_plan.text
    except NoDoorError as error:
        # The reason of the resource itself is more helpful.
        no_plan = str(error)
    except Exception as error:
        # The session answers, and the log names the error.
        no_plan = f"its door cannot be made ({type(error).__name__}: {error})"
    return Explanation(
        operation=maker.operation.name,
        method=place[0],
        path=place[1],
        way="session" if no_plan else "plan" if no_door else "front door",
        reason=no_plan or no_door,
        sql=sql if no_plan is None else None,
    )


def _dialect_of(url: URL) -> Dialect:
    """Return a dialect with its driver, whose classes some types use."""
    kind: Any = url.get_dialect()
    driver = None
    with suppress(ImportError):
        driver = kind.import_dbapi()
    dialect: Dialect = kind(dbapi=driver)
    return dialect
