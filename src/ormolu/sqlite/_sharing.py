"""Whether the COMMIT of a connection leaves its sync to others, transaction by transaction.

Lives in the connection's thread, as _transaction does. See docs/decisions/0011.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Sharing"]

# Changed rows above which COMMIT does not run on the event loop's thread.
_FEW_CHANGES = 100


class Sharing:
    """What one connection leaves to its file's shared syncs.

    Attributes:
        is_allowed: Whether it may; taken back once the user changes what SQLite syncs.
    """

    def __init__(self) -> None:
        self.is_allowed = False
        self._sqlite: Any = None
        self._is_on = False
        self._is_unsynced = False
        self._changes_before = 0

    def begin(self, sqlite: Any) -> None:
        """Let the transaction that is about to begin be committed without a sync."""
        # Use `executescript`: `execute` reuses a cached statement whose PRAGMA has no effect.
        sqlite.executescript("PRAGMA synchronous=NORMAL")
        self._sqlite = sqlite
        self._is_on = True
        self._changes_before = sqlite.total_changes

    def end(self, *, is_committed: bool) -> None:
        """Let COMMIT sync again, after a transaction or instead of one."""
        if self._is_on:
            self._is_on = False
            self._is_unsynced = is_committed
            self._sqlite.executescript("PRAGMA synchronous=FULL")

    @property
    def is_small(self) -> bool:
        """Tell whether a COMMIT has little to write, and leaves its sync to others."""
        if not (self._is_on and self.is_allowed):
            return False
        return bool(self._sqlite.total_changes - self._changes_before <= _FEW_CHANGES)

    def take_unsynced(self) -> bool:
        """Tell, once, whether the last call has committed what is not synced yet."""
        is_unsynced, self._is_unsynced = self._is_unsynced, False
        return is_unsynced
