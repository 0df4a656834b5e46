"""The lanes of PostgreSQL, over pinned asyncpg connections.

Point reads that wait together are one statement, as the server and the network take as long for
one key as for fifty. Writes that wait together are one transaction, with one flush of its log.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

from ormolu.engines import EnginePair, Engines
from ormolu.lanes._lane import Item, NotDoneError
from ormolu.lanes._pinned import PinnedConnection
from ormolu.lanes._pinned_lane import PinnedLane, by_plan
from ormolu.lanes._plan import NO_VALUES, Plan, PointPlan, Read, Values
from ormolu.lanes._postgresql_writes import WriteLane
from ormolu.lanes._sharing import sameness_of
from ormolu.transactions import Access

__all__ = ["PostgreSQLLanes", "PostgreSQLReads"]

# Reads in one statement, and keys in it, at most.
_ITEMS = 128
_KEYS = 500

# So many different reads of one row each take longer one by one than as one statement.
_FEW = 3

# Reads that are taken at once, to send equal ones once.
_READS = 64

_T = TypeVar("_T")


class PostgreSQLReads:
    """Reads of one PostgreSQL server on one event loop."""

    def __init__(
        self, engines: Engines, has_listeners: Callable[[], bool], pair: EnginePair | None = None
    ) -> None:
        """Take no connection yet.

        Args:
            engines: Of a database.
            has_listeners: Tells whether the program listens to what goes past it here.
            pair: Of a replica; None for the database itself.
        """

        def pinned() -> PinnedConnection:
            return PinnedConnection(engines, Access.READ, has_listeners, pair)

        # The rest of the pool is for sessions.
        options = engines.options
        reads = max(1, min(3, options.pool_size // 2))
        counts = engines.counts
        self._points = _KeyLane(pinned(), options, counts.lane_reads)
        self._rows = [_RowLane(pinned(), options, counts.lane_reads) for _ in range(reads - 1)]

    async def fetch(self, reads: Sequence[Read], make: Callable[..., _T]) -> _T:
        """Return what is made of the rows of a read; see `Lanes`.

        Raises:
            NotDoneError: It failed.
            OverloadedError: The line is too long.
        """
        if len(reads) > 1:
            # As a session's, which commits each statement of a request that reads.
            return make(*[await self.fetch((read,), _as_is) for read in reads])
        lane: Any = min(self._rows, key=_load_of) if self._rows else self._points
        made: _T = await lane.put(*reads[0], make)
        return made

    async def fetch_one(
        self, plan: PointPlan, key: Sequence[Any], values: Values = NO_VALUES
    ) -> Sequence[Any] | None:
        """Return the row with a key, None if there is none.

        Raises:
            NotDoneError: As `fetch`.
        """
        if plan.many is not None:
            return _first(await self.fetch_of(plan.many, key, values))
        arguments = plan.one.key_arguments(key, values)
        if plan.one.together is None:
            # They go one by one, and so over any connection that is free.
            return await self.fetch(((plan.one, arguments),), _first)
        found: Sequence[Any] | None = await self._points.put(plan.one, arguments, _first)
        return found

    async def fetch_of(
        self, plan: Plan, keys: Sequence[Any], values: Values = NO_VALUES
    ) -> Sequence[Any]:
        """Return the rows that belong to some keys.

        Raises:
            NotDoneError: As `fetch`, or there are more than the plan returns.
        """
        rows: Sequence[Any] = await self._points.put_keys(plan, keys, values)
        return rows

    async def close(self) -> None:
        """Give the connections back, after what is under way."""
        for lane in (self._points, *self._rows):
            await lane.close()


class PostgreSQLLanes(PostgreSQLReads):
    """Reads and writes of one PostgreSQL database on one event loop.

    Attributes:
        is_closed: Whether they are no longer there.
    """

    def __init__(self, engines: Engines, has_listeners: Callable[[], bool]) -> None:
        super().__init__(engines, has_listeners)
        self.is_closed = False
        pinned = PinnedConnection(engines, Access.WRITE, has_listeners)
        self._writes = WriteLane(pinned, engines.options, engines.counts.lane_writes)

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
        await super().close()
        await self._writes.close()


class _RowLane(PinnedLane):
    """Reads of any number of rows, one after the other; those that are the same, once."""

    batch = _READS

    async def put(self, plan: Plan, arguments: Sequence[Any], make: Callable[[Any], Any]) -> Any:
        self._check_short(plan)
        return await self._lane.put(Item(plan, arguments, make=make))

    async def _send(self, batch: list[Item]) -> None:
        # All of them came before the first is sent: each sees what was stored when it came.
        for group in _alike(batch):
            await self._settle(group, self._send_alike)

    async def _send_alike(self, group: list[Item]) -> None:
        first = group[0]
        assert first.make is not None
        rows = await self._read(first.plan.text, first.arguments)
        if first.plan.is_cut_off(rows):
            raise NotDoneError
        made = first.make(rows)
        for item in group:
            item.resolve(made)

    async def _settle(
        self, group: list[Item], send: Callable[[list[Item]], Awaitable[None]]
    ) -> None:
        """Send what goes together, if its turn came in time; its errors are its own."""
        now = time.monotonic()
        for item in group:
            self._lane.fail_if_late(item, now)
        self._readers = waiting = [item for item in group if not item.future.done()]
        try:
            if waiting:
                await send(waiting)
        except Exception as error:
            for item in waiting:
                item.fail(error)


class _KeyLane(_RowLane):
    """Reads by keys, and of one row each: those of the same statement together."""

    batch = _ITEMS

    async def put_keys(self, plan: Plan, keys: Sequence[Any], values: Values) -> Sequence[Any]:
        self._check_short(plan)
        # Converted now, in the request's context: a type of the program's own may look at it.
        arguments = plan.arguments_but_keys(values)
        rows: Sequence[Any] = await self._lane.put(Item(plan, arguments, key=keys))
        return rows

    async def _send(self, batch: list[Item]) -> None:
        for plan, items in by_plan(batch):
            if plan.key is None:
                await super()._send(await self._send_together(plan, items))
                continue
            for alike in _alike(items):
                for group in _of_few_keys(alike):
                    await self._settle(group, self._send_keys)

    async def _send_together(self, plan: Plan, items: list[Item]) -> list[Item]:
        """Send reads of one row each as one statement; return those that go one by one."""
        points = [item for item in items if item.make is _first]
        together = plan.together if len(points) >= _FEW else None
        if together is None or (self._bans and self._bans.has(together.text)):
            return items
        points = [item for item in points if together.takes(item.arguments)]
        if len({tuple(item.arguments) for item in points}) < _FEW:
            return items
        await self._settle(points, self._send_points)
        sent = set(map(id, points))
        return [item for item in items if id(item) not in sent]

    async def _send_points(self, points: list[Item]) -> None:
        together = points[0].plan.together
        assert together is not None
        asked: dict[tuple[Any, ...], list[Item]] = {}
        for item in points:
            asked.setdefault(tuple(item.arguments), []).append(item)
        try:
            rows = await self._read(together.text, together.arguments(asked))
        except NotDoneError:
            # The next ones go one by one, in case it is this form of the statement.
            self._bans.add(together.text)
            raise
        found = {row[-1]: row[:-1] for row in rows}
        for number, alike in enumerate(asked.values(), 1):
            for item in alike:
                item.resolve(found.get(number))

    async def _send_keys(self, group: list[Item]) -> None:
        plan, arguments = group[0].plan, group[0].arguments
        assert plan.key is not None
        place = plan.key.start
        keys = list({key for item in group for key in item.key})
        found: dict[Any, list[Any]] = {}
        rows = await self._read(plan.text, plan.with_keys(arguments, keys))
        if plan.is_cut_off(rows):
            raise NotDoneError
        for row in rows:
            found.setdefault(row[place], []).append(row)
        for item in group:
            item.resolve([row for key in item.key for row in found.get(key, ())])


def _alike(batch: list[Item]) -> Iterable[list[Item]]:
    """Return items by what they ask for, but for their keys, in the order of the first of each."""
    groups: dict[Any, list[Item]] = {}
    for item in batch:
        same = sameness_of(item.arguments)
        groups.setdefault((item.plan, id(item) if same is None else same), []).append(item)
    return groups.values()


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


def _as_is(rows: Any) -> Any:
    return rows


def _first(rows: Sequence[Sequence[Any]]) -> Sequence[Any] | None:
    return rows[0] if rows else None


def _load_of(lane: _RowLane) -> int:
    return lane.load
