"""Which lanes a database has, if any."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from ormolu.engines import Engines
from ormolu.errors import NoUnitOfWorkError
from ormolu.lanes._lane import Item, NotDoneError
from ormolu.lanes._plan import NO_VALUES, Plan, PointPlan, Read, Values
from ormolu.lanes._postgresql import PostgreSQLLanes
from ormolu.lanes._replicated import ReplicatedLanes
from ormolu.lanes._sqlite import SQLiteLanes

__all__ = ["Lanes", "lanes_of", "why_no_lanes", "why_no_lanes_for"]

_T = TypeVar("_T")


class Lanes(Protocol):
    """Where the plans of one database run, on one event loop.

    Attributes:
        is_closed: Whether they are no longer there.
    """

    is_closed: bool

    async def fetch(self, reads: Sequence[Read], make: Callable[..., _T]) -> _T:
        """Return what is made of the rows of some reads.

        They are of one snapshot, but on PostgreSQL, where each statement has its own. Those who
        ask for the same at the same time share it: nobody may change it.

        Args:
            reads: Plans and their parameters.
            make: Is called with the rows of each read.
        """
        ...

    async def fetch_one(
        self, plan: PointPlan, key: Sequence[Any], values: Values = NO_VALUES
    ) -> Sequence[Any] | None:
        """Return the row with a key, for the other values of the plan."""
        ...

    async def fetch_of(
        self, plan: Plan, keys: Sequence[Any], values: Values = NO_VALUES
    ) -> Sequence[Any]:
        """Return the rows that belong to some keys, those of each key in the plan's order."""
        ...

    async def write(self, item: Item) -> Sequence[Any] | None:
        """Return the row of a write once it is durable; None if there was none to change."""
        ...

    async def close(self) -> None:
        """Give the connections back."""
        ...


_KINDS: dict[str, type[Any]] = {"asyncpg": PostgreSQLLanes, "ormolu": SQLiteLanes}


def why_no_lanes_for(driver: str) -> str | None:
    """Return why no database of a driver has lanes; None if that is up to its options."""
    return None if driver in _KINDS else f"there are no lanes for {driver}"


def why_no_lanes(engines: Engines) -> str | None:
    """Return why a database has no lanes; None if it has."""
    options = engines.options
    lacking = why_no_lanes_for(engines.target.driver)
    if lacking is not None:
        return lacking
    if options.pooler is not None:
        return "behind a pooler a connection cannot be held"
    if options.isolation_level is not None:
        return "isolation_level is set: statements of several requests are not one transaction"
    if options.pool_size + options.max_overflow < 2:
        return "of one connection, the one that is pinned, nothing would be left for sessions"
    if options.echo:
        return "echo=True shows each statement"
    return None


def lanes_of(engines: Engines, has_listeners: Callable[[], bool]) -> Lanes:
    """Return the lanes of a database on the running event loop.

    Args:
        engines: The database.
        has_listeners: Tells whether the program listens to what goes past it here, beside engines.

    Raises:
        NotDoneError: It is not open, or has none.
    """
    if why_no_lanes(engines) is not None:
        raise NotDoneError
    try:
        kind = ReplicatedLanes if engines.has_replicas else _KINDS[engines.target.driver]
        lanes: Lanes = engines.keep(kind, lambda: kind(engines, has_listeners))
    except NoUnitOfWorkError as error:
        raise NotDoneError from error
    return lanes
