"""Comparing, sorting and matching values the same on every backend; text by code points.

SQLite's LIKE ignores the case of ASCII letters, MariaDB's `=` ignores case and trailing blanks, and
PostgreSQL sorts by the language of the database. A column with its own collation keeps it. SQLite
compares datetimes as text, with or without microseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Dialect, and_, cast
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.types import TypeDecorator, TypeEngine

from ormolu.backends import backend_of, is_short_float, pieces_of
from ormolu.query._kinds import family_of
from ormolu.query._moments import least_and_greatest
from ormolu.query._stored import bound_form, has_variants, is_padded, stored_type, variant_type
from ormolu.query._unlimited import unlimited

__all__ = ["bound", "bounds", "equals", "is_one_of", "literal", "matches", "ordered"]


def ordered(expression: Any, dialect: Dialect) -> ColumnElement[Any]:
    """Return the expression by which values sort and compare."""
    expression = _operand(expression, dialect)
    if isinstance(stored_type(expression.type, dialect), sa.Enum):
        # PostgreSQL and MariaDB sort an enum by its declaration.
        expression = cast(expression, sa.String(255))
    exact: ColumnElement[Any] = _exact(expression, dialect)
    return exact


def bound(expression: Any, value: Any) -> ColumnElement[Any]:
    """Return a value as a parameter; SQLAlchemy would compare True only with `=`."""
    parameter = sa.literal(value, unlimited(expression.type))
    return cast(parameter, mysql.FLOAT()) if is_short_float(expression.type) else parameter


def bounds(
    expression: Any, value: Any, dialect: Dialect
) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Return the least and the greatest stored form of a value, as parameters."""
    if _is_moment_in_text(expression, dialect):
        least, greatest = least_and_greatest(expression.type, value)
        return least, greatest
    form: Any = sa.literal(value, _compared_type(expression, dialect))
    single = _single_of(expression, dialect)
    form = form if single is None else cast(form, single)
    return form, form


def _single_of(expression: Any, dialect: Dialect) -> TypeEngine[Any] | None:
    """Return the type of an expression if it is a float of four bytes, else None."""
    # A parameter has eight bytes, and 0.1 of eight bytes does not equal 0.1 of four.
    named = variant_type(expression.type, dialect)
    return backend_of(dialect).single_precision(named)


def _stored_forms(expression: Any, value: Any, dialect: Dialect) -> list[Any]:
    if not _is_moment_in_text(expression, dialect):
        return [value]
    moment = bound_form(expression.type, value, dialect).replace(tzinfo=None)
    # CURRENT_TIMESTAMP writes no microseconds, SQLAlchemy always does.
    return list(dict.fromkeys([moment.isoformat(" "), moment.isoformat(" ", "microseconds")]))


def _compared_type(expression: Any, dialect: Dialect) -> Any:
    if _is_moment_in_text(expression, dialect):
        return sa.String()
    return unlimited(expression.type)


def _is_moment_in_text(expression: Any, dialect: Dialect) -> bool:
    has_text = backend_of(dialect).has_text_moments
    return has_text and isinstance(stored_type(expression.type, dialect), sa.DateTime)


def equals(expression: Any, value: Any, dialect: Dialect) -> ColumnElement[bool]:
    """Return whether an expression is exactly this value."""
    expression = _operand(expression, dialect)
    least, greatest = bounds(expression, value, dialect)
    if least is not greatest:
        return expression.in_([least, greatest])  # type: ignore[no-any-return]
    return _matching(expression, dialect, lambda each: each == greatest)


def _matching(
    expression: Any, dialect: Dialect, match: Callable[[Any], ColumnElement[bool]]
) -> ColumnElement[bool]:
    """Return an exact comparison of an expression, which uses an index if there is one."""
    exact, type_ = _exact(expression, dialect), expression.type
    # `=` is not exact for a CHAR, which equals text with more blanks at its end.
    is_index_exact = backend_of(dialect).has_exact_equality and not is_padded(type_, dialect)
    if exact is expression or is_index_exact:
        return match(expression)
    # The first condition finds the row by an index, the second is exact.
    return and_(match(expression), match(exact))


def is_one_of(expression: Any, values: list[Any], dialect: Dialect) -> ColumnElement[bool]:
    """Return whether an expression is exactly one of these values."""
    expression = _operand(expression, dialect)
    if _single_of(expression, dialect) is not None:
        return expression.in_([bounds(expression, value, dialect)[0] for value in values])  # type: ignore[no-any-return]
    forms = [form for value in values for form in _stored_forms(expression, value, dialect)]
    if not forms:
        # SQLAlchemy writes invalid SQL for an empty list of a type with a bind_expression.
        return sa.false()
    type_ = _compared_type(expression, dialect)
    listed = sa.bindparam(None, forms, type_=type_, expanding=True, unique=True)
    return _matching(expression, dialect, lambda each: each.in_(listed))


def matches(
    expression: Any, pattern: str, dialect: Dialect, *, ignore_case: bool = False
) -> ColumnElement[bool]:
    """Return whether text matches a pattern; a backslash makes `%` and `_` mean themselves."""
    # Compare the stored text: no TypeDecorator may change the pattern.
    text = _undecorated(expression, dialect)
    backend = backend_of(dialect)
    exact = partial(_exact, dialect=dialect)
    return backend.matches(text, pieces_of(pattern), exact, ignore_case=ignore_case)


def literal(text: str) -> str:
    """Return the pattern that matches this text only."""
    return re.sub(r"([%_\\])", r"\\\1", text)


def _operand(expression: Any, dialect: Dialect) -> Any:
    """Return an expression with a type that has operators: some of MySQL's have none."""
    stored = stored_type(expression.type, dialect)
    if isinstance(stored, postgresql.DOMAIN):
        return sa.type_coerce(expression, stored.data_type)
    if isinstance(stored, mysql.YEAR):
        return sa.type_coerce(expression, sa.Integer())
    is_bits = isinstance(stored, mysql.BIT)
    return cast(expression, mysql.BIGINT(unsigned=True)) if is_bits else expression


def _undecorated(expression: Any, dialect: Dialect) -> Any:
    type_ = expression.type
    if is_padded(type_, dialect):
        # The cast strips the blanks at the end.
        return cast(expression, sa.Text())
    # SQLAlchemy ignores variants in collate().
    is_other = isinstance(type_, TypeDecorator) or has_variants(type_)
    return sa.type_coerce(expression, stored_type(type_, dialect)) if is_other else expression


def _exact(expression: Any, dialect: Dialect) -> Any:
    stored = stored_type(expression.type, dialect)
    # Members of an enumeration without a type of its own are text.
    is_text = family_of(stored) == "text" or (
        isinstance(stored, sa.Enum) and not stored.native_enum
    )
    if not is_text or getattr(stored, "collation", None):
        return expression
    expression = _undecorated(expression, dialect)
    return backend_of(dialect).by_code_points(expression, dialect)
