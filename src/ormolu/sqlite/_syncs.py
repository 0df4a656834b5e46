"""One sync of the write-ahead log for all commits that were written before it began.

Knows the log's file, not its connections: a COMMIT that was written without a sync comes here, and
is answered after one.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

from ormolu.sqlite._calls import Call, Outbox
from ormolu.sqlite._workers import Worker

__all__ = ["CAN_SYNC", "Syncs"]

# Elsewhere SQLite syncs in ways of its own (F_FULLFSYNC), and does it inside COMMIT.
CAN_SYNC = hasattr(os, "fdatasync")


class Syncs:
    """The commits to one database file that wait for a sync, and the thread that does it.

    Attributes:
        worker: The thread.
        has_failed: Whether a sync has failed, so that what was written may have a hole: nothing
            written behind it lasts until the log is begun anew.
    """

    def __init__(self, path: str) -> None:
        self.worker: Worker = Worker()
        self.has_failed: bool = False
        self._log = f"{path}-wal"
        self._guard = threading.Lock()
        self._waiting: list[tuple[Call, Any]] = []

    def add(self, call: Call, result: Any) -> None:
        """Answer a call after a sync that begins from now on; on a connection's thread."""
        self._wait(call, result)
        self.worker.put(self)

    def add_soon(self, call: Call, result: Any, is_growing: Callable[[], bool]) -> None:
        """Answer a call after a sync that those share who are about to commit.

        In the event loop: a sync for each of them would wake the thread and the loop as often.
        """
        self._wait(call, result)
        assert call.outbox is not None
        call.outbox.put_soon(self, self.worker, is_growing)

    def _wait(self, call: Call, result: Any) -> None:
        with self._guard:
            self._waiting.append((call, result))

    def serve(self) -> list[Outbox]:
        """Sync once for all who wait, and answer them; on the thread."""
        with self._guard:
            waiting, self._waiting = self._waiting, []
        if not waiting:
            return []
        reason = self._sync()
        # If nobody has written meanwhile, wake half now: their next commits overlap the next sync.
        count = len(waiting) if self._waiting else (len(waiting) + 1) // 2
        outboxes: set[Outbox] = set()
        for number, (call, result) in enumerate(waiting):
            if call.outbox is None:
                # Nobody waits for it: a ROLLBACK that found its transaction committed.
                continue
            add = call.outbox.add if number < count else call.outbox.add_late
            add(call, result, None if reason is None else _error(reason))
            outboxes.add(call.outbox)
        # Woken here: the worker wakes loops only when it is idle, which under load is never.
        for outbox in outboxes:
            outbox.wake()
        return []

    def _sync(self) -> OSError | None:
        if self.has_failed:
            # The kernel reports a failed write once: this sync would succeed despite the hole.
            return OSError(errno.EIO, os.strerror(errno.EIO))
        try:
            _sync_file(self._log)
        except OSError as error:
            self.has_failed = True
            return error
        return None


def _sync_file(path: str) -> None:
    # Closing a file drops the process's POSIX locks on it; SQLite has none on the log.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def _error(reason: OSError) -> Exception:
    error = sqlite3.OperationalError(f"disk I/O error: the log was not synced ({reason.strerror})")
    error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    return error
