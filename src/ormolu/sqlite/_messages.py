"""What the errors say that the driver raises itself, in the place of SQLite."""

from __future__ import annotations

__all__ = [
    "IN_LINE", "LOCKED", "LOST", "MOVED", "NOT_SYNCED", "READ_ONLY", "UPGRADE",
]  # fmt: skip

LOCKED = "database is locked: another process kept the write lock for {:.2f} s"
IN_LINE = (
    "database is locked: other writers of this process had the write lock for the {:.2f} s that "
    "this one waited in line. A transaction that may write keeps the lock from its first statement "
    "to its end: end it before slow work"
)
UPGRADE = (
    "database is locked: this transaction has read, and another one writes or has written since. "
    "Roll back, and begin a transaction that will write as a writer: "
    'execution_options(sqlite_begin="immediate")'
)
LOST = (
    "SQLite has rolled this transaction back after an earlier error: nothing of it is stored. "
    "Call rollback() and begin again"
)
READ_ONLY = (
    "attempt to write a readonly database: this transaction was begun read only. Leave out "
    'sqlite_begin="read only" where you write'
)
MOVED = (
    "the file {} was deleted or replaced after this connection had opened it: nothing of this "
    "transaction is stored"
)
NOT_SYNCED = (
    "disk I/O error: the log could not be synced, and is not written to before all of it is in "
    "the file, for which the readers of now have to end"
)
