"""The works that write one row: create, update, delete."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from starlette.types import Scope

from ormolu.lanes import Item, Lanes, NotDoneError, Plan, Slot, numbered
from ormolu.query import is_json, stored_type
from ormolu.resources._answers import headers_of, path_of
from ormolu.resources._columns import events_of
from ormolu.resources._conditions import prefers_minimal
from ormolu.resources._grants import Grant
from ormolu.resources._json import read_json
from ormolu.resources._planned import RowPlan
from ormolu.resources._policy import EVERYTHING
from ormolu.resources._requests import MAX_BODY, read_object
from ormolu.resources._shapes import Shapes
from ormolu.resources._statements import ANY_VERSION, Versions
from ormolu.resources._values import Values
from ormolu.resources._versions import read_versions
from ormolu.resources._works import (
    Opening,
    Work,
    asks_for,
    conditions_of,
    headers_for,
    lines_of,
    raw_headers,
)
from ormolu.web import NoDoorError, Reply, Sent

__all__ = ["CreateWork", "DeleteWork", "UpdateWork"]

# Headers that ask for more than to store a row, and to say so.
_OTHER_WISHES = frozenset({b"idempotency-key", b"if-none-match"})
_MATCH, _PREFER = frozenset({b"if-match"}), frozenset({b"prefer"})

# Of a row that must have the version in the slot.
_OF_VERSION = Versions(among=[Slot("expected version")])


class _WriteWork(Work):
    """A work that writes.

    Attributes:
        is_delete: Whether there is no row after it.
    """

    is_delete = False

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        self._is_heard = events_of(self.declaration.mapper, is_delete=self.is_delete)

    async def answer(self, scope: Scope, body: Sent, lanes: Lanes, grant: Grant) -> Reply | None:
        if scope["query_string"] or asks_for(scope, _OTHER_WISHES):
            return None
        try:
            plan, item = await self._prepare(scope, body, grant)
        except Exception as error:
            # Nothing is sent yet: what a validator of the program's own raises, say, the route
            # will find too, within reach of the application's handlers.
            raise NotDoneError from error
        if self._is_heard():
            return None
        row = await lanes.write(item)
        return None if row is None else self._reply(scope, plan, row)

    async def _prepare(self, scope: Scope, body: Sent, grant: Grant) -> tuple[Any, Item]:
        """Return a write, and its plan.

        Raises:
            Exception: The request asks for more than to write a row, or cannot be stored.
        """
        raise NotImplementedError

    def _reply(self, scope: Scope, plan: Any, row: Sequence[Any]) -> Reply:
        raise NotImplementedError

    def _expected(self, scope: Scope) -> tuple[Any, ...]:
        """Return the version that If-Match names; none if it names none, or any will do.

        Raises:
            NotDoneError: There is none and there must be; or it names several.
            RefusedError: It is not a list of tags, or the rows have no version.
        """
        if not asks_for(scope, _MATCH):
            if self.declaration.require_if_match:
                raise NotDoneError
            return ()
        versions = read_versions(self.declaration, conditions_of(scope))
        if versions.among is None:
            return ()
        if len(versions.among) != 1:
            raise NotDoneError
        return tuple(versions.among)


class _ValuesWork(_WriteWork):
    """A work that stores what a client sends; there is a plan for each set of columns.

    Attributes:
        is_new: Whether the row is.
        types: Content types of a body.
    """

    is_new: bool
    types: frozenset[bytes]

    def __init__(self, opening: Opening, names: Collection[str]) -> None:
        """Plan the usual write, of all these columns.

        Raises:
            UnplannableError: It has no plan.
        """
        super().__init__(opening)
        self._open_values = Values(opening.view, opening.exposure, EVERYTHING)
        self._shapes: Shapes[RowPlan] = Shapes(opening.shapes)
        attributes = self.declaration.attributes.items()
        self._json = {name for name, each in attributes
                      if is_json(stored_type(each.field.type, opening.dialect))}  # fmt: skip
        is_sqlite = opening.dialect.name == "sqlite"
        self._digits = self.declaration.kept_digits if is_sqlite else {}
        self.usual = self._find(frozenset(names)).plan

    async def _prepare(self, scope: Scope, body: Sent, grant: Grant) -> tuple[RowPlan, Item]:
        sent, size = await self._read_object(scope, body)
        key, values = self.key(scope), self._read(sent, self._values_for(grant))
        for name, value in values.items():
            if value is None and name in self._json:
                # NULL in a JSON column is the session's business, which writes it as SQL.
                raise NotDoneError
            if name in self._digits and not self._digits[name](value):
                raise NotDoneError
        expected = self._expected(scope)
        plan = self._find(frozenset(values), has_version=bool(expected))
        given = {**grant.values, **values, **numbered(key)}
        arguments = plan.plan.arguments(
            given | dict(zip(("expected version",), expected, strict=False))
        )
        return plan, Item(plan.plan, arguments, size=size, key=key, values=grant.values)

    def _values_for(self, grant: Grant) -> Values:
        """Return what reads the bodies of a caller."""
        if grant.policy is EVERYTHING:
            return self._open_values
        return Values(self.opening.view, self.opening.exposure, grant.policy)

    async def _read_object(self, scope: Scope, body: Sent) -> tuple[Mapping[str, Any], int]:
        """Return a body, and its size.

        Raises:
            NotDoneError: It is too large, of another type, or does not come.
        """
        sent = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
        if sent.partition(b";")[0].strip().lower() not in self.types or _is_large(scope):
            raise NotDoneError
        raw = await body.read(MAX_BODY)
        if raw is None:
            raise NotDoneError
        return read_object(read_json(raw, ("body",))), len(raw)

    def _read(self, sent: Mapping[str, Any], values: Values) -> Mapping[str, Any]:
        """Return the values to store.

        Raises:
            Exception: They cannot be stored, or there are none.
        """
        raise NotImplementedError

    def _find(self, names: frozenset[str], *, has_version: bool = False) -> RowPlan:
        versions = _OF_VERSION if has_version else ANY_VERSION
        shape = (names, has_version)
        return self._shapes.find(shape, lambda: self._plan(names, versions), is_common=True)

    def _plan(self, names: frozenset[str], versions: Versions) -> RowPlan:
        raise NotImplementedError

    def _reply(self, scope: Scope, plan: RowPlan, row: Sequence[Any]) -> Reply:
        headers = {} if plan.version is None else self._tag_of(plan.plan.read(row)[plan.version])
        if self.is_new:
            headers["Location"] = path_of(scope, plan.plan.read(row)[plan.key])
        if asks_for(scope, _PREFER) and prefers_minimal(lines_of(scope, b"prefer")):
            headers["Preference-Applied"] = "return=minimal"
            return _minimal(headers, is_new=self.is_new)
        content = plan.content(row)
        return Reply(201 if self.is_new else 200, headers_for(headers, content), content)

    def _tag_of(self, version: Any) -> dict[str, str]:
        return headers_of(version, self.opening.variant)


class CreateWork(_ValuesWork):
    """A new row."""

    is_new = True
    types = frozenset({b"application/json"})

    def __init__(self, opening: Opening) -> None:
        opening.check_writes("create")
        super().__init__(opening, {*opening.declaration.accepted, *opening.declaration.made})

    def key(self, scope: Scope) -> tuple[Any, ...]:
        # The path names none.
        return ()

    def _expected(self, scope: Scope) -> tuple[Any, ...]:
        if asks_for(scope, _MATCH):
            raise NotDoneError
        return ()

    def _read(self, sent: Mapping[str, Any], values: Values) -> Mapping[str, Any]:
        return values.read_new(sent, ("body",)).values

    def _plan(self, names: frozenset[str], versions: Versions) -> RowPlan:
        return self.opening.plans.insert(names)


class UpdateWork(_ValuesWork):
    """Changes of a row."""

    is_new = False
    types = CreateWork.types | {b"application/merge-patch+json"}

    def __init__(self, opening: Opening) -> None:
        opening.check_writes("update")
        super().__init__(opening, opening.declaration.changeable)

    def _read(self, sent: Mapping[str, Any], values: Values) -> Mapping[str, Any]:
        changes = values.read_changes(sent, ("body",))
        if not changes:
            raise NotDoneError
        return changes

    def _plan(self, names: frozenset[str], versions: Versions) -> RowPlan:
        return self.opening.plans.update(names, versions)


class DeleteWork(_WriteWork):
    """The end of a row."""

    is_delete = True

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        opening.check_writes("delete")
        if self.declaration.traits.has_cascades:
            message = "the ORM looks for other rows to delete first"
            raise NoDoorError(message)
        self.usual = opening.plans.delete()
        self._of_version: Plan | None = None

    async def _prepare(self, scope: Scope, body: Sent, grant: Grant) -> tuple[Plan, Item]:
        key, expected = self.key(scope), self._expected(scope)
        plan, values = self.usual, grant.values
        if expected:
            self._of_version = self._of_version or self.opening.plans.delete(_OF_VERSION)
            plan, values = self._of_version, {**values, "expected version": expected[0]}
        return plan, Item(plan, plan.key_arguments(key, values), key=key)

    def _reply(self, scope: Scope, plan: Plan, row: Sequence[Any]) -> Reply:
        return Reply(204, [], b"")


def _minimal(headers: Mapping[str, str], *, is_new: bool) -> Reply:
    """Return the answer for who wants none but that it is done."""
    made = raw_headers(headers)
    # As Starlette has it: there is no body, and the status of the first says nothing of that.
    return Reply(201, [*made, (b"content-length", b"0")], b"") if is_new else Reply(204, made, b"")


def _is_large(scope: Scope) -> bool:
    """Tell whether a body says that it is too large: with Expect, none of it is asked for then."""
    sizes = (value for name, value in scope["headers"] if name == b"content-length")
    size = next(sizes, b"0")
    return not size.isdigit() or int(size) > MAX_BODY
