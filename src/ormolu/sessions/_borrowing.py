"""A session that reads over a borrowed connection, as long as that will do.

SQLAlchemy's own transaction and connection begin once anything asks for them, with what the
borrowed connection has begun: all reads of the session are of one transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, Select
from sqlalchemy.orm import Session, SessionTransaction
from sqlalchemy.util.concurrency import in_greenlet

from ormolu.engines import FAILURE, BorrowedConnection, Precedence
from ormolu.sessions._compiled import CompiledQuery, Parameters
from ormolu.timing import Stopwatch

__all__ = ["BorrowingSession"]


class BorrowingSession(Session):
    """The session below; `borrowed` is given back at its end, or handed over to SQLAlchemy.

    Attributes:
        borrowed: The connection, with what was read over it; None if it has none.
        kept: What is made once for the engine that it is of.
        connected: The Connection that SQLAlchemy has made of it.
        counted: Where its transaction is counted, and as what.
        stopwatch: Is told how long a statement over the borrowed connection took.
    """

    borrowed: BorrowedConnection | None = None
    kept: Any = None
    connected: Connection | None = None
    counted: tuple[Precedence, Hashable] | None = None
    stopwatch: Stopwatch | None = None

    def fetch(
        self,
        query: CompiledQuery,
        parameters: Parameters,
        statement: Select[Any],
        given: Mapping[str, Any] | None = None,
    ) -> Sequence[Any]:
        """Return the rows of a query over the borrowed connection.

        Args:
            query: The query.
            parameters: Of the statement.
            statement: What it was compiled from, or one like it: what fails SQLAlchemy tells.
            given: Values by the names of parameters, which take the place of theirs.

        Raises:
            Exception: What SQLAlchemy makes of the driver's error.
        """
        assert self.borrowed is not None
        try:
            arguments = query.arguments(parameters, given)
        except Exception:
            return self.connection().execute(statement, given).all()
        began_at = time.monotonic()
        try:
            rows = query.execute(self.borrowed.dbapi_connection.cursor(), arguments)
        except BaseException as error:
            self.connection().execute(statement, given, execution_options={FAILURE: error})
            raise
        finally:
            if self.stopwatch is not None:
                self.stopwatch.note(query.text, time.monotonic() - began_at)
        return query.read(rows)

    def fetch_at_once(
        self, query: CompiledQuery, parameters: Parameters, given: Mapping[str, Any] | None
    ) -> Sequence[Any] | None:
        """Return the rows of a query that waits for nothing, outside of a greenlet.

        Returns:
            None if `fetch` has to do it: it may have to wait, or has failed, in which case it
            fails again there.
        """
        assert self.borrowed is not None
        try:
            arguments = query.arguments(parameters, given)
            rows = query.execute_at_once(self.borrowed, arguments)
        except Exception:
            return None
        if rows is None:
            return None
        if self.stopwatch is not None:
            # It has waited for nothing, and taken less than a thread would have.
            self.stopwatch.note(query.text, 0.0)
        return query.read(rows)

    async def pause(self) -> None:
        """Let other tasks run, if this one has read at once for long."""
        if self.borrowed is not None:
            await self.borrowed.pause()

    def get_bind(self, *args: Any, **kwargs: Any) -> Engine | Connection:
        """Return where statements go; SQLAlchemy asks before it takes a connection."""
        if self.borrowed is not None and in_greenlet():
            self.hand_over()
        return super().get_bind(*args, **kwargs)

    def hand_over(self) -> None:
        """Let SQLAlchemy have the borrowed connection."""
        borrowed, self.borrowed = self.borrowed, None
        assert borrowed is not None
        self.connected = borrowed.hand_over(self.connection)

    @property
    def dialect(self) -> Dialect:
        """Return that of its engine."""
        assert self.bind is not None
        return self.bind.dialect

    def give_back(self) -> None:
        """End what was read over the borrowed connection, if there is one."""
        borrowed, self.borrowed = self.borrowed, None
        if borrowed is not None:
            borrowed.give_back()

    def invalidate(self) -> None:
        """Close the session, and throw its connections away."""
        borrowed, self.borrowed = self.borrowed, None
        if borrowed is not None:
            borrowed.discard()
        try:
            super().invalidate()
        finally:
            self.stop_counting()

    def stop_counting(self) -> None:
        """Count its transaction no more."""
        if self.counted is not None:
            (precedence, work), self.counted = self.counted, None
            precedence.end(work)

    def in_transaction(self) -> bool:
        """Tell whether anything was read or sent."""
        return self.borrowed is not None or super().in_transaction()

    def get_transaction(self) -> SessionTransaction | None:
        """Return the transaction."""
        transaction = super().get_transaction()
        return self.begin() if transaction is None and self.borrowed is not None else transaction


def _ending(name: str) -> Callable[..., Any]:
    """Return a method of Session's that ends what was read first."""

    def end(self: BorrowingSession, *args: Any, **kwargs: Any) -> Any:
        self.give_back()
        try:
            return getattr(super(BorrowingSession, self), name)(*args, **kwargs)
        finally:
            self.stop_counting()

    end.__name__, end.__doc__ = name, getattr(Session, name).__doc__
    return end


for _name in ("close", "commit", "reset", "rollback"):
    setattr(BorrowingSession, _name, _ending(_name))
