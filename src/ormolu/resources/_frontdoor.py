"""The front door: requests answered by a plan, past FastAPI, wherever that makes no difference.

A door answers successes only. Whatever it does not know, does not find or is not sure of it hands
over, and FastAPI's route answers as if there were no door.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy import Dialect
from starlette.types import Scope

from ormolu.engines import Engines
from ormolu.lanes import Item, Lanes, NotDoneError, Plan, PointPlan, UnplannableError, numbered
from ormolu.query import describe, is_json, read_cursor, read_selection, write_cursor
from ormolu.resources._answers import headers_of, next_link, path_of, read_answer
from ormolu.resources._columns import has_events
from ormolu.resources._exposures import Exposure
from ormolu.resources._json import read_json
from ormolu.resources._lists import ListLimits, ListQuery, cursor_key, read_parameters
from ormolu.resources._plans import PagePlan, Plans, RowPlan
from ormolu.resources._policy import EVERYTHING
from ormolu.resources._requests import MAX_BODY, read_key, read_object, read_query
from ormolu.resources._values import Values
from ormolu.web import Body, Door, NoDoorError, Reply

__all__ = ["DOORS", "DoorMaker", "Opening"]

_T = TypeVar("_T")

# Headers that ask for more than the row.
_CONDITIONS = frozenset({b"if-match", b"if-none-match"})
_WRITE_WISHES = frozenset({*_CONDITIONS, b"idempotency-key", b"prefer"})

_JSON_HEADER = (b"content-type", b"application/json")

# Shapes of requests whose plans are kept; a shape is planned when it comes for the second time.
_SHAPES = 200


class _Shapes(Generic[_T]):
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


class Opening:
    """What the doors of one resource to one database share.

    Attributes:
        declaration: What was declared.
        view: What may be seen.
        plans: The plans.
        lanes: Where they run.
    """

    def __init__(self, exposure: Exposure, engines: Engines | None, dialect: Dialect, lanes: Any):
        """Look at what a resource shows.

        Raises:
            NoDoorError: That depends on each request.
        """
        self.declaration = declaration = exposure.declaration
        if declaration.policy is not None:
            message = "its policy is asked for each request"
            raise NoDoorError(message)
        self.exposure = exposure
        self.view = exposure.view(None)
        if any(each.declaration.policy is not None for each in exposure.reached):
            # What relations lead to depends on each request.
            self.view = replace(self.view, relations={})
        self.plans = Plans(declaration, self.view, dialect)
        self.lanes: Lanes = lanes
        self._engines = engines

    @property
    def cursor_key(self) -> bytes:
        """Return the secret that cursors are signed with."""
        assert self._engines is not None
        return cursor_key(self._engines.opened.reader.sync_engine, self.view)

    def check_writes(self, *hooks: Any) -> None:
        """Check that a statement alone writes a row, and nothing can fail once it is stored.

        Raises:
            NoDoorError: The program has a part in it.
        """
        declaration = self.declaration
        own = [name for name, field in self.view.fields.items() if not _is_ours(field.type)]
        if own or declaration.public_model is not None:
            message = (
                f"code of the program's own makes its answers: {', '.join(own) or 'public_model'}"
            )
            raise NoDoorError(message)
        if not declaration.traits.is_plain:
            message = "its rows are written by the ORM: inheritance, validators, own versions"
            raise NoDoorError(message)
        if has_events(declaration.mapper):
            message = "the program listens to its mapper's events"
            raise NoDoorError(message)
        named = sorted(set(hooks) & set(declaration.hooks))
        if named:
            message = f"it has hooks: {', '.join(named)}"
            raise NoDoorError(message)


class _Door:
    """A door."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._lanes = opening.lanes
        self._declaration = opening.declaration
        keys = self._declaration.keys
        self._has_number = len(keys) == 1 and type(keys[0].type) in {sa.Integer, sa.BigInteger}

    async def answer(self, scope: Scope, body: Body) -> Reply | None:
        """Answer a request; None hands it over, and so does an error of a request."""
        raise NotImplementedError

    def explain(self) -> str:
        """Return the SQL of the usual request."""
        raise NotImplementedError

    def _key(self, scope: Scope) -> tuple[Any, ...]:
        if self._has_number:
            digits: bytes = scope["raw_path"].rpartition(b"/")[2]
            # Of nine digits: within what every INTEGER holds.
            if digits.isdigit() and len(digits) < 10:
                return (int(digits),)
        return read_key(scope, self._declaration.keys, self._declaration.name)


class ReadDoor(_Door):
    """One row by its key."""

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        self._shapes: _Shapes[Any] = _Shapes()
        self._whole = self._plan(b"")

    async def answer(self, scope: Scope, body: Body) -> Reply | None:
        if _asks_for(scope, _CONDITIONS):
            return None
        query = scope["query_string"]
        if query:
            point, plan = self._shapes.find(query, lambda: self._plan(query), is_common=False)
        else:
            point, plan = self._whole
        row = await self._lanes.fetch_one(point, self._key(scope))
        if row is None:
            return None
        content = plan.content(row)
        if plan.version is None:
            return Reply(200, _json_headers(content), content)
        answer = read_answer(content, row[plan.version], (), (), is_whole=not query)
        return Reply(200, _headers(answer.headers, content), content)

    def _plan(self, query: bytes) -> Any:
        given = _once(read_query({"query_string": query}), {"fields", "include"})
        locations = (("query", "fields"), ("query", "include"))
        view = self._opening.view
        selection = read_selection(view, given.get("fields"), given.get("include"), locations)
        return self._opening.plans.read(selection, is_whole=not given)

    def explain(self) -> str:
        """Return the SQL of a read."""
        point: PointPlan = self._whole[0]
        return (point.many or point.one).text


class ListDoor(_Door):
    """One page of a list."""

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        self._shapes: _Shapes[tuple[ListQuery, dict[Any, PagePlan]]] = _Shapes()
        declaration = self._declaration
        self._limits = ListLimits(declaration.max_limit, declaration.max_offset)
        self._plan_page(self._read(()), None)

    async def answer(self, scope: Scope, body: Body) -> Reply | None:
        given = read_query(scope)
        limit, cursor = given.pop("limit", None), given.pop("cursor", None)
        shape = tuple((name, *values) for name, values in given.items())
        query, plans = self._shapes.find(
            shape, lambda: (self._read(shape), {}), is_common=not shape
        )
        query = self._limited(query, limit)
        after, values = self._after(query, cursor)
        plan = plans.get(after)
        if plan is None:
            plan = plans[after] = self._plan_page(query, after)
        values["limit"], values["last"] = query.limit + (plan.ends is None), query.limit - 1
        rows = await self._lanes.fetch(plan.rows, plan.rows.arguments(values))
        if plan.ends is None:
            ends: Sequence[Any] = rows[query.limit - 1 :]
            rows = rows[: query.limit]
        else:
            # In the same turn of the event loop, and so of the same snapshot.
            ends = await self._lanes.fetch(plan.ends, plan.ends.arguments(values))
        return self._reply(scope, plan, query, (rows, ends))

    def _reply(
        self, scope: Scope, plan: PagePlan, query: ListQuery, found: tuple[Any, Any]
    ) -> Reply:
        rows, ends = found
        items = plan.content(rows)
        if len(ends) < 2:
            content = b'{"items":%b,"next_cursor":null}' % items
            return Reply(200, _json_headers(content), content)
        reader = plan.rows if plan.ends is None else plan.ends
        values = reader.read(ends[0])[: plan.width]
        cursor = write_cursor(values, query.sort, _scope_of(query), self._opening.cursor_key)
        content = b'{"items":%b,"next_cursor":"%b"}' % (items, cursor.encode())
        return Reply(200, _headers({"link": next_link(scope, cursor)}, content), content)

    def _read(self, shape: Sequence[Sequence[str]]) -> ListQuery:
        given = {name: list(values) for name, *values in shape}
        query = read_parameters(self._opening.view, given, self._limits)
        if query.count is not None or query.offset:
            message = "a count takes a statement of its own"
            raise UnplannableError(message)
        return query

    def _limited(self, query: ListQuery, limit: list[str] | None) -> ListQuery:
        if limit is None:
            return query
        # Checked where all parameters are, unless it is plainly right.
        text = limit[0]
        is_plain = len(limit) == 1 and text.isascii() and text.isdigit() and len(text) < 10
        if not is_plain or not 1 <= int(text) <= self._limits.most:
            raise NotDoneError
        return replace(query, limit=int(text))

    def _after(
        self, query: ListQuery, cursor: list[str] | None
    ) -> tuple[frozenset[int] | None, dict[str, Any]]:
        """Return which of a cursor's values are NULL, and the others."""
        if cursor is None:
            return None, {}
        if len(cursor) > 1:
            raise NotDoneError
        key, scope = self._opening.cursor_key, _scope_of(query)
        values = read_cursor(cursor[0], query.sort, scope, key, ("query", "cursor"))
        nulls = frozenset(index for index, value in enumerate(values) if value is None)
        return nulls, {f"after {index}": value for index, value in enumerate(values)}

    def _plan_page(self, query: ListQuery, after: frozenset[int] | None) -> PagePlan:
        return self._opening.plans.page(query, after)

    def explain(self) -> str:
        """Return the SQL of a first page."""
        return self._plan_page(self._read(()), None).rows.text


class _WriteDoor(_Door):
    """A door that writes."""

    async def _read_object(
        self, scope: Scope, body: Body, types: frozenset[bytes]
    ) -> tuple[Mapping[str, Any], int]:
        """Return a body, and its size.

        Raises:
            NotDoneError: The request asks for more than to store a row.
        """
        if scope["query_string"] or _asks_for(scope, _WRITE_WISHES):
            raise NotDoneError
        sent = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
        if sent.partition(b";")[0].strip().lower() not in types:
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
        row = await self._lanes.write(Item(plan, arguments, size=size, key=key))
        if row is None:
            raise NotDoneError
        return row

    def _check_json(self, values: Mapping[str, Any]) -> None:
        """Leave NULL in a JSON column to the session, which writes it as SQL.

        Raises:
            NotDoneError: There is one.
        """
        for name, value in values.items():
            if value is None and is_json(self._declaration.attributes[name].field.type):
                raise NotDoneError

    def _headers(self, plan: RowPlan, row: Sequence[Any], content: bytes) -> dict[str, str]:
        return {} if plan.version is None else headers_of(row[plan.version])


_JSON_BODY = frozenset({b"application/json"})
_PATCH_BODY = frozenset({*_JSON_BODY, b"application/merge-patch+json"})


class CreateDoor(_WriteDoor):
    """A new row."""

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        opening.check_writes("before_create", "after_create", "after_commit")
        self._values = Values(opening.view, opening.exposure, EVERYTHING)
        self._shapes: _Shapes[RowPlan] = _Shapes()
        self._plan(frozenset(self._declaration.accepted))

    def _plan(self, names: frozenset[str]) -> RowPlan:
        return self._opening.plans.insert(names)

    async def answer(self, scope: Scope, body: Body) -> Reply | None:
        sent, size = await self._read_object(scope, body, _JSON_BODY)
        values = self._values.read_new(sent, ("body",))
        self._check_json(values)
        names = frozenset(values)
        plan = self._shapes.find(names, lambda: self._plan(names), is_common=True)
        row = await self._write(plan.plan, values, size=size)
        content = plan.content(row)
        headers = self._headers(plan, row, content)
        headers["Location"] = path_of(scope, plan.plan.read(row)[plan.key])
        return Reply(201, _headers(headers, content), content)

    def explain(self) -> str:
        """Return the SQL of a new row with all its values."""
        return self._plan(frozenset(self._declaration.accepted)).plan.text


class UpdateDoor(_WriteDoor):
    """Changes of a row."""

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        opening.check_writes("before_update", "after_update", "after_commit")
        if self._declaration.require_if_match:
            message = "each change asks for the version first"
            raise NoDoorError(message)
        self._values = Values(opening.view, opening.exposure, EVERYTHING)
        self._shapes: _Shapes[RowPlan] = _Shapes()
        self._plan(frozenset(self._declaration.changeable))

    def _plan(self, names: frozenset[str]) -> RowPlan:
        return self._opening.plans.update(names)

    async def answer(self, scope: Scope, body: Body) -> Reply | None:
        sent, size = await self._read_object(scope, body, _PATCH_BODY)
        key = self._key(scope)
        values = self._values.read_changes(sent, ("body",))
        if not values:
            return None
        self._check_json(values)
        names = frozenset(values)
        plan = self._shapes.find(names, lambda: self._plan(names), is_common=True)
        row = await self._write(plan.plan, values, size=size, key=key)
        content = plan.content(row)
        return Reply(200, _headers(self._headers(plan, row, content), content), content)

    def explain(self) -> str:
        """Return the SQL of a change of all values."""
        return self._plan(frozenset(self._declaration.changeable)).plan.text


class DeleteDoor(_WriteDoor):
    """The end of a row."""

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        opening.check_writes("before_delete", "after_delete", "after_commit")
        if self._declaration.require_if_match:
            message = "each change asks for the version first"
            raise NoDoorError(message)
        if self._declaration.traits.has_cascades:
            message = "the ORM looks for other rows to delete first"
            raise NoDoorError(message)
        self._plan = opening.plans.delete()

    async def answer(self, scope: Scope, body: Body) -> Reply | None:
        if scope["query_string"] or _asks_for(scope, _WRITE_WISHES):
            return None
        await self._write(self._plan, {}, key=self._key(scope))
        return Reply(204, [], b"")

    def explain(self) -> str:
        """Return the SQL of a delete."""
        return self._plan.text


DOORS: dict[str, type[_Door]] = {
    "create": CreateDoor,
    "delete": DeleteDoor,
    "list": ListDoor,
    "read": ReadDoor,
    "update": UpdateDoor,
}


class DoorMaker:
    """Makes the doors of one endpoint, one for each database that it is served from.

    Attributes:
        reads_body: Whether its requests have a body.
        is_read: Whether nothing is changed, whatever comes of it.
        is_replaced: Whether its route is no longer one.
        session: The dependency that gives the session.
    """

    def __init__(self, name: str, exposure: Exposure, session: Callable[..., Any]) -> None:
        self.reads_body = name in {"create", "update"}
        self.is_read = name in {"list", "read"}
        self.is_replaced = False
        self.session = session
        self._name = name
        self._exposure = exposure

    def make(self, engines: Engines, lanes: Lanes) -> Door:
        """Return the door.

        Raises:
            NoDoorError: There is none.
        """
        dialect = engines.opened.reader.sync_engine.dialect
        return self.open(engines, dialect, lanes)

    def open(self, engines: Engines | None, dialect: Dialect, lanes: Lanes | None) -> _Door:
        """Return the door, or one that only explains itself, without engines and lanes.

        Raises:
            NoDoorError: There is none.
        """
        kind = DOORS.get(self._name)
        if kind is None:
            message = "it is of more than one statement"
            raise NoDoorError(message)
        try:
            return kind(Opening(self._exposure, engines, dialect, lanes))
        except NoDoorError:
            raise
        except UnplannableError as error:
            raise NoDoorError(str(error)) from error
        except Exception as error:
            # Types may do anything with a value, and a slot is none. A session has the value.
            message = f"its statement needs its values ({type(error).__name__}: {error})"
            raise NoDoorError(message) from error


def _is_ours(type_: Any) -> bool:
    """Tell whether a type's values are read by SQLAlchemy or by us."""
    return type(type_).__module__.partition(".")[0] in {"ormolu", "sqlalchemy"}


def _arguments(plan: Any, values: Mapping[str, Any]) -> list[Any]:
    try:
        arguments: list[Any] = plan.arguments(values)
    except Exception as error:
        # A value or a default that needs more; the session says what is wrong.
        raise NotDoneError from error
    return arguments


def _once(given: Mapping[str, list[str]], known: set[str]) -> dict[str, str]:
    if any(name not in known or len(values) > 1 for name, values in given.items()):
        raise NotDoneError
    return {name: values[0] for name, values in given.items()}


def _scope_of(query: ListQuery) -> str:
    return "" if query.condition is None else describe(query.condition)


def _asks_for(scope: Scope, names: frozenset[bytes]) -> bool:
    return any(name in names for name, _ in scope["headers"])


def _json_headers(content: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"content-length", b"%d" % len(content)), _JSON_HEADER]


def _headers(named: Mapping[str, str], content: bytes) -> list[tuple[bytes, bytes]]:
    ours = [(name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in named.items()]  # fmt: skip
    return [*ours, *_json_headers(content)]
