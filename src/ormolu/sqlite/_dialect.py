"""The SQLAlchemy dialect `sqlite+ormolu`: SQLAlchemy's own for SQLite, over our connections."""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar
from urllib.parse import urlencode

from sqlalchemy import URL, Engine, event, pool
from sqlalchemy.dialects.sqlite.base import SQLiteExecutionContext
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine.characteristics import ConnectionCharacteristic
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import ArgumentError
from sqlalchemy.util import await_, immutabledict

from ormolu.sqlite._bindings import CACHED
from ormolu.sqlite._connection import Connection
from ormolu.sqlite._ddl import SQLiteTypes
from ormolu.sqlite._memory import MemoryFile, memory_file
from ormolu.sqlite._pragmas import (
    SQLITE3_OPTIONS,
    read_begin,
    read_option,
    read_pragmas,
    url_options,
)
from ormolu.sqlite._short import ShortStatements

__all__ = ["SQLiteDialect_ormolu"]


class _Driver:
    """A module in the form of PEP 249, sqlite3 or one like it, whose connections are ours."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)

    def connect(self, database: str = "", **options: Any) -> Connection:
        """Open a connection.

        Args:
            database: Path or `file:` URI.
            options: Those of the URL, of `sqlite3.connect`, and `connect`: a function that is
                called in its place, as for an encrypted file.
        """
        connect = options.pop("connect", self.module.connect)
        creator = options.pop("async_creator_fn", None)
        pragmas, rest = read_pragmas(options)
        if creator is not None:
            sqlite = await_(creator())
            return Connection.open(self.module, pragmas, lambda: sqlite)
        arguments = {**rest, "check_same_thread": False, "isolation_level": None, "timeout": 0}
        is_plain = connect is sqlite3.connect and "factory" not in rest
        opener = partial(connect, database, **arguments)
        cached = rest.get("cached_statements", CACHED)
        return Connection.open(self.module, pragmas, opener, is_plain=is_plain, cached=cached)


class _BeginCharacteristic(ConnectionCharacteristic):
    """The execution option `sqlite_begin`: how a connection's transactions begin."""

    transactional = True

    def reset_characteristic(self, dialect: Any, dbapi_conn: Any) -> None:
        dbapi_conn.begin = None

    def set_characteristic(self, dialect: Any, dbapi_conn: Any, value: Any) -> None:
        dbapi_conn.begin = read_begin(value)

    def get_characteristic(self, dialect: Any, dbapi_conn: Any) -> Any:
        return dbapi_conn.begin


class _ExecutionContext(SQLiteExecutionContext):
    def create_server_side_cursor(self) -> Any:
        return self.root_connection.connection.cursor(server_side=True)


class _Pool(pool.AsyncAdaptedQueuePool):
    """A queue that keeps as many connections as SQLAlchemy's opens: files are no servers.

    To open a connection costs more than most transactions; kept, it costs its cache, no thread.
    """

    def __init__(
        self,
        creator: Any,
        pool_size: int | None = None,
        max_overflow: int | None = None,
        **options: Any,
    ) -> None:
        is_default = pool_size is None and max_overflow is None
        size, overflow = (15, 0) if is_default else (5, 10)
        super().__init__(
            creator,
            pool_size=size if pool_size is None else pool_size,
            max_overflow=overflow if max_overflow is None else max_overflow,
            **options,
        )


class SQLiteDialect_ormolu(SQLiteDialect_pysqlite):  # noqa: N801 -- SQLAlchemy's form
    """SQLite on the standard library's sqlite3, for asyncio."""

    driver = "ormolu"
    is_async: bool = True
    has_terminate: bool = True
    supports_statement_cache: bool = True
    supports_server_side_cursors: bool = True
    execution_ctx_cls: type[SQLiteExecutionContext] = _ExecutionContext
    type_compiler_cls: ClassVar[Any] = SQLiteTypes

    connection_characteristics: Any = immutabledict(
        {
            **SQLiteDialect_pysqlite.connection_characteristics,
            "sqlite_begin": _BeginCharacteristic(),
        }
    )

    def __init__(self, dbapi: Any = None, **options: Any) -> None:
        driver = dbapi if dbapi is None or isinstance(dbapi, _Driver) else _Driver(dbapi)
        super().__init__(dbapi=driver, **options)
        self._memory: MemoryFile | None = None
        self._short = ShortStatements()

    @classmethod
    def import_dbapi(cls) -> Any:
        """Return sqlite3, with our connections."""
        return _Driver(sqlite3)

    @classmethod
    def get_pool_class(cls, url: URL) -> type[pool.Pool]:
        """Return a queue for every URL: in-memory databases have several connections too."""
        return _Pool

    @classmethod
    def engine_created(cls, engine: Engine) -> None:
        """Keep connections whose statement was cancelled; forget them all after a fork."""
        event.listen(engine, "handle_error", _keep_connection)
        _ENGINES.add(engine)

    def create_connect_args(self, url: URL) -> Any:
        """Return the file and the options that a URL names.

        Raises:
            ArgumentError: The URL has an option that does not exist, or one with a wrong value.
        """
        if url.username or url.password or url.host or url.port:
            message = (
                "A SQLite URL has no host: write sqlite+ormolu:///relative.db, "
                "sqlite+ormolu:////absolute.db or sqlite+ormolu:// (in memory)."
            )
            raise ArgumentError(message)
        query = {name: str(value) for name, value in url.query.items()}
        ours = {name: query.pop(name) for name in url_options() & query.keys()}
        read_pragmas(ours)
        sqlite3_options = {
            name: read_option(name, reader, ours[name])
            for name, reader in SQLITE3_OPTIONS.items()
            if name in ours
        }
        is_uri = sqlite3_options.get("uri", False)
        _check_uri_options(query, is_uri=is_uri)
        database = url.database or ""
        if database in {"", ":memory:"} or query.get("mode") == "memory" or ":memory:" in database:
            # A name is for those who share the database.
            self._memory = memory_file(database if is_uri and "cache" in query else "")
            return [self._memory.path], {**ours, **sqlite3_options, "uri": False}
        if is_uri:
            database += f"?{urlencode(query)}" if query else ""
            return [database], {**ours, **sqlite3_options}
        return [os.path.abspath(database)], {**ours, **sqlite3_options}

    def on_connect(self) -> Any:
        """Return what sets a new connection up: SQLAlchemy's part, then ours."""
        set_up: Any = super().on_connect()

        def connect(connection: Connection) -> None:
            set_up(connection)
            connection.run_short_at_once(self._short)

        return connect

    def set_isolation_level(self, dbapi_connection: Any, level: Any) -> None:
        """Set SERIALIZABLE, READ UNCOMMITTED or AUTOCOMMIT; reset after each use by the pool."""
        if level != dbapi_connection.level:
            is_dirty = level == "READ UNCOMMITTED"
            if is_dirty or dbapi_connection.level == "READ UNCOMMITTED":
                dbapi_connection.execute(f"PRAGMA read_uncommitted={int(is_dirty)}")
            dbapi_connection.level = level

    def get_columns(
        self, connection: Any, table_name: str, schema: str | None = None, **options: Any
    ) -> Any:
        """Return the columns of a table; of computed ones the expression alone.

        SQLAlchemy takes all up to the last parenthesis of its line, other columns too, which
        stand there since ALTER TABLE has added them.
        """
        theirs: Any = super()
        found = theirs.get_columns(connection, table_name, schema, **options)
        for column in found:
            if computed := column.get("computed"):
                computed["sqltext"] = _balanced(computed["sqltext"])
        return found

    def get_isolation_level(self, dbapi_connection: Any) -> Any:
        """Return what was set last."""
        return dbapi_connection.level

    def detect_autocommit_setting(self, dbapi_conn: Any) -> bool:
        """Tell whether each statement is a transaction of its own."""
        return bool(dbapi_conn.level == "AUTOCOMMIT")

    def do_execute(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        """Execute a statement, whose rows may have so many bytes as `max_result_bytes` says."""
        if context is not None:
            cursor.most_bytes = context.execution_options.get("max_result_bytes")
        cursor.execute(statement, parameters)

    def do_ping(self, dbapi_connection: Any) -> bool:
        """Return whether the connection is open: a file does not go away."""
        return bool(dbapi_connection.is_open)

    def do_terminate(self, dbapi_connection: Any) -> None:
        """Close without waiting."""
        dbapi_connection.terminate()


# Parameters of SQLite's own URIs; a VFS may have more.
_URI_OPTIONS = frozenset({"cache", "immutable", "mode", "modeof", "nolock", "psow", "vfs"})


def _check_uri_options(query: Mapping[str, str], *, is_uri: bool) -> None:
    unknown = sorted(query.keys() - _URI_OPTIONS) if "vfs" not in query else []
    if unknown:
        known = ", ".join(sorted(url_options()))
        message = f'"{unknown[0]}" is no option of a SQLite URL. Write one of: {known}.'
        raise ArgumentError(message)
    if query and not is_uri and query.keys() != {"mode"}:
        name = min(query)
        message = (
            f'"{name}" is an option of SQLite\'s own URIs. '
            f"Write sqlite+ormolu:///file:path?{name}={query[name]}&uri=true"
        )
        raise ArgumentError(message)


def _keep_connection(context: ExceptionContext) -> None:
    """Tell SQLAlchemy that a cancelled statement leaves its connection usable."""
    if not isinstance(context.original_exception, Exception):
        context.is_disconnect = False


_ENGINES: weakref.WeakSet[Engine] = weakref.WeakSet()


def _forget_connections() -> None:
    for engine in _ENGINES:
        engine.dispose(close=False)


if hasattr(os, "register_at_fork"):  # pragma: no branch -- Windows cannot fork
    os.register_at_fork(after_in_child=_forget_connections)


def _balanced(sql: str) -> str:
    """Return a text up to the parenthesis that it does not open."""
    depth = 0
    for place, letter in enumerate(sql):
        depth += (letter == "(") - (letter == ")")
        if depth < 0:
            return sql[:place]
    return sql
