"""A lane: work that waits, taken in batches by whoever is free. Knows no database.

No timers: idle, a lane sends at once; what comes meanwhile goes together afterwards.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context, copy_context
from typing import Any

from ormolu.controlled_delay import ControlledDelay, Excess, Patience
from ormolu.engines import BatchCounts
from ormolu.errors import OutcomeUnknownError, OverloadedError
from ormolu.lanes._outcome import Outcome
from ormolu.lanes._plan import NO_VALUES, Plan, Values
from ormolu.timing import REQUEST, RequestTimes, Stopwatch

__all__ = ["Item", "Lane", "NotDoneError", "note_statement"]

# Work that waits in one lane, at most: more is answered "try again" than made to wait for it.
_MOST_ITEMS = 1000
_MOST_BYTES = 32 * 1024 * 1024


class NotDoneError(Exception):
    """A lane could not do it and has changed nothing: the ordinary way has to."""


class Item:
    """One piece of work.

    Attributes:
        plan: The statement.
        arguments: Its parameters.
        future: Its outcome, once it is in a lane.
        size: Bytes that it holds, about.
        key: Key of the row that is written, empty for a new one; or the keys that are read.
        make: What to make of the rows of a read, for all that ask for the same.
        context: That of the request, if its plan has something to make in it of a row.
        reread: Makes the parameters of a plan's `reread`, of the key that a write returned.
        began_at: When it began to wait, on the monotonic clock.
        request: Whose statement it is, where somebody wants to know.
    """

    __slots__ = (
        "arguments", "began_at", "context", "future", "key", "make", "plan", "request", "reread",
        "size",
    )  # fmt: skip

    def __init__(
        self,
        plan: Plan,
        arguments: Sequence[Any],
        *,
        size: int = 0,
        key: Sequence[Any] = (),
        make: Callable[[Any], Any] | None = None,
        values: Values = NO_VALUES,
    ) -> None:
        """Describe it, in the context of the request that it is for.

        Args:
            plan: See the attribute.
            arguments: See the attribute; of a read by keys, without these.
            size: See the attribute.
            key: See the attribute.
            make: See the attribute.
            values: What `reread` takes beside the key.
        """
        self.plan: Plan = plan
        self.arguments: Sequence[Any] = arguments
        self.future: Outcome
        self.size: int = size
        self.key: tuple[Any, ...] = tuple(key)
        self.make: Callable[[Any], Any] | None = make
        self.context: Context | None = copy_context() if plan.finish is not None else None
        # Converted now, in the request's context: a type of the program's own may look at it.
        again = plan.reread
        self.reread: Callable[[Sequence[Any]], list[Any]] | None
        self.reread = None if again is None else again.arguments_around(values)
        self.began_at: float = 0.0
        self.request: RequestTimes | None = None

    def finish(self, row: Sequence[Any]) -> Sequence[Any]:
        """Return what the plan makes of the row of a write before it is stored.

        Raises:
            NotDoneError: Code of the program's own failed, in whatever way.
        """
        finish = self.plan.finish
        if finish is None or self.context is None:
            return row
        try:
            return self.context.run(finish, row)
        except BaseException as error:
            # A CancelledError of that code must not end the lane, whose other items it does not
            # concern. The session runs the code again, and raises it where the request is.
            raise NotDoneError from error

    def resolve(self, result: Any) -> None:
        """Give the outcome to the one who waits, unless they have left."""
        if not self.future.done():
            self.future.set_result(result)

    def fail(self, error: Exception) -> None:
        """Give an error to the one who waits, unless they have left."""
        if not self.future.done():
            self.future.set_exception(error)


def note_statement(
    stopwatch: Stopwatch | None, items: Sequence[Item], text: str, began_at: float
) -> None:
    """Note how long a statement took, for each that it was sent for; some of them may have left.

    Args:
        stopwatch: Is told; None if nobody wants to know.
        items: What it was sent for.
        text: Of it.
        began_at: When it was sent, on the monotonic clock.
    """
    if stopwatch is not None:
        seconds = time.monotonic() - began_at
        for item in items:
            stopwatch.note(text, seconds, item.request, began_at - item.began_at)


class Lane:
    """A bounded queue, and a task that works it off one batch after the other."""

    def __init__(
        self,
        run: Callable[[list[Item]], Awaitable[None]],
        *,
        patience: Patience,
        batch: int,
        on_leaving: Callable[[], None] | None = None,
        counts: BatchCounts | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        """Make an empty lane.

        Args:
            run: Does a batch, and gives each item its outcome.
            patience: How long an item may wait for its batch.
            batch: Items of a batch, at most.
            on_leaving: Called when one who waits has left.
            counts: Its numbers.
            stopwatch: Is told how long statements take.
        """
        self._run = run
        self._patience = patience
        self._never_late = patience.least
        self._batch = batch
        self._on_leaving = on_leaving
        self._counts = counts or BatchCounts()
        self._stopwatch = stopwatch
        self._delay = ControlledDelay(is_counted=False)
        self._excess = Excess(batch)
        self._waiting: deque[Item] = deque()
        self._bytes = 0
        self._under_way = 0
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False
        self._loop = asyncio.get_running_loop()

    def put(self, item: Item) -> asyncio.Future[Any]:
        """Let one piece of work wait for the next batch, and return its outcome to come.

        Raises:
            OverloadedError: Too much is waiting.
            NotDoneError: The lane is closed.
        """
        if self._is_closed:
            raise NotDoneError
        if len(self._waiting) >= _MOST_ITEMS or self._bytes + item.size > _MOST_BYTES:
            self._counts.refusals += 1
            message = f"{len(self._waiting)} statements wait already."
            raise OverloadedError(message)
        item.future = Outcome(loop=self._loop)
        item.future.on_leaving = self._on_leaving
        item.began_at = time.monotonic()
        if self._stopwatch is not None:
            item.request = REQUEST.get()
        self._delay.begin(item.began_at)
        self._waiting.append(item)
        self._excess.note(len(self._waiting), item.began_at)
        self._bytes += item.size
        if self._task is None or self._task.done():
            # The task starts in the next iteration, so all that is put in this one goes together.
            self._task = self._loop.create_task(self._work())
        return item.future

    @property
    def load(self) -> int:
        """Return how much waits, or is under way."""
        return len(self._waiting) + self._under_way

    async def close(self) -> None:
        """Take no more, and wait for what is under way."""
        self._is_closed = True
        if self._task is not None:
            await asyncio.wait({self._task})

    def fail_if_late(self, item: Item, now: float) -> None:
        """Let an item go whose turn did not come in time."""
        waited = now - item.began_at
        if waited > self._never_late and now > self._delay.end_of(item.began_at, self._patience):
            self._counts.refusals += 1
            item.fail(OverloadedError(f"No turn came within {waited:.2f} s."))

    def move(self) -> None:
        """Note that what went before has got its turn, however long it waited for that itself."""
        self._delay.move(time.monotonic())

    async def _work(self) -> None:
        try:
            while batch := self._take():
                await self._run_one(batch)
        except asyncio.CancelledError:
            for item in self._waiting:
                item.fail(NotDoneError())
            self._waiting.clear()
            self._bytes = 0
            raise
        finally:
            # Now, not when the task is done: an item that is put in between needs a new task.
            self._task = None

    async def _run_one(self, batch: list[Item]) -> None:
        self._under_way = len(batch)
        try:
            await self._run(batch)
        except Exception as error:
            for item in batch:
                item.fail(error)
        except BaseException:
            # Somebody cancels all tasks of the loop, say.
            for item in batch:
                item.fail(OutcomeUnknownError("It was cancelled; the change may be stored or not."))
            raise
        finally:
            self._under_way = 0

    def _take(self) -> list[Item]:
        """Return those who go next: first come, first served, without those who have left."""
        batch: list[Item] = []
        now = time.monotonic()
        while self._waiting and len(batch) < self._batch:
            item = self._waiting.popleft()
            self._bytes -= item.size
            if item.future.done():
                continue
            self.fail_if_late(item, now)
            if not item.future.done():
                batch.append(item)
        if batch:
            self._delay.move(now)
            self._counts.batches += 1
            self._counts.statements += len(batch)
            self._counts.queued += now - batch[0].began_at
        if not self._waiting:
            self._delay.be_empty()
        self._excess.note(len(self._waiting), now)
        return batch
