"""A line: first come, first served, and nobody waits in it longer than is of use.

Knows neither connections nor servers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from ormolu.controlled_delay import ControlledDelay

__all__ = ["Line"]

_T = TypeVar("_T")


class Line(Generic[_T]):
    """Those who wait for a turn, and what is handed to each with it.

    Attributes:
        count: How many turns have come.
    """

    def __init__(
        self,
        patience: float,
        *,
        too_late: Callable[[float], Exception],
        give_back: Callable[[_T], None],
    ) -> None:
        """Make an empty line.

        Args:
            patience: Seconds that a wait may take while the line moves.
            too_late: Makes the error of one whose turn did not come in so many seconds.
            give_back: Takes what was handed to one who has left meanwhile.
        """
        self.count: int = 0
        self._patience = patience
        self._too_late = too_late
        self._give_back = give_back
        self._delay = ControlledDelay()
        self._turns: deque[asyncio.Future[_T]] = deque()

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._turns)

    async def wait(self) -> _T:
        """Wait for a turn, and return what comes with it."""
        loop = asyncio.get_running_loop()
        limit = self._delay.limit(loop.time(), self._patience)
        turn: asyncio.Future[_T] = loop.create_future()
        self._turns.append(turn)
        timer = loop.call_later(limit, self._expire, turn, limit)
        try:
            return await turn
        except BaseException:
            if turn in self._turns:
                self._turns.remove(turn)
                self._look()
            elif not turn.cancelled() and turn.exception() is None:
                # It came together with a cancellation.
                self._give_back(turn.result())
            raise
        finally:
            timer.cancel()

    def serve(self, what: _T) -> bool:
        """Give the first one who still waits their turn; False if nobody does."""
        while self._turns:
            turn = self._turns.popleft()
            self._look()
            if not turn.done():
                self.count += 1
                turn.set_result(what)
                return True
        return False

    def fail(self, make_error: Callable[[], Exception]) -> None:
        """Send all away who wait."""
        for turn in self._turns:
            if not turn.done():
                turn.set_exception(make_error())

    def _look(self) -> None:
        if not self._turns:
            self._delay.be_empty()

    def _expire(self, turn: asyncio.Future[_T], limit: float) -> None:
        if not turn.done():
            turn.set_exception(self._too_late(limit))
