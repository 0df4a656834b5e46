"""The lanes of PostgreSQL, over asyncpg connections that are held.

Point reads that wait together are one statement, as the server and the network take as long for
one key as for fifty. Writes that wait together are one transaction, with one flush of its log.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from ormolu.engines import Engines
from ormolu.errors import OutcomeUnknownError
from ormolu.faults import driver_fault
from ormolu.lanes._bans import Bans
from ormolu.lanes._held import Held
from ormolu.lanes._lane import Item, Lane, NotDoneError
from ormolu.lanes._plan import Plan, PointPlan
from ormolu.transactions import Access

__all__ = ["PostgreSQLLanes"]

# Reads and keys of one statement, and writes of one transaction.
_ITEMS = 128
_KEYS = 500
_WRITES = 64

# Seconds after which a read was too long for those who stand behind it.
_LONG = 0.1

# Seconds without an answer to a write after which nobody knows what became of it. Locks are given
# up much earlier, by the server.
_SILENCE = 5.0

# Seconds after which a connection that writes is asked for a sign of life: what it does not answer
# later may be stored.
_IDLE_SECONDS = 1.0

# Milliseconds that a batch waits for a row that others have locked. Sessions wait longer for it,
# each on its own.
_LOCK_TIMEOUT = 50


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
        self._writes = _WriteLane(Held(engines, Access.WRITE, is_heard), patience)

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


class _HeldLane:
    """A lane over one connection."""

    batch = 1

    def __init__(self, held: Held, patience: float) -> None:
        self._held = held
        self._patience = patience
        self._lane = Lane(self._run, patience=patience, batch=self.batch)
        self._bans = Bans()

    @property
    def load(self) -> int:
        return self._lane.load

    async def close(self) -> None:
        await self._lane.close()
        await self._held.give_back()

    async def _run(self, batch: list[Item]) -> None:
        if self._held.is_heard:
            raise NotDoneError
        await self._send(batch)

    async def _send(self, batch: list[Item]) -> None:
        raise NotImplementedError

    async def _take(self) -> Any:
        """Return the connection, another one if it was lost meanwhile.

        Raises:
            NotDoneError: None can be had.
        """
        connection = await self._held.take()
        if connection.is_closed():
            await self._held.drop()
            connection = await self._held.take()
        return connection

    async def _read(self, text: str, arguments: Sequence[Any]) -> Sequence[Any]:
        """Send a read, in a transaction of its own.

        Raises:
            NotDoneError: It failed.
        """
        connection = await self._take()
        began_at = time.monotonic()
        try:
            async with asyncio.timeout(self._patience):
                rows: Sequence[Any] = await connection.fetch(text, *arguments)
        except Exception as error:
            # A connection that is asked for no more after an error that is not its statement's.
            if driver_fault(error) is None or connection.is_closed():
                await self._held.drop()
            raise NotDoneError from error
        finally:
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


class _RowLane(_HeldLane):
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
        for plan, items in _by_plan(batch):
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


class _WriteLane(_HeldLane):
    """Writes, those of the same statement in one transaction."""

    batch = _WRITES

    def __init__(self, held: Held, patience: float) -> None:
        super().__init__(held, patience)
        # Of which a trigger has left out rows.
        self._sparse: set[str] = set()
        self._prepared: Any = None
        self._used_at = 0.0

    async def put(self, item: Item) -> Sequence[Any] | None:
        if item.plan.text in self._sparse:
            raise NotDoneError
        row: Sequence[Any] | None = await self._lane.put(item)
        return row

    async def _send(self, batch: list[Item]) -> None:
        for _, items in _by_plan(batch):
            # Each row once in a transaction: rows are told apart by their keys.
            for group in _without_repeats(items):
                await self._send_group(group)

    async def _send_group(self, group: list[Item]) -> None:
        try:
            rows = await self._write(group)
        except _VoidError:
            if len(group) > 1:
                # Nothing of it is stored: each is done again alone.
                for item in group:
                    await self._send_group([item])
            else:
                group[0].fail(NotDoneError())
        except Exception as error:
            for item in group:
                item.fail(error)
        else:
            for item, row in zip(group, rows, strict=True):
                item.resolve(row)

    async def _write(self, group: list[Item]) -> list[Any]:
        """Run a group as one transaction; return a row for each item, None where none was changed.

        Raises:
            _VoidError: Nothing is stored.
            OutcomeUnknownError: All or nothing is stored.
        """
        plan = group[0].plan
        connection = await self._take()
        try:
            async with asyncio.timeout(_SILENCE):
                rows = await connection.fetchmany(plan.text, [item.arguments for item in group])
        except Exception as error:
            await self._judge(connection, error)
            raise _VoidError from error
        if plan.key is None and len(rows) < len(group):
            # What else it has done is stored. From now on a session takes it back.
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
                async with asyncio.timeout(self._patience):
                    await connection.execute(f"SET lock_timeout = {_LOCK_TIMEOUT}")
            except Exception as error:
                await self._held.drop()
                raise NotDoneError from error
            self._prepared = connection
        return connection

    async def _judge(self, connection: Any, error: Exception) -> None:
        """Drop a connection that is in doubt.

        Raises:
            NotDoneError: Others have locked a row: it is for sessions to wait.
            OutcomeUnknownError: And with it what it was doing.
        """
        fault = driver_fault(error)
        kind = None if fault is None else fault.kind
        if kind != "outcome_unknown" and _is_rolled_back(connection, error):
            if kind == "busy":
                raise NotDoneError from error
            return
        with suppress(Exception):
            await self._held.drop()
        message = "The connection broke while storing; the change may be stored or not."
        raise OutcomeUnknownError(message) from error


class _VoidError(Exception):
    """A transaction is rolled back, and nothing of its group is stored."""


def _is_rolled_back(connection: Any, error: Exception) -> bool:
    """Tell whether nothing is stored, by the severity: a trigger may choose any code."""
    severity = getattr(error, "severity_en", None)
    if severity is None:
        # asyncpg refuses a value; what it cannot read of an answer is another error, and stored.
        is_refused = type(error).__module__.partition(".")[0] == "asyncpg"
        return is_refused and not connection.is_closed()
    return bool(severity == "ERROR")


def _paired(group: list[Item], rows: Sequence[Any]) -> list[Any]:
    """Give each item its row: the rows come in the items' order, but not one for each."""
    place = group[0].plan.key
    if place is None:
        return list(rows)
    found = {tuple(row[place]): row for row in rows}
    return [found.get(item.key) for item in group]


def _by_plan(batch: list[Item]) -> list[tuple[Plan, list[Item]]]:
    groups: dict[int, tuple[Plan, list[Item]]] = {}
    for item in batch:
        groups.setdefault(id(item.plan), (item.plan, []))[1].append(item)
    return list(groups.values())


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


def _without_repeats(items: list[Item]) -> list[list[Item]]:
    """Split items into groups that name no row twice, each in the order of the keys.

    Two processes that change the same rows in the same order do not wait for each other in turn.
    """
    if items[0].plan.key is None:
        return [items]
    groups: list[dict[Any, Item]] = []
    for item in items:
        for group in groups:
            if item.key not in group:
                group[item.key] = item
                break
        else:
            groups.append({item.key: item})
    return [[group[key] for key in sorted(group, key=repr)] for group in groups]


def _load_of(lane: _RowLane) -> int:
    return lane.load
