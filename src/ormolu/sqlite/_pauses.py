"""When a task whose statements run at once, and so never wait, gives way to the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Generator

__all__ = ["Pauses"]

# Seconds that one task may go from statement to statement, and so long one that others wait for.
_LIMIT = 0.001
_LIMIT_OF_WRITER = 0.005


class _Pause:
    """Something to await that lasts so many turns of the event loop, or none."""

    def __init__(self, turns: int) -> None:
        self._turns = turns

    def __await__(self) -> Generator[None]:
        for _ in range(self._turns):
            yield


_OTHERS_FIRST = _Pause(1)
_NONE = _Pause(0)


class Pauses:
    """The pauses on one connection."""

    def __init__(self) -> None:
        self._task = 0
        self._since = 0.0

    def note(self) -> None:
        """Take note that the task has waited for something else."""
        self._task = 0

    def after_statement(self, *, is_holding: bool) -> Awaitable[None]:
        """Return what to await: a pause is due if this task has kept the event loop for long.

        There is always something to await, as SQLAlchemy asks of an asyncio driver.

        Args:
            is_holding: Whether the task keeps other writers waiting.
        """
        task, now = id(asyncio.current_task()), time.perf_counter()
        is_due = task == self._task and now - self._since > (
            _LIMIT_OF_WRITER if is_holding else _LIMIT
        )
        if is_due or task != self._task:
            self._task, self._since = task, now
        return _OTHERS_FIRST if is_due else _NONE
