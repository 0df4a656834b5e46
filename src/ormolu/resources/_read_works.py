"""The works that read: one row by its key, one page of a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from starlette.types import Scope

from ormolu.lanes import (
    Lanes,
    NotDoneError,
    PointPlan,
    Read,
    UnplannableError,
    Values,
)
from ormolu.query import Cursors, are_cut, read_selection
from ormolu.resources._answers import encode, next_link, read_answer
from ormolu.resources._conditions import check_version
from ormolu.resources._grants import Grant
from ormolu.resources._lists import ListLimits, ListQuery, read_parameters
from ormolu.resources._planned import PagePlan, RowPlan
from ormolu.resources._recent import Recent
from ormolu.resources._requests import read_query
from ormolu.resources._shapes import Shapes
from ormolu.resources._works import (
    NO_CONDITIONS,
    Opening,
    Work,
    asks_for,
    conditions_of,
    headers_for,
    json_headers,
    raw_headers,
)
from ormolu.web import Reply, Sent

__all__ = ["ListWork", "ReadWork"]

# Query strings of first pages that are kept, and their bytes, at most.
_FIRST_PAGES, _SHORT = 256, 200
# Statements of one list that are kept: one without a cursor, others by the NULLs in a cursor.
_NULLS = 4

# Headers that ask for more than the row.
_CONDITIONS = frozenset({b"if-match", b"if-none-match"})


# A plan, what its answer shows, and whether that is all of the row.
_Point = tuple[PointPlan, RowPlan, bool]


class ReadWork(Work):
    """One row by its key."""

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        self._shapes: Shapes[_Point] = Shapes(opening.shapes)
        self._whole = self._plan(b"")
        point, _, _ = self._whole
        self.usual = point.many or point.one

    async def answer(self, scope: Scope, body: Sent, lanes: Lanes, grant: Grant) -> Reply | None:
        conditions = conditions_of(scope) if asks_for(scope, _CONDITIONS) else NO_CONDITIONS
        query = scope["query_string"]
        if query:
            found = self._shapes.find(query, lambda: self._plan(query), is_common=False)
        else:
            found = self._whole
        point, plan, is_whole = found
        row = await lanes.fetch_one(point, self.key(scope), grant.values)
        if row is None:
            return None
        if plan.nested is None:
            content = plan.content(row)
        else:
            (item,) = await plan.nested.items(lanes, plan.plan, [row], grant.values)
            content = encode(item)
        if len(content) > self.declaration.max_bytes:
            return None
        has_relations = plan.has_relations
        if plan.version is None and conditions is NO_CONDITIONS:
            return Reply(200, json_headers(content), content, has_relations)
        version = None if plan.version is None else plan.plan.read(row)[plan.version]
        check_version(conditions, version)
        variant = self.opening.variant if is_whole else None
        answer = read_answer(content, version, (), conditions, variant)
        if answer.status != 200:
            return Reply(answer.status, raw_headers(answer.headers), b"", has_relations)
        return Reply(200, headers_for(answer.headers, content), content, has_relations)

    def _plan(self, query: bytes) -> _Point:
        given = _once(read_query({"query_string": query}), {"fields", "include"})
        locations = (("query", "fields"), ("query", "include"))
        view = self.opening.view
        selection = read_selection(view, given.get("fields"), given.get("include"), locations)
        return *self.opening.plans.read(selection), not given


class _Shape(NamedTuple):
    """A list that is asked for again and again.

    Attributes:
        query: What is asked for, but for the limit and the cursor.
        cursors: Writes and reads its cursors.
        plans: The statements, by which of a cursor's values are NULL.
    """

    query: ListQuery
    cursors: Cursors
    plans: Recent[PagePlan]


class _Asked(NamedTuple):
    """What a query string asks for.

    Attributes:
        plan: The statements for it.
        size: Rows of the page, at most.
        values: Of the cursor.
        reads: The statements with their parameters, for callers without policies.
        make: From their rows to the JSON of the items and the next cursor; to the rows instead, if
            the plan has relations to fetch for them.
        is_over_relations: Whether the answer depends on rows of other models.
    """

    plan: PagePlan
    size: int
    values: Values
    reads: Sequence[Read] | None
    make: Callable[..., tuple[Any, str | None]]
    is_over_relations: bool

    def reads_for(self, grant: Grant) -> Sequence[Read]:
        """Return the statements with their parameters."""
        return self.reads or self.plan.reads(self.size, {**self.values, **grant.values})


class ListWork(Work):
    """One page of a list."""

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        self._shapes: Shapes[_Shape] = Shapes(opening.shapes)
        declaration = self.declaration
        self._most_rows, self._most_bytes = declaration.limits
        self._limits = ListLimits(declaration.max_limit, declaration.max_offset)
        # By the query strings of first pages, which come again and again.
        self._first_pages: Recent[_Asked] = Recent(_FIRST_PAGES)
        shape = self._find(())
        page = self._plan_page(shape.query, None)
        shape.plans.put(None, page)
        self.usual = page.rows

    async def answer(self, scope: Scope, body: Sent, lanes: Lanes, grant: Grant) -> Reply | None:
        if asks_for(scope, _CONDITIONS):
            return None
        raw: bytes = scope["query_string"]
        is_shared = self.opening.is_shared
        asked = self._first_pages.get(raw)
        if asked is None:
            asked = self._ask(scope, grant)
            if is_shared and b"cursor" not in raw and len(raw) <= _SHORT:
                self._first_pages.put(raw, asked)
        reads = asked.reads_for(grant)
        if is_shared:
            items, cursor = await lanes.fetch(reads, asked.make)
        else:
            # The rows alone: the rest is made here, in the context of this request.
            items, cursor = asked.make(*await lanes.fetch(reads, _as_they_are))
        if asked.plan.nested is not None:
            found = await asked.plan.nested.items(lanes, asked.plan.rows, items, grant.values)
            items = encode(found)
        ended = b"null" if cursor is None else b'"%b"' % cursor.encode()
        content = b'{"items":%b,"next_cursor":%b}' % (items, ended)
        if len(content) > self._most_bytes:
            return None
        headers = json_headers(content)
        if cursor is not None:
            headers.insert(0, (b"link", next_link(scope, cursor).encode("latin-1")))
        return Reply(200, headers, content, asked.is_over_relations)

    def _ask(self, scope: Scope, grant: Grant) -> _Asked:
        given = read_query(scope)
        limit, cursor = given.pop("limit", None), given.pop("cursor", None)
        shape = self._find(tuple((name, *values) for name, values in given.items()))
        size = self._size(shape.query, limit)
        nulls, values = self._after(shape.cursors, cursor)
        plan = shape.plans.get(nulls)
        if plan is None:
            plan = self._plan_page(shape.query, nulls)
            shape.plans.put(nulls, plan)
        if size * plan.parts > self._most_rows:
            raise NotDoneError
        make = partial(self._make, plan, shape.cursors, size)
        # They may be kept, and a policy's values are another caller's next time.
        reads = None if grant.values else plan.reads(size, values)
        return _Asked(plan, size, values, reads, make, shape.query.is_over_relations)

    def _make(
        self, plan: PagePlan, cursors: Cursors, size: int, *found: Sequence[Any]
    ) -> tuple[Any, str | None]:
        rows, ends = plan.split(size, *found)
        cursor = cursors.write(plan.sort_values(ends[0])) if len(ends) > 1 else None
        return rows if plan.nested is not None else plan.content(rows), cursor

    def _find(self, shape: tuple[tuple[str, ...], ...]) -> _Shape:
        """Return what is asked for."""
        return self._shapes.find(shape, lambda: self._read(shape), is_common=not shape)

    def _read(self, shape: Sequence[Sequence[str]]) -> _Shape:
        given = {name: list(values) for name, *values in shape}
        query = read_parameters(self.opening.view, given, self._limits)
        if query.count is not None or query.offset:
            message = "a count takes a statement of its own"
            raise UnplannableError(message)
        opening = self.opening
        cursors = Cursors(opening.view, query.sort, query.condition, opening.dialect)
        return _Shape(query, cursors, Recent(_NULLS))

    def _size(self, query: ListQuery, limit: list[str] | None) -> int:
        """Return how many rows the page has at most.

        Raises:
            NotDoneError: That is not plainly right.
        """
        if limit is None:
            return query.limit
        text = limit[0]
        is_plain = len(limit) == 1 and text.isascii() and text.isdigit() and len(text) < 10
        if not is_plain or not 1 <= int(text) <= self._limits.most:
            raise NotDoneError
        return int(text)

    def _after(
        self, cursors: Cursors, cursor: list[str] | None
    ) -> tuple[frozenset[int] | None, dict[str, Any]]:
        """Return which of a cursor's values are NULL, and the others."""
        if cursor is None:
            return None, {}
        if len(cursor) > 1:
            raise NotDoneError
        values = cursors.read(cursor[0], ("query", "cursor"))
        if are_cut(values):
            # Another statement, for which the session is fast enough.
            raise NotDoneError
        nulls = frozenset(index for index, value in enumerate(values) if value is None)
        return nulls, {f"after {index}": value for index, value in enumerate(values)}

    def _plan_page(self, query: ListQuery, after: frozenset[int] | None) -> PagePlan:
        return self.opening.plans.page(query, after)


def _as_they_are(*found: Sequence[Any]) -> tuple[Sequence[Any], ...]:
    return found


def _once(given: Mapping[str, list[str]], known: set[str]) -> dict[str, str]:
    if any(name not in known or len(values) > 1 for name, values in given.items()):
        raise NotDoneError
    return {name: values[0] for name, values in given.items()}
