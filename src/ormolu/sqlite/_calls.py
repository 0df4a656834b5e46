"""One call on a connection, and the way of its outcome back to the event loop."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ormolu.controlled_delay import Patience
from ormolu.sqlite._statements import Kind
from ormolu.sqlite._workers import Work, Worker
from ormolu.sqlite._write_queue import Ticket

__all__ = ["READ_AT_ONCE", "Call", "Outbox", "outbox_of"]

# Seconds after which outcomes are handed over though more may follow, and after which a thread
# counts as stuck. A busy event loop may keep a thread from running for 5 ms.
_LOOK_EVERY = 0.005

# Work waits so long for more of its kind, in seconds and in iterations of the event loop; these
# are short on an idle loop.
_PATIENCE = 0.01
_TURNS = 64


# For calls that wait neither in the queue nor for a lock.
_NONE = Patience(line=0.0, lock=0.0)


class Call:
    """A function to be run with a connection.

    Attributes:
        function: What is called, with the call itself.
        at_once: What may be called instead on the event loop's thread; `NOT_DONE` from it means
            that it has done nothing. None if nothing may.
        kind: What its statement asks of the transaction.
        patience: Seconds that it waits in the write queue, and for locks of other processes.
        began_at: When its wait began, on the monotonic clock: with that for the connection.
        outbox: Where its outcome goes; None if nobody waits for it.
        future: Its outcome on the event loop.
        ticket: Its place in the write queue.
        timer: What ends its wait in the queue.
        is_given_up: Whether its caller was cancelled or ran out of time.
        is_late: Whether it was given up because it ran out of time.
        is_at_once: Whether it runs on the event loop's thread, and so waits for nothing.
        is_over: Whether it has run, or never will.
    """

    __slots__ = (
        "at_once", "began_at", "function", "future", "is_at_once", "is_given_up", "is_late",
        "is_over", "kind", "outbox", "patience", "ticket", "timer",
    )  # fmt: skip

    def __init__(
        self,
        function: Callable[[Call], Any],
        outbox: Outbox | None = None,
        *,
        kind: Kind = Kind.OTHER,
        patience: Patience = _NONE,
        waited: float = 0.0,
    ) -> None:
        self.function: Callable[[Call], Any] = function
        self.at_once: Callable[[Call], Any] | None = None
        self.kind: Kind = kind
        self.patience: Patience = patience
        self.began_at: float = time.monotonic() - waited
        self.outbox: Outbox | None = outbox
        self.future: asyncio.Future[Any] | None = outbox.loop.create_future() if outbox else None
        self.ticket: Ticket | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.is_given_up: bool = False
        self.is_late: bool = False
        self.is_at_once: bool = False
        self.is_over: bool = False

    def resolve(self, result: Any, error: BaseException | None) -> None:
        """Tell the caller, in the event loop's thread; one who has left is not told."""
        if self.timer is not None:
            # A timer that stays would keep the call alive for the whole limit.
            self.timer.cancel()
        if self.future is None or self.future.done():
            return
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)


def _read_at_once() -> Call:
    call = Call(lambda _call: None, kind=Kind.READ)
    call.is_at_once = True
    return call


# Shared by all reads that wait for nothing, since such a call has no state.
READ_AT_ONCE = _read_at_once()


class Outbox:
    """The outcomes that are on their way to one event loop.

    A thread wakes the loop once it has nothing left to do: a loop that is woken for each of them
    fights with the thread for the interpreter's lock.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._outcomes: deque[tuple[Call, Any, BaseException | None]] = deque()
        self._urgent: deque[tuple[Call, Any, BaseException | None]] = deque()
        self._late: deque[tuple[Call, Any, BaseException | None]] = deque()
        self._watched: set[Worker] = set()
        self._soon: set[Work] = set()

    def add(
        self, call: Call, result: Any, error: BaseException | None, *, is_urgent: bool = False
    ) -> None:
        """Put an outcome in, from any thread; `wake` sends it.

        Args:
            call: The call.
            result: What its function returned.
            error: What it raised.
            is_urgent: Whether others wait for what its caller does next: it goes before the rest.
        """
        outcomes = self._urgent if is_urgent else self._outcomes
        outcomes.append((call, result, error))

    def add_late(self, call: Call, result: Any, error: BaseException | None) -> None:
        """Put an outcome in that is handed over a turn of the event loop after the others."""
        self._late.append((call, result, error))

    def wake(self) -> None:
        """Let the event loop hand the outcomes over, from any thread."""
        # The loop may have ended without waiting for us.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._deliver)

    def call_soon(self, function: Callable[[Call], None], call: Call) -> bool:
        """Call a function in the event loop, from any thread; False if it has ended."""
        try:
            if _running_loop() is self.loop:
                self.loop.call_soon(function, call)
            else:
                self.loop.call_soon_threadsafe(function, call)
        except RuntimeError:
            return False
        return True

    def put_soon(self, work: Work, worker: Worker, is_growing: Callable[[], bool]) -> None:
        """Have work done once the tasks that are ready now have run; in the event loop.

        Args:
            work: The work.
            worker: Who does it.
            is_growing: Tells whether more of it is about to come, so that it waits some turns of
                the event loop for that, 10 ms at most.
        """
        if work not in self._soon:
            self._soon.add(work)
            end_at = time.monotonic() + _PATIENCE
            self.loop.call_soon(self._put, work, worker, is_growing, end_at, _TURNS)

    def _put(
        self, work: Work, worker: Worker, is_growing: Callable[[], bool], end_at: float, turns: int
    ) -> None:
        if turns and is_growing() and time.monotonic() < end_at:
            self.loop.call_soon(self._put, work, worker, is_growing, end_at, turns - 1)
            return
        self._soon.discard(work)
        worker.put(work)

    def watch(self, worker: Worker) -> None:
        """See to it, from the event loop, that nothing waits behind a long statement."""
        if worker not in self._watched:
            self._watched.add(worker)
            self.loop.call_later(_LOOK_EVERY, self._look, worker)

    def _look(self, worker: Worker) -> None:
        self._watched.discard(worker)
        self._deliver()
        if worker.relieve(_LOOK_EVERY):
            self.watch(worker)

    def _deliver(self) -> None:
        for outcomes in (self._urgent, self._outcomes):
            _resolve_all(outcomes)
        if self._late:
            self.loop.call_soon(_resolve_all, self._late)


def _resolve_all(outcomes: deque[tuple[Call, Any, BaseException | None]]) -> None:
    while outcomes:
        call, result, error = outcomes.popleft()
        call.resolve(result, error)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


_OUTBOXES: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Outbox]
_OUTBOXES = weakref.WeakKeyDictionary()


def outbox_of(loop: asyncio.AbstractEventLoop) -> Outbox:
    """Return the outbox of an event loop."""
    outbox = _OUTBOXES.get(loop)
    if outbox is None:
        outbox = _OUTBOXES[loop] = Outbox(loop)
    return outbox
