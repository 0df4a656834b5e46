"""Values that stay bound: sqlite3 keeps the statements of a connection, with what they had last.

It keeps so many by their number, whatever their values weigh. Knows no thread and no transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

__all__ = ["CACHED", "Bindings", "size_of"]

# Prepared statements that sqlite3 caches by default.
CACHED = 128

# Values below the first size are not counted; together they may take up to the second.
_SMALL = 16 * 1024
_MOST = 4 * 1024 * 1024


class Bindings:
    """What the kept statements of one connection hold, at most."""

    def __init__(self, cached: int) -> None:
        self._cached = cached
        self._held = 0

    def releasing(self, action: Callable[[Any], Any], size: int) -> Callable[[Any], Any]:
        """Return an action; one after which too much would stay lets go of all of it.

        Args:
            action: Takes the sqlite3 connection, and executes a statement on it.
            size: Characters and bytes of the statement's values.
        """
        if size < _SMALL:
            return action
        self._held += size
        if self._held < _MOST:
            return action
        self._held = 0
        return partial(self._run, action)

    def _run(self, action: Callable[[Any], Any], sqlite: Any) -> Any:
        try:
            return action(sqlite)
        finally:
            # sqlite3 cannot clear its cache, so fill it with other statements.
            with suppress(Exception):
                for number in range(self._cached):
                    sqlite.execute(f"SELECT {number}")


def size_of(parameters: Any) -> int:
    """Return how many characters and bytes the values of a statement have."""
    values = parameters.values() if isinstance(parameters, Mapping) else parameters
    return sum(len(each) for each in values if type(each) is str or type(each) is bytes)
