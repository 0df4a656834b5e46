"""The outcome of a piece of work in a lane, for whoever waits for it, and may leave.

Knows no database: a lane says from when on it is not certain that nothing will be stored.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["Outcome", "hold", "hold_present", "is_abandoned"]

# Between whoever leaves, on the event loop's thread, and whoever commits, maybe on another one.
_GUARD = threading.Lock()


class Outcome(asyncio.Future[Any]):
    """A future that is not cancelled while what it stands for may be stored.

    Whoever is cancelled meanwhile goes on waiting, until the lane knows what became of it.

    Attributes:
        is_held: Whether it may be.
        wants_out: Whether somebody was cancelled meanwhile.
        on_leaving: Called when somebody is cancelled.
    """

    is_held: bool = False
    wants_out: bool = False
    on_leaving: Callable[[], None] | None = None

    def cancel(self, msg: Any = None) -> bool:
        """Leave, at once or as soon as nothing of it will be stored."""
        with _GUARD:
            if self.is_held:
                # The task that asks takes it for cancelled, and waits for its outcome.
                self.wants_out = has_left = True
            else:
                has_left = super().cancel(msg)
        if has_left and self.on_leaving is not None:
            self.on_leaving()
        return has_left

    def release(self) -> None:
        """Let whoever waits leave: nothing is stored."""
        self.is_held = False
        if self.wants_out:
            self.cancel()


def hold(outcomes: Iterable[Outcome]) -> bool:
    """Let nobody leave from now on; do nothing, and return False, if somebody has left already."""
    held = list(outcomes)
    with _GUARD:
        for outcome in held:
            if outcome.cancelled():
                return False
        for outcome in held:
            outcome.is_held = True
    return True


def hold_present(outcomes: Iterable[Outcome]) -> None:
    """Let none of those leave from now on who have not left yet."""
    with _GUARD:
        for outcome in outcomes:
            outcome.is_held = not outcome.cancelled()


def is_abandoned(outcomes: Iterable[Outcome]) -> bool:
    """Tell whether nobody waits for any of them."""
    return all(outcome.done() for outcome in outcomes)
