"""Makes the Nth call of a driver fail, before it has an effect or after.

The calls are counted where each driver sends: the only place where a fault of the network, the
disk or the server can show.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import aiosqlite
import asyncmy.errors
import asyncpg
import asyncpg.connection
import asyncpg.prepared_stmt
import psycopg
import pytest
from sqlalchemy.dialects.mysql import asyncmy as asyncmy_dialect

When = Literal["before", "after"]


@dataclass
class Saboteur:
    """Counts the calls of an operation and fails one of them.

    Attributes:
        fired: Whether the call to fail was reached.
    """

    make_error: Callable[[], Exception]
    target: int = 0
    when: When = "before"
    count: int = 0
    fired: bool = False
    is_armed: bool = field(default=False)

    @contextmanager
    def armed(self, target: int, when: When) -> Iterator[None]:
        """Fail the call with this number, of those in the block."""
        self.target, self.when, self.count, self.fired = target, when, 0, False
        self.is_armed = True
        try:
            yield
        finally:
            self.is_armed = False

    def is_due(self, when: When, number: int) -> bool:
        """Tell whether this is the moment; the first yes fires."""
        is_due = bool(number) and number == self.target and when == self.when
        self.fired = self.fired or is_due
        return is_due

    def next_number(self) -> int:
        """Count one call; 0 while not armed."""
        self.count += self.is_armed
        return self.count if self.is_armed else 0


def sabotage(monkeypatch: pytest.MonkeyPatch, backend: str, *, disconnect: bool) -> Saboteur:
    """Put a saboteur between SQLAlchemy and a backend's driver."""
    saboteur = Saboteur(make_error=_errors(backend, disconnect=disconnect))
    for owner, name, is_coroutine in _calls(backend):
        wrap = _wrap_coroutine if is_coroutine else _wrap_function
        monkeypatch.setattr(owner, name, wrap(getattr(owner, name), saboteur))
    return saboteur


def _calls(backend: str) -> list[tuple[Any, str, bool]]:
    connection = asyncpg.connection.Connection
    adapter = asyncmy_dialect.AsyncAdapt_asyncmy_connection
    return {
        "sqlite": [(aiosqlite.Connection, "_execute", True)],
        "asyncpg": [
            *((connection, name, True) for name in ("execute", "fetch", "fetchrow", "prepare")),
            (asyncpg.prepared_stmt.PreparedStatement, "fetch", True),
        ],
        "psycopg": [
            (psycopg.AsyncConnection, "commit", True),
            (psycopg.AsyncConnection, "rollback", True),
            (psycopg.AsyncCursor, "execute", True),
        ],
        # asyncmy is compiled; SQLAlchemy's adapter is the last place that can be replaced.
        "mariadb": [
            (adapter, "commit", False),
            (adapter, "rollback", False),
            (asyncmy_dialect.AsyncAdapt_asyncmy_cursor, "execute", False),
        ],
    }[backend]


def _errors(backend: str, *, disconnect: bool) -> Callable[[], Exception]:
    makers: dict[str, tuple[Callable[[], Exception], Callable[[], Exception]]] = {
        "sqlite": (
            lambda: sqlite3.OperationalError("disk I/O error"),
            lambda: ValueError("no active connection"),
        ),
        "asyncpg": (
            lambda: asyncpg.exceptions.InterfaceError("something broke"),
            lambda: asyncpg.exceptions.ConnectionDoesNotExistError("connection was closed"),
        ),
        "psycopg": (
            lambda: psycopg.InternalError("something broke"),
            lambda: psycopg.OperationalError("the connection is lost"),
        ),
        "mariadb": (
            lambda: asyncmy.errors.InternalError("something broke"),
            lambda: asyncmy.errors.OperationalError(2013, "Lost connection during query"),
        ),
    }
    return makers[backend][disconnect]


def _wrap_coroutine(original: Callable[..., Any], saboteur: Saboteur) -> Callable[..., Any]:
    async def call(self: object, *args: Any, **kwargs: Any) -> Any:
        number = saboteur.next_number()
        if saboteur.is_due("before", number):
            raise saboteur.make_error()
        result = await original(self, *args, **kwargs)
        if saboteur.is_due("after", number):
            raise saboteur.make_error()
        return result

    return call


def _wrap_function(original: Callable[..., Any], saboteur: Saboteur) -> Callable[..., Any]:
    def call(self: object, *args: Any, **kwargs: Any) -> Any:
        number = saboteur.next_number()
        if saboteur.is_due("before", number):
            raise saboteur.make_error()
        result = original(self, *args, **kwargs)
        if saboteur.is_due("after", number):
            raise saboteur.make_error()
        return result

    return call
