"""Writes of SQLite: what waits together is one transaction, each done or not on its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sqlalchemy.util import greenlet_spawn

from ormolu.engines import Engines
from ormolu.errors import OutcomeUnknownError, OverloadedError
from ormolu.lanes._lane import Item, Lane, NotDoneError, note_statement
from ormolu.lanes._outcome import hold
from ormolu.lanes._pinned import PinnedConnection
from ormolu.limits import Limit
from ormolu.sqlite._connection import Connection
from ormolu.sqlite_codes import MOVED_FILE
from ormolu.taps import TAPS, tell
from ormolu.transactions import Access

__all__ = ["WriteLane"]

# Writes of one transaction: whoever comes next waits for all of them.
_BATCH = 128

# Seconds between writes that give up together; later ones of a batch go on waiting.
_TOGETHER = 0.1


class WriteLane:
    """Writes, all that wait in one transaction: each is done or not on its own."""

    def __init__(self, engines: Engines, has_listeners: Callable[[], bool]) -> None:
        self._pinned = PinnedConnection(engines, Access.WRITE, has_listeners)
        patience = engines.options.patience
        self._lane = Lane(
            self._run_batch,
            patience=patience,
            batch=_BATCH,
            on_leaving=self._note_leaving,
            counts=engines.counts.lane_writes,
            stopwatch=engines.stopwatch,
        )
        # What is being sent, and for whom.
        self._sending: Limit | None = None
        self._senders: Sequence[Item] = ()

    async def put(self, item: Item) -> Sequence[Any] | None:
        rows: Sequence[Any] = await self._lane.put(item)
        return rows[0] if rows else None

    def _note_leaving(self) -> None:
        """Interrupt a batch, which may wait for the statement of whoever has left."""
        if self._sending is not None and any(item.future.cancelled() for item in self._senders):
            self._sending.expire()

    async def _run_batch(self, batch: list[Item]) -> None:
        if self._pinned.has_listeners:
            raise NotDoneError
        connection = await self._pinned.take()
        assert isinstance(connection, Connection)
        if connection.writers.looks_moved():
            await self._pinned.drop()
            connection = await self._pinned.take()
        # In autocommit the driver begins nothing by itself: the batch is the transaction.
        connection.level = "AUTOCOMMIT"
        await self._settle(connection, batch)

    async def _settle(self, connection: Connection, batch: list[Item]) -> None:
        """Send what goes together, and give each item its outcome."""
        if not (batch := [item for item in batch if not item.future.done()]):
            return
        # The batch waits in the write queue for as long as its first item would.
        connection.waited = time.monotonic() - batch[0].began_at
        try:
            outcomes = await self._send(connection, batch)
        except _LeftError:
            # Nothing of the batch is stored: run it again, without whoever has left.
            await self._settle(connection, batch)
        except _VoidError:
            await self._settle_each(connection, batch)
        except OverloadedError as error:
            await self._wait_on(connection, batch, error)
        except Exception as error:
            for item in batch:
                item.fail(error)
        else:
            self._pinned.counts.commits += 1
            self._lane.move()
            for item, outcome in zip(batch, outcomes, strict=True):
                if outcome is None:
                    item.fail(NotDoneError())
                else:
                    item.resolve(outcome)

    async def _settle_each(self, connection: Connection, batch: list[Item]) -> None:
        """Run each item again, alone: nothing of the batch is stored."""
        if len(batch) == 1:
            batch[0].fail(NotDoneError())
            return
        for item in batch:
            await self._settle(connection, [item])

    async def _send(self, connection: Connection, batch: list[Item]) -> list[Any]:
        self._senders = batch
        began_at = time.monotonic()
        try:
            async with Limit(None) as self._sending:
                return await _send(connection, batch)
        except TimeoutError as error:
            raise _LeftError from error
        finally:
            self._sending = None
            note_statement(self._pinned.stopwatch, batch, batch[0].plan.text, began_at)

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
        await self._pinned.give_back()


class _LeftError(Exception):
    """A transaction is rolled back: somebody of its batch has left."""


class _VoidError(Exception):
    """A transaction is rolled back, and nothing of its batch is stored."""


async def _send(connection: Connection, batch: list[Item]) -> list[Any]:
    """Run a batch as one transaction; return rows for each item, None for one that failed.

    Raises:
        _VoidError: Nothing is stored.
        NotDoneError: Likewise: the file is no longer in its place.
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
            # BEGIN failed, or in a journal that is no WAL COMMIT, which is rolled back.
            raise OverloadedError(str(error)) from error
        if name == MOVED_FILE:
            raise NotDoneError from error
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
    outcomes = [
        _run_one(item, sqlite) if item.plan.allowed is None else _run_guarded(item, sqlite)
        for item in batch
    ]
    outcomes = [_finished(item, rows) for item, rows in zip(batch, outcomes, strict=True)]
    if not hold(item.future for item in batch):
        # Whoever has left is told that nothing of it is stored.
        raise _VoidError
    progress.is_at_commit = True
    return outcomes


def _finished(item: Item, rows: Any) -> Any:
    """Return rows, or what is made of them before they are stored.

    Raises:
        _VoidError: Code of the program's own failed. The session, which runs it, will fail, too.
    """
    try:
        return rows and [item.finish(row) for row in rows]
    except Exception as error:
        raise _VoidError from error


def _run_guarded(item: Item, sqlite: Any) -> Any:
    """Run one statement, and take it back if the row is now one that may not be written.

    Raises:
        _VoidError: As `_run_one`.
    """
    sqlite.execute("SAVEPOINT guarded")
    rows = _run_one(item, sqlite)
    if rows and any(row[item.plan.allowed] != 1 for row in rows):
        sqlite.execute("ROLLBACK TO guarded")
        rows = None
    sqlite.execute("RELEASE guarded")
    return rows


def _run_one(item: Item, sqlite: Any) -> Any:
    """Run one statement; return its rows, None if it failed and is undone.

    Raises:
        _VoidError: It failed, and only the end of the transaction undoes it.
    """
    changes = sqlite.total_changes
    plan = item.plan
    if TAPS:
        tell(plan.text)
    try:
        rows = sqlite.execute(plan.text, item.arguments).fetchall()
        if plan.reread is not None and item.reread is not None and rows:
            rows = sqlite.execute(plan.reread.text, item.reread(rows[0])).fetchall()
    except Exception:
        # SQLite has undone the statement, unless it ended the transaction, a trigger raised FAIL,
        # or a returned text is not UTF-8; sqlite3 decodes it after the change is made.
        if not sqlite.in_transaction or sqlite.total_changes != changes:
            raise _VoidError from None
        return None
    if not rows and sqlite.total_changes != changes:
        # RAISE(IGNORE) skipped the row, but what the trigger did before is not undone.
        raise _VoidError
    try:
        for row in rows:
            plan.read(row)
    except Exception as error:
        # Stored values that cannot be read make the answer an error, so nothing may be stored.
        raise _VoidError from error
    return rows
