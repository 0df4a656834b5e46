"""The plans of one resource: its statements with a slot for each value, and what answers show.

They are the statements of a session, compiled once. SQLite makes the JSON of a row where it makes
the same as `encode`: of integers, text and booleans. Sends nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import repeat
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Dialect, any_, func, literal, literal_column, select

from ormolu.backends import backend_of
from ormolu.lanes import Plan, PointPlan, Slot, UnplannableError, numbered
from ormolu.query import (
    Field,
    Part,
    Selection,
    View,
    as_shown,
    guard_each,
    is_guarded,
    is_plain,
    make_rows,
    plain_type,
    prepare,
    shown,
    walk,
)
from ormolu.resources.declare import Declaration, Policy
from ormolu.resources.work._decodable import is_decodable
from ormolu.resources.work._encoding import encode
from ormolu.resources.work._lists import ListQuery, count_statement, is_estimated, page_statement
from ormolu.resources.work._nested import Nested, is_comparable_key, nested_in, plan_of
from ormolu.resources.work._planned import Content, PagePlan, RowPlan
from ormolu.resources.work._sqlite_json import (
    MAX_FIELDS,
    in_json,
    is_in_json,
    limited,
    row_number_of,
)
from ormolu.resources.work._statements import ANY_VERSION, Statements, Versions, read_statement

__all__ = ["Plans", "column_slot"]


class Plans:
    """Makes the plans of one resource for one dialect."""

    def __init__(
        self, declaration: Declaration, view: View, dialect: Dialect, policy: Policy
    ) -> None:
        self._declaration = declaration
        self._view = view
        self._dialect = dialect
        self._is_guarded = not policy.is_open
        self._statements = Statements(dialect, declaration, view, policy)
        self._version = declaration.traits.version
        self._row_number = row_number_of(declaration.mapper.local_table)

    def read(self, selection: Selection) -> tuple[PointPlan, RowPlan]:
        """Return the plan that reads one row.

        Raises:
            UnplannableError: It needs more than one statement.
        """
        plan = self._read(self._view.is_row(_key_slots(self._view), self._dialect), selection)
        one = plan.plan
        key = self._view.keys[0]
        is_one = len(self._view.keys) == 1 and is_comparable_key(key, self._dialect)
        if not (is_one and backend_of(self._dialect).has_arrays):
            return PointPlan(one=one), plan
        if not one.takes_only_keys and one.together is not None:
            # Reads of several callers go together, which `many` does for one caller's values.
            return PointPlan(one=one), plan
        column = key.on(self._view.model)
        keys = literal(Slot("keys"), sa.ARRAY(key.type))
        many = self._read(column == any_(keys), selection, is_list=True).plan
        return PointPlan(one=one, many=many), plan

    def _read(self, is_row: Any, selection: Selection, *, is_list: bool = False) -> RowPlan:
        version = None if self._version is None else 0
        if self._has_json(selection):
            columns = [] if self._version is None else [self._version_column()]
            json = self._json([each.on(self._view.model) for each in selection.fields],
                              selection.fields)  # fmt: skip
            statement = select(*columns, json).select_from(self._view.model)
            statement = statement.where(*self._view.conditions(is_row))
            place = len(columns)
            plan = self._plan(statement)
            return RowPlan(plan=plan, content=_text_at(place), version=version, key=slice(0))
        statement, root = read_statement(self._declaration, self._view, is_row, selection)
        start = root.start + len(selection.fields)
        key = slice(start, start + len(self._view.keys))
        plan = plan_of(statement, self._dialect, key=key if is_list else None)

        def content(row: Sequence[Any]) -> bytes:
            (made,) = make_rows(root, [plan.read(row)])
            return encode(shown(selection, made))

        nested = self._nested(root)
        return RowPlan(plan=plan, content=content, version=version, key=key, nested=nested)

    def page(
        self, query: ListQuery, after: Collection[int] | None, *, has_offset: bool
    ) -> PagePlan:
        """Return the plan for one page.

        Args:
            query: What is asked for; its limit, offset and cursor are slots.
            after: The places of NULLs among the cursor's values; None without a cursor.
            has_offset: Whether rows are skipped.

        Raises:
            UnplannableError: It needs more statements.
        """
        plan = self._page(query, after, has_offset=has_offset)
        if query.count is None:
            return plan
        if is_estimated(self._view, query, self._dialect):
            message = "the planner is asked how many rows there are"
            raise UnplannableError(message)
        counted = self._plan(count_statement(self._view, query, self._dialect))
        return replace(plan, count=counted)

    def _page(
        self, query: ListQuery, after: Collection[int] | None, *, has_offset: bool
    ) -> PagePlan:
        width = len(query.sort)
        values = None
        if after is not None:
            values = [None if index in after else Slot(f"after {index}") for index in range(width)]
        ordered, _ = page_statement(self._view, query, values, self._dialect)
        limited = ordered.limit(literal(Slot("limit"), sa.Integer()))
        if has_offset:
            limited = limited.offset(literal(Slot("offset"), sa.Integer()))
        if self._has_json(query.selection):
            return self._json_page(ordered, limited, query)
        if not query.selection.children:
            return self._flat_page(limited, query)
        statement, root = prepare(limited, query.selection, self._view.model)
        plan = self._guarded(statement)

        def content(rows: Sequence[Any]) -> bytes:
            made = make_rows(root, plan.read_all(rows))
            return encode([shown(query.selection, row) for row in made])

        return PagePlan(
            rows=plan, content=content, ends=None, sort_values=lambda row: plan.read(row)[:width],
            parts=len(list(walk(root, ""))), most_bytes=self._declaration.max_bytes,
            nested=self._nested(root),
        )  # fmt: skip

    def _json_page(self, ordered: Any, limited: Any, query: ListQuery) -> PagePlan:
        """Return the plan of a page whose JSON SQLite makes; another statement reads its end."""
        rows = self._plan(self._json_of_all(limited, query.selection))
        ends = self._plan(ordered.limit(2).offset(literal(Slot("last"), sa.Integer())))
        return PagePlan(
            rows=rows, content=lambda found: found[0][0].encode(), ends=ends, sort_values=ends.read,
            most_bytes=self._declaration.max_bytes,
        )  # fmt: skip

    def _flat_page(self, limited: Any, query: ListQuery) -> PagePlan:
        """Return the plan of a page without relations, which reads no column twice."""
        names = list(query.selection.keys)
        columns = [as_shown(each.on(self._view.model)) for each in query.selection.fields]
        places: list[int] = []
        for order, column in zip(query.sort, limited.selected_columns, strict=True):
            name = order.field.name
            if not order.path and name in names and self._is_sorted_as_shown(order.field):
                places.append(names.index(name))
            else:
                places.append(len(columns))
                columns.append(column)
        labelled = [column.label(f"v{place}") for place, column in enumerate(columns)]
        plan = self._guarded(limited.with_only_columns(*labelled))
        selection = query.selection

        def content(rows: Sequence[Any]) -> bytes:
            # After the values of the names a row has what it is sorted by.
            made = list(map(dict, map(zip, repeat(names), plan.read_all(rows))))
            return encode([shown(selection, row) for row in made] if selection.is_shaped else made)

        def sort_values(row: Sequence[Any]) -> Sequence[Any]:
            values = plan.read(row)
            return [values[place] for place in places]

        most = self._declaration.max_bytes
        return PagePlan(
            rows=plan, content=content, ends=None, sort_values=sort_values, most_bytes=most
        )

    def _guarded(self, statement: Any) -> Plan:
        if not is_guarded(statement, self._dialect):
            return self._plan(statement)
        longest = literal(Slot("longest"), sa.BigInteger())
        statement = guard_each(statement, self._dialect, longest)
        return plan_of(statement, self._dialect, most_bytes=0)

    def _version_column(self) -> Any:
        assert self._version is not None
        return as_shown(getattr(self._view.model, self._version))

    def _is_sorted_as_shown(self, field: Field) -> bool:
        return isinstance(plain_type(field.type, self._dialect), sa.Integer)

    def _json_of_all(self, statement: Any, selection: Selection) -> Any:
        fields, longest = selection.fields, literal(Slot("longest"), sa.Integer())
        columns = [each.on(self._view.model).label(f"v{at}") for at, each in enumerate(fields)]
        # The subquery has a LIMIT, so SQLite sorts its rows before it aggregates them.
        found = statement.add_columns(*columns).subquery()
        values = [limited(found.c[f"v{at}"], longest, self._dialect) for at in range(len(fields))]
        return select(func.json_group_array(self._json(values, fields))).select_from(found)

    def insert(self, names: Collection[str]) -> RowPlan:
        """Return the plan that stores a new row with values for these columns.

        Raises:
            UnplannableError: The statement cannot return the row.
        """
        statement = self._statements.insert(_column_slots(names))
        return self._returning(statement, is_insert=True)

    def update(self, names: Collection[str], versions: Versions = ANY_VERSION) -> RowPlan:
        """Return the plan that changes these columns of one row, if it has the version.

        Raises:
            UnplannableError: The statement cannot return the row.
        """
        stored = self._statements.stored(_column_slots(names), is_new=False)
        statement = self._statements.update(_key_slots(self._view), stored, versions)
        if backend_of(self._dialect).has_undecodable_values:
            statement = statement.where(*self._decodable_conditions(names))
        return self._returning(statement, is_insert=False)

    def delete(self, versions: Versions = ANY_VERSION) -> Plan:
        """Return the plan that deletes one row, if it has the version, and returns its key.

        Raises:
            UnplannableError: The statement cannot return anything.
        """
        if not self._dialect.delete_returning:
            message = "the backend does not tell what it deleted"
            raise UnplannableError(message)
        statement = self._statements.delete(_key_slots(self._view), versions)
        keys = self._statements.keys()
        types, place = [key.type for key in keys], slice(0, len(keys))
        plan = Plan(statement.returning(*keys), types, self._dialect, key=place)
        plan.is_alone = not self._has_comparable_keys()
        return plan

    def _decodable_conditions(self, changed: Collection[str]) -> list[ColumnElement[bool]]:
        """Return the conditions that the values of a row which do not change can be decoded."""
        view = self._view
        rest = [field for field in view.fields.values() if field.attribute not in changed]
        conditions = [is_decodable(field.on(view.model), self._dialect) for field in rest]
        return [each for each in conditions if each is not None]

    def _has_comparable_keys(self) -> bool:
        """Tell whether the rows of several requests in one statement can be found by their keys."""
        return all(is_comparable_key(key, self._dialect) for key in self._view.keys)

    def _returning(self, statement: Any, *, is_insert: bool) -> RowPlan:
        selection = Selection(self._view, self._view.members)
        is_json = self._has_json(selection)
        values = self._statements.shown()
        if is_json:
            members = selection.fields
            values = [self._json([each.on(self._view.model) for each in members], members)]
        keys = self._statements.keys()
        columns = [*values, *keys]
        if self._version is not None:
            columns.append(self._version_column())
        version = None if self._version is None else len(columns) - 1
        allowed = len(columns) if self._is_guarded else None
        if self._is_guarded:
            columns.append(self._statements.allowed_or_error())
        can_return = self._statements.can_return(is_insert=is_insert)
        if not can_return and not backend_of(self._dialect).lanes_read_again:
            message = "the statement that writes a row cannot return it"
            raise UnplannableError(message)
        types = [column.type for column in columns]
        width = len(values)
        key = slice(width, width + len(keys))
        returned = self._statements.returning(columns if can_return else keys)
        plan = Plan(
            statement.returning(*returned), types, self._dialect, key=None if is_insert else key,
            reread=None if can_return else self._reread(columns, types), allowed=allowed,
        )  # fmt: skip

        plan.is_alone = not (is_insert or self._has_comparable_keys())

        def written(row: Sequence[Any]) -> bytes:
            made = dict(zip(selection.keys, plan.read(row)[:width], strict=True))
            return encode(shown(selection, made) if selection.is_shaped else made)

        content = _text_at(0) if is_json else written
        fields = (*selection.fields, *self._view.keys)
        if selection.is_shaped or not all(is_plain(each.type, self._dialect) for each in fields):
            plan.finish_with(content)
            content = _made_of
        return RowPlan(plan=plan, content=content, version=version, key=key)

    def _reread(self, columns: Sequence[Any], types: Sequence[Any]) -> Plan:
        """Return the plan that reads a written row by its key, as SQLite has stored that."""
        pairs = zip(self._statements.key_columns(), _key_slots(self._view), strict=True)
        same = [key == literal(slot, sa.types.NullType()) for key, slot in pairs]
        statement = select(*columns).select_from(self._view.model).where(*same)
        return Plan(statement, types, self._dialect)

    def _plan(self, statement: Any) -> Plan:
        return plan_of(statement, self._dialect, room=self._declaration.max_bytes)

    def _nested(self, root: Part) -> Nested | None:
        return nested_in(root, self._dialect, self._declaration.limits)

    def _has_json(self, selection: Selection) -> bool:
        """Tell whether SQLite makes the same JSON of a row as `encode`."""
        fields = selection.fields
        return (
            backend_of(self._dialect).writes_json
            and len(fields) <= MAX_FIELDS
            and not selection.children
            and not selection.is_shaped
            and all(self._is_json(field) for field in fields)
        )

    def _is_json(self, field: Field) -> bool:
        """Tell whether SQLite makes the same JSON of a value as `encode`."""
        column = self._declaration.attributes[field.attribute].column
        # A computed value may be of SQLite's JSON subtype, which is not written as text.
        is_stored = column is not None and (column.computed is None or column.computed.persisted)
        type_ = plain_type(field.type, self._dialect)
        is_plain = bool(is_stored) and type_ is not None
        return is_plain and is_in_json(type_, field.type, self._dialect)

    def _json(self, columns: Sequence[Any], fields: Sequence[Field]) -> Any:
        parts: list[Any] = []
        for field, column in zip(fields, columns, strict=True):
            quoted = field.name.replace("'", "''")
            stored = self._declaration.attributes[field.attribute].column
            is_row_number = stored is self._row_number
            type_ = plain_type(field.type, self._dialect)
            value = column if is_row_number else in_json(column, type_)
            parts += [literal_column(f"'{quoted}'"), value]
        return func.json_object(*parts, type_=sa.String())


def column_slot(name: str) -> str:
    """Return what the slot for a column's value is called: as no other slot is.

    A column itself may be called "key 0" or "policy 0".
    """
    return f"column {name}"


def _column_slots(names: Collection[str]) -> dict[str, Slot]:
    return {name: Slot(column_slot(name)) for name in sorted(names)}


def _key_slots(view: View) -> tuple[Slot, ...]:
    """Return a slot for each part of the primary key, named by its number."""
    return tuple(Slot(name) for name in numbered(view.keys))


def _made_of(row: Sequence[Any]) -> bytes:
    """Return the JSON of a row, made before it was stored."""
    made: bytes = row[-1]
    return made


def _text_at(place: int) -> Content:
    return lambda row: row[place].encode()
