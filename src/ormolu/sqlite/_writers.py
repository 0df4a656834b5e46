"""What the connections that write to one database file share, within one process."""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import Any

from ormolu.sqlite._checkpoints import Checkpoints
from ormolu.sqlite._syncs import Syncs
from ormolu.sqlite._workers import Worker
from ormolu.sqlite._write_queue import WriteQueue

__all__ = ["Writers", "writers_of"]

# Seconds between two looks of those who read at whether the file is still in its place.
_LOOK_EVERY = 1.0

# Device and number of a file, which no other one has while anybody has it open.
_Identity = tuple[int, int]


class Writers:
    """The writers of one file: their queue, and the thread that runs their statements.

    Attributes:
        queue: Where they wait for their turn to write.
        worker: The thread.
        syncs: What the commits of those who were served wait for.
        checkpoints: When the file's log is due to go back into it.
        count: How many transactions have written, in this process.
        locked_since: When who has the turn met the lock of another process that is still there,
            on the monotonic clock; None if the file is not locked.
        has_log: Whether the file can have a write-ahead log, as far as is known.
        path: The file; empty for one that nobody else can open.
    """

    def __init__(self, path: str, identity: _Identity | None = None) -> None:
        self.path: str = path
        self._identity = identity
        self._look_at = 0.0
        self.queue: WriteQueue = WriteQueue()
        self.worker: Worker = Worker()
        self.syncs: Syncs = Syncs(path)
        self.checkpoints: Checkpoints = Checkpoints(path)
        self.count: int = 0
        self.locked_since: float | None = None
        self.has_log = True

    def is_moved(self) -> bool:
        """Tell whether the file was deleted or replaced: what is written to it would be lost."""
        is_moved = self._identity is not None and _identity_of(self.path) != self._identity
        if is_moved:
            self._look_at = 0.0
        return is_moved

    def looks_moved(self) -> bool:
        """Tell the same, for who asks often: it is looked at once a second."""
        now = time.monotonic()
        if now < self._look_at:
            return False
        if self.is_moved():
            return True
        self._look_at = now + _LOOK_EVERY
        return False


def _identity_of(path: str) -> _Identity | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


class _Files:
    """The writers of the files of this process, each for as long as a connection holds them."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self._guard = threading.Lock()
        self._writers: weakref.WeakValueDictionary[Any, Writers] = weakref.WeakValueDictionary()

    def writers_of(self, path: str) -> Writers:
        identity = _identity_of(path)
        with self._guard:
            # A file in the place of another one has a log and locks of its own.
            writers = self._writers.get((path, identity))
            if writers is None:
                writers = self._writers[path, identity] = Writers(path, identity)
            return writers


_files = _Files()


def writers_of(path: str) -> Writers:
    """Return the writers of a database file, the same for all who open it in this process."""
    return _files.writers_of(os.path.realpath(path))


if hasattr(os, "register_at_fork"):  # pragma: no branch -- Windows cannot fork
    # A forked child lacks the threads that stand in its parent's queues.
    os.register_at_fork(after_in_child=_files.forget)
