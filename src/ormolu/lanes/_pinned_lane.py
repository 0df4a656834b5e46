"""A lane over one pinned connection of asyncpg: how it is taken, asked and dropped."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from ormolu.engines import BatchCounts, EngineOptions
from ormolu.faults import driver_fault, is_unsent
from ormolu.lanes._bans import Bans
from ormolu.lanes._lane import Item, Lane, NotDoneError, note_statement
from ormolu.lanes._outcome import is_abandoned
from ormolu.lanes._pinned import PinnedConnection
from ormolu.lanes._plan import Plan
from ormolu.limits import Limit
from ormolu.taps import TAPS, tell

__all__ = ["PinnedLane", "by_plan"]

# Seconds after which a read was too long for those that wait behind it.
_LONG = 0.1


class PinnedLane:
    """A lane over one connection.

    Attributes:
        batch: Items that are taken at once, at most.
    """

    batch: int

    def __init__(
        self, pinned: PinnedConnection, options: EngineOptions, counts: BatchCounts
    ) -> None:
        self._pinned = pinned
        # A read that takes longer is left to a session, which may wait for longer.
        self._silence = options.connect_timeout
        self._lane = Lane(
            self._run,
            patience=options.patience,
            batch=self.batch,
            on_leaving=self._note_leaving,
            counts=counts,
            stopwatch=pinned.stopwatch,
        )
        # What is being read, and for whom.
        self._reading: Limit | None = None
        self._readers: Sequence[Item] = ()
        self._bans = Bans()

    @property
    def load(self) -> int:
        return self._lane.load

    async def close(self) -> None:
        await self._lane.close()
        await self._pinned.give_back()

    async def _run(self, batch: list[Item]) -> None:
        if self._pinned.has_listeners:
            raise NotDoneError
        await self._send(batch)

    async def _send(self, batch: list[Item]) -> None:
        raise NotImplementedError

    async def _take(self) -> Any:
        """Return the connection, another one if it was lost meanwhile.

        Raises:
            NotDoneError: None can be had.
        """
        await self._pinned.renew()
        connection = await self._pinned.take()
        if connection.is_closed():
            await self._pinned.drop()
            connection = await self._pinned.take()
        return connection

    def _note_leaving(self) -> None:
        """Give up a read, in the server too, once nobody waits for it."""
        if self._reading is not None and is_abandoned(item.future for item in self._readers):
            self._reading.expire()

    async def _read(self, text: str, arguments: Sequence[Any]) -> Sequence[Any]:
        """Send a read for `_readers`, in a transaction of its own.

        Raises:
            NotDoneError: It failed.
        """
        connection = await self._take()
        if TAPS:
            tell(text)
        began_at = time.monotonic()
        try:
            async with Limit(self._silence) as self._reading:
                rows: Sequence[Any] = await connection.fetch(text, *arguments)
        except Exception as error:
            # Not an error of the statement: the connection may be stuck, so drop it. Or asyncpg has
            # begun it, and the server waits for its values, with locks.
            if driver_fault(error) is None or is_unsent(error):
                await self._pinned.drop()
            raise NotDoneError from error
        finally:
            self._reading = None
            note_statement(self._pinned.stopwatch, self._readers, text, began_at)
            if time.monotonic() - began_at > _LONG:
                self._bans.add(text)
        return rows

    def _check_short(self, plan: Plan) -> None:
        """Let no statement into the lane that others would wait for too long.

        Raises:
            NotDoneError: It is one.
        """
        if self._bans and self._bans.has(plan.text):
            raise NotDoneError


def by_plan(batch: list[Item]) -> list[tuple[Plan, list[Item]]]:
    """Return items by their statements, in the order of the first of each."""
    groups: dict[int, tuple[Plan, list[Item]]] = {}
    for item in batch:
        groups.setdefault(id(item.plan), (item.plan, []))[1].append(item)
    return list(groups.values())
