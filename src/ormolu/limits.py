"""A limit on how long a block takes, which holds although a cancellation may get lost.

Knows nothing of databases. asyncio.timeout cancels its task once, and a driver can lose that one:
asyncio.wait_for of Python 3.11 gives its result back if it came in the same turn of the loop as
the cancellation (<https://github.com/python/cpython/issues/86296>). The block then waits for ever.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

__all__ = ["Limit"]

# Seconds that a cancelled block has for leaving, before it is cancelled again.
_LEAVING = 0.25


class Limit:
    """A block whose task is cancelled once its time is over, and again until it has left.

    The block leaves with TimeoutError, unless somebody else has cancelled the task too.
    """

    def __init__(self, seconds: float | None) -> None:
        """Prepare the block.

        Args:
            seconds: How long it may take; None if `expire` is called to end it.
        """
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._cancels = 0

    async def __aenter__(self) -> Limit:
        """Let the time run."""
        task = asyncio.current_task()
        assert task is not None
        self.begin(task)
        if self._seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self.expire)
        return self

    def begin(self, task: asyncio.Task[Any]) -> None:
        """Take the rest of what a task does for the block; `end` says that it is over."""
        self._task = task
        self._cancelling = task.cancelling()

    def shorten(self, seconds: float) -> None:
        """Leave the block no more than so many seconds from now."""
        loop = asyncio.get_running_loop()
        if self._timer is None or self._timer.when() > loop.time() + seconds:
            self._stop()
            self._timer = loop.call_later(seconds, self.expire)

    def expire(self) -> None:
        """Cancel the block now, and again while it has not left."""
        self._stop()
        self._cancels += 1
        self._task.cancel()
        self._timer = asyncio.get_running_loop().call_later(_LEAVING, self.expire)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take the cancellations back.

        Raises:
            TimeoutError: The time was over.
        """
        is_ours = self.end()
        if is_ours and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError from error

    def end(self) -> bool:
        """Take the cancellations back; tell whether nobody else has cancelled the task."""
        self._stop()
        cancels, self._cancels = self._cancels, 0
        for _ in range(cancels):
            self._task.uncancel()
        return bool(cancels) and self._task.cancelling() <= self._cancelling
