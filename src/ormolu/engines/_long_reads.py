"""Reads that are known to take long have few places, so that connections are left for others.

How long a read takes nobody can tell beforehand, but that of the same form took long last time. It
costs its first requests nothing, and cheap reads nothing at all.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from sqlalchemy.util import LRUCache

from ormolu.controlled_delay import Patience
from ormolu.engines._line import Line
from ormolu.errors import OverloadedError

__all__ = ["LongReads"]

# Seconds after which a read has taken long.
_LONG = 0.25

# How many forms are known, at most.
_FORMS = 500


class LongReads:
    """The reads of one database on one event loop that take long, or did last time."""

    def __init__(self, places: int, patience: Patience) -> None:
        """Know none yet.

        Args:
            places: How many of them are under way at once.
            patience: How long the others wait.
        """
        self._free = places
        self._last: LRUCache[Hashable, float] = LRUCache(_FORMS)
        self._line: Line[None] = Line(
            patience, too_late=_too_late, give_back=lambda _place: self.leave()
        )

    def is_long(self, form: Hashable) -> bool:
        """Tell whether a read of this form took long last time."""
        return self._last.get(form, 0.0) > _LONG

    async def enter(self) -> None:
        """Take a place.

        Raises:
            OverloadedError: None came free in time.
        """
        if self._free > 0:
            self._free -= 1
        else:
            await self._line.wait()

    def leave(self) -> None:
        """Give a place back, to the first one who waits for it."""
        if not self._line.serve(None):
            self._free += 1

    @asynccontextmanager
    async def timed(self, form: Hashable) -> AsyncIterator[None]:
        """Note how long a block takes in which a read is done; one that is given up has been it."""
        began_at = time.monotonic()
        is_done = False
        try:
            yield
            is_done = True
        finally:
            seconds = time.monotonic() - began_at
            if is_done or seconds > _LONG:
                self._last[form] = seconds


def _too_late(waited: float, _is_standing: bool) -> OverloadedError:
    message = (
        f"Reads that take long had all their places for the {waited:.2f} s that this one waited. "
        "Let it take less time (an index, fewer rows), or raise Database(pool_size=...)."
    )
    return OverloadedError(message)
