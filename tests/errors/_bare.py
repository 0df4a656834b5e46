"""A module like sqlite3 whose errors have their own classes, and tell no more than their text."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from sqlite3 import complete_statement, register_adapter, sqlite_version, sqlite_version_info
from typing import Any

PARSE_COLNAMES, PARSE_DECLTYPES = sqlite3.PARSE_COLNAMES, sqlite3.PARSE_DECLTYPES
Binary, Row = sqlite3.Binary, sqlite3.Row
paramstyle, threadsafety, apilevel = "qmark", 1, "2.0"

__all__ = ["complete_statement", "register_adapter", "sqlite_version", "sqlite_version_info"]


class Error(Exception): ...


class InterfaceError(Error): ...


class DatabaseError(Error): ...


class DataError(DatabaseError): ...


class IntegrityError(DatabaseError): ...


class InternalError(DatabaseError): ...


class NotSupportedError(DatabaseError): ...


class OperationalError(DatabaseError): ...


class ProgrammingError(DatabaseError): ...


def _plain(method: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except sqlite3.Error as error:
            raise globals()[type(error).__name__](*error.args) from None

    return call


class Cursor(sqlite3.Cursor):
    execute = _plain(sqlite3.Cursor.execute)
    executemany = _plain(sqlite3.Cursor.executemany)
    fetchone = _plain(sqlite3.Cursor.fetchone)
    fetchmany = _plain(sqlite3.Cursor.fetchmany)
    fetchall = _plain(sqlite3.Cursor.fetchall)
    __next__ = _plain(sqlite3.Cursor.__next__)


class Connection(sqlite3.Connection):
    Error = Error  # type: ignore[assignment]
    DataError = DataError  # type: ignore[assignment]

    def cursor(self, _factory: Any = None) -> Any:
        return super().cursor(Cursor)

    def execute(self, *args: Any) -> Any:
        return self.cursor().execute(*args)

    def executemany(self, *args: Any) -> Any:
        return self.cursor().executemany(*args)


def connect(*args: Any, **options: Any) -> Any:
    return _plain(sqlite3.connect)(*args, factory=Connection, **options)
