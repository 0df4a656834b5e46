"""The queue of those who want to write to one database file, within one process.

SQLite lets one connection write at a time and serves those who wait by chance. This queue serves
them in the order in which they came. It knows neither threads nor connections.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from ormolu.controlled_delay import ControlledDelay, Patience

__all__ = ["Ticket", "WriteQueue"]


class Ticket:
    """A place in a queue. Whoever has the turn keeps all others waiting until they leave.

    Attributes:
        has_turn: Whether it is the first.
    """

    __slots__ = ("_on_turn", "_queue", "has_turn")

    def __init__(self, queue: WriteQueue, on_turn: Callable[[], None]) -> None:
        self.has_turn: bool = False
        self._queue = queue
        self._on_turn = on_turn

    def wait_until(self, came_at: float, patience: Patience) -> float:
        """Return until when one may wait, as far as is known now, on the monotonic clock.

        Args:
            came_at: When the wait began, which may have been in the pool's queue.
            patience: How long one waits.
        """
        self._queue.delay.begin(came_at)
        return self._queue.delay.end_of(came_at, patience)

    def leave(self) -> None:
        """Leave the queue, from any thread and as often as one likes; the next one has the turn."""
        following = self._queue.remove(self)
        if following is not None:
            following.take_turn()

    def take_turn(self) -> None:
        """Tell the one who waits."""
        self.has_turn = True
        self._on_turn()


class WriteQueue:
    """First come, first served.

    Attributes:
        delay: How long one waits in it.
    """

    def __init__(self) -> None:
        self.delay: ControlledDelay = ControlledDelay()
        self._guard = threading.Lock()
        self._tickets: deque[Ticket] = deque()

    def enter(self, on_turn: Callable[[], None]) -> Ticket:
        """Return a new last ticket.

        Args:
            on_turn: Called, from any thread, when the turn comes later; not if it is there now.
        """
        ticket = Ticket(self, on_turn)
        with self._guard:
            self._tickets.append(ticket)
            ticket.has_turn = self._tickets[0] is ticket
        return ticket

    def is_occupied(self) -> bool:
        """Tell whether anybody has the turn, or waits for it."""
        return bool(self._tickets)

    def remove(self, ticket: Ticket) -> Ticket | None:
        """Take a ticket out, and return the one whose turn has come by that."""
        with self._guard:
            if ticket not in self._tickets:
                return None
            was_first = self._tickets[0] is ticket
            self._tickets.remove(ticket)
            if was_first:
                self.delay.move(time.monotonic())
            if len(self._tickets) < 2:
                self.delay.be_empty()
            return self._tickets[0] if was_first and self._tickets else None
