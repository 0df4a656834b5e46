"""`SessionDep`: how a route gets the session of its request."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.applications import Starlette
from starlette.requests import HTTPConnection

from ormolu.engines import Engines, check_deadline
from ormolu.errors import NoUnitOfWorkError
from ormolu.sessions import WORK_KEY, UnitOfWork
from ormolu.transactions import Access
from ormolu.web._outer import note_outer
from ormolu.web._units import units_of
from ormolu.web._watch import watch_of

__all__ = [
    "ReadSessionDep", "SessionDep", "application_of", "deadline", "only_read", "read_session_of",
    "request_read_session", "request_session", "session_of", "signed",
]  # fmt: skip

_Function = TypeVar("_Function", bound=Callable[..., Any])


def signed(function: _Function) -> _Function:
    """Evaluate the annotations of a function once, as FastAPI does for each route that asks it."""
    function.__signature__ = inspect.signature(function, eval_str=True)  # type: ignore[attr-defined]
    return function


@signed
async def request_session(connection: HTTPConnection) -> AsyncSession:
    """Return the request's session; of the database attached first, if there are several.

    It takes a connection with its first statement. The gate commits it if the answer's status is
    below 400, and rolls it back otherwise.

    Raises:
        NoUnitOfWorkError: No gate was passed.
        SessionClosedError: The answer was sent already.
    """
    return session_of(connection, next(iter(units_of(connection.scope)), None))


def session_of(connection: HTTPConnection, engines: Engines | None) -> AsyncSession:
    """Return the request's session of one database.

    Raises:
        NoUnitOfWorkError: The request has none of this database.
        SessionClosedError: The answer was sent already.
    """
    note_outer(connection.scope)
    return _given(connection, _unit_of(connection, engines).session)


def _unit_of(connection: HTTPConnection, engines: Engines | None) -> UnitOfWork:
    """Return the request's unit of work of one database.

    Raises:
        NoUnitOfWorkError: The request has none of this database.
    """
    unit = units_of(connection.scope).get(engines) if engines is not None else None
    if unit is None:
        raise NoUnitOfWorkError(
            _WEBSOCKET if connection.scope["type"] == "websocket" else _DETACHED
        )
    return unit


@signed
async def request_read_session(
    connection: HTTPConnection, session: Annotated[AsyncSession, Depends(request_session)]
) -> AsyncSession:
    """Return a session of the request that only reads; `request_session` says of which database.

    Where the program has put another session in the place of that one, it reads here too.

    Of a request that may write it is another one than that, so that who only asks something, such
    as who calls, neither takes the lock of SQLite's writers nor keeps a connection meanwhile.

    Raises:
        NoUnitOfWorkError: No gate was passed.
        SessionClosedError: The answer was sent already.
    """
    unit = next(iter(units_of(connection.scope).values()), None)
    if unit is None or session is not unit.session:
        return session
    return _given(connection, unit.read_session)


def read_session_of(connection: HTTPConnection, engines: Engines | None) -> AsyncSession:
    """Return a session of the request that only reads, of one database.

    Raises:
        NoUnitOfWorkError: The request has none of this database.
        SessionClosedError: The answer was sent already.
    """
    return _given(connection, _unit_of(connection, engines).read_session)


def _given(connection: HTTPConnection, session: AsyncSession) -> AsyncSession:
    # For what is asked of a resource with this session: it is of this application.
    session.info[_APPLICATION_KEY] = connection.scope.get("app")
    session.info[WORK_KEY] = id(connection.scope.get("endpoint"))
    return session


def application_of(session: AsyncSession | None) -> Starlette | None:
    """Return the application that a session was given to for a request, if it was."""
    app = None if session is None else session.info.get(_APPLICATION_KEY)
    return app if isinstance(app, Starlette) else None


@signed
async def only_read(connection: HTTPConnection) -> None:
    """Let a request only read, as GET does, whatever its method; before its session is taken."""
    for unit in units_of(connection.scope).values():
        unit.access = Access.READ


def deadline(seconds: float) -> Callable[[HTTPConnection], Awaitable[None]]:
    """Limit how long the requests of a route, or of a router, may take: `Depends(deadline(2.0))`.

    In the place of what the database and the resource say. A request whose time is over before
    its answer begins is cancelled, its statement too, rolled back, and answered 504; one that is
    in its COMMIT is not.

    Args:
        seconds: From when the request came; `math.inf` for any time.

    Raises:
        ConfigurationError: They are not above 0.
    """
    check_deadline(seconds)

    @signed
    async def limit(connection: HTTPConnection) -> None:
        watch = watch_of(connection.scope)
        if watch is None:
            raise NoUnitOfWorkError(_UNWATCHED)
        watch.limit(seconds)

    return limit


_APPLICATION_KEY = "ormolu.application"

_WEBSOCKET = (
    "A WebSocket lives too long for one session. Write, around each piece of work: "
    "`async with db.unit_of_work() as session: ...`"
)

_DETACHED = (
    "This application has no database for the session. Write `db.attach(app)` after "
    "`app = FastAPI()`."
)

_UNWATCHED = (
    "Nobody looks at this request's time. Write `db.attach(app)` after `app = FastAPI()`; a "
    "WebSocket has no deadline."
)

SessionDep = Annotated[AsyncSession, Depends(request_session)]
ReadSessionDep = Annotated[AsyncSession, Depends(request_read_session)]
