"""The replicas of a database: which of them has what a client knows of, and answers.

Each is watched on its own. One that does not answer, or is too far behind, is not read from until
it is well again; what no replica can answer is for the primary.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy.exc import DBAPIError

from ormolu.engines._knowledge import Choice, Knowledge, knowledge_for
from ormolu.engines._lookout import Lookout
from ormolu.engines._positions import BEYOND, NOTHING, Position, covers
from ormolu.engines._replica import Primary, Replica
from ormolu.errors import DatabaseDownError
from ormolu.faults import Kind, fault_of

__all__ = ["Replicas"]

# Seconds between two looks at replicas that somebody waits for.
_PAUSE = 0.002

# What another server may not say: the connection is lost, or replay was in a read's way.
_ELSEWHERE: frozenset[Kind] = frozenset(
    {"busy", "database_unavailable", "outcome_unknown", "overloaded"}
)
_LOST: frozenset[Kind] = frozenset({"database_unavailable", "outcome_unknown"})


class Replicas:
    """The replicas of one database on one event loop.

    Attributes:
        all: They.
        known: What was written outside of requests.
    """

    def __init__(
        self, database: object, primary: Primary, lookout: Lookout, *, wait: float, most_lag: float
    ) -> None:
        """Have none yet.

        Args:
            database: What clients know something of; see `knowing`.
            primary: Their primary.
            lookout: Asks that.
            wait: Seconds that a read waits for a replica that is about to have what it needs.
            most_lag: Seconds that a replica may be behind.
        """
        self.all: list[Replica] = []
        self.known: Knowledge = Knowledge()
        self._database = database
        self._primary = primary
        self._lookout = lookout
        self._wait_seconds = wait
        self._most_lag = most_lag
        self._turn = 0

    @property
    def lookouts(self) -> Sequence[Lookout]:
        """Return those of all servers."""
        return [self._lookout, *(each.lookout for each in self.all)]

    @property
    def connections_in_use(self) -> int:
        """Return how many connections are not in the pools of the replicas."""
        pools: list[Any] = [each.pair.reader.sync_engine.pool for each in self.all]
        return sum(each.checkedout() for each in pools if hasattr(each, "checkedout"))

    async def open(self) -> None:
        """Look at all servers, and go on to look now and then."""
        await self._lookout.look()
        await asyncio.wait([each.lookout.look() for each in self.all])
        for lookout in self.lookouts:
            lookout.begin()

    async def close(self) -> None:
        """Look no more, and close all connections."""
        for lookout in self.lookouts:
            await lookout.close()
        for replica in self.all:
            await replica.pair.reader.dispose()

    def note_commit(self) -> None:
        """Note that something was committed for the client of the current task, maybe."""
        self._known().commits += 1

    def _known(self) -> Knowledge:
        return knowledge_for(self._database) or self.known

    async def settle(self, known: Knowledge) -> bool:
        """Ask the primary where it is, after what was committed for a client.

        Returns:
            Whether it has answered. What it has is needed all the same.
        """
        while known.settled < known.commits:
            commits = known.commits
            position = await self._lookout.look()
            if position is None:
                return False
            known.settle(commits, position)
        return True

    async def position_for(self, known: Knowledge) -> Position:
        """Return what a client has to be told that something was committed for."""
        return known.position if await self.settle(known) else BEYOND

    async def choose(self, own: Choice | None = None) -> Replica | None:
        """Return the replica to read from, None for the primary.

        Args:
            own: The choice of a session, where its client has none that is for all sessions.
        """
        known = self._known()
        if known.settled < known.commits and not await self.settle(known):
            return None
        choice = known.choice or own
        if choice is not None and choice.is_made:
            server = choice.server
            is_fit = server is not None and self._fits(server, known.position)
            return server if is_fit else None
        found = self._pick(known.position) or await self._wait(known.position)
        if choice is not None:
            choice.make(found)
        return found

    def _fits(self, replica: Replica, wanted: Position) -> bool:
        position = replica.position
        if position is None or replica.lag > self._most_lag:
            return False
        return not wanted or covers(position, wanted)

    def is_read(self, replica: Replica) -> bool:
        """Tell whether clients read from a replica who have written nothing."""
        return self._fits(replica, NOTHING)

    def _pick(self, wanted: Position) -> Replica | None:
        """Return the next one in turn that has what is wanted."""
        for _ in self.all:
            self._turn = (self._turn + 1) % len(self.all)
            replica = self.all[self._turn]
            if self._fits(replica, wanted):
                return replica
        return None

    async def _wait(self, wanted: Position) -> Replica | None:
        """Wait for a replica that is about to have what is wanted.

        Nobody waits for what the primary itself is not known to have, as a client may have made it
        up; and where replicas are further behind than the wait is long, for one look at them.
        """
        if not covers(self._primary.position, wanted):
            return None
        near = [each for each in self.all if each.position is not None]
        until = time.monotonic() + self._wait_seconds
        while near and (left := until - time.monotonic()) > 0:
            looks = [each.lookout.look() for each in near]
            await asyncio.wait(looks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if (found := self._pick(wanted)) is not None:
                return found
            near = [each for each in near if each.lag < self._wait_seconds]
            await asyncio.sleep(min(_PAUSE, left) if near else 0)
        return None

    def leave(self, replica: Replica, error: Exception, own: Choice | None = None) -> bool:
        """Read from the primary after an error that may be the replica's alone.

        Returns:
            Whether it may be.
        """
        kind = fault_of(error).kind if isinstance(error, DBAPIError) else None
        is_lost = isinstance(error, DatabaseDownError) or kind in _LOST
        if is_lost:
            replica.note(None)
        if not (is_lost or kind in _ELSEWHERE):
            return False
        choice = self._known().choice or own
        if choice is not None:
            choice.make(None)
        return True
