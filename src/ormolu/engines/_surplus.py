"""When a pool closes connections that it opened for a burst. Knows numbers and time, no pool."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy.util import greenlet_spawn

__all__ = ["Surplus"]

# Seconds that connections beyond `pool_size` stay without being needed, for the next burst.
_SURPLUS_SECONDS = 10.0


class Surplus:
    """When connections beyond `pool_size` are closed: once they were not needed for a while.

    Closed as soon as they come back, as SQLAlchemy's pool does, they would be opened anew by every
    other request of a program that needs one more than `pool_size`.
    """

    def __init__(self, count: Callable[[], int], close: Callable[[int], None]) -> None:
        """Wait for the first one.

        Args:
            count: Returns how many are idle.
            close: Closes so many, in a greenlet.
        """
        self._count = count
        self._close = close
        self._fewest = 0
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def note_return(self) -> None:
        """Look in a while at those that are idle now, if there are any."""
        if self._timer is None and (count := self._count()) > 0:
            # Without a running loop the garbage collector has given the connection back.
            with suppress(RuntimeError):
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(_SURPLUS_SECONDS, self._look)
                self._fewest = count

    def note_use(self) -> None:
        """Note that one that was idle is used again."""
        self._fewest = min(self._fewest, self._count())

    def stop(self) -> None:
        """Close none any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._fewest > 0:
            loop = asyncio.get_running_loop()
            self._task = loop.create_task(greenlet_spawn(self._close, self._fewest))
        else:
            self.note_return()
