"""The works that read: one row by its key, one page of a list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from starlette.types import Scope

from ormolu.lanes import NotDoneError, PointPlan, Read, Values
from ormolu.query import Cursors, are_cut
from ormolu.resources.declare import Recent
from ormolu.resources.http._executors import FoundPage
from ormolu.resources.http._requests import read_query, read_row_query
from ormolu.resources.http._works import Opening, Work
from ormolu.resources.work import (
    Grant,
    ListLimits,
    ListQuery,
    PagePlan,
    RowPlan,
    Shapes,
    read_parameters,
    total_of,
)

__all__ = ["KeptPage", "KeptRow", "ListWork", "ReadWork"]

# Query strings of first pages that are kept, and their bytes, at most.
_FIRST_PAGES, _SHORT = 256, 200
# Digits of a number, below which it is plainly one.
_DIGITS = 10
# Statements of one list that are kept: one without a cursor, others by the NULLs in a cursor.
_NULLS = 4


class KeptRow(NamedTuple):
    """What the query string of a read asks for.

    Attributes:
        point: The statement, for one key or many.
        plan: What its answer shows.
        is_whole: See `AskedRow`.
        is_over_relations: See `Asked`.
    """

    point: PointPlan
    plan: RowPlan
    is_whole: bool
    is_over_relations: bool


class ReadWork(Work):
    """One row by its key."""

    is_read = True

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        self._shapes: Shapes[KeptRow] = Shapes(opening.shapes)
        self._whole = self._plan(b"")
        self.usual = self._whole.point.many or self._whole.point.one

    def asked(self, query: bytes) -> KeptRow:
        """Return what a query string asks for.

        Raises:
            RefusedError: It is wrong.
            NotDoneError: It has not come before.
        """
        if not query:
            return self._whole
        return self._shapes.find(query, lambda: self._plan(query), is_common=False)

    def _plan(self, query: bytes) -> KeptRow:
        asked = read_row_query(self.opening.view, query)
        point, plan = self.opening.plans.read(asked.selection)
        return KeptRow(point, plan, asked.is_whole, asked.is_over_relations)


class _Shape(NamedTuple):
    """A list that is asked for again and again.

    Attributes:
        query: What is asked for, but for the limit, the offset and the cursor.
        cursors: Writes and reads its cursors.
        plans: The statements, by which of a cursor's values are NULL, and whether rows are skipped.
    """

    query: ListQuery
    cursors: Cursors
    plans: Recent[PagePlan]


class KeptPage(NamedTuple):
    """What the query string of a list asks for.

    Attributes:
        plan: The statements for it.
        size: Rows of the page, at most.
        offset: Rows that are skipped.
        values: Of the cursor.
        reads: The statements with their parameters, for callers without policies.
        make: From their rows to the page, which has the rows instead of their JSON if the plan has
            relations to fetch for them.
        is_over_relations: See `Asked`.
    """

    plan: PagePlan
    size: int
    offset: int
    values: Values
    reads: Sequence[Read] | None
    make: Callable[..., FoundPage]
    is_over_relations: bool

    def reads_for(self, grant: Grant) -> Sequence[Read]:
        """Return the statements with their parameters."""
        values = {**self.values, **grant.values}
        return self.reads or self.plan.reads(self.size, self.offset, values)


class ListWork(Work):
    """One page of a list."""

    is_read = True

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        self._shapes: Shapes[_Shape] = Shapes(opening.shapes)
        declaration = self.declaration
        self._most_rows, _ = declaration.limits
        self._limits = ListLimits(declaration.max_limit, declaration.max_offset)
        # By the query strings of first pages, which come again and again.
        self._first_pages: Recent[KeptPage] = Recent(_FIRST_PAGES)
        shape = self._find(())
        page = opening.plans.page(shape.query, None, has_offset=False)
        shape.plans.put((None, False), page)
        self.usual = page.rows

    def asked(self, scope: Scope, grant: Grant) -> KeptPage:
        """Return what the query string of a request asks for.

        Raises:
            RefusedError: It is wrong.
            NotDoneError: It has not come before, or is more than a lane does.
        """
        raw: bytes = scope["query_string"]
        found = self._first_pages.get(raw)
        if found is None:
            found = self._ask(scope, grant)
            if self.opening.is_shared and b"cursor" not in raw and len(raw) <= _SHORT:
                self._first_pages.put(raw, found)
        return found

    def _ask(self, scope: Scope, grant: Grant) -> KeptPage:
        given = read_query(scope)
        limit, cursor = given.pop("limit", None), given.pop("cursor", None)
        offset = self._offset(given.pop("offset", None), cursor)
        shape = self._find(tuple((name, *values) for name, values in given.items()))
        size = self._size(shape.query, limit)
        nulls, values = self._after(shape.cursors, cursor)
        kind = (nulls, offset > 0)
        plan = shape.plans.get(kind)
        if plan is None:
            plan = self.opening.plans.page(shape.query, nulls, has_offset=offset > 0)
            shape.plans.put(kind, plan)
        if size * plan.parts > self._most_rows:
            raise NotDoneError
        make = partial(_make, plan, shape, size)
        # They may be kept, and next time a policy's values and the clock's are others.
        reads = None if grant.values or plan.has_clock else plan.reads(size, offset, values)
        return KeptPage(plan, size, offset, values, reads, make, shape.query.is_over_relations)

    def _find(self, shape: tuple[tuple[str, ...], ...]) -> _Shape:
        """Return what is asked for."""
        return self._shapes.find(shape, lambda: self._read(shape), is_common=not shape)

    def _read(self, shape: Sequence[Sequence[str]]) -> _Shape:
        given = {name: list(values) for name, *values in shape}
        query = read_parameters(self.opening.view, given, self._limits)
        opening = self.opening
        cursors = Cursors(opening.view, query.sort, query.condition, opening.dialect)
        return _Shape(query, cursors, Recent(_NULLS))

    def _size(self, query: ListQuery, limit: list[str] | None) -> int:
        """Return how many rows the page has at most.

        Raises:
            NotDoneError: That is not plainly right.
        """
        return query.limit if limit is None else _number(limit, 1, self._limits.most)

    def _offset(self, offset: list[str] | None, cursor: list[str] | None) -> int:
        """Return how many rows are skipped.

        Raises:
            NotDoneError: That is not plainly right.
        """
        if offset is None:
            return 0
        if cursor is not None or not self._limits.offset:
            raise NotDoneError
        return _number(offset, 0, self._limits.offset)

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


def _number(texts: Sequence[str], least: int, most: int) -> int:
    """Return the number that a parameter has.

    Raises:
        NotDoneError: It is given twice, or is not plainly right.
    """
    text = texts[0]
    is_plain = len(texts) == 1 and text.isascii() and text.isdigit() and len(text) < _DIGITS
    if not is_plain or not least <= int(text) <= most:
        raise NotDoneError
    return int(text)


def _make(plan: PagePlan, shape: _Shape, size: int, *found: Sequence[Any]) -> FoundPage:
    rows, ends = plan.split(size, *found)
    cursor = shape.cursors.write(plan.sort_values(ends[0])) if len(ends) > 1 else None
    items: Any = rows if plan.nested is not None else plan.content(rows)
    if plan.count is None:
        return FoundPage(items, cursor)
    return FoundPage(items, cursor, *total_of(shape.query, found[-1][0][0]))
