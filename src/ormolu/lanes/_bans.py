"""Statements that took too long in a lane, and are left to sessions for a while."""

from __future__ import annotations

import time

__all__ = ["Bans"]

# Seconds of the first ban, doubled for each further one up to the most.
_FIRST, _LONGEST = 1.0, 64.0

# Banned statements above which those are forgotten whose ban is over.
_MANY = 500


class Bans:
    """The statements of a lane that others would have to wait for too long."""

    def __init__(self) -> None:
        self._until: dict[str, tuple[float, float]] = {}

    def __bool__(self) -> bool:
        """Tell whether there ever was one."""
        return bool(self._until)

    def has(self, text: str) -> bool:
        """Tell whether a statement is one of them now."""
        return text in self._until and time.monotonic() < self._until[text][0]

    def add(self, text: str) -> None:
        """Leave a statement to sessions from now on."""
        now = time.monotonic()
        _, seconds = self._until.get(text, (0.0, _FIRST))
        if len(self._until) >= _MANY:
            self._until = {each: ban for each, ban in self._until.items() if now < ban[0]}
            for each in list(self._until)[: len(self._until) - _MANY + 1]:
                del self._until[each]
        self._until[text] = (now + seconds, min(2 * seconds, _LONGEST))
