"""Makes the Nth call of a driver fail, before or after its effect, as real faults do."""

from __future__ import annotations

import functools
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import asyncmy.connection
import asyncmy.errors
import asyncpg
import psycopg
import pytest
from asyncpg.prepared_stmt import PreparedStatement

from tests.fixtures.backends import Backend

# plain: an error without a code. disconnect: the connection dies. reset: the same, as a bare
# OSError. coded: the server refuses with "try again", which only makes sense before an effect.
Kind = Literal["plain", "disconnect", "reset", "coded"]
Moment = Literal["before", "after"]

Fault = tuple[Kind, Moment]

FAULTS: tuple[Fault, ...] = (
    ("plain", "before"),
    ("plain", "after"),
    ("disconnect", "before"),
    ("disconnect", "after"),
    ("reset", "after"),
    ("coded", "before"),
)

# Every call that sends something. `asyncmy` looks these up on the class; so do the others.
_CHOKE_POINTS: dict[str, tuple[tuple[Any, str], ...]] = {
    "asyncpg": (
        (asyncpg.Connection, "execute"),
        (asyncpg.Connection, "_execute"),
        (asyncpg.Connection, "_get_statement"),
        (PreparedStatement, "fetch"),
    ),
    "psycopg": ((psycopg.AsyncConnection, "wait"),),
    "mariadb": tuple(
        (asyncmy.connection.Connection, name) for name in ("query", "commit", "rollback")
    ),
}


@dataclass
class Injector:
    """Counts the driver's calls while it is armed, and fails one of them."""

    backend: str
    kind: Kind = "plain"
    moment: Moment = "before"
    target: int = 0
    calls: int = 0
    fired: str = ""

    @contextmanager
    def armed(self, kind: Kind, moment: Moment, target: int) -> Iterator[None]:
        """Fail the call with this number, counted from 1, inside the block."""
        self.kind, self.moment, self.target = kind, moment, target
        self.calls, self.fired = 0, ""
        try:
            yield
        finally:
            self.target = 0

    def call_now(self, original: Callable[..., Any], owner: Any, *args: Any, **options: Any) -> Any:
        """Do what `call` does, for a driver that does not await."""
        self.calls += bool(self.target)
        if not self.target or self.calls != self.target:
            return original(owner, *args, **options)
        self.fired = f"{original.__name__}{_excerpt(args)}"
        if self.moment == "after":
            original(owner, *args, **options)
        raise _break(self.backend, self.kind, owner)

    async def call(
        self, original: Callable[..., Awaitable[Any]], owner: Any, *args: Any, **options: Any
    ) -> Any:
        if not self.target:
            return await original(owner, *args, **options)
        self.calls += 1
        if self.calls != self.target:
            return await original(owner, *args, **options)
        self.fired = f"{original.__name__}{_excerpt(args)}"
        if self.moment == "after":
            await original(owner, *args, **options)
        elif self.kind == "coded" and isinstance(owner, PreparedStatement):
            # A server that refuses a statement has ended what its preparation began.
            await owner._connection.fetchval("SELECT 1")
        raise _break(self.backend, self.kind, owner)


@pytest.fixture
def injector(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> Iterator[Injector]:
    """An injector in the driver of the backend."""
    # Kept log records would keep the errors, and these the driver's cursors.
    logging.disable(logging.CRITICAL)
    injector = Injector(backend.name)
    for owner, name in _CHOKE_POINTS.get(backend.name, ()):
        monkeypatch.setattr(owner, name, _wrap(injector, getattr(owner, name)))
    monkeypatch.setattr(sqlite3, "connect", _faulty_connect(injector))
    yield injector
    logging.disable(logging.NOTSET)


def _wrap(injector: Injector, original: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
    async def patched(owner: Any, *args: Any, **options: Any) -> Any:
        return await injector.call(original, owner, *args, **options)

    return patched


def _faulty_connect(injector: Injector) -> Callable[..., sqlite3.Connection]:
    class FaultyConnection(sqlite3.Connection):
        def execute(self, *args: Any) -> sqlite3.Cursor:
            execute: sqlite3.Cursor = injector.call_now(sqlite3.Connection.execute, self, *args)
            return execute

    return functools.partial(sqlite3.connect, factory=FaultyConnection)


def _excerpt(args: tuple[Any, ...]) -> str:
    return f"({', '.join(str(getattr(a, '__name__', a))[:40] for a in args)})"


def _break(backend: str, kind: Kind, owner: Any) -> Exception:
    """Return the error to raise; where it says so, the connection is dead."""
    if kind == "reset":
        _kill(backend, owner)
        return ConnectionResetError(104, "Connection reset by peer")
    if kind == "disconnect":
        _kill(backend, owner)
        return _DISCONNECTS[backend]()
    return (_PLAIN if kind == "plain" else _CODED)[backend]()


def _kill(backend: str, owner: Any) -> None:
    if backend == "asyncpg":
        getattr(owner, "_connection", owner).terminate()
    elif backend == "psycopg":
        owner.pgconn.finish()
    elif backend == "mariadb":
        owner.close()


def _busy() -> sqlite3.OperationalError:
    # Not SQLITE_BUSY, which the driver takes for a reason to try again.
    error = sqlite3.OperationalError("locking protocol")
    error.sqlite_errorname = "SQLITE_PROTOCOL"
    return error


_PLAIN: dict[str, Callable[[], Exception]] = {
    "sqlite": lambda: sqlite3.OperationalError("injected"),
    "asyncpg": lambda: asyncpg.InterfaceError("injected"),
    "psycopg": lambda: psycopg.OperationalError("injected"),
    "mariadb": lambda: asyncmy.errors.OperationalError("injected"),
}

_DISCONNECTS: dict[str, Callable[[], Exception]] = {
    "sqlite": lambda: sqlite3.ProgrammingError("Cannot operate on a closed database."),
    "asyncpg": lambda: asyncpg.ConnectionDoesNotExistError("connection was closed"),
    "psycopg": lambda: psycopg.OperationalError("server closed the connection unexpectedly"),
    "mariadb": lambda: asyncmy.errors.OperationalError(2013, "Lost connection to MySQL server"),
}

_CODED: dict[str, Callable[[], Exception]] = {
    "sqlite": _busy,
    "asyncpg": lambda: asyncpg.SerializationError("could not serialize access"),
    "psycopg": lambda: psycopg.errors.SerializationFailure("could not serialize access"),
    "mariadb": lambda: asyncmy.errors.OperationalError(1213, "Deadlock found"),
}
