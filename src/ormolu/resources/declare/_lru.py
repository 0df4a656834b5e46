"""A cache of limited size, which forgets what was not used for long."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Generic, TypeVar

__all__ = ["LRUCache"]

_T = TypeVar("_T")


class LRUCache(Generic[_T]):
    """A cache that keeps the latest values, roughly by their last use.

    It has two dicts of half its size. A value that is found in the older one moves to the newer, so
    a value that is used all the time costs one look-up in a dict.
    """

    def __init__(self, max_size: int) -> None:
        self._half = max_size // 2
        self._new: dict[Any, _T] = {}
        self._old: dict[Any, _T] = {}

    def __len__(self) -> int:
        """Return how many values are kept."""
        return len(self._new) + len(self._old)

    def get(self, key: Hashable) -> _T | None:
        """Return the value of a key; None if it is not there."""
        value = self._new.get(key)
        if value is None:
            value = self._old.pop(key, None)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: Hashable, value: _T) -> None:
        """Keep a value, and forget the oldest ones if there are too many."""
        if len(self._new) >= self._half:
            self._new, self._old = {}, self._new
        self._new[key] = value
