"""Sorting: `-created_at,author.name:nullsfirst`, the same on every backend. Knows no HTTP.

NULL is the largest value, as in PostgreSQL. The primary key comes last, so that no two rows are
equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlalchemy.types import NullType, TypeEngine

from ormolu.backends import backend_of
from ormolu.query._joins import has_table_between, order_on
from ormolu.query._stored import stored_type
from ormolu.query._text import bound, ordered
from ormolu.query._types import STRING_CHARACTERS, is_long, is_text
from ormolu.query._views import Field, Location, Relation, View, refuse

__all__ = [
    "Order", "Sort", "are_truncated", "cursor_columns", "read_sort", "rows_after", "sort_columns",
    "sort_expressions", "sort_types",
]  # fmt: skip

_MAX_KEYS = 8
_MAX_HOPS = 3

# A computed decimal is rounded to the digits that are read, so that a cursor finds it again.
_COMPUTED = sa.Numeric(38, 10)


@dataclass(frozen=True)
class Order:
    """One key of a sort.

    Attributes:
        path: The relations that lead to the field, each with the view of its target.
        field: The field.
        is_descending: Whether the largest value comes first.
        are_nulls_first: Whether NULL comes first.
    """

    path: tuple[tuple[Relation, View], ...]
    field: Field
    is_descending: bool
    are_nulls_first: bool

    @property
    def is_nullable(self) -> bool:
        """Tell whether its value may be NULL."""
        return bool(self.path) or self.field.is_nullable

    def __str__(self) -> str:
        """Write the key as a request writes it."""
        name = ".".join([relation.name for relation, _ in self.path] + [self.field.name])
        nulls = "" if self.are_nulls_first == self.is_descending else ":nulls"
        place = nulls and f"{nulls}{'first' if self.are_nulls_first else 'last'}"
        return f"{'-' if self.is_descending else ''}{name}{place}"


Sort = tuple[Order, ...]


def read_sort(view: View, keys: str | Sequence[str] | None, location: Location) -> Sort:
    """Read a sort, and append the primary key.

    Raises:
        RefusedError: A key is unknown, not sortable, given twice, or there are too many.
    """
    listed = keys.split(",") if isinstance(keys, str) else list(keys or ())
    if len(listed) > _MAX_KEYS:
        raise refuse(location, "too_many_keys", f"Must not have more than {_MAX_KEYS} keys")
    orders: list[Order] = []
    seen: set[str] = set()
    for key in listed:
        order = _read_key(view, key, location)
        name = ".".join([relation.name for relation, _ in order.path] + [order.field.name])
        if name in seen:
            raise refuse(location, "repeated", f"Has {name!r} twice")
        seen.add(name)
        orders.append(order)
    orders.extend(
        Order((), field, is_descending=False, are_nulls_first=False)
        for field in view.keys
        if field.name not in seen
    )
    return tuple(orders)


def _read_key(view: View, key: str, location: Location) -> Order:
    is_descending = key.startswith("-")
    path, colon, nulls = key.removeprefix("-").partition(":")
    if colon and nulls not in {"nullsfirst", "nullslast"}:
        message = f"Must be nullsfirst or nullslast after the colon, not {nulls[:50]!r}"
        raise refuse(location, "nulls", message)
    are_nulls_first = nulls == "nullsfirst" if colon else is_descending
    hops: list[tuple[Relation, View]] = []
    *names, last = path.split(".")
    if len(names) > _MAX_HOPS:
        raise refuse(location, "sort_depth", f"Must not be longer than {_MAX_HOPS} hops")
    for name in names:
        relation = view.relation(name, location)
        if relation.is_many or (relation.is_first and has_table_between(relation, view.model)):
            raise refuse(
                location, "not_sortable", f"{name!r} has many rows, which have no one value"
            )
        view = relation.target
        hops.append((relation, view))
    field = view.field(last, location)
    is_ordered = field.has_order and field.kind.is_ordered
    if not is_ordered and field not in view.keys:
        raise refuse(location, "not_sortable", f"{last!r} has no order")
    return Order(tuple(hops), field, is_descending, are_nulls_first)


def sort_expressions(sort: Sort, entity: Any, dialect: sa.Dialect) -> list[sa.ColumnElement[Any]]:
    """Return the expression of each key; over a relation it is a subquery."""
    return [
        _as_compared(order.field, _value(order.path, order.field, entity), dialect)
        for order in sort
    ]


def sort_types(sort: Sort, dialect: sa.Dialect) -> list[TypeEngine[Any]]:
    """Return the type of each key's expression, and so of the cursor's values."""
    compared = [
        _as_compared(order.field, sa.literal_column("0", order.field.type), dialect)
        for order in sort
    ]
    return [expression.type for expression in compared]


def _value(path: tuple[tuple[Relation, View], ...], field: Field, entity: Any) -> Any:
    if not path:
        return field.on(entity)
    (relation, target), *rest = path
    alias = aliased(target.model)
    value = _value(tuple(rest), field, alias)
    found = sa.select(value).where(relation.on(entity).of_type(alias))
    seen = target.visible_on(alias)
    if seen is not None:
        found = found.where(seen)
    if relation.is_first:
        keys = [key.on(alias) for key in target.keys]
        found = found.order_by(*order_on(relation, entity, alias), *keys).limit(1)
    return found.select_from(alias).correlate(entity).scalar_subquery()


def _as_compared(field: Field, value: Any, dialect: sa.Dialect) -> sa.ColumnElement[Any]:
    """Return a value in a form that is equal to what is read of it, as cursors need."""
    if _is_shortened(field, dialect):
        # MariaDB sorts by the first 1024 bytes, and a cursor must fit into a URL.
        value = sa.func.substr(value, 1, STRING_CHARACTERS, type_=value.type)
    expression = ordered(value, dialect)
    if backend_of(dialect).compares_as_stored:
        return sa.type_coerce(expression, NullType())
    plain = stored_type(expression.type, dialect)
    if isinstance(plain, sa.Float):
        # Floats of four bytes are read with fewer digits than they have.
        double: TypeEngine[Any] = sa.Double()
        is_double = isinstance(plain, sa.Double)
        return sa.type_coerce(expression, double) if is_double else sa.cast(expression, double)
    if isinstance(plain, sa.Numeric) and field.is_computed:
        return sa.cast(expression, _COMPUTED)
    if isinstance(plain, sa.Integer) and field.is_computed:
        # A count or a sum may exceed its declared type.
        return sa.type_coerce(expression, sa.BigInteger())
    return sa.type_coerce(expression, plain)


def _is_shortened(field: Field, dialect: sa.Dialect) -> bool:
    """Tell whether text is sorted only by its beginning."""
    stored = stored_type(field.type, dialect)
    if not is_text(stored):
        return False
    if field.is_computed or is_long(stored):
        return True
    return backend_of(dialect).sorts_by_beginning and _is_endless(field, dialect)


def _is_endless(field: Field, dialect: sa.Dialect) -> bool:
    """Tell whether text may have any length."""
    stored = stored_type(field.type, dialect)
    return is_text(stored) and getattr(stored, "length", None) is None


def cursor_columns(
    view: View, sort: Sort, expressions: list[sa.ColumnElement[Any]], dialect: sa.Dialect
) -> list[sa.ColumnElement[Any]]:
    """Return the columns of a cursor's values; text of any length is truncated."""
    return [
        sa.func.substr(expression, 1, STRING_CHARACTERS + 1, type_=expression.type)
        if _is_truncated(view, order, dialect)
        else expression
        for order, expression in zip(sort, expressions, strict=True)
    ]


def _is_truncated(view: View, order: Order, dialect: sa.Dialect) -> bool:
    is_key = not order.path and order.field in view.keys
    return (
        _is_endless(order.field, dialect) and not is_key and not _is_shortened(order.field, dialect)
    )


def are_truncated(values: Sequence[Any]) -> bool:
    """Tell whether one of a cursor's values may be truncated text."""
    return any(isinstance(value, str) and len(value) > STRING_CHARACTERS for value in values)


def sort_columns(
    sort: Sort, expressions: list[sa.ColumnElement[Any]], dialect: sa.Dialect
) -> list[sa.ColumnElement[Any]]:
    """Return the ORDER BY."""
    columns: list[sa.ColumnElement[Any]] = []
    for order, expression in zip(sort, expressions, strict=True):
        if order.is_nullable and not _is_native(order, dialect):
            nulls = expression.is_(None)
            columns.append(nulls.desc() if order.are_nulls_first else nulls.asc())
        columns.append(expression.desc() if order.is_descending else expression.asc())
    return columns


def _is_native(order: Order, dialect: sa.Dialect) -> bool:
    """Tell whether the backend puts NULL there by itself, so that an index can be used."""
    is_first = order.is_descending == backend_of(dialect).nulls_are_largest
    return order.are_nulls_first == is_first


def rows_after(
    view: View,
    sort: Sort,
    expressions: list[sa.ColumnElement[Any]],
    values: Sequence[Any],
    dialect: sa.Dialect,
) -> sa.ColumnElement[bool]:
    """Return the condition that a row comes after the row with these values."""
    alternatives: list[sa.ColumnElement[bool]] = []
    equal: list[sa.ColumnElement[bool]] = []
    for order, expression, value in zip(sort, expressions, values, strict=True):
        least = None if value is None else bound(expression, value)
        if are_truncated([value]) and _is_truncated(view, order, dialect):
            whole = _last_text(view, sort, values, order, dialect)
            least = sa.func.coalesce(whole, least, type_=expression.type)
        later = _after(order, expression, least)
        if later is not None:
            alternatives.append(sa.and_(*equal, later))
        equal.append(expression.is_(None) if least is None else expression == least)
    return sa.or_(sa.false(), *alternatives)


def _last_text(
    view: View, sort: Sort, values: Sequence[Any], order: Order, dialect: sa.Dialect
) -> sa.ColumnElement[Any]:
    """Return a subquery for the whole text that a cursor has the beginning of.

    If the row is gone or changed, the next page may repeat rows with the same beginning.
    """
    row = aliased(view.model)
    text = _as_compared(order.field, _value(order.path, order.field, row), dialect)
    beginning = sa.func.substr(text, 1, STRING_CHARACTERS + 1)
    found = sa.select(text).where(beginning == values[sort.index(order)])
    for other, value in zip(sort, values, strict=True):
        if not other.path and other.field in view.keys:
            part = _as_compared(other.field, other.field.on(row), dialect)
            found = found.where(part == bound(part, value))
    seen = view.visible_on(row)
    found = found if seen is None else found.where(seen)
    return found.correlate(None).scalar_subquery()


def _after(
    order: Order, expression: sa.ColumnElement[Any], least: sa.ColumnElement[Any] | None
) -> sa.ColumnElement[bool] | None:
    if least is None:
        return expression.is_not(None) if order.are_nulls_first else None
    later: sa.ColumnElement[bool] = (
        expression < least if order.is_descending else expression > least
    )
    if order.is_nullable and not order.are_nulls_first:
        return sa.or_(later, expression.is_(None))
    return later
