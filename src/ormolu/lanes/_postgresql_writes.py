"""Writes of PostgreSQL: what waits together is one transaction, each done or not on its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ormolu.engines import BatchCounts, EngineOptions
from ormolu.errors import OutcomeUnknownError
from ormolu.faults import driver_fault
from ormolu.lanes._lane import Item, NotDoneError, note_statement
from ormolu.lanes._outcome import hold_present
from ormolu.lanes._pinned import PinnedConnection
from ormolu.lanes._pinned_lane import PinnedLane, by_plan
from ormolu.limits import Limit
from ormolu.taps import TAPS, tell

__all__ = ["WriteLane"]

# Writes in one transaction, at most.
_WRITES = 64

# Seconds without an answer to a write after which nobody knows what became of it. Locks are given
# up much earlier, by the server.
_SILENCE = 5.0

# Seconds within which a living server ends a write that it is told to cancel.
_LAST_WORD = 0.2

# Seconds after which a connection that writes is asked for a sign of life: what it does not answer
# later may be stored.
_IDLE_SECONDS = 1.0

# Milliseconds that a batch waits for a row that others have locked. Sessions wait longer for it,
# each on its own.
_LOCK_TIMEOUT = 50


class WriteLane(PinnedLane):
    """Writes, those of the same statement in one transaction."""

    batch = _WRITES

    def __init__(
        self, pinned: PinnedConnection, options: EngineOptions, counts: BatchCounts
    ) -> None:
        super().__init__(pinned, options, counts)
        # Statements of which a trigger has left out rows.
        self._sparse: set[str] = set()
        self._prepared: Any = None
        self._used_at = 0.0
        # What is being written, its limit, and what cancels it.
        self._writers: Sequence[Item] = ()
        self._writing: Limit | None = None
        self._canceller: asyncio.Task[None] | None = None

    async def put(self, item: Item) -> Sequence[Any] | None:
        if item.plan.text in self._sparse:
            raise NotDoneError
        row: Sequence[Any] | None = await self._lane.put(item)
        return row

    async def _send(self, batch: list[Item]) -> None:
        for _, items in by_plan(batch):
            # No row twice in a transaction: returned rows are told apart by their keys.
            for group in _without_repeats(items):
                await self._send_group(group)

    async def _send_group(self, group: list[Item]) -> None:
        # Nobody but the server can tell from when on they are stored.
        hold_present([item.future for item in group])
        if not (group := [item for item in group if item.future.is_held]):
            return
        try:
            rows = await self._write(group)
        except _VoidError:
            await self._send_each(group)
        except Exception as error:
            for item in group:
                item.fail(error)
        else:
            self._pinned.counts.commits += 1
            for item, row in zip(group, rows, strict=True):
                item.resolve(row)

    async def _send_each(self, group: list[Item]) -> None:
        """Run each item again, alone: nothing of the group is stored."""
        for item in group:
            item.future.release()
        if len(group) == 1:
            group[0].fail(NotDoneError())
            return
        for item in group:
            await self._send_group([item])

    def _note_leaving(self) -> None:
        """Cancel what is written in the server, which alone knows whether it is stored already."""
        if self._canceller is None and any(item.future.wants_out for item in self._writers):
            loop = asyncio.get_running_loop()
            self._canceller = loop.create_task(self._pinned.cancel_statement())
            if self._writing is not None:
                # Of a server that is silent nobody learns the outcome, however long they wait.
                self._writing.shorten(_LAST_WORD)

    async def _write(self, group: list[Item]) -> list[Any]:
        """Run a group as one transaction; return a row for each item, None where none was changed.

        Raises:
            _VoidError: Nothing is stored.
            OutcomeUnknownError: All or nothing is stored.
        """
        plan = group[0].plan
        connection = await self._take()
        for item in group:
            if item.future.wants_out:
                raise _VoidError
        if TAPS:
            tell(plan.text, len(group))
        began_at = time.monotonic()
        try:
            self._writers = group
            async with Limit(_SILENCE) as self._writing:
                if plan.finish is not None:
                    return await _write_finished(connection, group)
                rows = await connection.fetchmany(plan.text, [item.arguments for item in group])
        except Exception as error:
            await self._judge(connection, error)
            raise _VoidError from error
        finally:
            note_statement(self._pinned.stopwatch, group, plan.text, began_at)
            self._writers, self._writing = (), None
            if self._canceller is not None:
                if connection.is_closed():
                    self._canceller.cancel()
                # So that it does not cancel what is sent next.
                await asyncio.wait({self._canceller})
                self._canceller = None
        if plan.key is None and len(rows) < len(group):
            # What the trigger did is stored; later writes of this kind go to a session, which
            # rolls back.
            self._sparse.add(plan.text)
            message = "A trigger has left out rows; the change may be stored or not."
            raise OutcomeUnknownError(message)
        return _paired(group, rows)

    async def _take(self) -> Any:
        """Return a connection that has given a sign of life lately.

        Raises:
            NotDoneError: There is none.
        """
        connection = await super()._take()
        is_idle = time.monotonic() - self._used_at > _IDLE_SECONDS
        self._used_at = time.monotonic()
        if is_idle or connection is not self._prepared:
            try:
                async with Limit(self._silence):
                    await connection.execute(f"SET lock_timeout = {_LOCK_TIMEOUT}")
            except Exception as error:
                await self._pinned.drop()
                raise NotDoneError from error
            self._prepared = connection
        return connection

    async def _judge(self, connection: Any, error: Exception) -> None:
        """Drop a connection that is in doubt.

        Raises:
            NotDoneError: Others have locked a row: it is for sessions to wait; or nothing can be
                written here.
            OutcomeUnknownError: And with it what it was doing.
        """
        is_undone = isinstance(error, _UndoneError)
        fault = driver_fault(error.cause if isinstance(error, _UndoneError) else error)
        kind = None if fault is None else fault.kind
        if is_undone or (kind != "outcome_unknown" and _is_rolled_back(connection, error)):
            if kind == "read_only_database":
                # A primary that was demoted: another connection may lead to the one of now.
                await self._pinned.drop()
            if kind in {"busy", "read_only_database"}:
                raise NotDoneError from error
            return
        with suppress(Exception):
            await self._pinned.drop()
        message = "The connection broke while storing; the change may be stored or not."
        raise OutcomeUnknownError(message) from error


class _VoidError(Exception):
    """A transaction is rolled back, and nothing of its group is stored."""


class _UndoneError(Exception):
    """A transaction was rolled back by us.

    Attributes:
        cause: Why.
    """

    def __init__(self, cause: Exception) -> None:
        super().__init__()
        self.cause = cause


async def _write_finished(connection: Any, group: list[Item]) -> list[Any]:
    """Run a group as one transaction, committed once all that is made of its rows is made.

    Raises:
        _UndoneError: Something failed, or a trigger has left out a row.
        NotDoneError: Never: it is the cause of the other.
    """
    plan = group[0].plan
    transaction = connection.transaction()
    await transaction.start()
    try:
        rows = await connection.fetchmany(plan.text, [item.arguments for item in group])
        if plan.key is None and len(rows) < len(group):
            raise NotDoneError
        pairs = zip(group, _paired(group, rows), strict=True)
        made = [None if row is None else item.finish(row) for item, row in pairs]
    except Exception as error:
        await transaction.rollback()
        raise _UndoneError(error) from error
    except BaseException:
        # Cancelled within a transaction, which nothing later may be a part of.
        connection.terminate()
        raise
    await transaction.commit()
    return made


def _is_rolled_back(connection: Any, error: Exception) -> bool:
    """Tell whether nothing is stored, by the severity: a trigger may choose any code."""
    severity = getattr(error, "severity_en", None)
    if severity is None:
        # asyncpg refused a value before sending. An answer that it cannot read raises another
        # error, and is stored.
        is_refused = type(error).__module__.partition(".")[0] == "asyncpg"
        return is_refused and not connection.is_closed()
    return bool(severity == "ERROR")


def _paired(group: list[Item], rows: Sequence[Any]) -> list[Any]:
    """Give each item its row: the rows come in the items' order, but not one for each.

    Of one item alone it is the row that there is; none of an INSERT is missing here.
    """
    place = group[0].plan.key
    if place is None or len(group) == 1:
        return [*rows, None] if len(rows) < len(group) else list(rows)
    found = {tuple(row[place]): row for row in rows}
    return [found.get(item.key) for item in group]


def _without_repeats(items: list[Item]) -> list[list[Item]]:
    """Split items into groups that name no row twice, each in the order of the keys.

    Two processes that change the same rows in the same order do not wait for each other in turn.
    """
    if items[0].plan.key is None:
        return [items]
    if items[0].plan.is_alone:
        return [[item] for item in items]
    groups: list[dict[Any, Item]] = []
    for item in items:
        for group in groups:
            if item.key not in group:
                group[item.key] = item
                break
        else:
            groups.append({item.key: item})
    return [[group[key] for key in sorted(group, key=repr)] for group in groups]
