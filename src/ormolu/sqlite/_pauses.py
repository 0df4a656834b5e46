"""When a task whose statements run at once, and so never wait, gives way to the others."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Awaitable, Callable, Generator

__all__ = ["Pauses"]

# Seconds that one task may run statements without a pause; longer for one that blocks writers.
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


def _nobody() -> None:
    """Return no task."""


class Pauses:
    """The pauses on one connection."""

    def __init__(self) -> None:
        # A weak reference: a strong one would keep the request alive, and an id may be reused.
        self._task: Callable[[], object] = _nobody
        self._since = 0.0

    def note(self) -> None:
        """Take note that the task has waited for something else."""
        self._task = _nobody

    def after_statement(self, *, is_holding: bool) -> Awaitable[None]:
        """Return what to await: a pause is due if this task has kept the event loop for long.

        There is always something to await, as SQLAlchemy asks of an asyncio driver.

        Args:
            is_holding: Whether the task keeps other writers waiting.
        """
        task, now = asyncio.current_task(), time.perf_counter()
        is_same = task is self._task()
        is_due = is_same and now - self._since > (_LIMIT_OF_WRITER if is_holding else _LIMIT)
        if is_due or not is_same:
            self._task, self._since = _nobody if task is None else weakref.ref(task), now
        return _OTHERS_FIRST if is_due else _NONE
