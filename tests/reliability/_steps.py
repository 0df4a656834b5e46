"""Cancels work at its Nth step: at each place where it can be cancelled, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Literal

import anyio

# early: what is waited for has not happened, or not been heard of. late: it has happened, and
# the cancellation arrives before the work goes on.
Moment = Literal["early", "late"]
Run = Callable[[Coroutine[Any, Any, None], int, Moment], Awaitable[bool]]


class _Steps:
    """Awaits a coroutine, and calls a function at one of its suspensions."""

    def __init__(
        self, work: Coroutine[Any, Any, None], target: int, moment: Moment, act: Callable[[], None]
    ) -> None:
        self.was_reached = False
        self._work, self._target, self._moment, self._act = work, target, moment, act

    def __await__(self) -> Generator[Any, Any, None]:
        steps, error = 0, None
        while True:
            try:
                future = self._work.throw(error) if error else self._work.send(None)
            except StopIteration:
                return
            steps += 1
            if steps == self._target:
                self.was_reached = True
                if self._moment == "late" and future is not None:
                    # Before the task's own callback: it finds itself cancelled as it wakes.
                    future.add_done_callback(lambda _future: self._act())
                else:
                    self._act()
            error = None
            try:
                yield future
            except BaseException as raised:
                error = raised


async def cancel_task(work: Coroutine[Any, Any, None], target: int, moment: Moment) -> bool:
    """Cancel the work's task at this step, once; tell whether the work had so many."""

    async def run() -> None:
        await steps

    def cancel() -> None:
        task.cancel()

    steps = _Steps(work, target, moment, cancel)
    task = asyncio.ensure_future(run())
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()
    return steps.was_reached


async def cancel_scope(work: Coroutine[Any, Any, None], target: int, moment: Moment) -> bool:
    """Cancel a scope around the work at this step, and at each step from then on."""
    with anyio.CancelScope() as scope:
        steps = _Steps(work, target, moment, scope.cancel)
        await steps
    return steps.was_reached
