"""The lanes of a PostgreSQL database with replicas: reads go where their client's knowledge is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from ormolu.engines import Engines, Replica, Replicas
from ormolu.errors import DatabaseDownError
from ormolu.lanes._lane import Item, NotDoneError
from ormolu.lanes._plan import NO_VALUES, Plan, PointPlan, Read, Values
from ormolu.lanes._postgresql import PostgreSQLLanes, PostgreSQLReads

__all__ = ["ReplicatedLanes"]

_T = TypeVar("_T")


class ReplicatedLanes:
    """Those of the primary, and those for reading of each replica.

    Attributes:
        is_closed: Whether they are no longer there.
    """

    def __init__(self, engines: Engines, has_listeners: Callable[[], bool]) -> None:
        replicas = engines.replicas
        assert replicas is not None
        self.is_closed = False
        self._replicas: Replicas = replicas
        self._primary = PostgreSQLLanes(engines, has_listeners)
        self._reads: dict[Replica, PostgreSQLReads] = {
            each: PostgreSQLReads(engines, has_listeners, each.pair) for each in replicas.all
        }

    async def fetch(self, reads: Sequence[Read], make: Callable[..., _T]) -> _T:
        """Return what is made of the rows of some reads; see `Lanes`."""
        return await self._ask(lambda lanes: lanes.fetch(reads, make))

    async def fetch_one(
        self, plan: PointPlan, key: Sequence[Any], values: Values = NO_VALUES
    ) -> Sequence[Any] | None:
        """Return the row with a key, None if there is none; see `Lanes`."""
        return await self._ask(lambda lanes: lanes.fetch_one(plan, key, values))

    async def fetch_of(
        self, plan: Plan, keys: Sequence[Any], values: Values = NO_VALUES
    ) -> Sequence[Any]:
        """Return the rows that belong to some keys; see `Lanes`."""
        return await self._ask(lambda lanes: lanes.fetch_of(plan, keys, values))

    async def _ask(self, ask: Callable[[PostgreSQLReads], Awaitable[_T]]) -> _T:
        """Read from a server that has what the client knows of.

        Raises:
            NotDoneError: It failed, or the server had lost what it had.
        """
        replica = await self._replicas.choose()
        if replica is None:
            return await ask(self._primary)
        falls = replica.falls
        try:
            found = await ask(self._reads[replica])
        except DatabaseDownError as error:
            self._replicas.leave(replica, error)
            raise NotDoneError from error
        if replica.falls != falls:
            raise NotDoneError
        return found

    async def write(self, item: Item) -> Sequence[Any] | None:
        """Return the row of a write once it is durable; see `Lanes`."""
        try:
            return await self._primary.write(item)
        finally:
            self._replicas.note_commit()

    async def close(self) -> None:
        """Give the connections back, after what is under way."""
        self.is_closed = True
        for lanes in (self._primary, *self._reads.values()):
            await lanes.close()
