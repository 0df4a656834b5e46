"""What was used lately, by short keys, and is forgotten when it was not for long."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Generic, TypeVar

__all__ = ["Recent"]

_T = TypeVar("_T")


class Recent(Generic[_T]):
    """The values that were used lately, by short keys.

    Looking for one that is used all the time costs no more than it does in a dict: they are in two
    halves, and what is found in the older one moves to the newer.
    """

    def __init__(self, most: int) -> None:
        """Begin with none.

        Args:
            most: How many are kept, at most.
        """
        self._half = most // 2
        self._new: dict[Any, _T] = {}
        self._old: dict[Any, _T] = {}

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._new) + len(self._old)

    def get(self, key: Hashable) -> _T | None:
        """Return the value of a key, if it is still there."""
        value = self._new.get(key)
        if value is None:
            value = self._old.pop(key, None)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: Hashable, value: _T) -> None:
        """Keep a value, and forget what was not used for long."""
        if len(self._new) >= self._half:
            self._new, self._old = {}, self._new
        self._new[key] = value
