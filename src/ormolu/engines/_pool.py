"""A fair connection pool, and what it checks of a connection that leaves or comes back.

The pool is the queue: who asks first is served first, within one bounded wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError, InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, PoolResetState
from sqlalchemy.util import await_

from ormolu.controlled_delay import Patience
from ormolu.engines._borrowed import BorrowedConnection
from ormolu.engines._errors import forget_failure
from ormolu.engines._line import Line
from ormolu.engines._server import LineWatch, Server, answering_now
from ormolu.engines._silence import Silence
from ormolu.engines._surplus import Surplus
from ormolu.engines._traces import remove_traces
from ormolu.errors import DatabaseDownError, OverloadedError
from ormolu.seams import has_open_transaction, is_invalidated, tell_missing
from ormolu.sqlite._connection import Connection
from ormolu.timing import REQUEST

__all__ = [
    "FairPool", "ping_idle_connections", "pool_class", "reset_on_return", "share_limit",
]  # fmt: skip

_IDLE_SECONDS = 1.0

# Key in a server connection's info: when it came back to the pool.
_RETURNED_AT = "returned_at"

# What SQLAlchemy's pool calls, and we write anew: it promises nobody that it does.
_HOOKS = ("_do_get", "_do_return_conn")


class FairPool(AsyncAdaptedQueuePool):
    """A pool whose waiters are served in the order in which they came.

    asyncio.Queue lets a newcomer take what was put back for a waiter, who then stands last in
    the queue again; under load a few requests would wait past any limit. Here a connection that
    comes back goes to the first one who waits. Of idle ones the last one that came back is used
    first: the others age, and the caches of few stay warm.

    Attributes:
        handed_over: Given to the next one who asks for a connection; see `borrow`.
    """

    def __init__(
        self,
        creator: Callable[..., Any],
        pool_size: int = 5,
        max_overflow: int = 10,
        timeout: float = 30.0,
        **options: Any,
    ) -> None:
        super().__init__(
            creator, pool_size=pool_size, max_overflow=max_overflow, timeout=timeout, **options
        )
        self.handed_over: BorrowedConnection | None = None
        self._lifetime: float = options.get("recycle", -1)
        self._pings = bool(options.get("pre_ping"))
        self._size = pool_size
        self._capacity = pool_size + max_overflow
        self._in_use = 0
        # The queue of the class above stays empty: it makes entries, and counts them.
        self._idle: list[ConnectionPoolEntry] = []
        self._closed: list[ConnectionPoolEntry] = []
        self._surplus = Surplus(self._count_surplus, self._close_unneeded)
        self._line: Line[ConnectionPoolEntry | None] = Line(
            Patience(timeout, timeout), too_late=self._too_late, give_back=self._pass_on
        )
        self._server: Server | None = None
        self._watch: LineWatch | None = None
        self._silence: Silence | None = None

    def watch_server(self, server: Server, patience: Patience) -> None:
        """Send those away who wait for connections of a server that is found dead.

        Args:
            server: It.
            patience: How long one waits in line for connections of one that lives.
        """
        self._server, self._silence = server, server.silence
        self._line.patience = patience
        self._watch = LineWatch(self._line, server)
        server.lines.add(self)

    def recreate(self) -> FairPool:
        """Return a new pool like this one, as SQLAlchemy asks for after `dispose`."""
        pool = super().recreate()
        assert isinstance(pool, FairPool)
        if self._server is not None:
            pool.watch_server(self._server, self._line.patience)
        return pool

    @property
    def is_short(self) -> bool:
        """Tell whether so many are in use that one more has to wait, or be opened for a while."""
        return self._in_use >= self._size

    def checkedin(self) -> int:
        """Return how many connections are idle."""
        return len(self._idle)

    def checkedout(self) -> int:
        """Return how many connections are in use."""
        return self._in_use

    def overflow(self) -> int:
        """Return how many connections there are beyond `pool_size`, as SQLAlchemy counts."""
        return self._in_use + len(self._idle) - self.size()

    @property
    def use(self) -> dict[str, int]:
        """Return how many connections are in use and idle, may be open, and are waited for."""
        waiting, idle = len(self._line), len(self._idle)
        return {"used": self._in_use, "idle": idle, "max": self._capacity, "waiting": waiting}

    def dispose(self) -> None:
        """Close the connections that are idle."""
        self._surplus.stop()
        if self._watch is not None:
            self._watch.stop()
        while self._idle:
            self._idle.pop().close()
        self._closed.clear()
        super().dispose()

    def distrust(self) -> None:
        """Have all idle connections looked at before they are used."""
        for record in self._idle:
            record.info[_RETURNED_AT] = -_IDLE_SECONDS

    def fail_line(self, message: str) -> None:
        """Send all away who wait, of a server that is dead."""
        self._line.fail(lambda: DatabaseDownError(message))

    async def borrow(self, *, begins: bool) -> BorrowedConnection | None:
        """Take a connection out that SQLAlchemy knows nothing of, in turn with all who ask.

        Args:
            begins: Whether its first statement begins a transaction.

        Returns:
            None if SQLAlchemy has to open one, or to look at the one that is there.

        Raises:
            OverloadedError: None came free in time.
        """
        record: ConnectionPoolEntry | None
        if self._idle:
            is_ready = self._is_ready(self._idle[-1])
            if not is_ready:
                return None
            record = self._idle.pop()
            self._in_use += 1
            self._surplus.note_use()
        elif self._in_use < self._capacity:
            return None
        else:
            record = await self._line_up()
            is_ready = record is not None and self._is_ready(record)
        self._note_use()
        return BorrowedConnection(self, record, begins=begins, is_ready=is_ready)

    def _note_use(self) -> None:
        if self._silence is not None and not self._silence.is_looking:
            self._silence.begin()

    async def _line_up(self) -> ConnectionPoolEntry | None:
        """Return the connection that was waited for, or None: the place for one."""
        if self._watch is not None:
            self._watch.begin()
        began_at = time.monotonic()
        try:
            return await self._line.wait()
        finally:
            self._note_wait(time.monotonic() - began_at)

    def _note_wait(self, seconds: float) -> None:
        request = REQUEST.get()
        if request is not None:
            request.queued += seconds
        if self._server is not None and self._server.instruments is not None:
            self._server.instruments.wait_time.record(seconds, {})

    def _is_ready(self, record: ConnectionPoolEntry) -> bool:
        """Tell whether a connection can be used without a look at it."""
        if self._pings or is_invalidated(record):
            return False
        if self._lifetime >= 0:
            connected_at: float = getattr(record, "last_connect_time", 0.0)
            if time.time() - connected_at > self._lifetime:
                return False
        if self._server is None or self._server.timeout is None:
            return not _is_of_moved_file(record.dbapi_connection)
        returned_at: float = record.info.get(_RETURNED_AT, 0.0)
        return time.monotonic() - returned_at < _IDLE_SECONDS

    def take_back(self, record: ConnectionPoolEntry | None) -> None:
        """Take a connection back that was borrowed, or the place for one."""
        if record is not None:
            record.info[_RETURNED_AT] = time.monotonic()
        self._pass_on(record)

    def _do_get(self) -> ConnectionPoolEntry:
        began_at = time.monotonic()
        answering = answering_now()
        waited_for = None
        if self.handed_over is not None:
            waited_for, self.handed_over = self.handed_over.record, None
        elif self._in_use < self._capacity:
            self._in_use += 1
        elif answering is not None and not answering.may_wait:
            message = f"All {self._capacity} connections are in use."
            raise OverloadedError(message)
        else:
            waited_for = await_(self._line_up())
        if answering is not None:
            answering.begin()
        record = self._take_or_open() if waited_for is None else waited_for
        self._note_use()
        # In the record's own info: `info` is emptied when the connection closes.
        assert record.record_info is not None
        record.record_info["waited"] = time.monotonic() - began_at
        return record

    def _take_or_open(self) -> ConnectionPoolEntry:
        if self._idle:
            record = self._idle.pop()
            self._surplus.note_use()
            return record
        try:
            return self._closed.pop() if self._closed else super()._do_get()
        except BaseException:
            self._pass_on(None)
            raise

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        self._pass_on(record)

    def _pass_on(self, record: ConnectionPoolEntry | None) -> None:
        """Hand a connection, or the place for one, to the first one who waits."""
        if self._server is not None and record is not None and record.dbapi_connection is not None:
            self._server.give_sign()
        if self._line.serve(record):
            return
        self._in_use -= 1
        if record is not None:
            self._idle.append(record)
            self._surplus.note_return()

    def _count_surplus(self) -> int:
        return len(self._idle) - self.size()

    def _close_unneeded(self, count: int) -> None:
        """Close the connections that were idle longest; in a greenlet."""
        unneeded = self._idle[:count]
        del self._idle[:count]
        for record in unneeded:
            record.close()
            self._closed.append(record)
        self._surplus.note_return()

    def _too_late(self, waited: float, is_standing: bool) -> OverloadedError:
        if self._server is not None:
            self._server.condition.counts.refusals += 1
        why = ", and others have waited in line all the time lately" if is_standing else ""
        message = (
            f"All {self._capacity} connections were in use for the {waited:.2f} s that this unit "
            f"of work waited{why}. A unit of work keeps its connection from its first statement to "
            "its end: end it before slow work, do not open a second one inside it, or raise "
            "Database(pool_size=...)."
        )
        return OverloadedError(message)


def pools_of(engines: Iterable[AsyncEngine]) -> list[FairPool]:
    """Return the pools of engines; SQLAlchemy's own tell less."""
    pools = [each.sync_engine.pool for each in engines]
    return [each for each in pools if isinstance(each, FairPool)]


def pool_class() -> type[AsyncAdaptedQueuePool]:
    """Return the fair pool; SQLAlchemy's own where that one cannot be written so any more."""
    missing = [name for name in _HOOKS if not hasattr(AsyncAdaptedQueuePool, name)]
    if not missing:
        return FairPool
    tell_missing("SQLAlchemy", missing[0], "its own pool is used, which does not serve in turn")
    return AsyncAdaptedQueuePool


def ping_idle_connections(engine: Engine, server: Server) -> None:
    """Ask the server for a sign of life before a connection that idled over 1 s is handed out.

    A busy connection is not asked: the ping would cost a round trip for each unit of work.
    """
    dialect = engine.dialect

    @event.listens_for(engine, "checkin")
    def _stamp(_connection: object, record: ConnectionPoolEntry) -> None:
        record.info[_RETURNED_AT] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _ping(connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: object) -> None:
        if time.monotonic() - record.info.get(_RETURNED_AT, time.monotonic()) < _IDLE_SECONDS:
            return
        try:
            dialect.do_ping(connection)
        except Exception as error:
            raise InvalidatePoolError from error
        server.give_sign()


def _is_of_moved_file(connection: Any) -> bool:
    return isinstance(connection, Connection) and connection.writers.looks_moved()


def share_limit(engine: Engine) -> None:
    """Let the wait for the turn to write end when the wait for the connection would have.

    And hand out no connection to a file that is no longer in its place.

    Args:
        engine: An engine of `sqlite+ormolu`.
    """

    @event.listens_for(engine, "checkout")
    def _limit(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        if _is_of_moved_file(connection):
            raise InvalidatePoolError
        assert record.record_info is not None
        # Other pools do not note it.
        connection.waited = record.record_info.get("waited", 0.0)


def reset_on_return(engine: Engine, is_as_opened: Callable[[], bool]) -> None:
    """Let no connection back into the pool with a transaction or settings; replaces its reset.

    After a failed COMMIT SQLAlchemy takes the transaction for ended and skips its own reset,
    while SQLite keeps it open: the next unit of work would commit what the last one failed to.

    Args:
        engine: Whose pool it is.
        is_as_opened: Tells whether nobody else has told a connection anything as it was opened.
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
        remove_traces(connection, record, is_as_opened)


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
