"""Types of one backend whose values are others than a column's: a program cannot know both.

SQLAlchemy hands a value to whatever type a dialect has, and converts nothing. Knows no HTTP.
"""

from __future__ import annotations

import enum
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Dialect
from sqlalchemy.types import TypeEngine

from ormolu.backends import backend_of
from ormolu.models import UTCDateTime
from ormolu.query._kinds import family_of
from ormolu.query._stored import is_coded, is_named_apart, stored_type
from ormolu.query._told import value_type

__all__ = ["foreign_type"]

# What has one Python type; JSON holds lists and objects as they are.
_SAME: tuple[frozenset[str], ...] = (
    frozenset({"array", "document", "jsonb"}),
    frozenset({"address", "bits", "text"}),
)


def foreign_type(
    type_: TypeEngine[Any], annotation: Any, dialect: Dialect
) -> tuple[TypeEngine[Any], TypeEngine[Any]] | None:
    """Return what a column's values are, and what a dialect has for them; None if that takes them.

    Args:
        type_: Maybe with a variant, or a decorator that names another type for this dialect.
        annotation: What stands in `Mapped[...]`.
        dialect: Of the backend.
    """
    impl = type_.dialect_impl(dialect)
    if not is_named_apart(type_) or is_coded(type_) or is_coded(impl):
        return None
    plain, stored = value_type(type_, annotation), stored_type(impl, dialect)
    one, other = (_python_of(each, dialect) for each in (plain, stored))
    is_same = one == other or any({one, other} <= group for group in _SAME)
    # Where there are no truth values, they are numbers.
    is_same |= {one, other} == {"boolean", "number"} and not backend_of(dialect).has_booleans
    return None if is_same or "opaque" in {one, other} else (plain, stored)


def _python_of(type_: Any, dialect: Dialect) -> str:
    """Return what the values of a type are in Python, whatever they are stored as."""
    if isinstance(type_, sa.Uuid):
        return "uuid" if type_.as_uuid else "text"
    if isinstance(type_, sa.Enum):
        kind: type[enum.Enum] | None = type_.enum_class
        return "text" if kind is None or issubclass(kind, str) else "enum"
    family = family_of(type_)
    is_aware = isinstance(type_, UTCDateTime) or getattr(type_, "timezone", False)
    # Elsewhere no column keeps an offset, and what is read of each is in UTC.
    return f"{family} with an offset" if is_aware and backend_of(dialect).keeps_offsets else family
