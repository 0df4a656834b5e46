"""How many units of work begin in one turn of the event loop.

Where statements run at once a whole request may wait for nothing. All requests that came in one
turn would then be answered in one, and nothing else would happen meanwhile.
"""

from __future__ import annotations

import asyncio
import time
import types
from collections.abc import Generator

__all__ = ["Turns"]

# Seconds after the first unit of work of a turn in which others may begin.
_LIMIT = 0.002


class Turns:
    """The turns of one event loop, as those see them who begin a unit of work."""

    def __init__(self) -> None:
        self._end_at: float | None = None

    @types.coroutine
    def take(self) -> Generator[None]:
        """Wait until there is time; who came first goes first, as the loop's own order is that."""
        while not self._has_time():
            yield

    def _has_time(self) -> bool:
        now = time.perf_counter()
        if self._end_at is None:
            self._end_at = now + _LIMIT
            # The next turn's first.
            asyncio.get_running_loop().call_soon(self._end)
        return now <= self._end_at

    def _end(self) -> None:
        self._end_at = None
