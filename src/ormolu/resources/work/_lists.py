"""One page of a list: reading what is asked for, and fetching the rows."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.compiler import compiles

from ormolu.backends import backend_of
from ormolu.query import (
    AllOf,
    Budget,
    Condition,
    Cursors,
    Filters,
    Location,
    Row,
    Rows,
    Selection,
    Sort,
    View,
    children_of,
    compile_condition,
    cursor_columns,
    describe,
    fetch_rows,
    guard,
    is_guarded,
    nearest,
    prepare,
    read_selection,
    read_sort,
    reads_relations,
    refuse,
    rows_after,
    sort_columns,
    sort_expressions,
    views_in,
)
from ormolu.resources.work._json import read_json
from ormolu.sessions import engine_of

__all__ = [
    "PARAMETERS", "ListLimits", "ListQuery", "Page", "count_statement", "fetch_page",
    "is_estimated", "page_statement", "read_members", "read_parameters", "total_of",
]  # fmt: skip

PARAMETERS = ("where", "q", "sort", "limit", "cursor", "offset", "count", "fields", "include")

CountMode = Literal["exact", "capped", "estimated"]

_DEFAULT_LIMIT = 50
_CAP = 10_000
# Characters of a request whose statement SQLAlchemy may cache, which also keeps its values.
_CACHEABLE = 2000
# Characters of a list of names.
_MAX_NAMES = 20_000


@dataclass(frozen=True, kw_only=True)
class ListQuery:
    """What one list request asks for, read and checked.

    Attributes:
        location: Where its parameters are: query, body or arguments.
        is_cacheable: Whether SQLAlchemy may cache its statement, which is short.
    """

    selection: Selection
    sort: Sort
    condition: Condition | None = None
    limit: int = _DEFAULT_LIMIT
    cursor: Any = None
    offset: int = 0
    count: CountMode | None = None
    location: Location = ("query",)
    is_cacheable: bool = True

    @property
    def form(self) -> Hashable:
        """Return all of it but values, which queries that take about as long have in common."""
        condition = None if self.condition is None else describe(self.condition, lambda _: "")
        sort = tuple((tuple(each.name for each, _ in order.path), order.field.name,
                      order.is_descending) for order in self.sort)  # fmt: skip
        return (
            self.selection.view.model, tuple(_included(self.selection)), sort, condition,
            self.cursor is None, self.count,
        )  # fmt: skip

    @property
    def reads_relations(self) -> bool:
        """Tell whether the answer depends on rows of other models."""
        has_path = any(order.path for order in self.sort)
        return bool(self.selection.children) or has_path or reads_relations(self.condition)


def _included(selection: Selection) -> Iterator[str]:
    for name, (_, child) in sorted(selection.children.items()):
        yield name
        yield from (f"{name}.{each}" for each in _included(child))


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of a list.

    Attributes:
        items: The rows, by the names of their fields.
        next_cursor: The cursor of the next page; None after the last.
        total: How many rows there are, if that was asked for.
        total_kind: "exact", "at_least" or "estimate".
        truncated: Paths of included to-many relations that have more than 100 rows.
    """

    items: Sequence[Row]
    next_cursor: str | None
    total: int | None = None
    total_kind: Literal["exact", "at_least", "estimate"] | None = None
    truncated: Sequence[str] = ()


@dataclass(frozen=True)
class ListLimits:
    """The largest `limit` and `offset` of a list."""

    most: int = 1000
    offset: int = 0


def read_parameters(
    view: View, given: Mapping[str, Sequence[str]], limits: ListLimits
) -> ListQuery:
    """Read the parameters of a query string.

    Raises:
        RefusedError: One is unknown, or has a wrong value.
    """
    reader = _Reader(view, limits, ("query",))
    members: dict[str, Any] = {}
    for name, values in given.items():
        if name in PARAMETERS:
            if len(values) > 1:
                raise refuse(("query", name), "repeated", f"Is given {len(values)} times")
            members[name] = _read_text(name, values[0])
        else:
            reader.filter_by(name, values)
    return reader.read(members)


def read_members(
    view: View, given: Mapping[str, Any], limits: ListLimits, location: Location = ("body",)
) -> ListQuery:
    """Read the members of a JSON object, or the arguments of a Python call.

    Raises:
        RefusedError: One is unknown, or has a wrong value.
    """
    reader = _Reader(view, limits, location)
    members = {name: value for name, value in given.items() if name in PARAMETERS}
    others = {name: value for name, value in given.items() if name not in PARAMETERS}
    if others:
        reader.filter_tree(others)
    return reader.read(members)


def _read_text(name: str, value: str) -> Any:
    if name == "where":
        return read_json(value.encode("utf-8", "surrogatepass"), ("query", "where"))
    if name in {"limit", "offset"}:
        if not (value.isascii() and value.removeprefix("-").isdigit()) or len(value) > 19:
            raise refuse(("query", name), "int_parsing", "Must be an integer")
        return int(value)
    return value


class _Reader:
    """Reads the parameters of one request."""

    def __init__(self, view: View, limits: ListLimits, location: Location) -> None:
        self._view = view
        self._limits = limits
        self._at = location
        self._filters = Filters(view)
        self._conditions: list[Condition] = []

    def filter_by(self, name: str, values: Sequence[str]) -> None:
        """Add one filter of a query string."""
        place = (*self._at, name)
        near = "" if self._filters.has_name(name) else nearest(name, PARAMETERS)
        if near:
            raise refuse(place, "unknown_parameter", f"There is no {name!r}{near}")
        self._conditions.append(self._filters.read_parameter(name, values, place))

    def filter_tree(self, tree: Mapping[str, Any]) -> None:
        """Add filters from JSON or Python."""
        self._conditions.append(self._filters.read_tree(tree, self._at))

    def read(self, members: Mapping[str, Any]) -> ListQuery:
        """Read all but the filters."""
        if members.get("where") is not None:
            tree = self._filters.read_tree(members["where"], (*self._at, "where"))
            self._conditions.append(tree)
        q, cursor, most = members.get("q"), members.get("cursor"), self._limits.most
        if q is not None:
            if not isinstance(q, str):
                raise refuse((*self._at, "q"), "string_type", "Must be a text")
            self._conditions.append(self._filters.search(q, (*self._at, "q")))
        fields, include = members.get("fields"), members.get("include")
        for name in ("fields", "include", "sort"):
            self._check_names(name, members.get(name))
        offset = self._number(members, "offset", 0, 0, self._limits.offset)
        if cursor is not None and offset:
            raise refuse((*self._at, "offset"), "exclusive", "Cannot be together with cursor")
        return ListQuery(
            selection=read_selection(
                self._view, fields, include, ((*self._at, "fields"), (*self._at, "include"))
            ),
            sort=read_sort(self._view, members.get("sort"), (*self._at, "sort")),
            condition=AllOf(tuple(self._conditions)) if self._conditions else None,
            limit=self._number(members, "limit", min(_DEFAULT_LIMIT, most), 1, most),
            cursor=cursor,
            offset=offset,
            count=self._count(members.get("count")),
            location=self._at,
            is_cacheable=self._filters.weight + len(str(cursor)) <= _CACHEABLE,
        )  # fmt: skip

    def _check_names(self, name: str, value: Any) -> None:
        listed = value if isinstance(value, (list, tuple)) else [value]
        if value is not None and not all(isinstance(each, str) for each in listed):
            raise refuse((*self._at, name), "string_type", "Must be names")
        if value is not None and sum(map(len, listed)) + len(listed) > _MAX_NAMES:
            message = f"Must not have more than {_MAX_NAMES} characters"
            raise refuse((*self._at, name), "too_long", message)

    def _number(
        self, members: Mapping[str, Any], name: str, default: int, least: int, most: int
    ) -> int:
        value = members.get(name)
        if value is None:
            return default
        place = (*self._at, name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise refuse(place, "int_type", "Must be an integer")
        if name == "offset" and not most:
            message = "Is not offered here; follow next_cursor"
            raise refuse(place, "unknown_parameter", message)
        if not least <= value <= most:
            raise refuse(place, "out_of_range", f"Must be from {least} to {most}, not {value}")
        return value

    def _count(self, value: Any) -> CountMode | None:
        match value:
            case None | "exact" | "capped" | "estimated":
                return value
            case _:
                message = f"Must be exact, capped or estimated, not {str(value)[:50]!r}"
                raise refuse((*self._at, "count"), "literal_error", message)


async def fetch_page(session: AsyncSession, view: View, query: ListQuery, budget: Budget) -> Page:
    """Fetch one page: one statement, one more for each included to-many relation and for a count.

    Raises:
        RefusedError: The cursor is not of this list, or the page is more than its budget.
    """
    dialect = (await engine_of(session)).dialect
    cursors = Cursors(view, query.sort, query.condition, dialect)
    after = None
    if query.cursor is not None:
        after = cursors.read(query.cursor, (*query.location, "cursor"))
    statement, order = page_statement(view, query, after, dialect)
    statement = statement.limit(query.limit + 1)
    if query.offset:
        statement = statement.offset(query.offset)
    rows = Rows(children_of(session, dialect, budget.most_bytes), budget)
    statement, root = prepare(statement, query.selection, view.model)
    options = {} if query.is_cacheable else {"compiled_cache": None}
    if is_guarded(statement, dialect):
        statement = guard(statement, order, dialect, budget.most_bytes)
    raw, size = await fetch_rows(session, statement, dialect, budget.most_bytes, options)
    budget.spend_bytes(size, "")
    kept = raw[: query.limit]
    next_cursor = None
    if len(raw) > query.limit:
        next_cursor = cursors.write(kept[-1][: len(query.sort)])
    total: int | None = None
    kind: Literal["exact", "at_least", "estimate"] | None = None
    if is_estimated(view, query, dialect):
        total, kind = await _estimate(session, _found(view, query, dialect))
    elif query.count is not None:
        counted = await session.scalar(
            count_statement(view, query, dialect), execution_options=options
        )
        assert counted is not None
        total, kind = total_of(query, counted)
    items = await rows.collect(root, kept)
    return Page(
        items=items, next_cursor=next_cursor, total=total, total_kind=kind,
        truncated=sorted(rows.truncated),
    )  # fmt: skip


def page_statement(
    view: View, query: ListQuery, after: Sequence[Any] | None, dialect: sa.Dialect
) -> tuple[sa.Select[Any], list[sa.ColumnElement[Any]]]:
    """Return the statement for the sort values of the rows after a cursor, and its ORDER BY."""
    expressions = sort_expressions(query.sort, view.model, dialect)
    kept = cursor_columns(view, query.sort, expressions, dialect)
    labelled = [each.label(f"s{index}") for index, each in enumerate(kept)]
    statement = sa.select(*labelled).select_from(view.model)
    statement = statement.where(*_conditions(view, query.condition, dialect))
    if after is not None:
        statement = statement.where(rows_after(view, query.sort, expressions, after, dialect))
    order = sort_columns(query.sort, expressions, dialect)
    return statement.order_by(*order), order


def _conditions(view: View, condition: Condition | None, dialect: sa.Dialect) -> list[Any]:
    if condition is None:
        return view.conditions()
    return view.conditions(compile_condition(condition, view.model, dialect))


def _found(view: View, query: ListQuery, dialect: sa.Dialect) -> sa.Select[Any]:
    conditions = _conditions(view, query.condition, dialect)
    return sa.select(sa.literal_column("1")).select_from(view.model).where(*conditions)


def is_estimated(view: View, query: ListQuery, dialect: sa.Dialect) -> bool:
    """Tell whether the planner of the backend is asked how many rows there are.

    It knows of rows that a policy hides, so it is asked only where all are visible: those of the
    list, and those of the models that its filters and sort lead to.
    """
    if query.count != "estimated" or not backend_of(dialect).estimates_counts:
        return False
    sorted_by = (target for order in query.sort for _, target in order.path)
    return all(each.visible is None for each in (view, *views_in(query.condition), *sorted_by))


def count_statement(view: View, query: ListQuery, dialect: sa.Dialect) -> sa.Select[Any]:
    """Return the statement that counts the rows of a list, up to the cap if it may be inexact."""
    found = _found(view, query, dialect)
    if query.count != "exact":
        found = found.limit(_CAP + 1)
    return sa.select(sa.func.count()).select_from(found.subquery())


def total_of(query: ListQuery, counted: int) -> tuple[int, Literal["exact", "at_least"]]:
    """Return the `total` and `total_kind` of an answer."""
    is_capped = query.count != "exact" and counted > _CAP
    return (_CAP, "at_least") if is_capped else (counted, "exact")


class _Explained(sa.Executable, sa.ClauseElement):
    """EXPLAIN of a SELECT."""

    inherit_cache = False

    def __init__(self, statement: sa.Select[Any]) -> None:
        self.statement = statement


@compiles(_Explained)
def _compile_explained(element: _Explained, compiler: Any, **options: Any) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.statement, **options)}"


async def _estimate(
    session: AsyncSession, found: sa.Select[Any]
) -> tuple[int, Literal["estimate"]]:
    connection = await session.connection()
    explained = (await connection.execute(_Explained(found))).scalar_one()
    plan = json.loads(explained) if isinstance(explained, str) else explained
    return int(plan[0]["Plan"]["Plan Rows"]), "estimate"
