"""The doors that write one row: create, update, delete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.types import Scope

from ormolu.lanes import Item, NotDoneError, Plan, numbered
from ormolu.query import is_json
from ormolu.resources._answers import headers_of, path_of
from ormolu.resources._columns import events_of
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

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        self._is_heard = events_of(self.declaration.mapper)

    async def answer(self, scope: Scope, body: Body) -> Reply | None:
        try:
            plan, item = await self._prepare(scope, body)
        except Exception as error:
            # Nothing is sent yet: what a validator of the program's own raises, say, the route
            # will find too, within reach of the application's handlers.
            raise NotDoneError from error
        if self._is_heard():
            raise NotDoneError
        row = await self.lanes.write(item)
        if row is None:
            raise NotDoneError
        return self._reply(scope, plan, row)

    async def _prepare(self, scope: Scope, body: Body) -> tuple[Any, Item]:
        """Return a write, and its plan.

        Raises:
            Exception: The request asks for more than to write a row, or cannot be stored.
        """
        raise NotImplementedError

    def _reply(self, scope: Scope, plan: Any, row: Sequence[Any]) -> Reply:
        raise NotImplementedError

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

    async def _prepare(self, scope: Scope, body: Body) -> tuple[RowPlan, Item]:
        sent, size = await self._read_object(scope, body, _JSON_BODY)
        values = self._values.read_new(sent, ("body",))
        self._check_json(values)
        names = frozenset(values)
        plan = self._shapes.find(names, lambda: self._plan(names), is_common=True)
        return plan, Item(plan.plan, plan.plan.arguments(values), size=size)

    def _reply(self, scope: Scope, plan: RowPlan, row: Sequence[Any]) -> Reply:
        content = plan.content(row)
        headers = self._tags(plan, row)
        headers["Location"] = path_of(scope, plan.plan.read(row)[plan.key])
        return Reply(201, headers_for(headers, content), content)


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

    async def _prepare(self, scope: Scope, body: Body) -> tuple[RowPlan, Item]:
        sent, size = await self._read_object(scope, body, _PATCH_BODY)
        key = self.key(scope)
        values = self._values.read_changes(sent, ("body",))
        if not values:
            raise NotDoneError
        self._check_json(values)
        names = frozenset(values)
        plan = self._shapes.find(names, lambda: self._plan(names), is_common=True)
        arguments = plan.plan.arguments({**values, **numbered(key)})
        return plan, Item(plan.plan, arguments, size=size, key=key)

    def _reply(self, scope: Scope, plan: RowPlan, row: Sequence[Any]) -> Reply:
        content = plan.content(row)
        return Reply(200, headers_for(self._tags(plan, row), content), content)


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

    async def _prepare(self, scope: Scope, body: Body) -> tuple[Plan, Item]:
        if scope["query_string"] or asks_for(scope, _WISHES):
            raise NotDoneError
        key = self.key(scope)
        return self._plan, Item(self._plan, self._plan.key_arguments(key), key=key)

    def _reply(self, scope: Scope, plan: Plan, row: Sequence[Any]) -> Reply:
        return Reply(204, [], b"")


def _is_large(scope: Scope) -> bool:
    """Tell whether a body says that it is too large: with Expect, none of it is asked for then."""
    sizes = (value for name, value in scope["headers"] if name == b"content-length")
    size = next(sizes, b"0")
    return not size.isdigit() or int(size) > MAX_BODY
