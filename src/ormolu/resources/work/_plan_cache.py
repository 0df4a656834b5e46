"""A cache of plans, which are made when a form of request comes for the second time.

Both the entries and the length of their keys are limited, so that no client can fill the memory.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from ormolu.lanes import NotDoneError

__all__ = ["MAX_PLANS", "PlanCache"]

_T = TypeVar("_T")

MAX_PLANS = 200
# Characters of a key: its plan has some ten times as many.
_MAX_CHARACTERS = 1000


class PlanCache(Generic[_T]):
    """The plans of one operation that were used last, by what requests ask for."""

    def __init__(self, max_plans: int = MAX_PLANS) -> None:
        self._max_plans = max_plans
        self._plans: OrderedDict[Hashable, _T] = OrderedDict()
        self._seen: OrderedDict[Hashable, None] = OrderedDict()

    def find(self, key: Hashable, make: Callable[[], _T], *, is_common: bool) -> _T:
        """Return the plan of a key.

        Args:
            key: What the request asks for.
            make: Makes the plan.
            is_common: Whether to make it at once, and not for the second request.

        Raises:
            NotDoneError: The key is new, or too long to be kept.
        """
        plan = self._plans.get(key)
        if plan is not None:
            self._plans.move_to_end(key)
            return plan
        if not is_common and not self._is_known(key):
            raise NotDoneError
        plan = self._plans[key] = make()
        if len(self._plans) > self._max_plans:
            self._plans.popitem(last=False)
        return plan

    def _is_known(self, key: Hashable) -> bool:
        if key in self._seen:
            return True
        if _characters_in(key) <= _MAX_CHARACTERS:
            self._seen[key] = None
            if len(self._seen) > self._max_plans:
                self._seen.popitem(last=False)
        return False


def _characters_in(key: Any) -> int:
    if isinstance(key, (str, bytes)):
        return len(key)
    return sum(map(_characters_in, key)) + len(key) if isinstance(key, tuple) else 0
