"""What becomes of the errors of an engine: faults, without values, and lost transactions.

A transaction may be over before its COMMIT: PostgreSQL answers COMMIT with ROLLBACK after any error
in it, and says so nowhere that a driver looks; MySQL rolls back with a deadlock, and goes on in a
new transaction. A program that caught that error would tell its client of rows that are not there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any
from weakref import ref

from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect, ExceptionContext
from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError, StatementError
from sqlalchemy.pool import ConnectionPoolEntry

from ormolu.backends import backend_of
from ormolu.engines._files import advise, is_of_file
from ormolu.engines._kills import REOPEN
from ormolu.engines._origins import locate_fault
from ormolu.engines._server import Server
from ormolu.errors import (
    DatabaseDownError,
    OverloadedError,
    ReadOnlyError,
    RolledBackError,
)
from ormolu.faults import Fault, attach_fault, fault_of
from ormolu.redaction import kept_words, redact
from ormolu.sqlite_codes import MOVED_FILE
from ormolu.taps import FAULTS
from ormolu.transactions import Access

__all__ = ["forget_failure", "open_connections", "refuse_lost_commits",
           "report_statement_errors"]  # fmt: skip

_READ_ONLY = (
    "A GET, HEAD or QUERY request only reads. Write in a POST, PUT, PATCH or DELETE route, or in "
    "a unit of work of its own: `async with db.unit_of_work() as session: ...`"
)

# Key in the connection's info: the fault of the last statement that failed since BEGIN.
_FAILED = "ormolu_failed"


def open_connections(engine: Engine, server: Server, access: Access) -> None:
    """Open few connections at once; a refusal is an error of the database, no bare OSError."""
    # Weakly: SQLAlchemy's caches keep the last 128 dialects of PostgreSQL, and so what listens.
    backend, made_at, held = backend_of(engine.dialect), engine.url, ref(engine)
    is_fit = partial(backend.is_fit, is_writer=access is Access.WRITE)

    @event.listens_for(engine, "do_connect")
    def _connect(
        dialect: Dialect, record: ConnectionPoolEntry, arguments: list[Any], options: dict[str, Any]
    ) -> DBAPIConnection:
        now = held()
        if now is not None and now.url is not made_at:
            _lead(dialect, arguments, options, (made_at, now.url))
        connect = partial(dialect.connect, *arguments, **options)
        try:
            return _open(connect, server, is_fit, record)
        except OSError as error:
            message = (
                f"The database does not accept connections ({error}). Is it running, is the URL "
                "right?"
            )
            raise DatabaseDownError(message) from error


def _lead(
    dialect: Dialect, arguments: list[Any], options: dict[str, Any], way: tuple[URL, URL]
) -> None:
    """Change what leads to the database of one URL so that it leads to that of another one."""
    (_, known), (positional, named) = map(dialect.create_connect_args, way)
    arguments[:] = positional
    options.update((name, each) for name, each in named.items() if known.get(name) != each)


def _open(
    connect: Callable[..., DBAPIConnection],
    server: Server,
    is_fit: Callable[[DBAPIConnection], bool],
    record: ConnectionPoolEntry,
) -> DBAPIConnection:
    if server.hosts is None:
        record.info[REOPEN] = connect
        return server.open(connect)
    connection, place = server.open(partial(server.hosts.connect, connect, is_fit))
    record.info[REOPEN] = partial(connect, **place)
    return connection


def report_statement_errors(engine: Engine, access: Access, server: Server) -> None:
    """Read each error's fault while the driver's text is there, then remove the values in it."""

    @event.listens_for(engine, "handle_error")
    def _handle(context: ExceptionContext) -> None:
        original = context.original_exception
        if isinstance(original, OSError):
            # A broken network, or asyncpg's command_timeout, which raises no driver's error.
            context.is_disconnect, context.invalidate_pool_on_disconnect = True, False
            server.doubt()
            message = "The database did not answer, or the connection to it broke."
            raise DatabaseDownError(message) from original
        error = _wrapped(context)
        if not isinstance(error, StatementError) or isinstance(error.orig, SQLAlchemyError):
            return
        fault = fault_of(error)
        if fault.native == "SQLITE_BUSY":
            # Our driver has already waited as long as it may.
            overloaded = OverloadedError(str(original))
            attach_fault(overloaded, fault)
            raise overloaded from original
        fault = locate_fault(replace(fault, words=kept_words(error, fault)), context)
        fault = advise(fault, server.target)
        attach_fault(error, fault)
        redact(error, fault)
        _synchronize(context, fault)
        was_sent = isinstance(error, DBAPIError)
        if was_sent:
            _give_up(context, fault, access)
        if context.is_disconnect:
            server.doubt()
        elif was_sent:
            _note_failure(context.connection, fault)
        if fault.kind == "read_only_database" and access is Access.READ and not is_of_file(fault):
            raise ReadOnlyError(_READ_ONLY)
        if error is not context.sqlalchemy_exception:
            raise error


def _give_up(context: ExceptionContext, fault: Fault, access: Access) -> None:
    """Give the connection up if it is of no use any more, or all of them."""
    if _leads_astray(fault, access):
        context.is_disconnect = context.invalidate_pool_on_disconnect = True
    elif fault.spoils_connection and not context.is_disconnect:
        context.is_disconnect, context.invalidate_pool_on_disconnect = True, False


def _leads_astray(fault: Fault, access: Access) -> bool:
    """Tell whether all connections lead to where nothing can be written any more.

    To a primary that was demoted, say, or to a file that is no longer in its place; new ones may
    lead to where it can.
    """
    is_writer = access is Access.WRITE
    return fault.kind == "read_only_database" and (is_writer or fault.native == MOVED_FILE)


def _wrapped(context: ExceptionContext) -> BaseException | None:
    """Return the error as one of SQLAlchemy's: it does not wrap all that drivers raise bare."""
    error, original = context.sqlalchemy_exception, context.original_exception
    if isinstance(original, (OverflowError, UnicodeEncodeError)):
        return DataError(context.statement, None, original, hide_parameters=True)
    if error is None and isinstance(original, TypeError):
        # asyncmy's, for a value of a type that it cannot send.
        return StatementError(str(original), context.statement, None, original, True)
    return error


def _synchronize(context: ExceptionContext, fault: Fault) -> None:
    """End what asyncpg has begun for a statement whose values it then refused.

    The server waits for more, and keeps its locks: a migration would wait for this connection.
    """
    connection, is_asyncpg = context.connection, context.dialect.driver == "asyncpg"
    if is_asyncpg and fault.is_unsent and connection is not None and _is_there(connection):
        driver: Any = connection.connection.dbapi_connection
        try:
            driver.run_async(lambda raw: raw.execute("SELECT 1"))
        except Exception:  # lost meanwhile, and asyncpg has many words for that
            context.is_disconnect, context.invalidate_pool_on_disconnect = True, False


def _note_failure(connection: Connection | None, fault: Fault) -> None:
    if connection is not None and _is_there(connection):
        connection.info[_FAILED] = fault


def _is_there(connection: Connection) -> bool:
    # Of a lost one SQLAlchemy keeps nothing, and does not like to be asked.
    return not (connection.closed or connection.invalidated)


def refuse_lost_commits(engine: Engine) -> None:
    """Let no COMMIT succeed of a transaction that the server has rolled back already.

    Asks the server only if a statement has failed; one that a ROLLBACK to a SAVEPOINT made good
    again is committed.
    """
    backend = backend_of(engine.dialect)

    @event.listens_for(engine, "commit")
    def _check(connection: Connection) -> None:
        for each in list(FAULTS):
            each.before_commit(connection)
        fault = connection.info.pop(_FAILED, None) if _is_there(connection) else None
        if fault is None:
            return
        lost = RolledBackError()
        attach_fault(lost, fault)
        if fault.native in backend.rolled_back_by:
            raise lost
        if backend.answers_lost_commits:
            try:
                connection.exec_driver_sql("SELECT 1")
            except DBAPIError as error:
                connection.info.pop(_FAILED, None)
                raise lost from error

    @event.listens_for(engine, "rollback")
    def _forget(connection: Connection) -> None:
        if _is_there(connection):
            connection.info.pop(_FAILED, None)


def forget_failure(info: dict[Any, Any]) -> None:
    """Forget what failed on a connection that comes back to the pool."""
    info.pop(_FAILED, None)
