"""How many units of work begin in one iteration of the event loop.

Where statements run at once a whole request may wait for nothing. Without a limit all requests
that came in one iteration would be answered in it, and nothing else would run meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque

from ormolu.controlled_delay import ControlledDelay

__all__ = ["Admission"]

# Seconds after the first unit of work of an iteration in which others may begin.
_LIMIT = 0.002


class Admission:
    """Admits units of work on one event loop, first come, first served."""

    def __init__(self) -> None:
        self._end_at: float | None = None
        # Admit one waiter per iteration; letting every waiter check the clock cost more.
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._delay = ControlledDelay(is_counted=True)

    async def wait(self) -> None:
        """Wait for an iteration that has time left."""
        if self._waiting or not self._has_time():
            loop = asyncio.get_running_loop()
            admitted = loop.create_future()
            self._delay.begin(loop.time())
            self._waiting.append(admitted)
            await admitted

    def _has_time(self) -> bool:
        now = time.perf_counter()
        if self._end_at is None:
            self._end_at = now + _LIMIT
            # The first callback of the next iteration.
            asyncio.get_running_loop().call_soon(self._begin)
        return now <= self._end_at

    def _begin(self) -> None:
        self._end_at = None
        while self._waiting:
            admitted = self._waiting.popleft()
            if not admitted.done():
                admitted.set_result(None)
                break
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._begin)
        else:
            self._delay.be_empty()
