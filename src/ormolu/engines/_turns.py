"""How many units of work begin in one turn of the event loop.

Where statements run at once a whole request may wait for nothing. All requests that came in one
turn would then be answered in one, and nothing else would happen meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque

__all__ = ["Turns"]

# Seconds after the first unit of work of a turn in which others may begin.
_LIMIT = 0.002


class Turns:
    """The turns of one event loop, as those see them who begin a unit of work."""

    def __init__(self) -> None:
        self._end_at: float | None = None
        # While anybody waits, one is let in with each turn: a look at the time by each of them
        # would cost more than a turn does.
        self._line: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Wait for a turn that has time; who came first goes first."""
        if self._line or not self._has_time():
            place = asyncio.get_running_loop().create_future()
            self._line.append(place)
            await place

    def _has_time(self) -> bool:
        now = time.perf_counter()
        if self._end_at is None:
            self._end_at = now + _LIMIT
            # The next turn's first.
            asyncio.get_running_loop().call_soon(self._begin)
        return now <= self._end_at

    def _begin(self) -> None:
        self._end_at = None
        while self._line:
            place = self._line.popleft()
            if not place.done():
                place.set_result(None)
                break
        if self._line:
            asyncio.get_running_loop().call_soon(self._begin)
