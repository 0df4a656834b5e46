"""Text that compares, sorts and matches the same on every backend: by code point.

SQLite's LIKE ignores the case of ASCII letters, MariaDB's `=` case and trailing blanks, and
PostgreSQL sorts by the language of the database. A column with a collation of its own keeps it.
"""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Dialect, and_, cast, collate, func

from ormolu.query._types import is_text

__all__ = ["bound", "equals", "is_one_of", "literal", "matches", "ordered"]

_ESCAPE = "!"

# Pieces of a pattern: an escaped character, a wildcard, or a character that means itself.
_PIECES = re.compile(r"\\.|[%_]|[^%_\\]", re.DOTALL)


def ordered(expression: Any, dialect: Dialect) -> ColumnElement[Any]:
    """Return the expression by which values sort and compare."""
    if isinstance(expression.type, sa.Enum):
        # PostgreSQL and MariaDB sort an enum by its declaration.
        expression = cast(expression, sa.String(255))
    exact: ColumnElement[Any] = _exact(expression, dialect)
    return exact


def bound(expression: Any, value: Any) -> ColumnElement[Any]:
    """Return a value as a parameter; SQLAlchemy would compare True only with `=`."""
    return sa.literal(value, expression.type)


def equals(expression: Any, value: Any, dialect: Dialect) -> ColumnElement[bool]:
    """Return whether an expression is exactly this value."""
    exact = _exact(expression, dialect)
    plain: ColumnElement[bool] = expression == value
    # The first finds the row by its index, the second is exact.
    is_index_exact = exact is expression or dialect.name == "postgresql"
    return plain if is_index_exact else and_(plain, exact == value)


def is_one_of(expression: Any, values: list[Any], dialect: Dialect) -> ColumnElement[bool]:
    """Return whether an expression is exactly one of these values."""
    exact = _exact(expression, dialect)
    plain: ColumnElement[bool] = expression.in_(values)
    is_index_exact = exact is expression or dialect.name == "postgresql"
    return plain if is_index_exact else and_(plain, exact.in_(values))


def matches(
    expression: Any, pattern: str, dialect: Dialect, *, ignore_case: bool = False
) -> ColumnElement[bool]:
    """Return whether text matches a pattern; a backslash makes `%` and `_` mean themselves."""
    pieces = _PIECES.findall(pattern)
    if dialect.name == "sqlite" and not ignore_case:
        return expression.op("GLOB", is_comparison=True)(_globbed(pieces))  # type: ignore[no-any-return]
    like = "".join(_escaped(piece) for piece in pieces)
    if dialect.name == "postgresql":
        return _like(expression, like, "ILIKE" if ignore_case else "LIKE")
    if ignore_case:
        return _like(func.lower(expression), like.lower(), "LIKE")
    return _like(_exact(expression, dialect), like, "LIKE")


def literal(text: str) -> str:
    """Return the pattern that matches this text only."""
    return re.sub(r"([%_\\])", r"\\\1", text)


def _like(expression: Any, pattern: str, operator: str) -> ColumnElement[bool]:
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


def _exact(expression: Any, dialect: Dialect) -> Any:
    if not is_text(expression.type) or getattr(expression.type, "collation", None):
        return expression
    if dialect.name == "postgresql":
        return collate(expression, "C")
    if dialect.name in {"mysql", "mariadb"}:
        is_mariadb = getattr(dialect, "is_mariadb", False)
        return collate(expression, "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin")
    return expression
