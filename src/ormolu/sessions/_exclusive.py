"""A session for one task at a time, until its unit of work ends.

Knows tasks; neither engines nor transactions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from ormolu.errors import ConcurrentUseError, RolledBackError, SessionClosedError
from ormolu.faults import Fault, attach_fault, fault_of
from ormolu.limits import Limit
from ormolu.sessions._misuses import CLOSED, CONCURRENT, OTHER_LOOP

__all__ = ["ExclusiveSession"]

# Seconds that the end of a unit of work waits for a task that is inside its session.
_TAKE_OVER_SECONDS = 1.0

_UNKNOWN = Fault(kind="internal_error")


class ExclusiveSession(AsyncSession):
    """An AsyncSession that refuses a second task, and all tasks once it is closed.

    Attributes:
        callbacks: What waits for its COMMIT.
        is_closed: Whether it was closed for good.
        fault: Of the last error that a statement or a flush has raised.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.callbacks: list[Callable[[], Any]] = []
        self.is_closed: bool = False
        self.fault: Fault = _UNKNOWN
        self._user: asyncio.Task[Any] | None = None
        self._ender: asyncio.Task[Any] | None = None
        self._freed: asyncio.Event | None = None
        self._loop = asyncio.get_running_loop()

    def mark_closed(self) -> None:
        """Let nobody use it from now on."""
        self.is_closed = True

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Hold the session for the current task; its own nested calls pass.

        Raises:
            ConcurrentUseError: Another task holds it, or it belongs to another event loop.
            SessionClosedError: Its unit of work is ending.
        """
        outer = self._enter()
        try:
            yield
        except Exception as error:
            self.fault = fault_of(error)
            raise
        finally:
            self._leave(outer)

    def _enter(self) -> asyncio.Task[Any] | None:
        self.check_open()
        if asyncio.get_running_loop() is not self._loop:
            raise ConcurrentUseError(OTHER_LOOP)
        task = asyncio.current_task()
        if self._ender is not None and self._ender is not task:
            raise SessionClosedError(CLOSED)
        if self._user is not None and self._user is not task:
            raise ConcurrentUseError(CONCURRENT)
        outer, self._user = self._user, task
        return outer

    def _leave(self, outer: asyncio.Task[Any] | None) -> None:
        self._user = outer
        if self._freed is not None:
            self._freed.set()

    def check_alive(self) -> None:
        """Refuse to commit what a failed flush has rolled back.

        Raises:
            RolledBackError: A flush failed, and the code that caught its error went on.
        """
        if not self.is_active:
            raise self.rolled_back()

    def rolled_back(self) -> RolledBackError:
        """Return the error for who went on after one, with the fault of that."""
        lost = RolledBackError()
        attach_fault(lost, self.fault)
        return lost

    def check_free(self) -> None:
        """Refuse to end the session while a task is inside one of its methods.

        Raises:
            ConcurrentUseError: A task is.
        """
        if self._user is not None:
            raise ConcurrentUseError(CONCURRENT)

    async def take_over(self) -> None:
        """Let no other task in any more, and wait for one that is inside.

        Raises:
            TimeoutError: It did not come out.
        """
        self._ender = asyncio.current_task()
        if self._user is None:
            return
        self._freed = asyncio.Event()
        async with Limit(_TAKE_OVER_SECONDS):
            while self._user is not None:
                self._freed.clear()
                await self._freed.wait()

    def check_open(self) -> None:
        """Refuse a session whose unit of work has ended.

        Raises:
            SessionClosedError: It has ended.
        """
        if self.is_closed:
            raise SessionClosedError(CLOSED)
