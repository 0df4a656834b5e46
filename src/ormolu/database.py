"""`Database`: one URL and all that a program does with it. The face of the rooms below."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from fastapi import FastAPI
from sqlalchemy import URL, MetaData, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from starlette.requests import HTTPConnection

from ormolu import migrations as room
from ormolu.engines import EngineOptions, Engines, Listener, Pooler, Retry, SchemaMode
from ormolu.models import Model
from ormolu.sessions import UnitOfWork, run_repeatedly
from ormolu.transactions import Access
from ormolu.web import OverloadMode, ProblemReach, attach, read_session_of, session_of, signed

if TYPE_CHECKING:
    from ormolu.migrations import Migrations

__all__ = ["Database", "engines_of"]

_F = TypeVar("_F", bound=Callable[..., Any])
_P = ParamSpec("_P")
_T = TypeVar("_T")


class Database:
    """One database: its engines, its units of work, its place in an application.

    Making it opens nothing. An application opens it with its lifespan, a script with its first
    unit of work, or with `async with db:`; each event loop and each forked process gets
    connections of its own.
    """

    def __init__(  # noqa: PLR0913 -- all of them options, each by its name
        self,
        url: str | URL | None = None,
        *,
        replicas: Sequence[str | URL] = (),
        metadata: MetaData | None = None,
        schema: SchemaMode = "create",
        pool_size: int = 5,
        max_overflow: int = 10,
        pool_timeout: float = 60.0,
        connect_timeout: float = 1.0,
        lock_timeout: float = 5.0,
        deadline: float | None = None,
        cancel_departed: bool = True,
        pooler: Pooler | None = None,
        isolation_level: str | None = None,
        retry: Retry = "marked",
        log_slow: float | None = None,
        replica_wait: float = 0.05,
        replica_lag: float = 10.0,
        echo: bool = False,
        connect_args: Mapping[str, Any] | None = None,
        engine_options: Mapping[str, Any] | None = None,
        migrations: str | None = None,
    ) -> None:
        """Read the URL and the options.

        Args:
            url: Where the database is: `sqlite:///file.db`, `sqlite://` (in memory),
                `postgresql://user:password@host/name`, `mysql://...`, `mariadb://...`. None takes
                `$DATABASE_URL`, else `sqlite:///app.db`.
            replicas: URLs of servers that follow this one, of PostgreSQL or MariaDB: one for each
                server. What only reads goes to those that have what its client knows of: all that
                was written before the token that it sends, in a cookie or a header. See
                docs/database.md.
            metadata: The mapped tables; None takes those of `Model`. Any other declarative base
                works: `Base.metadata`, `SQLModel.metadata`.
            schema: "create" makes missing tables when opening; "migrate" runs the revisions that
                the database lacks; "verify" refuses to open if the mapped tables and columns are
                not there, or the database does not have the revisions of the project; "ignore"
                does not look.
            pool_size: Connections that stay open for reading, and as many for writing (SQLite:
                16), per process.
            max_overflow: Connections that are opened beyond those where they are needed.
            pool_timeout: Seconds that a unit of work waits in line for a connection, and on SQLite
                for its turn to write, before it fails with 503; one second at most where the line
                has not been empty for ten.
            connect_timeout: Seconds that the server may be silent when it is asked for a
                connection, before that is a 503.
            lock_timeout: Seconds that a statement waits for a lock of another transaction (SQLite:
                of another process) before it fails with 503.
            deadline: Seconds that a request may take until its answer begins. Then it is cancelled
                and rolled back, and answered 504, unless it is in its COMMIT. None is any time, for
                lists of resources 30 s. `resource(..., deadline=...)` and `Depends(deadline(...))`
                have their own.
            cancel_departed: Whether a request that uses the database is cancelled, and rolled
                back, when its client has left.
            pooler: "transaction" behind PgBouncer or alike in transaction mode.
            isolation_level: Of writing transactions, as SQLAlchemy spells it; None keeps the
                server's default. SQLite is always serialisable.
            retry: Which requests are run again after a deadlock or a conflict with others:
                "marked", those of resources and of routes with `@retry`; "all"; or "never".
            log_slow: Seconds from which on a statement is logged, by the logger `ormolu.slow`, with
                its route and without values; the line for its connection counts. None logs none.
            replica_wait: Seconds that a read waits for a replica that is about to have what its
                client knows of, before it goes to the primary.
            replica_lag: Seconds that a replica may be behind; one that is further is not read
                from.
            echo: Log the statements, without values.
            connect_args: More keyword arguments for the driver's connect.
            engine_options: More keyword arguments for `create_async_engine`, of both engines, such
                as `pool_recycle` and `json_serializer`.
            migrations: The folder of the revisions. None takes the project's alembic.ini or
                `[tool.alembic]`, else `migrations` in the current folder.

        Raises:
            ConfigurationError: The URL or an option is wrong; the message says what to write.
        """
        options = EngineOptions(
            pool_size=pool_size,
            max_overflow=max_overflow,
            pool_timeout=pool_timeout,
            connect_timeout=connect_timeout,
            lock_timeout=lock_timeout,
            deadline=deadline,
            cancel_departed=cancel_departed,
            pooler=pooler,
            isolation_level=isolation_level,
            retry=retry,
            log_slow=log_slow,
            replica_wait=replica_wait,
            replica_lag=replica_lag,
            echo=echo,
            connect_args=dict(connect_args or {}),
            engine_options=dict(engine_options or {}),
        )
        tables = Model.metadata if metadata is None else metadata
        self._engines = Engines(
            url,
            metadata=tables,
            schema=schema,
            options=options,
            migrations=migrations,
            replicas=replicas,
            prepare=_prepare,
        )

    @property
    def url(self) -> URL:
        """Return the URL, with its asynchronous driver; its text shows no password."""
        return self._engines.target.url

    @property
    def metadata(self) -> MetaData:
        """Return the mapped tables."""
        return self._engines.metadata

    @property
    def migrations(self) -> Migrations:
        """Return the revisions of this database; needs the extra `migrations`.

        Raises:
            ConfigurationError: Alembic is not installed.
        """
        return room.Migrations(self._engines)

    def attach(
        self,
        app: FastAPI,
        *,
        problems: ProblemReach = "all",
        problem_base_url: str | None = None,
        health: bool = True,
        overload: OverloadMode = "adaptive",
    ) -> None:
        """Give an application this database.

        Adds the gate as the innermost middleware, opens the database before the application's
        own lifespan and closes it after, answers errors as problems wherever the application has
        no handler of its own, and adds `/healthz` and `/readyz`. A second database is attached
        the same way; its session is `Annotated[AsyncSession, Depends(second.session)]`.

        Args:
            app: Application that has not started.
            problems: Which errors are answered as problems. "all": those of every route.
                "resources": those of resources, and of the database wherever they come from; the
                HTTPExceptions, validation errors and crashes of other routes keep FastAPI's
                answers. Of several databases the first one attached decides.
            problem_base_url: What the `type` of a problem starts with; the code follows. None
                takes `urn:ormolu:problem:`.
            health: Whether to add `/healthz` and `/readyz`.
            overload: "adaptive" answers as many requests as the process can, and refuses at once,
                with 503, what comes beyond for longer than a burst; "off" begins all of them. Of
                several databases the first one attached decides.

        Raises:
            ConfigurationError: It is attached already, or the application has started, or
                `problems` is wrong.
        """
        attach(
            app,
            self._engines,
            self.ping,
            database=self,
            problem_base_url=problem_base_url,
            reach=problems,
            health=health,
            overload=overload,
        )

    @signed
    async def session(self, connection: HTTPConnection) -> AsyncSession:
        """Return the request's session of this database, as a FastAPI dependency.

        Raises:
            NoUnitOfWorkError: The database is not attached, or this is a WebSocket.
            SessionClosedError: The answer was sent already.
        """
        return session_of(connection, self._engines)

    @signed
    async def read_session(self, connection: HTTPConnection) -> AsyncSession:
        """Return a session of this database that only reads, whatever the request's method.

        A FastAPI dependency, as `session`. It keeps its connection for a statement at a time.

        Raises:
            NoUnitOfWorkError: The database is not attached, or this is a WebSocket.
            SessionClosedError: The answer was sent already.
        """
        return read_session_of(connection, self._engines)

    @asynccontextmanager
    async def unit_of_work(self, *, read_only: bool = False) -> AsyncIterator[AsyncSession]:
        """Give a session of its own: to a script, a background task, a stream, a WebSocket.

        Commits at the end of the block and rolls back if an exception leaves it; neither is
        interrupted by cancellation. Takes a connection with its first statement.

        Args:
            read_only: Whether it only reads, on a connection for reading.

        Raises:
            OutcomeUnknownError: The connection broke during COMMIT.
            UnavailableError: No connection or lock in time, or the database is down.
        """
        unit = UnitOfWork(self._engines, Access.READ if read_only else Access.WRITE)
        try:
            yield unit.session
            await unit.commit()
        finally:
            await unit.rollback()

    async def run(
        self,
        function: Callable[Concatenate[AsyncSession, _P], Awaitable[_T]],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _T:
        """Call a function with a session in a unit of work of its own, again if others interfere.

        For scripts and tasks: `await db.run(move, first, second)`. Commits when it returns, rolls
        back if it raises. After a deadlock, a conflict of serialisable transactions or a lock that
        did not come free it is called again, up to three times within ten seconds, unless it has
        committed something itself. So what it does beside the database is done again; what has to
        be done once belongs into `after_commit`.

        Args:
            function: Coroutine function; its first argument is the session.
            args: Its other positional arguments.
            kwargs: Its keyword arguments.

        Returns:
            What it returned the last time.

        Raises:
            OutcomeUnknownError: The connection broke during COMMIT.
            UnavailableError: No connection or lock in time, or the database is down.
            DBAPIError: Others have interfered each time; a note says how often.
        """
        # Each look at a method makes another object of it, and what is called need have no hash.
        work = id(getattr(function, "__func__", function))
        return await run_repeatedly(
            self._engines, lambda session: function(session, *args, **kwargs), work
        )

    async def ping(self) -> None:
        """Ask the database for a sign of life: the primary, where there are replicas.

        Raises:
            Exception: It gave none.
        """
        unit = UnitOfWork(self._engines, Access.WRITE)
        try:
            await unit.read_session.execute(text("SELECT 1"))
        finally:
            await unit.rollback()

    @property
    def engine(self) -> AsyncEngine:
        """Return the running loop's engine for writing, for what a session cannot do.

        Requests use it that may write (POST, PUT, PATCH, DELETE), and `db.unit_of_work()`. Each
        event loop has its own, made when the database opens.

        Raises:
            RuntimeError: No loop is running.
            NoUnitOfWorkError: The database is not open.
        """
        return self._engines.opened.writer

    @property
    def reader_engine(self) -> AsyncEngine:
        """Return the running loop's engine for reading; its connections cannot write.

        Requests use it that only read (GET, HEAD, OPTIONS, TRACE, QUERY), and
        `db.unit_of_work(read_only=True)`.

        Raises:
            RuntimeError: No loop is running.
            NoUnitOfWorkError: The database is not open.
        """
        return self._engines.opened.reader

    def listens_for(self, name: str, *, retval: bool = False) -> Callable[[_F], _F]:
        """Let a function hear an event of both engines, as SQLAlchemy's `event.listens_for` does.

        It hears the engines of all event loops from their first connection on, be they open or
        not. While somebody listens to statements no door answers; see docs/speed.md.

        Args:
            name: Of an event of engines, pools or dialects, such as "connect".
            retval: Whether what the function returns is taken.

        Raises:
            ConfigurationError: There is no such event.
        """

        def listen(function: _F) -> _F:
            self._engines.listen(Listener(name, function, retval))
            return function

        return listen

    async def open(self) -> None:
        """Open the database on the running loop, with its tables in place.

        Raises:
            ConfigurationError: The folder of a SQLite file does not exist.
            DatabaseDownError: The database does not answer.
            SchemaMismatchError: It does not have what the models map.
        """
        await self._engines.open()

    async def close(self) -> None:
        """Close the running loop's connections."""
        await self._engines.close()

    async def __aenter__(self) -> Database:
        """Open; see `open`."""
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        await self.close()

    def __repr__(self) -> str:
        """Show the URL without its password."""
        return f"Database({self.url!r})"


def engines_of(database: Database) -> Engines:
    """Return the engines of a database, which programs are not shown."""
    return database._engines  # noqa: SLF001 -- of the class above


async def _prepare(engines: Engines, schema: SchemaMode) -> None:
    """Run the revisions that the database lacks, or say which these are."""
    if schema == "migrate":
        await room.Migrations(engines).upgrade()
    elif schema == "verify" and room.find_place(engines.migrations).has_revisions:
        await room.Migrations(engines).verify()
