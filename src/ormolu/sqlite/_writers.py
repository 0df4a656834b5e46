"""What the connections that write to one database file share, within one process."""

from __future__ import annotations

import os
import threading
import weakref

from ormolu.sqlite._checkpoints import Checkpoints
from ormolu.sqlite._syncs import Syncs
from ormolu.sqlite._workers import Worker
from ormolu.sqlite._write_queue import WriteQueue

__all__ = ["Writers", "writers_of"]


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
    """

    def __init__(self, path: str) -> None:
        self.queue: WriteQueue = WriteQueue()
        self.worker: Worker = Worker()
        self.syncs: Syncs = Syncs(path)
        self.checkpoints: Checkpoints = Checkpoints(path)
        self.count: int = 0
        self.locked_since: float | None = None
        self.has_log = True


class _Files:
    """The writers of the files of this process, each for as long as a connection holds them."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self._guard = threading.Lock()
        self._writers: weakref.WeakValueDictionary[str, Writers] = weakref.WeakValueDictionary()

    def writers_of(self, path: str) -> Writers:
        with self._guard:
            writers = self._writers.get(path)
            if writers is None:
                writers = self._writers[path] = Writers(path)
            return writers


_files = _Files()


def writers_of(path: str) -> Writers:
    """Return the writers of a database file, the same for all who open it in this process."""
    return _files.writers_of(os.path.realpath(path))


if hasattr(os, "register_at_fork"):  # pragma: no branch -- Windows cannot fork
    # A forked child lacks the threads that stand in its parent's queues.
    os.register_at_fork(after_in_child=_files.forget)
