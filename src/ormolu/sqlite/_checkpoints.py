"""When the write-ahead log goes back into the database file, and how it stays small.

SQLite does it inside COMMIT, while the client waits, and never gets to start the log afresh as
long as readers overlap. Here the writer does it after COMMIT was answered, and if the log is too
long, waits a moment for the readers: those who come meanwhile no longer need the log.
"""

from __future__ import annotations

import os
import time
from typing import Any

__all__ = ["Checkpoints"]

# Try a checkpoint after so many commits, or once the log has grown by so many bytes.
_COMMITS = 250
_GROWTH = 4 * 2**20
_COMMITS_BETWEEN_LOOKS = 16

# Above so many bytes the log is cut, which may block writers for so long, and so often.
_BOUND = 16 * 2**20
_PATIENCE_MS = 100
_SECONDS_BETWEEN_WAITS = 2.0


class Checkpoints:
    """What the writers of one file know of its log."""

    def __init__(self, path: str) -> None:
        self._log = f"{path}-wal"
        self._commits = 0
        self._known_size = 0
        self._waited_at = 0.0

    def is_due(self, *, is_small: bool) -> bool:
        """Count a commit, and tell whether a checkpoint should follow, which one caller does.

        Args:
            is_small: Whether it has written little.
        """
        self._commits += 1
        is_look_due = not is_small or self._commits % _COMMITS_BETWEEN_LOOKS == 0
        has_grown = is_look_due and self._size() - self._known_size >= _GROWTH
        if self._commits < _COMMITS and not has_grown:
            return False
        self._commits = 0
        self._known_size = self._size()
        return True

    def run(self, sqlite: Any) -> None:
        """Move what is in the log into the file, as far as readers let it."""
        if self._size() < _BOUND:
            sqlite.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        elif time.monotonic() - self._waited_at < _SECONDS_BETWEEN_WAITS:
            sqlite.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        else:
            sqlite.execute(f"PRAGMA busy_timeout={_PATIENCE_MS}")
            sqlite.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            sqlite.execute("PRAGMA busy_timeout=0")
            self._waited_at = time.monotonic()
        self._known_size = self._size()

    def _size(self) -> int:
        try:
            return os.stat(self._log).st_size
        except OSError:
            return 0
