"""The doors that write one row: create, update, delete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.types import Scope

from ormolu.lanes import Item, NotDoneError, Plan, numbered
from ormolu.query import is_json
from ormolu.resources._answers import headers_of, path_of
from ormolu.resources._json import read_json
from ormolu.resources._opening import OpenDoor, Opening, asks_for, headers_for
from ormolu.resources._plans import RowPlan
from ormolu.resources._policy import EVERYTHING
from ormolu.resources._requests import MAX_BODY, read_object
from ormolu.resources._shapes import Shapes
from ormolu.resources._values import Values
from ormolu.web import Body, NoDoorError, Reply

__all__ = ["CreateDoor", "DeleteDoor", "UpdateDoor"]

# Headers that ask for more than to store a row.
_WISHES = frozenset({b"idempotency-key", b"if-match", b"if-none-match", b"prefer"})


class _WriteDoor(OpenDoor):
    """A door that writes."""

    async def _read_object(
        self, scope: Scope, body: Body, types: frozenset[bytes]
    ) -> tuple[Mapping[str, Any], int]:
        """Return a body, and its size.

        Raises:
            NotDoneError: The request asks for more than to store a row.
        """
        if scope["query_string"] or asks_for(scope, _WISHES):
            raise NotDoneError
        sent = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
        if sent.partition(b";")[0].strip().lower() not in types or _is_large(scope):
            raise NotDoneError
        raw = await body.read(MAX_BODY)
        if raw is None:
            raise NotDoneError
        return read_object(read_json(raw, ("body",))), len(raw)

    async def _write(
        self, plan: Plan, values: Mapping[str, Any], *, size: int = 0, key: Sequence[Any] = ()
    ) -> Sequence[Any]:
        """Write a row, and return what the statement returns of it.

        Raises:
            NotDoneError: There is none to change, or it cannot be stored.
        """
        arguments = _arguments(plan, {**values, **numbered(key)})
        row = await self.lanes.write(Item(plan, arguments, size=size, key=key))
        if row is None:
            raise NotDoneError
        return row

    def _check_json(self, values: Mapping[str, Any]) -> None:
        """Leave NULL in a JSON column to the session, which writes it as SQL.

        Raises:
            NotDoneError: There is one.
        """
        for name, value in values.items():
            if value is None and is_json(self.declaration.attributes[name].field.type):
                raise NotDoneError

    def _tags(self, plan: RowPlan, row: Sequence[Any]) -> dict[str, str]:
        return {} if plan.version is None else headers_of(plan.plan.read(row)[plan.version])


_JSON_BODY = frozenset({b"application/json"})
_PATCH_BODY = frozenset({*_JSON_BODY, b"application/merge-patch+json"})


class CreateDoor(_WriteDoor):
    """A new row."""

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        opening.check_writes("before_create", "after_create", "after_commit")
        self._values = Values(opening.view, opening.exposure, EVERYTHING)
        self._shapes: Shapes[RowPlan] = Shapes()
        self._plan(frozenset(self.declaration.accepted))

    def _plan(self, names: frozenset[str]) -> RowPlan:
        return self.opening.plans.insert(names)

    async def answer(self, scope: Scope, body: Body) -> Reply | None:
        sent, size = await self._read_object(scope, body, _JSON_BODY)
        values = self._values.read_new(sent, ("body",))
        self._check_json(values)
        names = frozenset(values)
        plan = self._shapes.find(names, lambda: self._plan(names), is_common=True)
        row = await self._write(plan.plan, values, size=size)
        content = plan.content(row)
        headers = self._tags(plan, row)
        headers["Location"] = path_of(scope, plan.plan.read(row)[plan.key])
        return Reply(201, headers_for(headers, content), content)

    def explain(self) -> str:
        """Return the SQL of a new row with all its values."""
        return self._plan(frozenset(self.declaration.accepted)).plan.text


class UpdateDoor(_WriteDoor):
    """Changes of a row."""

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        opening.check_writes("before_update", "after_update", "after_commit")
        if self.declaration.require_if_match:
            message = "each change asks for the version first"
            raise NoDoorError(message)
        self._values = Values(opening.view, opening.exposure, EVERYTHING)
        self._shapes: Shapes[RowPlan] = Shapes()
        self._plan(frozenset(self.declaration.changeable))

    def _plan(self, names: frozenset[str]) -> RowPlan:
        return self.opening.plans.update(names)

    async def answer(self, scope: Scope, body: Body) -> Reply | None:
        sent, size = await self._read_object(scope, body, _PATCH_BODY)
        key = self.key(scope)
        values = self._values.read_changes(sent, ("body",))
        if not values:
            return None
        self._check_json(values)
        names = frozenset(values)
        plan = self._shapes.find(names, lambda: self._plan(names), is_common=True)
        row = await self._write(plan.plan, values, size=size, key=key)
        content = plan.content(row)
        return Reply(200, headers_for(self._tags(plan, row), content), content)

    def explain(self) -> str:
        """Return the SQL of a change of all values."""
        return self._plan(frozenset(self.declaration.changeable)).plan.text


class DeleteDoor(_WriteDoor):
    """The end of a row."""

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        opening.check_writes("before_delete", "after_delete", "after_commit")
        if self.declaration.require_if_match:
            message = "each change asks for the version first"
            raise NoDoorError(message)
        if self.declaration.traits.has_cascades:
            message = "the ORM looks for other rows to delete first"
            raise NoDoorError(message)
        self._plan = opening.plans.delete()

    async def answer(self, scope: Scope, body: Body) -> Reply | None:
        if scope["query_string"] or asks_for(scope, _WISHES):
            return None
        await self._write(self._plan, {}, key=self.key(scope))
        return Reply(204, [], b"")

    def explain(self) -> str:
        """Return the SQL of a delete."""
        return self._plan.text


def _is_large(scope: Scope) -> bool:
    """Tell whether a body says that it is too large: with Expect, none of it is asked for then."""
    sizes = (value for name, value in scope["headers"] if name == b"content-length")
    size = next(sizes, b"0")
    return not size.isdigit() or int(size) > MAX_BODY


def _arguments(plan: Any, values: Mapping[str, Any]) -> list[Any]:
    try:
        arguments: list[Any] = plan.arguments(values)
    except Exception as error:
        # A value or a default that needs more; the session says what is wrong.
        raise NotDoneError from error
    return arguments
