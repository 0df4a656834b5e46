"""The works that write one row: create, update, delete."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ClauseElement

from ormolu.backends import backend_of
from ormolu.lanes import Item, NotDoneError, Plan, Slot, numbered
from ormolu.query import is_json, size_of, stored_type
from ormolu.resources.declare import EVERYTHING, model_listener_check
from ormolu.resources.http._works import Work, WorkContext
from ormolu.resources.work import (
    ANY_VERSION,
    Grant,
    Key,
    PlanCache,
    RowPlan,
    Values,
    Versions,
    column_slot,
)
from ormolu.web import NoDoorError

__all__ = ["CreateWork", "DeleteWork", "UpdateWork"]

# The row must have the version in the slot.
_OF_VERSION = Versions(among=[Slot("expected version")])


class _WriteWork(Work):
    """A work that writes.

    Attributes:
        is_delete: Whether it deletes the row.
        has_listeners: Tells whether the program listens to events of the model by now.
    """

    is_delete = False

    def __init__(self, context: WorkContext) -> None:
        super().__init__(context)
        self.has_listeners = model_listener_check(self.declaration.mapper, is_delete=self.is_delete)


class _ValuesWork(_WriteWork):
    """A work that stores what a client sends, with a plan for each set of columns."""

    def __init__(self, context: WorkContext, names: Collection[str]) -> None:
        """Plan the write of all these columns.

        Raises:
            UnplannableError: It has no plan.
        """
        super().__init__(context)
        self._open_values = Values(context.view, context.exposure, EVERYTHING)
        self._cache: PlanCache[RowPlan] = PlanCache(context.max_plans)
        attributes = self.declaration.attributes.items()
        self._json = {name for name, each in attributes
                      if is_json(stored_type(each.field.type, context.dialect))}  # fmt: skip
        is_kept = backend_of(context.dialect).keeps_decimals
        self._digits = {} if is_kept else self.declaration.digit_checks
        self.sample_plan = self._find(frozenset(names)).plan

    def _values_for(self, grant: Grant) -> Values:
        """Return the reader of a caller's bodies."""
        if grant.policy is EVERYTHING:
            return self._open_values
        return Values(self.context.view, self.context.exposure, grant.policy)

    def _prepare(
        self, key: Key, values: Mapping[str, Any], expected: Sequence[Any], grant: Grant
    ) -> tuple[RowPlan, Item]:
        """Return a write and its plan.

        Raises:
            NotDoneError: Only the session can store a value.
        """
        for name, value in values.items():
            if isinstance(value, ClauseElement):
                # A default in SQL, which a type of the program's own may take for a value.
                raise NotDoneError
            if value is None and name in self._json:
                # The session writes NULL in a JSON column as SQL.
                raise NotDoneError
            if name in self._digits and not self._digits[name](value):
                raise NotDoneError
        plan = self._find(frozenset(values), has_version=bool(expected))
        stored = {column_slot(name): value for name, value in values.items()}
        given = {**grant.values, **stored, **numbered(key)}
        if expected:
            given["expected version"] = expected[0]
        arguments = plan.plan.arguments(given)
        size = size_of([*values], [*values.values()])
        return plan, Item(plan.plan, arguments, size=size, key=key, values=grant.values)

    def _find(self, names: frozenset[str], *, has_version: bool = False) -> RowPlan:
        versions = _OF_VERSION if has_version else ANY_VERSION
        key = (names, has_version)
        return self._cache.find(key, lambda: self._plan(names, versions), is_common=True)

    def _plan(self, names: frozenset[str], versions: Versions) -> RowPlan:
        raise NotImplementedError


class CreateWork(_ValuesWork):
    """A new row."""

    def __init__(self, context: WorkContext) -> None:
        context.check_writes("create")
        super().__init__(context, {*context.declaration.accepted, *context.declaration.factories})

    def prepare(self, sent: Mapping[str, Any], grant: Grant) -> tuple[RowPlan, Item]:
        """Return the write of a body, and its plan.

        Raises:
            Exception: The body cannot be stored, or not by a lane.
        """
        values = self._values_for(grant).read_new(sent, ("body",)).values
        return self._prepare((), values, (), grant)

    def _plan(self, names: frozenset[str], versions: Versions) -> RowPlan:
        return self.context.plans.insert(names)


class UpdateWork(_ValuesWork):
    """Changes of a row."""

    def __init__(self, context: WorkContext) -> None:
        context.check_writes("update")
        super().__init__(context, context.declaration.changeable)

    def prepare(
        self, key: Key, sent: Mapping[str, Any], versions: Versions, grant: Grant
    ) -> tuple[RowPlan, Item]:
        """Return the write of a body, and its plan.

        Raises:
            Exception: The body cannot be stored, or not by a lane.
        """
        changes = self._values_for(grant).read_changes(sent, ("body",))
        if not changes:
            raise NotDoneError
        return self._prepare(key, changes, _expected(versions), grant)

    def _plan(self, names: frozenset[str], versions: Versions) -> RowPlan:
        return self.context.plans.update(names, versions)


class ReplaceWork(UpdateWork):
    """The replacement of an existing row; a new one is created by the session."""

    def __init__(self, context: WorkContext) -> None:
        super().__init__(context)
        context.check_constructor()

    def prepare(
        self, key: Key, sent: Mapping[str, Any], versions: Versions, grant: Grant
    ) -> tuple[RowPlan, Item]:
        """Return the write of a body, and its plan.

        Raises:
            Exception: The body cannot be stored, or not by a lane.
        """
        fields = self.declaration.keys
        place = {field.attribute: part for field, part in zip(fields, key, strict=True)}
        values = self._values_for(grant)
        changes = values.replacing(values.read_whole(place, sent).values, None)
        if not changes:
            raise NotDoneError
        return self._prepare(key, changes, _expected(versions), grant)


class DeleteWork(_WriteWork):
    """The deletion of a row."""

    is_delete = True

    def __init__(self, context: WorkContext) -> None:
        super().__init__(context)
        context.check_writes("delete")
        if self.declaration.traits.has_cascades:
            message = "the ORM looks for other rows to delete first"
            raise NoDoorError(message)
        self.sample_plan = context.plans.delete()
        self._of_version: Plan | None = None

    def prepare(self, key: Key, versions: Versions, grant: Grant) -> Item:
        """Return the write.

        Raises:
            NotDoneError: The request names several versions.
        """
        expected = _expected(versions)
        plan, values = self.sample_plan, grant.values
        if expected:
            self._of_version = self._of_version or self.context.plans.delete(_OF_VERSION)
            plan, values = self._of_version, {**values, "expected version": expected[0]}
        return Item(plan, plan.key_arguments(key, values), key=key)


def _expected(versions: Versions) -> Sequence[Any]:
    """Return the one version that the row must have; none if it may have any.

    Raises:
        NotDoneError: The request expects something else of the row.
    """
    if versions is ANY_VERSION:
        return ()
    if versions.besides or versions.is_absent:
        raise NotDoneError
    if versions.among is not None and len(versions.among) != 1:
        raise NotDoneError
    return versions.among or ()
