"""The lanes of PostgreSQL, over asyncpg connections that are held.

Point reads that wait together are one statement, as the server and the network take as long for
one key as for fifty. Writes that wait together are one transaction, with one flush of its log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ormolu.engines import Engines
from ormolu.lanes._held import Held
from ormolu.lanes._held_lane import HeldLane, by_plan
from ormolu.lanes._lane import Item, NotDoneError
from ormolu.lanes._plan import Plan, PointPlan
from ormolu.lanes._postgresql_writes import WriteLane
from ormolu.transactions import Access

__all__ = ["PostgreSQLLanes"]

# Reads and keys of one statement.
_ITEMS = 128
_KEYS = 500


class PostgreSQLLanes:
    """Reads and writes of one PostgreSQL database on one event loop.

    Attributes:
        is_closed: Whether they are no longer there.
    """

    def __init__(self, engines: Engines, is_heard: Callable[[], bool]) -> None:
        self.is_closed = False
        # The rest of the pool is for sessions.
        size, patience = engines.options.pool_size, engines.options.pool_timeout
        reads = max(1, min(3, size // 2))
        self._points = _KeyLane(Held(engines, Access.READ, is_heard), patience)
        self._rows = [
            _RowLane(Held(engines, Access.READ, is_heard), patience) for _ in range(reads - 1)
        ]
        self._writes = WriteLane(Held(engines, Access.WRITE, is_heard), patience)

    async def fetch(self, plan: Plan, arguments: Sequence[Any]) -> Sequence[Any]:
        """Return the rows of a read.

        Raises:
            NotDoneError: It failed.
            OverloadedError: The line is too long.
        """
        lane: Any = min(self._rows, key=_load_of) if self._rows else self._points
        rows: Sequence[Any] = await lane.put(plan, arguments)
        return rows

    async def fetch_both(
        self, one: tuple[Plan, Sequence[Any]], other: tuple[Plan, Sequence[Any]]
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        """Do nothing: two reads of one snapshot take a transaction.

        Raises:
            NotDoneError: Always.
        """
        raise NotDoneError

    async def fetch_one(self, plan: PointPlan, key: Sequence[Any]) -> Sequence[Any] | None:
        """Return the row with a key, None if there is none.

        Raises:
            NotDoneError: As `fetch`.
        """
        if plan.many is None:
            rows = await self.fetch(plan.one, plan.one.key_arguments(key))
        else:
            rows = await self.fetch_of(plan.many, key)
        return rows[0] if rows else None

    async def fetch_of(self, plan: Plan, keys: Sequence[Any]) -> Sequence[Any]:
        """Return the rows that belong to some keys.

        Raises:
            NotDoneError: As `fetch`.
        """
        rows: Sequence[Any] = await self._points.put_keys(plan, keys)
        return rows

    async def write(self, item: Item) -> Sequence[Any] | None:
        """Return the row of a write once it is durable; None if there was none to change.

        Raises:
            NotDoneError: It failed, and nothing of it is stored.
            OutcomeUnknownError: It may be stored or not.
            OverloadedError: The line is too long.
        """
        return await self._writes.put(item)

    async def close(self) -> None:
        """Give the connections back, after what is under way."""
        self.is_closed = True
        for lane in (self._points, *self._rows, self._writes):
            await lane.close()


class _RowLane(HeldLane):
    """Reads of any number of rows, one after the other."""

    async def put(self, plan: Plan, arguments: Sequence[Any]) -> Sequence[Any]:
        self._check_short(plan)
        rows: Sequence[Any] = await self._lane.put(Item(plan, arguments))
        return rows

    async def _send(self, batch: list[Item]) -> None:
        for item in batch:
            item.resolve(await self._read(item.plan.text, item.arguments))


class _KeyLane(_RowLane):
    """Reads by keys, those of the same statement together."""

    batch = _ITEMS

    async def put_keys(self, plan: Plan, keys: Sequence[Any]) -> Sequence[Any]:
        self._check_short(plan)
        rows: Sequence[Any] = await self._lane.put(Item(plan, (), key=keys))
        return rows

    async def _send(self, batch: list[Item]) -> None:
        for plan, items in by_plan(batch):
            if plan.key is None:
                await super()._send(items)
                continue
            for group in _of_few_keys(items):
                try:
                    await self._send_keys(plan, group)
                except NotDoneError as error:
                    for item in group:
                        item.fail(error)

    async def _send_keys(self, plan: Plan, group: list[Item]) -> None:
        assert plan.key is not None
        place = plan.key.start
        keys = list({key for item in group for key in item.key})
        found: dict[Any, list[Any]] = {}
        for row in await self._read(plan.text, plan.arguments({"keys": keys})):
            found.setdefault(row[place], []).append(row)
        for item in group:
            item.resolve([row for key in item.key for row in found.get(key, ())])


def _of_few_keys(items: list[Item]) -> list[list[Item]]:
    """Split reads into groups that do not ask for too many keys at once."""
    groups: list[list[Item]] = [[]]
    count = 0
    for item in items:
        count += len(item.key)
        if groups[-1] and count > _KEYS:
            groups.append([])
            count = len(item.key)
        groups[-1].append(item)
    return groups


def _load_of(lane: _RowLane) -> int:
    return lane.load
