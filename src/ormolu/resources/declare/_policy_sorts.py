"""Sorts of what policies compare: text, numbers, moments, and what an expression has of them.

A type says it, else a function that is known, else what the expression chooses from. Of what nobody
tells there is none, and the database decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, time, timedelta
from enum import Enum
from numbers import Number
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import BinaryExpression, BindParameter
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql.ranges import AbstractRange
from sqlalchemy.sql.elements import Label, Tuple
from sqlalchemy.sql.operators import custom_op
from sqlalchemy.sql.selectable import SelectBase
from sqlalchemy.types import TypeDecorator, TypeEngine

from ormolu.backends import (
    NUMBER_FUNCTIONS,
    TEXT_FUNCTIONS,
    choices_of,
    name_of_function,
    without_grouping,
    without_quantifier,
)
from ormolu.query import is_converted, stored_types, variant_types

__all__ = [
    "JSON", "NUMBER", "TEXT", "has_documents", "is_of", "parts_of", "sorts_of",
    "wanted_by",
]  # fmt: skip

JSON, NUMBER, TEXT = "JSON", "number", "text"
_CHOICE = "choice"
_BYTES = (sa.LargeBinary, sa.BINARY, sa.VARBINARY)
_SORTS: tuple[tuple[str, tuple[type[TypeEngine[Any]], ...]], ...] = (
    (TEXT, (sa.String,)),
    (NUMBER, (sa.Boolean, sa.Float, sa.Integer, sa.Numeric)),
    ("moment", (sa.Date, sa.DateTime)),
    ("time", (sa.Time,)),
    ("duration", (sa.Interval, postgresql.INTERVAL)),
    ("bytes", _BYTES),
    ("UUID", (sa.Uuid,)),
    (JSON, (sa.JSON,)),
)

# The values of a sort; and what is never one, where a driver may make any object one.
_BYTES_OF_PYTHON = (bytes, bytearray, memoryview)
_VALUES: dict[Any, type[Any] | tuple[type[Any], ...]] = {
    NUMBER: Number, "moment": date, "time": time, "duration": timedelta,
    "bytes": _BYTES_OF_PYTHON, "UUID": (UUID, str),
}  # fmt: skip
_NO_TEXT = (Number, date, time, timedelta, UUID, *_BYTES_OF_PYTHON)
_OTHERS: dict[Any, tuple[type[Any], ...]] = {TEXT: _NO_TEXT, _CHOICE: _NO_TEXT}


def sorts_of(side: Any) -> frozenset[str]:
    """Return the sorts of what the backends have for an expression; none if that is unknown.

    A type may be of another sort on each. Of a value there is none, since the program may give
    another one each time.
    """
    inner = _inner(side)
    if isinstance(inner, BindParameter) or _is_untold(inner):
        return frozenset()
    made = _made_by_function(inner)
    if made is not None:
        return frozenset([made])
    chosen = next(filter(None, map(sorts_of, choices_of(inner))), None)
    type_ = getattr(inner, "type", None)
    if chosen is not None or not isinstance(type_, TypeEngine):
        return chosen or frozenset()
    found = {_plain_sort(each) for each in stored_types(type_)}
    return frozenset(each for each in found if each is not None and None not in found)


def wanted_by(side: Any) -> Any:
    """Return the sort of the values that an expression is compared with.

    Of a tuple those of its parts; None for values of any sort.
    """
    inner = _inner(side)
    if isinstance(inner, BindParameter) or _is_untold(inner):
        return None
    if isinstance(inner, Tuple):
        return tuple(map(wanted_by, inner.clauses))
    made = _made_by_function(inner)
    if made is not None:
        return made
    chosen = next(filter(None, map(wanted_by, choices_of(inner))), None)
    type_ = getattr(inner, "type", None)
    if chosen is not None or not isinstance(type_, TypeEngine):
        return chosen
    return _sort_of(type_)


def parts_of(side: Any) -> Sequence[Any]:
    """Return what is compared one by one: of a tuple and of a subquery several."""
    if isinstance(side, SelectBase):
        return list(map(without_grouping, side.selected_columns))
    if isinstance(side, sa.ScalarSelect):
        return list(map(without_grouping, side.element.selected_columns))
    return list(map(without_grouping, side.clauses)) if isinstance(side, Tuple) else [side]


def is_of(value: Any, wanted: Any) -> bool:
    """Tell whether a value is of a sort, a tuple of the sorts of its parts."""
    if isinstance(wanted, tuple):
        known = value if isinstance(value, (list, tuple)) else ()
        return all(map(is_of, known, wanted))
    if value is None or (wanted == _CHOICE and isinstance(value, Enum)):
        return True
    if wanted in _VALUES:
        return isinstance(value, _VALUES[wanted])
    return not isinstance(value, _OTHERS.get(wanted, ()))


def has_documents(type_: TypeEngine[Any]) -> bool:
    """Tell whether a type is of documents."""
    return _plain_sort(type_) == JSON


def _inner(side: Any) -> Any:
    """Return what an expression is without parentheses, names and quantifiers around it."""
    while True:
        inner = without_quantifier(side)
        if isinstance(inner, Label):
            inner = inner.element
        elif isinstance(inner, (SelectBase, sa.ScalarSelect)):
            parts = parts_of(inner)
            inner = parts[0] if len(parts) == 1 else sa.tuple_(*parts)
        if inner is side:
            return inner
        side = inner


def _is_untold(inner: Any) -> bool:
    """Tell whether it is an operator of the program's own: its type is that of its left side."""
    operator = inner.operator if isinstance(inner, BinaryExpression) else None
    return isinstance(operator, custom_op) and not operator.is_comparison


def _made_by_function(inner: Any) -> str | None:
    """Return the sort of what a function returns whose type SQLAlchemy does not know, but we do.

    Of bytes one for text makes bytes, and of a range `lower` is its end.
    """
    if name_of_function(inner) in NUMBER_FUNCTIONS:
        return NUMBER
    if name_of_function(inner) not in TEXT_FUNCTIONS:
        return None
    types = [each.type for each in inner.clauses]
    if any(isinstance(each, AbstractRange) for each in types):
        return None
    return "bytes" if any(isinstance(each, _BYTES) for each in types) else TEXT


def _sort_of(type_: TypeEngine[Any]) -> str | None:
    if is_converted(type_):
        # Code of the program's own makes other values of these.
        return None
    if isinstance(type_, sa.Enum):
        return _CHOICE
    sorts = {_plain_sort(each) for each in (type_, *variant_types(type_))}
    return sorts.pop() if len(sorts) == 1 else None


def _plain_sort(type_: Any) -> str | None:
    plain = type_
    # To SQLAlchemy an interval is a decorated moment, which some backends have instead.
    while isinstance(plain, TypeDecorator) and not isinstance(plain, sa.Interval):
        plain = plain.impl_instance
    return next((sort for sort, kinds in _SORTS if isinstance(plain, kinds)), None)
