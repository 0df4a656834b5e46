"""The works that read: one row by its key, one page of a list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from starlette.types import Scope

from ormolu.lanes import NotDoneError, PointPlan, Read, Values
from ormolu.query import Cursors, are_truncated
from ormolu.resources.declare import LRUCache
from ormolu.resources.http._executors import FoundPage
from ormolu.resources.http._requests import read_query, read_row_query
from ormolu.resources.http._works import Work, WorkContext
from ormolu.resources.work import (
    Grant,
    ListLimits,
    ListQuery,
    PagePlan,
    PlanCache,
    RowPlan,
    read_parameters,
    total_of,
)

__all__ = ["ListWork", "PlannedPage", "PlannedRow", "ReadWork"]

# Query strings of first pages that are cached, and the most bytes of each.
_FIRST_PAGES, _SHORT = 256, 200
# A number of fewer digits needs no further check.
_DIGITS = 10
# Cached plans of one list: without a cursor, and for each place of NULLs in one.
_MAX_FORMS = 4


class PlannedRow(NamedTuple):
    """The query string of a read, parsed and planned.

    Attributes:
        point: The statement, for one key or many.
        plan: Makes the answer of its row.
        is_whole: See `ParsedRowQuery`.
        reads_relations: See `ParsedQuery`.
    """

    point: PointPlan
    plan: RowPlan
    is_whole: bool
    reads_relations: bool


class ReadWork(Work):
    """One row by its key."""

    is_read = True

    def __init__(self, context: WorkContext) -> None:
        super().__init__(context)
        self._cache: PlanCache[PlannedRow] = PlanCache(context.max_plans)
        self._whole = self._plan(b"")
        self.sample_plan = self._whole.point.many or self._whole.point.one

    def parse(self, query: bytes) -> PlannedRow:
        """Parse a query string.

        Raises:
            RefusedError: It is wrong.
            NotDoneError: It has not come before.
        """
        if not query:
            return self._whole
        return self._cache.find(query, lambda: self._plan(query), is_common=False)

    def _plan(self, query: bytes) -> PlannedRow:
        parsed = read_row_query(self.context.view, query)
        point, plan = self.context.plans.read(parsed.selection)
        return PlannedRow(point, plan, parsed.is_whole, parsed.reads_relations)


class _PlannedList(NamedTuple):
    """All pages of one list.

    Attributes:
        query: What is asked for, without the limit, the offset and the cursor.
        cursors: Writes and reads its cursors.
        plans: The plans, by the places of NULLs in a cursor, and whether rows are skipped.
    """

    query: ListQuery
    cursors: Cursors
    plans: LRUCache[PagePlan]


class PlannedPage(NamedTuple):
    """The query string of a list, parsed and planned.

    Attributes:
        plan: The statements for it.
        size: The most rows of the page.
        offset: Rows that are skipped.
        values: The values of the cursor.
        reads: The statements with their parameters, where all callers share them.
        make: From their rows to the page; it has the rows instead of their JSON if the plan has
            to-many relations.
        reads_relations: See `ParsedQuery`.
    """

    plan: PagePlan
    size: int
    offset: int
    values: Values
    reads: Sequence[Read] | None
    make: Callable[..., FoundPage]
    reads_relations: bool

    def reads_for(self, grant: Grant) -> Sequence[Read]:
        """Return the statements with their parameters."""
        values = {**self.values, **grant.values}
        return self.reads or self.plan.reads(self.size, self.offset, values)


class ListWork(Work):
    """One page of a list."""

    is_read = True

    def __init__(self, context: WorkContext) -> None:
        super().__init__(context)
        self._cache: PlanCache[_PlannedList] = PlanCache(context.max_plans)
        declaration = self.declaration
        self._most_rows, _ = declaration.limits
        self._limits = ListLimits(declaration.max_limit, declaration.max_offset)
        # By query string: first pages are read again and again.
        self._first_pages: LRUCache[PlannedPage] = LRUCache(_FIRST_PAGES)
        planned = self._find(())
        page = context.plans.page(planned.query, None, has_offset=False)
        planned.plans.put((None, False), page)
        self.sample_plan = page.rows

    def parse(self, scope: Scope, grant: Grant) -> PlannedPage:
        """Parse the query string of a request.

        Raises:
            RefusedError: It is wrong.
            NotDoneError: It has not come before, or needs the session.
        """
        raw: bytes = scope["query_string"]
        found = self._first_pages.get(raw)
        if found is None:
            found = self._parse(scope, grant)
            if self.context.is_shared and b"cursor" not in raw and len(raw) <= _SHORT:
                self._first_pages.put(raw, found)
        return found

    def _parse(self, scope: Scope, grant: Grant) -> PlannedPage:
        given = read_query(scope)
        limit, cursor = given.pop("limit", None), given.pop("cursor", None)
        offset = self._offset(given.pop("offset", None), cursor)
        planned = self._find(tuple((name, *values) for name, values in given.items()))
        query = planned.query
        size = query.limit if limit is None else _number(limit, 1, self._limits.most)
        nulls, values = self._after(planned.cursors, cursor)
        form = (nulls, offset > 0)
        plan = planned.plans.get(form)
        if plan is None:
            plan = self.context.plans.page(query, nulls, has_offset=offset > 0)
            planned.plans.put(form, plan)
        if size * plan.parts > self._most_rows:
            raise NotDoneError
        make = partial(_make, plan, planned, size)
        # They may be cached, and a policy's and the clock's values are others next time.
        reads = None if grant.values or plan.has_clock else plan.reads(size, offset, values)
        return PlannedPage(plan, size, offset, values, reads, make, query.reads_relations)

    def _find(self, parameters: tuple[tuple[str, ...], ...]) -> _PlannedList:
        """Return the list with these parameters, each of which is a name and its values."""
        return self._cache.find(
            parameters, lambda: self._plan(parameters), is_common=not parameters
        )

    def _plan(self, parameters: Sequence[Sequence[str]]) -> _PlannedList:
        given, context = {name: list(values) for name, *values in parameters}, self.context
        query = read_parameters(context.view, given, self._limits)
        cursors = Cursors(context.view, query.sort, query.condition, context.dialect)
        return _PlannedList(query, cursors, LRUCache(_MAX_FORMS))

    def _offset(self, offset: list[str] | None, cursor: list[str] | None) -> int:
        """Return how many rows are skipped.

        Raises:
            NotDoneError: The session has to check it.
        """
        if offset is None:
            return 0
        if cursor is not None or not self._limits.offset:
            raise NotDoneError
        return _number(offset, 0, self._limits.offset)

    def _after(
        self, cursors: Cursors, cursor: list[str] | None
    ) -> tuple[frozenset[int] | None, dict[str, Any]]:
        """Return the places of NULLs among a cursor's values, and the values of the slots."""
        if cursor is None:
            return None, {}
        if len(cursor) > 1:
            raise NotDoneError
        values = cursors.read(cursor[0], ("query", "cursor"))
        if are_truncated(values):
            # It needs another statement, for which the session is fast enough.
            raise NotDoneError
        nulls = frozenset(index for index, value in enumerate(values) if value is None)
        return nulls, {f"after {index}": value for index, value in enumerate(values)}


def _number(texts: Sequence[str], least: int, most: int) -> int:
    """Return the number that a parameter has.

    Raises:
        NotDoneError: The session has to check it: it may be given twice, or be no number.
    """
    text = texts[0]
    is_plain = len(texts) == 1 and text.isascii() and text.isdigit() and len(text) < _DIGITS
    if not is_plain or not least <= int(text) <= most:
        raise NotDoneError
    return int(text)


def _make(plan: PagePlan, planned: _PlannedList, size: int, *found: Sequence[Any]) -> FoundPage:
    rows, ends = plan.split(size, *found)
    cursor = planned.cursors.write(plan.sort_values(ends[0])) if len(ends) > 1 else None
    items: Any = rows if plan.nested is not None else plan.content(rows)
    if plan.count is None:
        return FoundPage(items, cursor)
    return FoundPage(items, cursor, *total_of(planned.query, found[-1][0][0]))
