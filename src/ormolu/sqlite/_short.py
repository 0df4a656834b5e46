"""Which statements are so short that the way to a thread and back costs more than they do.

They run on the event loop's own thread. A statement has to prove itself on a thread first, runs
within a time limit, and has to prove itself anew if the event loop had to wait for it.
"""

from __future__ import annotations

import time

__all__ = ["AT_ONCE_SECONDS", "COMMIT", "NOT_DONE", "ShortStatements"]

# Returned for a statement that did not finish in time at once; it runs on a thread then.
NOT_DONE = object()

# Stands for a COMMIT that does not sync.
COMMIT = "COMMIT"

# A statement is short once it took at most so many seconds of CPU, so many times in a row.
_SHORT = 0.0002
_PROOFS = 3

# Seconds after which a statement on the event loop is given up, and after which it counts as long.
AT_ONCE_SECONDS = 0.0005
_FAR_TOO_LONG = 0.002

# Proofs that are owed after that: a few, as on a busy machine any statement is long now and then;
# twice as many if it happens again within so many runs.
_FEWEST_DEBTS = 5
_MOST_DEBTS = 200
_PROBATION = 25

# Statements that are remembered, and their length: a program that writes values into its SQL has
# any number of them.
_MEMORY, _LETTERS = 2000, 5000


class ShortStatements:
    """What one engine knows of its statements."""

    def __init__(self) -> None:
        # By statement: how often in a row it was short; below zero it has to prove itself longer.
        self._proofs: dict[str, int] = {}
        # By statement: how many proofs it owed the last time.
        self._debts: dict[str, int] = {}

    def has(self, sql: str) -> bool:
        """Tell whether a statement may run at once."""
        return self._proofs.get(sql, 0) >= _PROOFS

    def note_on_thread(self, sql: str, seconds: float) -> None:
        """Learn how much time of its thread a statement has used."""
        if len(sql) > _LETTERS:
            return
        if len(self._proofs) > _MEMORY:
            self._forget()
        # SQLAlchemy's functions are Python's, and `floor` is a short one.
        is_short = seconds <= _SHORT and "REGEXP" not in sql.upper()
        # Reinsert it as the most recently used.
        proofs = self._proofs.pop(sql, 0)
        self._proofs[sql] = proofs + 1 if is_short else min(proofs, 0)

    def _forget(self) -> None:
        """Forget those that were not used for longest."""
        for sql in list(self._proofs)[: _MEMORY // 2]:
            del self._proofs[sql]
            self._debts.pop(sql, None)

    def note_at_once(self, sql: str, began_at: float, *, is_done: bool) -> None:
        """Learn how long the event loop has waited for a statement.

        Args:
            sql: The statement.
            began_at: When it began, on the clock of `time.perf_counter`.
            is_done: Whether it was not given up.
        """
        seconds = time.perf_counter() - began_at
        proofs = self._proofs.pop(sql, 0)
        if is_done and seconds <= _FAR_TOO_LONG:
            self._proofs[sql] = proofs + 1
            return
        is_again = proofs < _PROOFS + _PROBATION
        doubled = 2 * self._debts.get(sql, 0) if is_again else 0
        owed = max(doubled, _FEWEST_DEBTS, int(_FEWEST_DEBTS * seconds / _FAR_TOO_LONG))
        self._debts[sql] = owed = min(owed, _MOST_DEBTS)
        self._proofs[sql] = _PROOFS - owed
