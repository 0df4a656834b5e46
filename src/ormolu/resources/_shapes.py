"""The plans of a resource's usual requests: made when a shape of them comes again, and kept.

What requests fill is bounded in entries and in the letters of each, so that no client can make it
grow; of the entries those stay that are used.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from ormolu.lanes import NotDoneError

__all__ = ["Recent", "Shapes"]

_T = TypeVar("_T")

# Shapes of requests whose plans are kept; a shape is planned when it comes for the second time.
_SHAPES = 200
# Letters of a shape: a plan is some ten times as long.
_LETTERS = 1000


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


class Shapes(Generic[_T]):
    """The plans of those shapes of a request that came more than once, the latest of them."""

    def __init__(self) -> None:
        self._plans: OrderedDict[Hashable, _T] = OrderedDict()
        self._seen: OrderedDict[Hashable, None] = OrderedDict()

    def find(self, shape: Hashable, make: Callable[[], _T], *, is_common: bool) -> _T:
        """Return the plan of a shape.

        Args:
            shape: What tells it from others.
            make: Makes the plan.
            is_common: Whether it is worth a plan at once.

        Raises:
            NotDoneError: It is a new one, or too long to be kept.
        """
        plan = self._plans.get(shape)
        if plan is not None:
            self._plans.move_to_end(shape)
            return plan
        if not is_common and not self._is_known(shape):
            raise NotDoneError
        plan = self._plans[shape] = make()
        if len(self._plans) > _SHAPES:
            self._plans.popitem(last=False)
        return plan

    def _is_known(self, shape: Hashable) -> bool:
        if shape in self._seen:
            return True
        if _letters_of(shape) <= _LETTERS:
            self._seen[shape] = None
            if len(self._seen) > _SHAPES:
                self._seen.popitem(last=False)
        return False


def _letters_of(shape: Any) -> int:
    if isinstance(shape, (str, bytes)):
        return len(shape)
    return sum(map(_letters_of, shape)) + len(shape) if isinstance(shape, tuple) else 0
