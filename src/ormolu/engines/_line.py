"""A line: first come, first served, and nobody waits in it longer than is of use.

Knows neither connections nor servers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from ormolu.controlled_delay import ControlledDelay, Patience

__all__ = ["Line"]

_T = TypeVar("_T")


class Line(Generic[_T]):
    """Those who wait for a turn, and what is handed to each with it.

    Attributes:
        count: How many turns have come.
        patience: How long one waits.
    """

    def __init__(
        self,
        patience: Patience,
        *,
        too_late: Callable[[float, bool], Exception],
        give_back: Callable[[_T], None],
    ) -> None:
        """Make an empty line.

        Args:
            patience: How long one waits.
            too_late: Makes the error of one whose turn did not come in so many seconds, and who
                may have come to a line that had stood for long.
            give_back: Takes what was handed to one who has left meanwhile.
        """
        self.count: int = 0
        self.patience: Patience = patience
        self._too_late = too_late
        self._give_back = give_back
        self._delay = ControlledDelay()
        self._turns: deque[asyncio.Future[_T]] = deque()
        self._timers: dict[asyncio.Future[_T], asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._turns)

    async def wait(self) -> _T:
        """Wait for a turn, and return what comes with it."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[_T] = loop.create_future()
        self._turns.append(turn)
        self._delay.begin(loop.time())
        self._limit(turn, loop.time())
        try:
            return await turn
        except BaseException:
            if turn in self._turns:
                self._turns.remove(turn)
                self._look()
            elif not turn.cancelled() and turn.exception() is None:
                # The turn and a cancellation came together: pass the turn on.
                self._give_back(turn.result())
            raise
        finally:
            self._timers.pop(turn).cancel()

    def serve(self, what: _T) -> bool:
        """Give the first one who still waits their turn; False if nobody does."""
        while self._turns:
            turn = self._turns.popleft()
            self._look()
            if not turn.done():
                self.count += 1
                self._delay.move(turn.get_loop().time())
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

    def _limit(self, turn: asyncio.Future[_T], came_at: float) -> None:
        end_at = self._delay.end_of(came_at, self.patience)
        self._timers[turn] = turn.get_loop().call_at(end_at, self._expire, turn, came_at)

    def _expire(self, turn: asyncio.Future[_T], came_at: float) -> None:
        if turn.done():
            return
        now = turn.get_loop().time()
        if self._delay.end_of(came_at, self.patience) > now:
            # The line has moved meanwhile.
            self._limit(turn, came_at)
        else:
            turn.set_exception(self._too_late(now - came_at, self._delay.is_standing(came_at)))
