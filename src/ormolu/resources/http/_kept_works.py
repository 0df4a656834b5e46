"""The works of a resource, kept by what its callers are allowed."""

from __future__ import annotations

from collections.abc import Hashable
from weakref import WeakKeyDictionary

from sqlalchemy import Dialect
from sqlalchemy.exc import SQLAlchemyError

from ormolu.lanes import UnplannableError
from ormolu.resources.declare import EVERYTHING, Exposure, Policies, Recent
from ormolu.resources.http._table import Operation
from ormolu.resources.http._works import Opening, Work
from ormolu.resources.work import Grant, template_of
from ormolu.web import NoDoorError

__all__ = ["Works", "open_for_all", "open_work"]

# Works that are kept, of all operations. A program has a few structures of policies: one for each
# role, and one for each length of a list in it.
_MOST = 128


def open_work(
    operation: Operation, exposure: Exposure, dialect: Dialect, policies: Policies | None
) -> Work:
    """Return the work of an operation.

    Args:
        operation: It.
        exposure: What is shown.
        dialect: Of the engine.
        policies: With slots for their values; None for whoever asks before FastAPI does.

    Raises:
        NoDoorError: There is none.
    """
    if operation.work is None:
        message = "it is of more than one statement"
        raise NoDoorError(message)
    try:
        return operation.work(Opening(exposure, dialect, policies))
    except (UnplannableError, SQLAlchemyError) as error:
        raise NoDoorError(str(error)) from error


def open_for_all(operation: Operation, exposure: Exposure, dialect: Dialect) -> Work:
    """Return the work of an operation for whoever asks before FastAPI does.

    Of a resource with a policy, for one who may see and touch everything: it tells whether there
    are works for others, and explains them.

    Raises:
        NoDoorError: There is none.
    """
    policies = None
    if exposure.declaration.policy is not None:
        policies = {each: EVERYTHING for each in exposure.reached if each.declaration.policy}
    return open_work(operation, exposure, dialect, policies)


class Works:
    """The works of what is shown of one model, by what their callers are allowed."""

    def __init__(self, exposure: Exposure) -> None:
        self._exposure = exposure
        self._kept: WeakKeyDictionary[Dialect, _Kept] = WeakKeyDictionary()

    def find(
        self, operation: Operation, dialect: Dialect, policies: Policies, grant: Grant
    ) -> Work | None:
        """Return the work of an operation for a caller; None if there is none, or not yet."""
        kept = self._kept.get(dialect)
        if kept is None:
            kept = self._kept[dialect] = _Kept()
        key = operation.name, grant.key
        found = kept.works.get(key)
        if found is None:
            if not kept.is_worth_a_work(key):
                return None
            found = self._open(operation, dialect, policies)
            kept.works.put(key, found)
        return None if isinstance(found, NoDoorError) else found

    def _open(
        self, operation: Operation, dialect: Dialect, policies: Policies
    ) -> Work | NoDoorError:
        try:
            template = template_of(policies)
            if template is not None:
                return open_work(operation, self._exposure, dialect, template)
        except Exception as error:
            # What compiles a value may look into it: pairs in a list, a type of the program's own.
            return NoDoorError(str(error))
        return NoDoorError("its policies cannot be kept apart from their values")


class _Kept:
    """The works for one dialect.

    Attributes:
        works: What was opened lately, and why there is none.
    """

    def __init__(self) -> None:
        self.works: Recent[Work | NoDoorError] = Recent(_MOST)
        self._seen: Recent[bool] = Recent(_MOST)
        self._opened = 0

    def is_worth_a_work(self, key: Hashable) -> bool:
        """Tell whether to open one, which takes longer than a request does by its session.

        The first ones are. Where there are more structures than are kept, those that come again
        soon are, as each of the others would only put another one out.
        """
        if self._opened >= _MOST and self._seen.get(key) is None:
            self._seen.put(key, True)
            return False
        self._opened += 1
        return True
