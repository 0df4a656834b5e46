"""Who has lost to others goes first, and alone: its like wait until it is done.

Transactions that conflict again and again would all lose; one after the other each succeeds. Those
of one route, or of one function, are each other's like. Holds for one process and event loop; knows
neither sessions nor requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from contextlib import suppress
from contextvars import ContextVar

__all__ = ["Precedence"]

# Seconds in which those who have begun are waited for: PostgreSQL finds a deadlock after one.
_END_SECONDS = 1.25

# Seconds for which the others wait, at most.
_PATIENCE = 1.5

_first: ContextVar[object] = ContextVar("ormolu_first", default=None)


class _Line:
    """Those who go first one after the other, and those who wait for the last of them."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.count = 0
        self.others: list[asyncio.Future[None]] = []
        self.ended: asyncio.Future[None] | None = None


class Precedence:
    """Who goes first among those that write to one database.

    Attributes:
        lines: Those who go first, by what they do; most of the time there are none.
    """

    def __init__(self) -> None:
        self.lines: dict[Hashable, _Line] = {}
        self._running: dict[Hashable, int] = {}

    def begin(self, work: Hashable) -> None:
        """Count a transaction."""
        self._running[work] = self._running.get(work, 0) + 1

    def end(self, work: Hashable) -> None:
        """Count it no longer."""
        left = self._running[work] = self._running[work] - 1
        if left:
            return
        del self._running[work]
        line = self.lines.get(work)
        if line is not None and line.ended is not None and not line.ended.done():
            line.ended.set_result(None)

    async def give_way(self, work: Hashable) -> None:
        """Wait for a while until nobody goes first who does the same, unless the caller does."""
        line = self.lines.get(work)
        if line is None or _first.get() is line:
            return
        over = asyncio.get_running_loop().create_future()
        line.others.append(over)
        await _wait_for(over, _PATIENCE)

    async def take(self, work: Hashable, seconds: float) -> None:
        """Go first from now on, after those who came before.

        Args:
            work: What is done.
            seconds: How long to wait for it.

        Raises:
            TimeoutError: It did not come to that.
        """
        line = self.lines.setdefault(work, _Line())
        line.count += 1
        try:
            async with asyncio.timeout(seconds):
                await line.turn.acquire()
        except BaseException:
            self._leave(work, line)
            raise
        _first.set(line)
        try:
            if work in self._running:
                line.ended = asyncio.get_running_loop().create_future()
                await _wait_for(line.ended, _END_SECONDS)
        except BaseException:
            self.release(work)
            raise

    def release(self, work: Hashable) -> None:
        """Go first no longer."""
        line = self.lines[work]
        _first.set(None)
        line.turn.release()
        self._leave(work, line)

    def _leave(self, work: Hashable, line: _Line) -> None:
        line.count -= 1
        if line.count:
            return
        del self.lines[work]
        for each in line.others:
            if not each.done():
                each.set_result(None)


async def _wait_for(over: asyncio.Future[None], seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await over
