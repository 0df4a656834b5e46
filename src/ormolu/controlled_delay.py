"""How long one waits in a line: while it moves, and only a moment where it never gets empty.

Knows neither what is waited for nor who waits. A line that stands still is given up soon: who has
the turn may wait for the one who waits for them. The rule for lines that never get empty is
Facebook's ("Fail at Scale", ACM Queue 2015), after CoDel:
<https://queue.acm.org/detail.cfm?id=2839461>.
"""

from __future__ import annotations

import weakref
from typing import NamedTuple

__all__ = ["SHORT", "STANDING", "ControlledDelay", "Excess", "Patience", "has_standing_line"]

# Seconds after which a queue that was never empty is a standing one: more comes than is served.
STANDING = 10.0

# Seconds that a newcomer waits in a standing queue: a later answer would be of little use.
SHORT = 5.0


class Patience(NamedTuple):
    """Seconds that one waits.

    Attributes:
        line: In a line, since it last moved.
        lock: In a line that has not moved since one came, and for a lock that others hold.
    """

    line: float
    lock: float

    @property
    def least(self) -> float:
        """Return the seconds within which nobody is given up."""
        return min(SHORT, *self)


class ControlledDelay:
    """The limits of those who stand in one line, on any monotonic clock, the same one each time."""

    def __init__(self, *, is_counted: bool = True) -> None:
        """Begin with an empty line.

        Args:
            is_counted: Whether who waits in it has not begun what there is to do.
        """
        if is_counted:
            _COUNTED.add(self)
        self._began_at: float | None = None
        self._moved_at = float("-inf")

    def begin(self, came_at: float) -> None:
        """Note that one waits since then."""
        if self._began_at is None:
            self._began_at = came_at

    def move(self, now: float) -> None:
        """Note that one was served, and the next one comes to the front."""
        self._moved_at = now

    def is_standing(self, came_at: float) -> bool:
        """Tell whether the line had stood for long when one came."""
        return self._began_at is not None and came_at - self._began_at >= STANDING

    def end_of(self, came_at: float, patience: Patience) -> float:
        """Return until when one may wait, as far as is known now: it may move until then.

        Args:
            came_at: When they began to wait, be it in another line before.
            patience: How long they wait.
        """
        if self.is_standing(came_at):
            return came_at + patience.least
        if self._moved_at > came_at:
            return self._moved_at + patience.line
        return came_at + min(patience)

    def be_empty(self) -> None:
        """Note that nobody waits any more."""
        self._began_at = None

    def has_stood_for(self, seconds: float, now: float) -> bool:
        """Tell whether the line was not empty for so long."""
        return self._began_at is not None and now - self._began_at > seconds


class Excess:
    """What waits in a line that is worked off in batches, beyond the next one."""

    def __init__(self, batch: int) -> None:
        """Begin with an empty line.

        Args:
            batch: How many go together.
        """
        self._batch = batch
        self._delay = ControlledDelay()

    def note(self, waiting: int, now: float) -> None:
        """Note how many wait."""
        if waiting > self._batch:
            self._delay.begin(now)
        else:
            self._delay.be_empty()


_COUNTED: weakref.WeakSet[ControlledDelay] = weakref.WeakSet()


def has_standing_line(seconds: float, now: float) -> bool:
    """Tell whether any line of this process was not empty for so long, on the monotonic clock."""
    return any(each.has_stood_for(seconds, now) for each in list(_COUNTED))
