"""How long one may wait in a line: seconds in a burst, a moment where the line never gets empty.

Knows neither what is waited for nor who waits. The rule is Facebook's ("Fail at Scale", ACM Queue
2015), after CoDel: <https://queue.acm.org/detail.cfm?id=2839461>.
"""

from __future__ import annotations

__all__ = ["SHORT", "STANDING", "ControlledDelay"]

# Seconds after which a line that was never empty is a standing one: more comes than is served.
STANDING = 10.0

# Seconds that a newcomer waits in a standing line: a short answer is of more use than a late one.
SHORT = 1.0


class ControlledDelay:
    """The limits of those who stand in one line."""

    def __init__(self) -> None:
        """Begin with an empty line."""
        self._began_at: float | None = None

    def limit(self, now: float, patience: float) -> float:
        """Return the seconds that one may wait who gets into the line now.

        Args:
            now: On any monotonic clock, the same one each time.
            patience: Seconds that the wait may take in a line that moves.
        """
        if self._began_at is None:
            self._began_at = now
        is_standing = now - self._began_at >= STANDING
        return min(patience, SHORT) if is_standing else patience

    def be_empty(self) -> None:
        """Note that nobody waits any more."""
        self._began_at = None
