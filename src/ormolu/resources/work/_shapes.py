"""The plans of a resource's usual requests: made when a shape of them comes again, and kept.

What requests fill is bounded in entries and in the letters of each, so that no client can make it
grow; of the entries those stay that are used.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from ormolu.lanes import NotDoneError

__all__ = ["SHAPES", "Shapes"]

_T = TypeVar("_T")

# Shapes of requests whose plans are kept; a shape is planned when it comes for the second time.
SHAPES = 200
# Letters of a shape: a plan is some ten times as long.
_LETTERS = 1000


class Shapes(Generic[_T]):
    """The plans of those shapes of a request that came more than once, the latest of them."""

    def __init__(self, most: int = SHAPES) -> None:
        """Begin with none.

        Args:
            most: How many are kept.
        """
        self._most = most
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
        if len(self._plans) > self._most:
            self._plans.popitem(last=False)
        return plan

    def _is_known(self, shape: Hashable) -> bool:
        if shape in self._seen:
            return True
        if _letters_of(shape) <= _LETTERS:
            self._seen[shape] = None
            if len(self._seen) > self._most:
                self._seen.popitem(last=False)
        return False


def _letters_of(shape: Any) -> int:
    if isinstance(shape, (str, bytes)):
        return len(shape)
    return sum(map(_letters_of, shape)) + len(shape) if isinstance(shape, tuple) else 0
