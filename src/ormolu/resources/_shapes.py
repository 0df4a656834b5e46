"""The plans of a resource's usual requests: made when a shape of them comes again, and kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from ormolu.lanes import NotDoneError

__all__ = ["Shapes"]

_T = TypeVar("_T")

# Shapes of requests whose plans are kept; a shape is planned when it comes for the second time.
_SHAPES = 200


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
            NotDoneError: It is a new one.
        """
        plan = self._plans.get(shape)
        if plan is not None:
            return plan
        if not is_common and shape not in self._seen:
            self._seen[shape] = None
            if len(self._seen) > _SHAPES:
                self._seen.popitem(last=False)
            raise NotDoneError
        plan = self._plans[shape] = make()
        if len(self._plans) > _SHAPES:
            self._plans.popitem(last=False)
        return plan
