"""Who is told of each statement, whichever way it goes: the test kit's counters and faults.

SQLAlchemy's events would not do: what goes past it, on lanes and borrowed connections, has none,
and steps aside for listeners, so that they would see another program than the one that runs.
"""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["FAULTS", "TAPS", "Fault", "Tap", "tell"]


class Tap(Protocol):
    """Is told of statements."""

    def note(self, sql: str, times: int) -> None:
        """Hear of a statement that is about to be sent; by any thread.

        Args:
            sql: Its text.
            times: How often, where it is sent once for each of several requests.
        """
        ...


class Fault(Protocol):
    """Is asked before each statement and COMMIT of a session, in a greenlet, and may raise."""

    def before_statement(self, cursor: Any, sql: str, connection: Any) -> None:
        """Hear of a statement."""
        ...

    def before_commit(self, connection: Any) -> None:
        """Hear of a COMMIT."""
        ...


# Empty in an application. While there is a fault, all goes by sessions and SQLAlchemy.
TAPS: list[Tap] = []
FAULTS: list[Fault] = []


def tell(sql: str, times: int = 1) -> None:
    """Tell all taps of a statement."""
    for tap in TAPS:
        tap.note(sql, times)
