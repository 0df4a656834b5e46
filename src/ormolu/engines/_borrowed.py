"""A pooled connection that is used past SQLAlchemy, for statements that are compiled already.

To make a Connection of SQLAlchemy's and a proxy of its pool's costs several times what a short read
does. Where one is needed after all, SQLAlchemy takes this connection, with the transaction on it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import ExecutionContext
from sqlalchemy.pool import ConnectionPoolEntry

from ormolu.sqlite import Connection
from ormolu.taps import TAPS

__all__ = ["FAILURE", "BorrowedConnection", "Owner", "repeat_failures"]

_T = TypeVar("_T")

_log = logging.getLogger("ormolu")

# The execution option of a statement that has failed on a borrowed connection: its error.
FAILURE = "ormolu_failure"


class Owner(Protocol):
    """The pool that a connection was borrowed from."""

    # Taken by the next one who asks the pool for a connection.
    handed_over: BorrowedConnection | None

    def take_back(self, record: ConnectionPoolEntry | None) -> None:
        """Take a connection that is not used any more, or the place for one."""
        ...


class BorrowedConnection:
    """A connection that belongs to whoever borrowed it, until it is given back or handed over.

    Attributes:
        record: The pool's entry of it; None if it is only the place for one.
        is_ready: Whether statements can be sent over it as it is.
        dbapi_connection: What they are sent with.
    """

    __slots__ = ("_begins", "_is_ours", "_pool", "dbapi_connection", "is_ready", "record")

    def __init__(
        self, pool: Owner, record: ConnectionPoolEntry | None, *, begins: bool, is_ready: bool
    ) -> None:
        """Take a connection that the pool counts as in use.

        Args:
            pool: Takes it back.
            record: See the attribute.
            begins: Whether its first statement begins a transaction.
            is_ready: See the attribute.
        """
        self._pool = pool
        self._begins = begins
        self._is_ours = True
        self.record: ConnectionPoolEntry | None = record
        self.is_ready: bool = is_ready
        self.dbapi_connection: Any = None if record is None else record.dbapi_connection

    def read_at_once(self, sql: str, values: Any) -> Sequence[Any] | None:
        """Return the rows of a query that waits for nothing, outside of a greenlet.

        Returns:
            None if it may have to wait. After rows `pause` is to be awaited.
        """
        connection = self.dbapi_connection
        # A tap is told of it where it is sent after all, as of any other.
        is_at_once = type(connection) is Connection and not TAPS
        return connection.read_at_once(sql, values) if is_at_once else None

    def pause(self) -> Awaitable[None]:
        """Return what lets other tasks run, if one has read at once for long."""
        pause: Awaitable[None] = self.dbapi_connection.pause()
        return pause

    def give_back(self) -> None:
        """Roll back what was begun, and give the connection back; waits for nothing."""
        if not self._is_ours:
            return
        self._is_ours = False
        try:
            if self._begins and self.is_ready:
                self.dbapi_connection.rollback()
        except Exception as error:
            assert self.record is not None
            self.record.invalidate(error)
        finally:
            self._pool.take_back(self.record)

    def discard(self) -> None:
        """Throw the connection away; in a greenlet, as some drivers have to wait for that."""
        if self._is_ours:
            self._is_ours = False
            try:
                if self.record is not None:
                    self.record.invalidate()
            finally:
                self._pool.take_back(self.record)

    def hand_over(self, connect: Callable[[], _T]) -> _T:
        """Let SQLAlchemy have the connection as it is; in a greenlet.

        Args:
            connect: Asks the pool for a connection, which is this one.
        """
        self._pool.handed_over = self
        try:
            return connect()
        finally:
            if self._pool.handed_over is None:
                self._is_ours = False
            else:
                # It has failed before it asked.
                self._pool.handed_over = None
                self.give_back()

    def __del__(self) -> None:
        """Close a connection whose borrower was forgotten: nobody knows what is open on it."""
        if self._is_ours:
            _log.warning("A session was not closed; its connection is discarded.")
            self.discard()


def repeat_failures(engine: Engine) -> None:
    """Let a statement that failed on a borrowed connection fail with SQLAlchemy as it did there.

    What an error becomes, and whether the connection is lost with it, is SQLAlchemy's to tell. The
    statement is not sent again: it may have failed after its whole time limit.
    """

    @event.listens_for(engine, "do_execute")
    def _raise(_cursor: Any, _sql: str, _values: Any, context: ExecutionContext) -> None:
        failure: BaseException | None = context.execution_options.get(FAILURE)
        if failure is not None:
            raise failure
