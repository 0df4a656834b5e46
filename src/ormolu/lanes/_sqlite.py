"""The lanes of a SQLite file: reads on the event loop's thread, writes in groups on the writer's.

A point read takes microseconds, less than the way to a thread and back: it runs where it is asked
for, within a limit. Writes that come together are one transaction with one sync.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from sqlalchemy.util import greenlet_spawn

from ormolu.engines import Engines
from ormolu.errors import OutcomeUnknownError, OverloadedError
from ormolu.lanes._bans import Bans
from ormolu.lanes._held import Held
from ormolu.lanes._lane import Item, Lane, NotDoneError
from ormolu.lanes._plan import Plan, PointPlan, Read, numbered
from ormolu.sqlite._connection import Connection
from ormolu.sqlite._cursor import fetch_within
from ormolu.transactions import Access

__all__ = ["SQLiteLanes"]

# Steps of SQLite's virtual machine that a read may keep the event loop for, some 2 ms, counted in
# rounds. Not by the clock: on a busy machine any read is long now and then.
_STEPS = 4000
_ROUNDS = 15

# Seconds of a turn of the event loop in which reads begin. They share a snapshot, and what is asked
# for several times; but nothing else happens meanwhile.
_TURN = 0.003

# Writes of one transaction: whoever comes next waits for all of them.
_BATCH = 128

# Seconds between writes that give up together; later ones of a batch go on waiting.
_TOGETHER = 0.1

_T = TypeVar("_T")


class SQLiteLanes:
    """Reads and writes of one SQLite file on one event loop.

    Attributes:
        is_closed: Whether they are no longer there.
    """

    def __init__(self, engines: Engines, is_heard: Callable[[], bool]) -> None:
        self.is_closed = False
        self._reads = _Reads(engines, is_heard)
        self._writes = _Writes(engines, is_heard)

    async def fetch(self, reads: Sequence[Read], make: Callable[..., _T]) -> _T:
        """Return what is made of the rows of some reads of one snapshot; see `Lanes`.

        Raises:
            NotDoneError: One takes long, or it failed.
        """
        await self._reads.take_turn()
        made: _T = self._reads.share(reads, make)
        return made

    async def fetch_one(self, plan: PointPlan, key: Sequence[Any]) -> Sequence[Any] | None:
        """Return the row with a key, None if there is none.

        Raises:
            NotDoneError: As `fetch`.
        """
        # A statement for each key costs less here than one for all, which takes a list apart.
        await self._reads.take_turn()
        rows = self._reads.fetch(plan.one, plan.one.key_arguments(key))
        return rows[0] if rows else None

    async def fetch_of(self, plan: Plan, keys: Sequence[Any]) -> Sequence[Any]:
        """Return the rows that belong to some keys, in the snapshot of the last read.

        Raises:
            NotDoneError: As `fetch`, or there are more than the plan returns.
        """
        # As the rows whose keys they are, of which another snapshot may have none.
        arguments = plan.arguments({"keys": json.dumps(keys)})
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

    def __init__(self, engines: Engines, is_heard: Callable[[], bool]) -> None:
        self._held = Held(engines, Access.READ, is_heard)
        self._loop = asyncio.get_running_loop()
        self._line: Any = None
        self._sqlite: Any = None
        self._cursor: Any = None
        self.is_open = False
        self._is_closed = False
        self._is_snapshot_open = False
        self._end_at = 0.0
        # What was read in this snapshot, and is the same for all who ask for it.
        self._shared: dict[tuple[Any, ...], Any] = {}
        self._written_before = 0
        self._rounds = 0
        self._longest = self._room = 0
        self._bans = Bans()

    async def take_turn(self) -> None:
        """Wait for a turn of the event loop that has time; who came first goes first.

        Raises:
            NotDoneError: There is no connection, or no longer.
        """
        # A turn of the event loop is what it waits for.
        while self._is_snapshot_open and time.perf_counter() > self._end_at:  # noqa: ASYNC110
            await asyncio.sleep(0)
        if not self.is_open:
            await self.open()

    async def open(self) -> None:
        connection = await self._held.take()
        assert isinstance(connection, Connection)
        sqlite = connection.lend()
        if sqlite is None or self._is_closed:
            raise NotDoneError
        sqlite.set_progress_handler(self._is_long, _STEPS)
        self._longest, self._room = sqlite.getlimit(sqlite3.SQLITE_LIMIT_LENGTH), 0
        self._line, self._sqlite, self._cursor = connection.line, sqlite, sqlite.cursor()
        self.is_open = True

    def share(self, reads: Sequence[Read], make: Callable[..., Any]) -> Any:
        self._bring_up_to_date()
        asked = tuple([part for plan, arguments in reads for part in (plan, *arguments)])
        if asked in self._shared:
            return self._shared[asked]
        rows = [self.fetch(*read, is_latest=False) for read in reads]
        made = self._shared[asked] = make(*rows)
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
            # One value may be all rows, if SQLite makes JSON of them.
            self._sqlite.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, plan.room)
            self._room = plan.room
        try:
            return fetch_within(self._cursor.execute(plan.text, arguments), plan.room)
        except (sqlite3.Error, OverflowError) as error:
            if getattr(error, "sqlite_errorname", "") == "SQLITE_INTERRUPT":
                self._bans.add(plan.text)
            raise NotDoneError from error

    def _bring_up_to_date(self) -> None:
        if self._is_snapshot_open and self._line.count == self._written_before:
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
        elif self._held.is_heard:
            raise NotDoneError
        else:
            self._loop.call_soon(self._end_snapshot)
            self._end_at = time.perf_counter() + _TURN
        self._written_before = self._line.count
        self._sqlite.execute("BEGIN")
        self._is_snapshot_open = True

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
        if self._sqlite is not None:
            self._end_snapshot()
            self._sqlite.set_progress_handler(None, 0)
            self._sqlite.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, self._longest)
            self._sqlite = self._cursor = None
            self.is_open = False
        await self._held.give_back()


class _Writes:
    """Writes, all that wait in one transaction: each is done or not on its own."""

    def __init__(self, engines: Engines, is_heard: Callable[[], bool]) -> None:
        self._held = Held(engines, Access.WRITE, is_heard)
        patience = engines.options.patience
        self._lane = Lane(self._run_batch, patience=patience, batch=_BATCH)

    async def put(self, item: Item) -> Sequence[Any] | None:
        rows: Sequence[Any] = await self._lane.put(item)
        return rows[0] if rows else None

    async def _run_batch(self, batch: list[Item]) -> None:
        if self._held.is_heard:
            raise NotDoneError
        connection = await self._held.take()
        assert isinstance(connection, Connection)
        # A statement alone is a transaction; what runs as one here is the batch.
        connection.level = "AUTOCOMMIT"
        await self._settle(connection, batch)

    async def _settle(self, connection: Connection, batch: list[Item]) -> None:
        """Send what goes together, and give each item its outcome."""
        # In the writers' line the first one stands for all.
        connection.waited = time.monotonic() - batch[0].began_at
        try:
            outcomes = await _send(connection, batch)
        except _VoidError:
            if len(batch) > 1:
                # Nothing of it is stored: each is done again alone.
                for item in batch:
                    await self._settle(connection, [item])
            else:
                batch[0].fail(NotDoneError())
        except OverloadedError as error:
            await self._wait_on(connection, batch, error)
        except Exception as error:
            for item in batch:
                item.fail(error)
        else:
            self._lane.move()
            for item, outcome in zip(batch, outcomes, strict=True):
                if outcome is None:
                    item.fail(NotDoneError())
                else:
                    item.resolve(outcome)

    async def _wait_on(
        self, connection: Connection, batch: list[Item], error: OverloadedError
    ) -> None:
        """Give those up who have waited as long as the first one; the others go on waiting."""
        late = [item for item in batch if item.began_at <= batch[0].began_at + _TOGETHER]
        for item in late:
            item.fail(error)
        if waiting := batch[len(late) :]:
            await self._settle(connection, waiting)

    async def close(self) -> None:
        await self._lane.close()
        await self._held.give_back()


class _VoidError(Exception):
    """A transaction is rolled back, and nothing of its batch is stored."""


async def _send(connection: Connection, batch: list[Item]) -> list[Any]:
    """Run a batch as one transaction; return rows for each item, None for one that failed.

    Raises:
        _VoidError: Nothing is stored.
        OutcomeUnknownError: All or nothing is stored.
        OverloadedError: Nothing is stored: the lock did not come free.
    """
    progress = _Progress()
    action: Callable[[Any], list[Any]] = partial(_run_all, batch, progress)
    action = connection.bindings.releasing(action, sum(item.size for item in batch))
    try:
        return await greenlet_spawn(connection.run_statement, "INSERT", action)
    except Exception as error:
        name = getattr(error, "sqlite_errorname", None) or ""
        if name.startswith("SQLITE_BUSY"):
            # Of BEGIN, or of COMMIT in another journal, which is rolled back.
            raise OverloadedError(str(error)) from error
        if progress.is_at_commit and name.startswith("SQLITE_IOERR"):
            message = "The log could not be synced; the change may be stored or not."
            raise OutcomeUnknownError(message) from error
        raise _VoidError from error


class _Progress:
    """How far a batch has come.

    Attributes:
        is_at_commit: Whether all statements are done.
    """

    is_at_commit = False


def _run_all(batch: list[Item], progress: _Progress, sqlite: Any) -> list[Any]:
    outcomes = [_run_one(item, sqlite) for item in batch]
    progress.is_at_commit = True
    return outcomes


def _run_one(item: Item, sqlite: Any) -> Any:
    """Run one statement; return its rows, None if it failed and is undone.

    Raises:
        _VoidError: It failed, and only the end of the transaction undoes it.
    """
    changes = sqlite.total_changes
    plan = item.plan
    try:
        rows = sqlite.execute(plan.text, item.arguments).fetchall()
        if plan.reread is not None and rows:
            key = plan.reread.arguments(numbered(rows[0]))
            rows = sqlite.execute(plan.reread.text, key).fetchall()
    except Exception:
        # Only the statement is undone, unless SQLite ended the whole transaction, a trigger raised
        # FAIL, or its text is no UTF-8: that is read when all is done.
        if not sqlite.in_transaction or sqlite.total_changes != changes:
            raise _VoidError from None
        return None
    if not rows and sqlite.total_changes != changes:
        # RAISE(IGNORE): the row was left out, and what the trigger did before is there.
        raise _VoidError
    try:
        for row in rows:
            plan.read(row)
    except Exception as error:
        # Odd values of another's making: the answer will be an error, and nothing stored.
        raise _VoidError from error
    return rows
