"""Values that compare, sort and match the same on every backend; text by code point.

SQLite's LIKE ignores the case of ASCII letters, MariaDB's `=` case and trailing blanks, and
PostgreSQL sorts by the language of the database. A column with a collation of its own keeps it.
SQLite compares moments as text, with microseconds or without.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Dialect, and_, cast, collate, func, type_coerce
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.types import TypeDecorator, TypeEngine

from ormolu.query._kinds import family_of
from ormolu.query._stored import (
    bound_form,
    is_filled,
    is_named_apart,
    is_short_float,
    named_type,
    stored_type,
)

__all__ = ["bound", "bounds", "equals", "is_one_of", "literal", "matches", "ordered"]

_ESCAPE = "!"

# Pieces of a pattern: an escaped character, a wildcard, or a character that means itself.
_PIECES = re.compile(r"\\.|[%_]|[^%_\\]", re.DOTALL)


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
    parameter = sa.literal(value, _unrounded(expression.type))
    return cast(parameter, mysql.FLOAT()) if is_short_float(expression.type) else parameter


def bounds(
    expression: Any, value: Any, dialect: Dialect
) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Return the least and the greatest of what may be stored for a value, as parameters."""
    forms: list[Any] = [sa.literal(form, _compared_type(expression, dialect))
                        for form in _stored_forms(expression, value, dialect)]  # fmt: skip
    single = _single_of(expression, dialect)
    if single is not None:
        forms = [cast(form, single) for form in forms]
    return forms[0], forms[-1]


def _single_of(expression: Any, dialect: Dialect) -> TypeEngine[Any] | None:
    """Return the number of four bytes that an expression is; None if it is another."""
    # 0.1 of eight bytes, as a parameter is, is no 0.1 of four.
    named = named_type(expression.type, dialect)
    if dialect.name == "postgresql" and isinstance(named, sa.REAL):
        return sa.REAL()
    is_short = dialect.name in {"mysql", "mariadb"} and is_short_float(named)
    return mysql.FLOAT() if is_short else None


def _stored_forms(expression: Any, value: Any, dialect: Dialect) -> list[Any]:
    if not _is_moment_in_text(expression, dialect):
        return [value]
    moment = bound_form(expression.type, value, dialect).replace(tzinfo=None)
    # CURRENT_TIMESTAMP writes no microseconds, SQLAlchemy always does.
    return list(dict.fromkeys([moment.isoformat(" "), moment.isoformat(" ", "microseconds")]))


def _compared_type(expression: Any, dialect: Dialect) -> Any:
    if _is_moment_in_text(expression, dialect):
        return sa.String()
    return _unrounded(expression.type)


def _unrounded(type_: Any) -> Any:
    is_decimal = isinstance(type_, sa.Numeric) and type_.asdecimal
    # The column's own type has asyncpg round the value to the column's digits.
    return sa.Numeric() if is_decimal and not isinstance(type_, sa.Float) else type_


def _is_moment_in_text(expression: Any, dialect: Dialect) -> bool:
    stored = dialect.name == "sqlite" and stored_type(expression.type, dialect)
    return isinstance(stored, sa.DateTime)


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
    """Return a comparison of an expression, exact, and so that an index serves if it can."""
    exact, type_ = _exact(expression, dialect), expression.type
    # A CHAR is equal to any text that has more blanks at its end.
    is_index_exact = dialect.name == "postgresql" and not is_filled(type_, dialect)
    if exact is expression or is_index_exact:
        return match(expression)
    # The first finds the row by its index, the second is exact.
    return and_(match(expression), match(exact))


def is_one_of(expression: Any, values: list[Any], dialect: Dialect) -> ColumnElement[bool]:
    """Return whether an expression is exactly one of these values."""
    expression = _operand(expression, dialect)
    if _single_of(expression, dialect) is not None:
        return expression.in_([bounds(expression, value, dialect)[0] for value in values])  # type: ignore[no-any-return]
    forms = [form for value in values for form in _stored_forms(expression, value, dialect)]
    if not forms:
        # SQLAlchemy's empty list is no SQL where the type has a bind_expression.
        return sa.false()
    type_ = _compared_type(expression, dialect)
    listed = sa.bindparam(None, forms, type_=type_, expanding=True, unique=True)
    return _matching(expression, dialect, lambda each: each.in_(listed))


def matches(
    expression: Any, pattern: str, dialect: Dialect, *, ignore_case: bool = False
) -> ColumnElement[bool]:
    """Return whether text matches a pattern; a backslash makes `%` and `_` mean themselves."""
    pieces = _PIECES.findall(pattern)
    # The pattern is as it is: no decorator has a say in it.
    expression = _undecorated(expression, dialect)
    if dialect.name == "sqlite" and not ignore_case:
        return expression.op("GLOB", is_comparison=True)(_globbed(pieces))  # type: ignore[no-any-return]
    like = "".join(_escaped(piece) for piece in pieces)
    if dialect.name == "postgresql":
        return _like(expression, like, "ILIKE" if ignore_case else "LIKE")
    if ignore_case:
        # Both by the backend: it may know of ASCII's letters only.
        lower = func.lower(expression, type_=expression.type)
        return _like(_exact(lower, dialect), func.lower(like), "LIKE")
    return _like(_exact(expression, dialect), like, "LIKE")


def literal(text: str) -> str:
    """Return the pattern that matches this text only."""
    return re.sub(r"([%_\\])", r"\\\1", text)


def _like(expression: Any, pattern: Any, operator: str) -> ColumnElement[bool]:
    if operator == "ILIKE":
        return expression.ilike(pattern, escape=_ESCAPE)  # type: ignore[no-any-return]
    return expression.like(pattern, escape=_ESCAPE)  # type: ignore[no-any-return]


def _escaped(piece: str) -> str:
    if piece in {"%", "_"}:
        return piece
    letter = piece[-1]
    return f"{_ESCAPE}{letter}" if letter in {"%", "_", _ESCAPE} else letter


def _globbed(pieces: list[str]) -> str:
    wild = {"%": "*", "_": "?"}
    return "".join(wild.get(piece) or _unglobbed(piece[-1]) for piece in pieces)


def _unglobbed(letter: str) -> str:
    return f"[{letter}]" if letter in "*?[" else letter


def _operand(expression: Any, dialect: Dialect) -> Any:
    """Return an expression whose type has operators, as MySQL's own numbers have none."""
    stored = stored_type(expression.type, dialect)
    if isinstance(stored, postgresql.DOMAIN):
        return sa.type_coerce(expression, stored.data_type)
    if isinstance(stored, mysql.YEAR):
        return sa.type_coerce(expression, sa.Integer())
    is_bits = isinstance(stored, mysql.BIT)
    return cast(expression, mysql.BIGINT(unsigned=True)) if is_bits else expression


def _undecorated(expression: Any, dialect: Dialect) -> Any:
    type_ = expression.type
    if is_filled(type_, dialect):
        # As text it has no blanks at its end.
        return cast(expression, sa.Text())
    # SQLAlchemy forgets variants where it collates.
    is_other = isinstance(type_, TypeDecorator) or is_named_apart(type_)
    return sa.type_coerce(expression, stored_type(type_, dialect)) if is_other else expression


def _exact(expression: Any, dialect: Dialect) -> Any:
    stored = stored_type(expression.type, dialect)
    if family_of(stored) != "text" or getattr(stored, "collation", None):
        return expression
    expression = _undecorated(expression, dialect)
    if dialect.name == "postgresql":
        return collate(expression, "C")
    if dialect.name in {"mysql", "mariadb"}:
        is_mariadb = getattr(dialect, "is_mariadb", False)
        # Its own character set, or the database's, may have none of these collations.
        text = type_coerce(cast(expression, mysql.CHAR(charset="utf8mb4")), expression.type)
        return collate(text, "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin")
    return expression
