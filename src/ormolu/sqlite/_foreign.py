"""How each SQLite connection of another driver is set up and how its transactions begin.

SQLite leaves foreign keys unchecked, pysqlite begins no transaction for a SELECT, and a
deferred transaction that wants to write later fails at once if another wrote meanwhile. So:
write-ahead log, full durability, foreign keys, and BEGIN IMMEDIATE where a write may come.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.util import await_

from ormolu.errors import OverloadedError
from ormolu.sqlite._ddl import SQLiteTypes
from ormolu.sqlite_codes import error_name

__all__ = ["prepare_connections"]

_PRAGMAS = ("PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON")

# SQLite's own busy handler sleeps up to 0.1 s at a time and is not fair: short tries are.
_PAUSE = 0.002


def prepare_connections(engine: Engine, *, is_writer: bool, timeout: float) -> None:
    """Set up every connection of an engine, for reading only or for writing.

    Args:
        engine: Engine whose driver connections are in autocommit mode (isolation_level None).
        is_writer: Whether its transactions take SQLite's write lock at their start.
        timeout: Seconds to wait for a lock that another process holds.

    Raises:
        OverloadedError: Later, from a BEGIN that did not get its lock in time.
    """
    settings = (
        ("PRAGMA journal_mode=WAL", *_PRAGMAS) if is_writer else (*_PRAGMAS, "PRAGMA query_only=ON")
    )
    begin = "BEGIN IMMEDIATE" if is_writer else "BEGIN"
    dialect = engine.dialect
    dialect.type_compiler_instance = dialect.type_compiler = SQLiteTypes(dialect)

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _record: object) -> None:
        for setting in settings:
            _execute(connection, setting, timeout)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        try:
            _execute(connection.connection.dbapi_connection, begin, timeout)
        except BaseException:
            # The driver's thread may still send BEGIN, and the pool would get an open transaction.
            connection.invalidate()
            raise

    @event.listens_for(engine, "invalidate")
    def _release_lock(connection: Any, _record: object, _error: object) -> None:
        # A connection that is closed with a cursor still open keeps its lock until that is freed.
        with suppress(Exception, asyncio.CancelledError):
            connection.rollback()


def _execute(connection: Any, statement: str, timeout: float) -> None:
    began_at = time.monotonic()
    while True:
        try:
            # The driver's own shortcut: one hop to its thread instead of a cursor's three.
            await_(connection.driver_connection.execute(statement))
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise OperationalError(statement, None, error) from error
            waited = time.monotonic() - began_at
            if waited > timeout:
                message = f"Another process kept the SQLite write lock for {waited:.2f} s."
                raise OverloadedError(message) from error
        else:
            return
        await_(asyncio.sleep(_PAUSE))


def _is_busy(error: sqlite3.OperationalError) -> bool:
    name = error_name(error) or ""
    return name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
