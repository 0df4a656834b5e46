"""A cache of a resource's works, by the structure of its callers' policies."""

from __future__ import annotations

from collections.abc import Hashable
from weakref import WeakKeyDictionary

from sqlalchemy import Dialect
from sqlalchemy.exc import SQLAlchemyError

from ormolu.lanes import Lanes, UnplannableError
from ormolu.resources.declare import EVERYTHING, Exposure, LRUCache, Policies
from ormolu.resources.http._table import Operation
from ormolu.resources.http._works import Work, WorkContext
from ormolu.resources.work import Grant, with_slots
from ormolu.web import LanesAtHand, NoDoorError

__all__ = ["Works", "make_unrestricted_work", "make_work"]

# Works of all operations. A program has few structures of policies: one for each role, and one for
# each length of a list in it.
_MAX_WORKS = 128


def make_work(
    operation: Operation, exposure: Exposure, dialect: Dialect, policies: Policies | None
) -> Work:
    """Return the work of an operation.

    Args:
        operation: The operation.
        exposure: What is shown.
        dialect: Of the engine.
        policies: With slots for their values; None where no policies were resolved.

    Raises:
        NoDoorError: Only a session can run it.
    """
    if operation.work is None:
        message = "it is of more than one statement"
        raise NoDoorError(message)
    try:
        return operation.work(WorkContext(exposure, dialect, policies))
    except (UnplannableError, SQLAlchemyError) as error:
        raise NoDoorError(str(error)) from error


def make_unrestricted_work(operation: Operation, exposure: Exposure, dialect: Dialect) -> Work:
    """Return the work of an operation where no policies were resolved.

    For a resource with a policy it is that of a caller who may do everything: it shows whether
    lanes can run the operation, and `explain` shows its SQL.

    Raises:
        NoDoorError: Only a session can run it.
    """
    policies = None
    if exposure.declaration.policy is not None:
        policies = {each: EVERYTHING for each in exposure.reached if each.declaration.policy}
    return make_work(operation, exposure, dialect, policies)


class Works:
    """The works of one exposure, by lanes and the structure of the callers' policies.

    Not by the dialect, which may serve again when the lanes are gone: whether a lane can run an
    operation depends on listeners, which the program may have added meanwhile.
    """

    def __init__(self, exposure: Exposure) -> None:
        self._exposure = exposure
        self._by_lanes: WeakKeyDictionary[Lanes, _WorksOfLanes] = WeakKeyDictionary()

    def find(
        self, operation: Operation, at_hand: LanesAtHand, policies: Policies, grant: Grant
    ) -> Work | None:
        """Return the work of an operation for a caller; None if there is none, or not yet."""
        cached = self._by_lanes.get(at_hand.lanes)
        if cached is None:
            cached = self._by_lanes[at_hand.lanes] = _WorksOfLanes()
        key = operation.name, grant.key
        found = cached.works.get(key)
        if found is None:
            if not cached.is_worth_making(key):
                return None
            found = self._make(operation, at_hand.dialect, policies)
            cached.works.put(key, found)
        return None if isinstance(found, NoDoorError) else found

    def _make(
        self, operation: Operation, dialect: Dialect, policies: Policies
    ) -> Work | NoDoorError:
        try:
            template = with_slots(policies)
            if template is not None:
                return make_work(operation, self._exposure, dialect, template)
        except Exception as error:
            # The compiler may look into a value and fail on a slot: at pairs in a list, say.
            return NoDoorError(str(error))
        return NoDoorError("its policies cannot be kept apart from their values")


class _WorksOfLanes:
    """The works for the lanes of one event loop.

    Attributes:
        works: The works, or why there is none.
    """

    def __init__(self) -> None:
        self.works: LRUCache[Work | NoDoorError] = LRUCache(_MAX_WORKS)
        self._seen: LRUCache[bool] = LRUCache(_MAX_WORKS)
        self._made = 0

    def is_worth_making(self, key: Hashable) -> bool:
        """Tell whether to make a work, which takes longer than a request in its session.

        The first ones are worth it. Once the cache is full, only keys that come again soon are:
        any other work would just replace one that is in use.
        """
        if self._made >= _MAX_WORKS and self._seen.get(key) is None:
            self._seen.put(key, True)
            return False
        self._made += 1
        return True
