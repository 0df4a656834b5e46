"""The calls of one connection: in order, one at a time, on whichever thread serves them.

Knows the turn that a writer waits for and how a call is given up; not what a call does.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

try:
    import ctypes
except ImportError:  # pragma: no cover -- a Python that was built without libffi
    ctypes = None  # type: ignore[assignment]

from ormolu.sqlite._calls import Call, Outbox, outbox_of
from ormolu.sqlite._handle import Handle
from ormolu.sqlite._short import NOT_DONE
from ormolu.sqlite._transaction import TurnNeeded
from ormolu.sqlite._workers import READERS, Worker

__all__ = ["Mailbox"]

# An interrupt that falls between two statements is lost: it is repeated until the call is over.
_INTERRUPT_EVERY = 0.01

# Seconds that every call waits for its turn, even if the wait for a connection took all patience.
_SOON = 0.02

# Seconds that the end of the interpreter, or of a connection, waits for a thread.
_FAREWELL = 1.0


class Mailbox:
    """The calls that wait for a connection.

    Attributes:
        last: The call that was put in last.
        is_closed: Whether no call is taken any more.
    """

    def __init__(self, handle: Handle) -> None:
        self.last: Call | None = None
        self.is_closed = False
        self._handle = handle
        self._guard = threading.Lock()
        self._calls: deque[Call] = deque()
        self._running: Call | None = None
        self._is_scheduled = False
        self._final: Call | None = None
        self._ended: list[threading.Thread] = []
        self._pid = os.getpid()
        READERS.join()
        _OPEN.add(self)

    @property
    def is_foreign(self) -> bool:
        """Tell whether this is a forked child, in which the connection must not be used."""
        return self._pid != os.getpid()

    @property
    def is_idle(self) -> bool:
        """Tell whether all calls are over."""
        return self.last is None or self.last.is_over

    def put(self, call: Call) -> None:
        """Run a call after those that came before it, here if it can be; in the event loop."""
        transaction = self._handle.transaction
        if call.ticket is None and transaction.needs_turn(call.kind):
            self._enqueue(call)
        if self.run_here(call):
            return
        self._set_limit(call)
        worker = transaction.writers.worker if transaction.is_writing or call.ticket else READERS
        self._append(call, worker)
        (call.outbox or outbox_of(asyncio.get_running_loop())).watch(worker)

    def run_here(self, call: Call, *, is_waiting: bool = False) -> bool:
        """Run a call on the event loop's thread if it may be and can be; tell whether it was.

        Args:
            call: The call.
            is_waiting: Whether it has been put in, and is not a new one.
        """
        with self._guard:
            first = self._calls[0] if self._calls else None
            is_free = not self._is_scheduled and not self.is_closed
            if call.at_once is None or not is_free or not _has_turn(call):
                return False
            if first is not (call if is_waiting else None):
                return False
            if is_waiting:
                self._calls.popleft()
            self._is_scheduled = True
            self._running = call
        result, error = None, None
        call.is_at_once = True
        try:
            result = call.at_once(call)
        except BaseException as raised:
            error = self._handle.named(raised)
        call.is_at_once = False
        is_done = result is not NOT_DONE
        is_unsynced = self._end_here(call, is_done=is_done, was_waiting=is_waiting)
        if not is_done:
            return False
        if is_unsynced and error is None:
            writers = self._handle.transaction.writers
            writers.syncs.add_soon(call, result, writers.queue.is_occupied)
        else:
            call.resolve(result, error)
        del result, error
        return True

    def run_alone(self, function: Callable[[], Any]) -> Any:
        """Call a function on the event loop's thread, which asks for no turn and is soon over.

        Returns:
            What it returns; `NOT_DONE` if anything else runs or waits.
        """
        with self._guard:
            if self._is_scheduled or self._calls or self.is_closed or self.is_foreign:
                return NOT_DONE
            self._is_scheduled = True
        try:
            return function()
        finally:
            self._handle.tidy()
            with self._guard:
                self._is_scheduled = False
            if self._calls:
                # `stop` has added the call that closes the connection.
                self._schedule(READERS)

    def _end_here(self, call: Call, *, is_done: bool, was_waiting: bool) -> bool:
        """End a call on the event loop's thread, and tell whether it has left something to sync."""
        call.is_over = is_done
        if is_done and call.ticket is not None:
            call.ticket.leave()
        is_due = self._handle.tidy()
        # Before the next call may run: on another thread that would take it for its own.
        is_unsynced = self._handle.transaction.sharing.take_unsynced()
        worker = READERS
        with self._guard:
            self._running = None
            self._is_scheduled = False
            if not is_done and was_waiting:
                self._calls.appendleft(call)
                worker = self._handle.transaction.writers.worker
            if is_due:
                # Do not count it as the last call: the connection is idle while this one waits.
                self._calls.append(Call(lambda _call: self._handle.checkpoint()))
                worker = self._handle.transaction.writers.worker
        # `stop` may have added a call meanwhile.
        self._schedule(worker)
        return is_unsynced

    def append(self, call: Call, outbox: Outbox) -> None:
        """Run a call that nobody waits for after those that came before it."""
        self._append(call, READERS)
        outbox.watch(READERS)

    def give_up(self, call: Call) -> None:
        """Skip a call, or interrupt it until it is over; on the event loop's thread."""
        call.is_given_up = True
        if not self._withdraw(call):
            self._interrupt(call)

    def close(self, call: Call) -> None:
        """Take no more calls after this one."""
        self.is_closed = True
        self._final = call
        with self._guard:
            if self._running is not None and self._running.outbox is not None:
                self._handle.interrupt()
        self.put(call)

    def stop(self) -> None:
        """Interrupt what runs and close, without an answer; from any thread."""
        if self.is_foreign:
            # Closing it would act on the parent's file; nothing may ever collect it.
            _PARENTS.append(self._handle)
            return
        with self._guard:
            if self.is_closed:
                return
            self.is_closed = True
            waiting = list(self._calls)
            if self._running is not None:
                self._running.is_given_up = True
                self._handle.interrupt()
        for call in waiting:
            self._withdraw(call)
            if call.outbox is not None:
                call.outbox.add(call, None, ConnectionError("The connection was closed."))
                call.outbox.wake()
        self._final = Call(self._handle.close)
        self._append(self._final, READERS)

    def serve(self) -> list[Outbox]:
        """Run the calls that can be run; on a worker's thread."""
        outboxes: list[Outbox] = []
        while (call := self._next()) is not None:
            result, error = None, None
            try:
                result = call.function(call)
            except TurnNeeded:
                if not call.is_given_up:
                    self._put_back(call)
                    continue
            except BaseException as raised:
                error = self._handle.named(raised)
            with self._guard:
                self._running = None
            if call.ticket is not None:
                call.ticket.leave()
            is_due = self._handle.tidy()
            call.is_over = True
            if self._handle.transaction.sharing.take_unsynced() and error is None:
                self._handle.transaction.writers.syncs.add(call, result)
            elif call.outbox is not None:
                is_urgent = self._handle.transaction.is_writing
                call.outbox.add(call, result, error, is_urgent=is_urgent)
                outboxes.append(call.outbox)
            # Break a reference cycle: the error's traceback refers to this frame.
            del result, error
            if is_due:
                self._handle.checkpoint()
            if call is self._final:
                self._leave_workers()
        return outboxes

    def join(self) -> None:
        """Wait for the threads that ended with this connection."""
        for thread in self._ended:
            thread.join(_FAREWELL)

    def _append(self, call: Call, worker: Worker) -> None:
        self.last = call
        with self._guard:
            self._calls.append(call)
        self._schedule(worker)

    def _schedule(self, worker: Worker) -> None:
        """Have a thread serve the calls, unless one does or the first one has no turn yet."""
        with self._guard:
            if self._is_scheduled or not self._can_run_first():
                return
            self._is_scheduled = True
        worker.put(self)

    def _next(self) -> Call | None:
        with self._guard:
            if not self._can_run_first():
                self._is_scheduled = False
                return None
            self._running = self._calls.popleft()
            return self._running

    def _can_run_first(self) -> bool:
        if not self._calls:
            return False
        return self._handle.transaction.is_writing or _has_turn(self._calls[0])

    def _enqueue(self, call: Call) -> None:
        call.ticket = self._handle.transaction.writers.queue.enter(lambda: self._take_turn(call))

    def _take_turn(self, call: Call) -> None:
        """Run a call whose turn has come; from any thread."""
        outbox = call.outbox if call.at_once is not None else None
        if outbox is None or not outbox.call_soon(self._run_waiting, call):
            self._schedule(self._handle.transaction.writers.worker)

    def _run_waiting(self, call: Call) -> None:
        if not self.run_here(call, is_waiting=True):
            self._schedule(self._handle.transaction.writers.worker)

    def _put_back(self, call: Call) -> None:
        """Let a call wait for the turn that it was not expected to need."""
        self._enqueue(call)
        with self._guard:
            self._running = None
            self._calls.appendleft(call)
        assert call.outbox is not None
        with suppress(RuntimeError):
            call.outbox.loop.call_soon_threadsafe(self._set_limit, call)

    def _set_limit(self, call: Call) -> None:
        if call.ticket is not None and not call.ticket.has_turn:
            assert call.outbox is not None
            left = call.ticket.wait_until(call.began_at, call.patience) - time.monotonic()
            left = max(left, min(_SOON, *call.patience))
            call.timer = call.outbox.loop.call_later(left, self._expire, call)

    def _expire(self, call: Call) -> None:
        if call.ticket is None or call.ticket.has_turn:
            return
        if call.ticket.wait_until(call.began_at, call.patience) > time.monotonic():
            # The queue has moved meanwhile.
            self._set_limit(call)
        elif self._withdraw(call):
            call.resolve(None, self._handle.transaction.too_long_in_queue(call))

    def _withdraw(self, call: Call) -> bool:
        """Take a call out that has not begun, and tell whether it was there."""
        with self._guard:
            if call not in self._calls:
                return False
            self._calls.remove(call)
        call.is_over = True
        if call.ticket is not None:
            call.ticket.leave()
        self._schedule(READERS)
        return True

    def _interrupt(self, call: Call) -> None:
        with self._guard:
            if self._running is not call:
                return
            self._handle.interrupt()
        assert call.outbox is not None
        call.outbox.loop.call_later(_INTERRUPT_EVERY, self._interrupt, call)

    def _leave_workers(self) -> None:
        workers = [READERS, *self._handle.transaction.workers]
        self._ended = [thread for worker in workers if (thread := worker.leave()) is not None]


def _has_turn(call: Call) -> bool:
    return call.ticket is None or call.ticket.has_turn


# Connections that are not closed, and those of a process that this one was forked from.
_OPEN: weakref.WeakSet[Mailbox] = weakref.WeakSet()
_PARENTS: list[Handle] = []


def _keep_for_good() -> None:
    """Keep the parent's connections from ever being collected, at the end of a child's Python too.

    That would act on the parent's file, and warns of a database that nobody closed.
    """
    assert ctypes is not None
    for mailbox in _OPEN:
        if mailbox._handle.sqlite is not None:  # noqa: SLF001
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(mailbox._handle.sqlite))  # noqa: SLF001


if hasattr(os, "register_at_fork") and ctypes is not None:  # pragma: no branch -- not Windows
    os.register_at_fork(after_in_child=_keep_for_good)


@atexit.register
def _close_all() -> None:
    mailboxes = [mailbox for mailbox in _OPEN if not mailbox.is_foreign]
    for mailbox in mailboxes:
        mailbox.stop()
    deadline = time.monotonic() + _FAREWELL
    while time.monotonic() < deadline and not all(mailbox.is_idle for mailbox in mailboxes):
        time.sleep(0.001)
