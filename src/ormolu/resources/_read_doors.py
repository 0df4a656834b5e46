"""The doors that read: one row by its key, one page of a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from starlette.types import Scope

from ormolu.lanes import NotDoneError, PointPlan, UnplannableError
from ormolu.query import describe, read_cursor, read_selection, write_cursor
from ormolu.resources._answers import next_link, read_answer
from ormolu.resources._lists import ListLimits, ListQuery, read_parameters
from ormolu.resources._opening import OpenDoor, Opening, asks_for, headers_for, json_headers
from ormolu.resources._plans import PagePlan
from ormolu.resources._requests import read_query
from ormolu.resources._shapes import Shapes
from ormolu.web import Body, Reply

__all__ = ["ListDoor", "ReadDoor"]

# Headers that ask for more than the row.
_CONDITIONS = frozenset({b"if-match", b"if-none-match"})


class ReadDoor(OpenDoor):
    """One row by its key."""

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        self._shapes: Shapes[Any] = Shapes()
        self._whole = self._plan(b"")

    async def answer(self, scope: Scope, body: Body) -> Reply | None:
        if asks_for(scope, _CONDITIONS):
            return None
        query = scope["query_string"]
        if query:
            found = self._shapes.find(query, lambda: self._plan(query), is_common=False)
        else:
            found = self._whole
        point, plan, is_whole = found
        row = await self.lanes.fetch_one(point, self.key(scope))
        if row is None:
            return None
        content = plan.content(row)
        if plan.version is None:
            return Reply(200, json_headers(content), content)
        answer = read_answer(content, plan.plan.read(row)[plan.version], (), (), is_whole=is_whole)
        return Reply(200, headers_for(answer.headers, content), content)

    def _plan(self, query: bytes) -> Any:
        given = _once(read_query({"query_string": query}), {"fields", "include"})
        locations = (("query", "fields"), ("query", "include"))
        view = self.opening.view
        selection = read_selection(view, given.get("fields"), given.get("include"), locations)
        return *self.opening.plans.read(selection, is_whole=not given), not given

    def explain(self) -> str:
        """Return the SQL of a read."""
        point: PointPlan = self._whole[0]
        return (point.many or point.one).text


class ListDoor(OpenDoor):
    """One page of a list."""

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        self._shapes: Shapes[tuple[ListQuery, dict[Any, PagePlan]]] = Shapes()
        declaration = self.declaration
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
        rows = await self.lanes.fetch(plan.rows, plan.rows.arguments(values))
        if plan.ends is None:
            ends: Sequence[Any] = rows[query.limit - 1 :]
            rows = rows[: query.limit]
        else:
            # In the same turn of the event loop, and so of the same snapshot.
            ends = await self.lanes.fetch(plan.ends, plan.ends.arguments(values))
        return self._reply(scope, plan, query, (rows, ends))

    def _reply(
        self, scope: Scope, plan: PagePlan, query: ListQuery, found: tuple[Any, Any]
    ) -> Reply:
        rows, ends = found
        items = plan.content(rows)
        if len(ends) < 2:
            content = b'{"items":%b,"next_cursor":null}' % items
            return Reply(200, json_headers(content), content)
        reader = plan.rows if plan.ends is None else plan.ends
        values = reader.read(ends[0])[: plan.width]
        cursor = write_cursor(values, query.sort, _scope_of(query), self.opening.cursor_key)
        content = b'{"items":%b,"next_cursor":"%b"}' % (items, cursor.encode())
        return Reply(200, headers_for({"link": next_link(scope, cursor)}, content), content)

    def _read(self, shape: Sequence[Sequence[str]]) -> ListQuery:
        given = {name: list(values) for name, *values in shape}
        query = read_parameters(self.opening.view, given, self._limits)
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
        key, scope = self.opening.cursor_key, _scope_of(query)
        values = read_cursor(cursor[0], query.sort, scope, key, ("query", "cursor"))
        nulls = frozenset(index for index, value in enumerate(values) if value is None)
        return nulls, {f"after {index}": value for index, value in enumerate(values)}

    def _plan_page(self, query: ListQuery, after: frozenset[int] | None) -> PagePlan:
        return self.opening.plans.page(query, after)

    def explain(self) -> str:
        """Return the SQL of a first page."""
        return self._plan_page(self._read(()), None).rows.text


def _once(given: Mapping[str, list[str]], known: set[str]) -> dict[str, str]:
    if any(name not in known or len(values) > 1 for name, values in given.items()):
        raise NotDoneError
    return {name: values[0] for name, values in given.items()}


def _scope_of(query: ListQuery) -> str:
    return "" if query.condition is None else describe(query.condition)
