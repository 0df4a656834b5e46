"""The threads that run the calls of SQLite connections.

One thread serves all connections: more threads would contend with it and the event loop for the
interpreter's lock. If a long statement blocks it, a new thread takes over, and it ends afterwards.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Hashable, Sequence
from queue import Empty, SimpleQueue
from typing import Protocol

__all__ = ["READERS", "Outcomes", "Work", "Worker"]


class Outcomes(Hashable, Protocol):
    """Outcomes of work that are on their way to an event loop."""

    def wake(self) -> None:
        """Let the event loop hand them over."""
        ...


class Work(Protocol):
    """Something that a thread can do a round of."""

    def serve(self) -> Sequence[Outcomes]:
        """Do what there is to do, and return where the outcomes are."""
        ...


class Worker:
    """A thread, and those that replace it when it is stuck.

    The thread lives as long as somebody has joined; whoever joins later starts a new one.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew, in a forked child: it lacks its parent's threads."""
        self._guard = threading.Lock()
        self._members = 0
        self._lead: _Thread | None = None

    def join(self) -> None:
        """Keep a thread running until `leave`."""
        with self._guard:
            self._members += 1
            if self._lead is None:
                self._lead = _Thread(SimpleQueue())

    def leave(self) -> threading.Thread | None:
        """Return the thread that ends, if this was the last member."""
        with self._guard:
            self._members -= 1
            lead = self._lead
            if self._members or lead is None:
                return None
            self._lead = None
        lead.ready.put(None)
        return lead

    def put(self, work: Work) -> None:
        """Have some work done, from any thread; it is not done once the last member has left."""
        lead = self._lead
        if lead is not None:
            lead.ready.put(work)

    def relieve(self, limit: float) -> bool:
        """Replace a thread that is stuck, and tell whether there is work.

        Args:
            limit: Seconds with one piece of work after which a thread is stuck.
        """
        with self._guard:
            lead = self._lead
            # Read once: the thread sets it to None without taking the guard.
            began_at = None if lead is None else lead.began_at
            if lead is None or began_at is None:
                return False
            if time.monotonic() - began_at > limit and not lead.ready.empty():
                lead.is_replaced = True
                self._lead = _Thread(lead.ready)
        return True


class _Thread(threading.Thread):
    """One thread.

    Attributes:
        ready: The work that waits.
        began_at: When it began what it is at, on the monotonic clock; None if it is idle.
        is_replaced: Whether another thread does the rest.
    """

    def __init__(self, ready: SimpleQueue[Work | None]) -> None:
        # A daemon: Python waits for other threads at exit before it runs what ends this one.
        super().__init__(name="ormolu-sqlite", daemon=True)
        self.ready = ready
        self.began_at: float | None = None
        self.is_replaced = False
        self.start()

    def run(self) -> None:
        """Work until told to end, or replaced."""
        outboxes: set[Outcomes] = set()
        while not self.is_replaced:
            try:
                work = self.ready.get_nowait()
            except Empty:
                self._send(outboxes)
                self.began_at = None
                work = self.ready.get()
            if work is None:
                break
            self.began_at = time.monotonic()
            outboxes.update(work.serve())
            # A thread that waits must keep nothing of its last work alive.
            del work
        self._send(outboxes)

    def _send(self, outboxes: set[Outcomes]) -> None:
        for outbox in outboxes:
            outbox.wake()
        outboxes.clear()


# Runs the statements of all readers in this process.
READERS = Worker()

if hasattr(os, "register_at_fork"):  # pragma: no branch -- Windows cannot fork
    os.register_at_fork(after_in_child=READERS.forget)
