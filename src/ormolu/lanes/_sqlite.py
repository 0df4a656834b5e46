"""The lanes of a SQLite file: reads on the event loop's thread, writes in groups on the writer's.

A point read takes microseconds, less than the way to a thread and back: it runs where it is asked
for, within a limit. Writes that come together are one transaction with one sync.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ormolu.controlled_delay import Excess
from ormolu.engines import Engines
from ormolu.lanes._bans import Bans
from ormolu.lanes._lane import Item, NotDoneError
from ormolu.lanes._pinned import PinnedConnection
from ormolu.lanes._plan import NO_VALUES, Plan, PointPlan, Read, Values
from ormolu.lanes._sharing import sameness_of
from ormolu.lanes._sqlite_writes import WriteLane
from ormolu.sqlite._connection import Connection
from ormolu.sqlite._cursor import fetch_within
from ormolu.taps import TAPS, tell
from ormolu.transactions import Access

__all__ = ["SQLiteLanes"]

# Steps of SQLite's virtual machine that a read may take on the event loop, some 2 ms. They are
# counted since on a busy machine any read is long by the clock now and then.
_STEPS = 4000
_ROUNDS = 15

# Reads begin in the first so many seconds of an iteration of the event loop. They share a snapshot
# and equal results, but nothing else runs meanwhile.
_TURN = 0.003

# How many of those who came too late for one iteration are let into a later one.
_AT_ONCE = 16

_T = TypeVar("_T")


class SQLiteLanes:
    """Reads and writes of one SQLite file on one event loop.

    Attributes:
        is_closed: Whether they are no longer there.
    """

    def __init__(self, engines: Engines, has_listeners: Callable[[], bool]) -> None:
        self.is_closed = False
        self._reads = _Reads(engines, has_listeners)
        self._writes = WriteLane(engines, has_listeners)

    async def fetch(self, reads: Sequence[Read], make: Callable[..., _T]) -> _T:
        """Return what is made of the rows of some reads of one snapshot; see `Lanes`.

        Raises:
            NotDoneError: One takes long, or it failed.
        """
        await self._reads.take_turn()
        made: _T = self._reads.share(reads, make)
        return made

    async def fetch_one(
        self, plan: PointPlan, key: Sequence[Any], values: Values = NO_VALUES
    ) -> Sequence[Any] | None:
        """Return the row with a key, None if there is none.

        Raises:
            NotDoneError: As `fetch`.
        """
        # One statement for each key is faster here than one that takes a list of keys apart.
        await self._reads.take_turn()
        rows = self._reads.fetch(plan.one, plan.one.key_arguments(key, values))
        return rows[0] if rows else None

    async def fetch_of(
        self, plan: Plan, keys: Sequence[Any], values: Values = NO_VALUES
    ) -> Sequence[Any]:
        """Return the rows that belong to some keys, in the snapshot of the last read.

        Raises:
            NotDoneError: As `fetch`, or there are more than the plan returns.
        """
        # Read in the snapshot of their owners: another one may lack those.
        arguments = plan.arguments({**values, "keys": json.dumps(keys)})
        rows = self._reads.fetch(plan, arguments, is_latest=False)
        if plan.is_cut_off(rows):
            raise NotDoneError
        return rows

    async def write(self, item: Item) -> Sequence[Any] | None:
        """Return the row of a write once it is durable; None if there was none to change.

        Raises:
            NotDoneError: It failed, and nothing of it is stored.
            OutcomeUnknownError: It may be stored or not.
            OverloadedError: The line is too long, or its lock did not come free.
        """
        return await self._writes.put(item)

    async def close(self) -> None:
        """Give the connections back, after what is under way."""
        self.is_closed = True
        await self._reads.close()
        await self._writes.close()


class _Reads:
    """Reads, all of one turn of the event loop in one snapshot.

    The snapshot is opened after the request was received, and ends before one is received that
    was sent after it was opened: nobody misses what they know to be stored.
    """

    def __init__(self, engines: Engines, has_listeners: Callable[[], bool]) -> None:
        self._pinned = PinnedConnection(engines, Access.READ, has_listeners)
        self._counts = engines.counts.lane_reads
        self._stopwatch = engines.stopwatch
        self._loop = asyncio.get_running_loop()
        self._writers: Any = None
        self._sqlite: Any = None
        self._cursor: Any = None
        self.is_open = False
        self._is_closed = False
        self._is_snapshot_open = False
        self._end_at = 0.0
        # Results of this snapshot, shared by all who ask for the same.
        self._shared: dict[tuple[Any, ...], Any] = {}
        self._written_before = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._excess = Excess(4 * _AT_ONCE)
        self._rounds = 0
        self._longest = self._room = 0
        self._bans = Bans()

    async def take_turn(self) -> None:
        """Wait for a turn of the event loop that has time; who came first goes first.

        Raises:
            NotDoneError: There is no connection, or no longer.
        """
        is_late = self._is_snapshot_open and time.perf_counter() > self._end_at
        if is_late or self._waiting:
            await self._wait()
        if self._writers is not None and self._writers.looks_moved():
            self._let_go()
            await self._pinned.drop()
        if not self.is_open:
            await self.open()

    async def _wait(self) -> None:
        if not self._waiting:
            self._loop.call_soon(self._admit)
        future = self._loop.create_future()
        self._waiting.append(future)
        self._excess.note(len(self._waiting), self._loop.time())
        await future

    def _admit(self) -> None:
        """Let some of those who wait read in the next turn of the event loop."""
        for _ in range(min(_AT_ONCE, len(self._waiting))):
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
        self._excess.note(len(self._waiting), self._loop.time())
        if self._waiting:
            self._loop.call_soon(self._admit)

    async def open(self) -> None:
        connection = await self._pinned.take()
        assert isinstance(connection, Connection)
        sqlite = connection.borrow()
        if sqlite is None or self._is_closed:
            raise NotDoneError
        sqlite.set_progress_handler(self._is_long, _STEPS)
        self._longest, self._room = sqlite.getlimit(sqlite3.SQLITE_LIMIT_LENGTH), 0
        self._writers, self._sqlite, self._cursor = connection.writers, sqlite, sqlite.cursor()
        self.is_open = True

    def share(self, reads: Sequence[Read], make: Callable[..., Any]) -> Any:
        self._bring_up_to_date()
        sames = [sameness_of(arguments) for _, arguments in reads]
        asked = (*[plan for plan, _ in reads], *sames)
        if None not in sames and asked in self._shared:
            return self._shared[asked]
        rows = [self.fetch(*read, is_latest=False) for read in reads]
        made = make(*rows)
        if None not in sames:
            self._shared[asked] = made
        return made

    def fetch(
        self, plan: Plan, arguments: Sequence[Any], *, is_latest: bool = True
    ) -> Sequence[Any]:
        if self._bans and self._bans.has(plan.text):
            raise NotDoneError
        if is_latest:
            self._bring_up_to_date()
        self._rounds = 0
        if plan.room != self._room:
            # A single value may hold all rows, where SQLite makes JSON of them.
            self._sqlite.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, plan.room)
            self._room = plan.room
        if TAPS:
            tell(plan.text)
        self._counts.statements += 1
        began_at = time.monotonic()
        try:
            return fetch_within(self._cursor.execute(plan.text, arguments), plan.room)
        except (sqlite3.Error, OverflowError) as error:
            if getattr(error, "sqlite_errorname", "") == "SQLITE_INTERRUPT":
                self._bans.add(plan.text)
            raise NotDoneError from error
        finally:
            if self._stopwatch is not None:
                self._stopwatch.note(plan.text, time.monotonic() - began_at)

    def _bring_up_to_date(self) -> None:
        if self._is_snapshot_open and self._writers.count == self._written_before:
            return
        try:
            self._open_snapshot()
        except sqlite3.Error as error:
            raise NotDoneError from error

    def _open_snapshot(self) -> None:
        """Open a snapshot, the first of this turn or one with all that was written since.

        Raises:
            NotDoneError: The program listens to statements.
        """
        if self._is_snapshot_open:
            self._end_snapshot()
        elif self._pinned.has_listeners:
            raise NotDoneError
        else:
            self._loop.call_soon(self._end_snapshot)
            self._end_at = time.perf_counter() + _TURN
        self._written_before = self._writers.count
        self._sqlite.execute("BEGIN")
        self._is_snapshot_open = True
        self._counts.batches += 1

    def _end_snapshot(self) -> None:
        if self._is_snapshot_open:
            self._is_snapshot_open = False
            self._shared.clear()
            self._rounds = 0
            self._sqlite.execute("ROLLBACK")

    def _is_long(self) -> bool:
        self._rounds += 1
        return self._rounds > _ROUNDS

    async def close(self) -> None:
        self._is_closed = True
        self._let_go()
        await self._pinned.give_back()

    def _let_go(self) -> None:
        if self._sqlite is not None:
            self._end_snapshot()
            self._sqlite.set_progress_handler(None, 0)
            self._sqlite.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, self._longest)
            self._writers = self._sqlite = self._cursor = None
            self.is_open = False
