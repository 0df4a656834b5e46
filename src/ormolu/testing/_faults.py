"""Faults of databases, on demand: those of a real server, made by it where that is possible.

While one is armed all goes by sessions: lanes would hand over to them anyway.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError
from sqlalchemy.util import await_only

from ormolu.errors import UsageError
from ormolu.taps import FAULTS

__all__ = ["Injected", "disconnect", "fail_commit", "fail_nth_statement", "slow"]

# What makes the server refuse: "try again", of which a program must be able to think.
_REFUSALS = {
    "postgresql": "DO $$ BEGIN RAISE EXCEPTION 'injected' USING ERRCODE = '40001'; END $$",
    "mysql": "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'injected'",
}
_REFUSALS["mariadb"] = _REFUSALS["mysql"]
_ENDS = ("SAVEPOINT", "RELEASE", "ROLLBACK")


@dataclass
class Injected:
    """What has become of a fault.

    Attributes:
        count: How often it has struck.
    """

    count: int = 0


class _Injection:
    def __init__(self) -> None:
        self.injected = Injected()

    def before_statement(self, cursor: Any, sql: str, connection: Connection) -> None:
        if not sql.lstrip().upper().startswith(_ENDS):
            self.strike_statement(cursor, connection)

    def before_commit(self, connection: Connection) -> None:
        self.strike_commit(connection)

    def strike_statement(self, cursor: Any, connection: Connection) -> None:
        """Do nothing, unless overridden."""

    def strike_commit(self, connection: Connection) -> None:
        """Do nothing, unless overridden."""


class _NthStatement(_Injection):
    def __init__(self, number: int) -> None:
        super().__init__()
        self._left = number

    def strike_statement(self, cursor: Any, connection: Connection) -> None:
        self._left -= 1
        if not self._left:
            self.injected.count += 1
            refusal = _REFUSALS.get(connection.dialect.name)
            if refusal is None:
                raise _busy()
            cursor.execute(refusal)


class _Commit(_Injection):
    def strike_commit(self, connection: Connection) -> None:
        self.injected.count += 1
        refusal = _REFUSALS.get(connection.dialect.name)
        if refusal is None:
            raise OperationalError("COMMIT", None, _busy())
        with _armed_without(self):
            connection.exec_driver_sql(refusal)


class _Delay(_Injection):
    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def strike_statement(self, cursor: Any, connection: Connection) -> None:
        self.injected.count += 1
        await_only(asyncio.sleep(self._seconds))


class _Disconnection(_Injection):
    def strike_statement(self, cursor: Any, connection: Connection) -> None:
        if not self.injected.count:
            self.injected.count += 1
            _cut(connection.connection.driver_connection)


@contextmanager
def _armed(fault: _Injection) -> Iterator[Injected]:
    FAULTS.append(fault)
    try:
        yield fault.injected
    finally:
        FAULTS.remove(fault)


@contextmanager
def _armed_without(fault: _Injection) -> Iterator[None]:
    FAULTS.remove(fault)
    try:
        yield
    finally:
        FAULTS.append(fault)


def fail_nth_statement(number: int) -> AbstractContextManager[Injected]:
    """Let the server refuse a statement within the block, as it does a victim of a deadlock.

    A context manager; what it gives counts how often the fault has struck. The transaction has
    failed, as it has in production: on PostgreSQL 40001, on MariaDB 1213, on SQLite SQLITE_BUSY.

    Args:
        number: Of the statement, from 1; SAVEPOINT and the like do not count.
    """
    return _armed(_NthStatement(number))


def fail_commit() -> AbstractContextManager[Injected]:
    """Let each COMMIT within the block be refused, with nothing stored.

    A context manager; what it gives counts how often the fault has struck.
    """
    return _armed(_Commit())


def slow(seconds: float) -> AbstractContextManager[Injected]:
    """Let each statement within the block take longer, without holding up the event loop.

    A context manager; what it gives counts the statements.
    """
    return _armed(_Delay(seconds))


def disconnect() -> AbstractContextManager[Injected]:
    """Cut the connection of the next statement within the block, before it is sent.

    A context manager; what it gives counts how often the fault has struck.
    """
    return _armed(_Disconnection())


def _busy() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode, error.sqlite_errorname = 5, "SQLITE_BUSY"
    return error


def _cut(driver: Any) -> None:
    """Close a driver's connection without a word to the server.

    Raises:
        UsageError: There is no server.
    """
    cuts: dict[str, Callable[[Any], None]] = {
        "asyncpg": lambda each: each.terminate(),
        "psycopg": lambda each: each.pgconn.finish(),
        "asyncmy": lambda each: each.close(),
    }
    # A driver's class may have a subclass of ours, or of the program's.
    packages = [each.__module__.partition(".")[0] for each in type(driver).__mro__]
    cut = next((cuts[package] for package in packages if package in cuts), None)
    if cut is None:
        message = "A SQLite database is a file, which does not disconnect. Use fail_nth_statement."
        raise UsageError(message)
    cut(driver)
