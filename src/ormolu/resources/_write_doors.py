"""The doors that write one row: create, update, delete."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from starlette.types import Scope

from ormolu.lanes import Item, NotDoneError, Plan, numbered
from ormolu.query import is_json, stored_type
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
        if scope["query_string"] or asks_for(scope, _WISHES):
            return None
        try:
            plan, item = await self._prepare(scope, body)
        except Exception as error:
            # Nothing is sent yet: what a validator of the program's own raises, say, the route
            # will find too, within reach of the application's handlers.
            raise NotDoneError from error
        if self._is_heard():
            return None
        row = await self.lanes.write(item)
        return None if row is None else self._reply(scope, plan, row)

    async def _prepare(self, scope: Scope, body: Body) -> tuple[Any, Item]:
        """Return a write, and its plan.

        Raises:
            Exception: The request asks for more than to write a row, or cannot be stored.
        """
        raise NotImplementedError

    def _reply(self, scope: Scope, plan: Any, row: Sequence[Any]) -> Reply:
        raise NotImplementedError


class _ValuesDoor(_WriteDoor):
    """A door that stores what a client sends; there is a plan for each set of columns.

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
        self._values = Values(opening.view, opening.exposure, EVERYTHING)
        self._shapes: Shapes[RowPlan] = Shapes()
        attributes = self.declaration.attributes.items()
        self._json = {name for name, each in attributes
                      if is_json(stored_type(each.field.type, opening.dialect))}  # fmt: skip
        is_sqlite = opening.dialect.name == "sqlite"
        self._digits = self.declaration.kept_digits if is_sqlite else {}
        self.usual = self._find(frozenset(names)).plan

    async def _prepare(self, scope: Scope, body: Body) -> tuple[RowPlan, Item]:
        sent, size = await self._read_object(scope, body)
        key, values = self.key(scope), self._read(sent)
        for name, value in values.items():
            if value is None and name in self._json:
                # NULL in a JSON column is the session's business, which writes it as SQL.
                raise NotDoneError
            if name in self._digits and not self._digits[name](value):
                raise NotDoneError
        plan = self._find(frozenset(values))
        arguments = plan.plan.arguments({**values, **numbered(key)})
        return plan, Item(plan.plan, arguments, size=size, key=key)

    async def _read_object(self, scope: Scope, body: Body) -> tuple[Mapping[str, Any], int]:
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

    def _read(self, sent: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the values to store.

        Raises:
            Exception: They cannot be stored, or there are none.
        """
        raise NotImplementedError

    def _find(self, names: frozenset[str]) -> RowPlan:
        return self._shapes.find(names, lambda: self._plan(names), is_common=True)

    def _plan(self, names: frozenset[str]) -> RowPlan:
        raise NotImplementedError

    def _reply(self, scope: Scope, plan: RowPlan, row: Sequence[Any]) -> Reply:
        content = plan.content(row)
        headers = {} if plan.version is None else headers_of(plan.plan.read(row)[plan.version])
        if self.is_new:
            headers["Location"] = path_of(scope, plan.plan.read(row)[plan.key])
        return Reply(201 if self.is_new else 200, headers_for(headers, content), content)


class CreateDoor(_ValuesDoor):
    """A new row."""

    is_new = True
    types = frozenset({b"application/json"})

    def __init__(self, opening: Opening) -> None:
        opening.check_writes("create")
        super().__init__(opening, {*opening.declaration.accepted, *opening.declaration.made})

    def key(self, scope: Scope) -> tuple[Any, ...]:
        # The path names none.
        return ()

    def _read(self, sent: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._values.read_new(sent, ("body",)).values

    def _plan(self, names: frozenset[str]) -> RowPlan:
        return self.opening.plans.insert(names)


class UpdateDoor(_ValuesDoor):
    """Changes of a row."""

    is_new = False
    types = CreateDoor.types | {b"application/merge-patch+json"}

    def __init__(self, opening: Opening) -> None:
        opening.check_writes("update")
        super().__init__(opening, opening.declaration.changeable)

    def _read(self, sent: Mapping[str, Any]) -> Mapping[str, Any]:
        values = self._values.read_changes(sent, ("body",))
        if not values:
            raise NotDoneError
        return values

    def _plan(self, names: frozenset[str]) -> RowPlan:
        return self.opening.plans.update(names)


class DeleteDoor(_WriteDoor):
    """The end of a row."""

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        opening.check_writes("delete")
        if self.declaration.traits.has_cascades:
            message = "the ORM looks for other rows to delete first"
            raise NoDoorError(message)
        self.usual = opening.plans.delete()

    async def _prepare(self, scope: Scope, body: Body) -> tuple[Plan, Item]:
        key = self.key(scope)
        return self.usual, Item(self.usual, self.usual.key_arguments(key), key=key)

    def _reply(self, scope: Scope, plan: Plan, row: Sequence[Any]) -> Reply:
        return Reply(204, [], b"")


def _is_large(scope: Scope) -> bool:
    """Tell whether a body says that it is too large: with Expect, none of it is asked for then."""
    sizes = (value for name, value in scope["headers"] if name == b"content-length")
    size = next(sizes, b"0")
    return not size.isdigit() or int(size) > MAX_BODY
