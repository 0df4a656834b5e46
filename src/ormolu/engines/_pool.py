"""A fair connection pool, and what it checks of a connection that leaves or comes back.

The pool is the queue: who asks first is served first, within one bounded wait.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError, InvalidRequestError
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, PoolResetState
from sqlalchemy.util import await_

from ormolu.engines._errors import forget_failure
from ormolu.errors import OverloadedError
from ormolu.seams import has_open_transaction, tell_missing

__all__ = [
    "FairPool", "ping_idle_connections", "pool_class", "roll_back_on_return", "share_limit",
]  # fmt: skip

_IDLE_SECONDS = 1.0

# What SQLAlchemy's pool calls, and we write anew: it promises nobody that it does.
_HOOKS = ("_do_get", "_do_return_conn")


class FairPool(AsyncAdaptedQueuePool):
    """A pool whose waiters are served in the order in which they came.

    asyncio.Queue lets a newcomer take what was put back for a waiter, who then stands last in
    the queue again; under load a few requests would wait past any limit.
    """

    def __init__(
        self, creator: Callable[..., Any], pool_size: int = 5, timeout: float = 30.0, **options: Any
    ) -> None:
        super().__init__(creator, pool_size=pool_size, timeout=timeout, **options)
        self._longest = timeout
        self._places = pool_size
        self._line: deque[asyncio.Future[None]] = deque()

    def _do_get(self) -> ConnectionPoolEntry:
        began_at = time.monotonic()
        if self._places:
            self._places -= 1
        else:
            await_(self._wait_in_line())
        try:
            record = super()._do_get()
        except BaseException:
            self._give_place()
            raise
        # Not `info`, which ends with the connection.
        assert record.record_info is not None
        record.record_info["waited"] = time.monotonic() - began_at
        return record

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        try:
            super()._do_return_conn(record)
        finally:
            self._give_place()

    async def _wait_in_line(self) -> None:
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._line.append(turn)
        timer = loop.call_later(self._longest, self._expire, turn)
        try:
            await turn
        except BaseException:
            if turn in self._line:
                self._line.remove(turn)
            elif not turn.cancelled() and turn.exception() is None:
                # It came together with a cancellation.
                self._give_place()
            raise
        finally:
            timer.cancel()

    def _give_place(self) -> None:
        """Let the first one go who still waits."""
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._places += 1

    def _expire(self, turn: asyncio.Future[None]) -> None:
        if not turn.done():
            message = (
                f"All {self.size()} connections were in use for {self._longest} s. A unit of work "
                "keeps its connection from its first statement to its end: end it before slow "
                "work, do not open a second one inside it, or raise Database(pool_size=...)."
            )
            turn.set_exception(OverloadedError(message))


def pool_class() -> type[AsyncAdaptedQueuePool]:
    """Return the fair pool; SQLAlchemy's own where that one cannot be written so any more."""
    missing = [name for name in _HOOKS if not hasattr(AsyncAdaptedQueuePool, name)]
    if not missing:
        return FairPool
    tell_missing("SQLAlchemy", missing[0], "its own pool is used, which does not serve in turn")
    return AsyncAdaptedQueuePool


def ping_idle_connections(engine: Engine) -> None:
    """Ask the server for a sign of life before a connection that idled over 1 s is handed out.

    A busy connection is not asked: the ping would cost a round trip for each unit of work.
    """
    dialect = engine.dialect

    @event.listens_for(engine, "checkin")
    def _stamp(_connection: object, record: ConnectionPoolEntry) -> None:
        record.info["returned_at"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _ping(connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: object) -> None:
        if time.monotonic() - record.info.get("returned_at", time.monotonic()) < _IDLE_SECONDS:
            return
        try:
            dialect.do_ping(connection)
        except Exception as error:
            raise InvalidatePoolError from error


def share_limit(engine: Engine) -> None:
    """Let the wait for SQLite's write lock end when the wait for the connection would have.

    Args:
        engine: An engine of `sqlite+ormolu`.
    """

    @event.listens_for(engine, "checkout")
    def _limit(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        assert record.record_info is not None
        # Of SQLAlchemy's own pool nobody knows.
        connection.shorten_wait(record.record_info.get("waited", 0.0))


def roll_back_on_return(engine: Engine) -> None:
    """Let no connection back into the pool inside an open transaction; replaces the pool's reset.

    After a failed COMMIT SQLAlchemy takes the transaction for ended and skips its own reset,
    while SQLite keeps it open: the next unit of work would commit what the last one failed to.
    """

    @event.listens_for(engine, "reset")
    def _reset(
        connection: DBAPIConnection, record: ConnectionPoolEntry, state: PoolResetState
    ) -> None:
        if state.terminate_only or not state.asyncio_safe:
            return
        forget_failure(record.info)
        if _is_in_transaction(record.driver_connection) is not False:
            connection.rollback()
            if _is_in_transaction(record.driver_connection):
                message = "A transaction outlived its ROLLBACK; the connection is discarded."
                raise InvalidRequestError(message)


def _is_in_transaction(driver: Any) -> bool | None:
    """Ask the driver's own flag; None if it has none that we know."""
    if hasattr(driver, "in_transaction"):  # aiosqlite
        return bool(driver.in_transaction)
    if hasattr(driver, "is_in_transaction"):  # asyncpg
        # After a BEGIN that failed asyncpg still counts a transaction, and nests all later ones.
        return bool(driver.is_in_transaction() or has_open_transaction(driver))
    if hasattr(driver, "get_transaction_status"):  # asyncmy, aiomysql
        return bool(driver.get_transaction_status())
    status = getattr(getattr(driver, "info", None), "transaction_status", None)  # psycopg
    return None if status is None else bool(status)
