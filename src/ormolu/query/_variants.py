"""Variants of a type that take other Python values than the type itself.

SQLAlchemy passes a value to the variant without converting it. Knows no HTTP.
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
from ormolu.query._python_types import value_type
from ormolu.query._stored import has_variants, is_converted, stored_type

__all__ = ["mismatched_types"]

# Families that have the same Python types.
_SAME: tuple[frozenset[str], ...] = (
    frozenset({"array", "document", "jsonb"}),
    frozenset({"address", "bits", "text"}),
)


def mismatched_types(
    type_: TypeEngine[Any], annotation: Any, dialect: Dialect
) -> tuple[TypeEngine[Any], TypeEngine[Any]] | None:
    """Return the type of a column's values and that of the backend, if this takes other values.

    Args:
        type_: The type, maybe with a variant or a decorator that loads another for this dialect.
        annotation: The type in `Mapped[...]`.
        dialect: Of the backend.
    """
    impl = type_.dialect_impl(dialect)
    if not has_variants(type_) or is_converted(type_) or is_converted(impl):
        return None
    plain, stored = value_type(type_, annotation), stored_type(impl, dialect)
    one, other = (_python_of(each, dialect) for each in (plain, stored))
    is_same = one == other or any({one, other} <= group for group in _SAME)
    # Backends without booleans store them as numbers.
    is_same |= {one, other} == {"boolean", "number"} and not backend_of(dialect).has_booleans
    return None if is_same or "opaque" in {one, other} else (plain, stored)


def _python_of(type_: Any, dialect: Dialect) -> str:
    """Return a word for the Python type of a type's values."""
    if isinstance(type_, sa.Uuid):
        return "uuid" if type_.as_uuid else "text"
    if isinstance(type_, sa.Enum):
        kind: type[enum.Enum] | None = type_.enum_class
        return "text" if kind is None or issubclass(kind, str) else "enum"
    family = family_of(type_)
    is_aware = isinstance(type_, UTCDateTime) or getattr(type_, "timezone", False)
    # Other backends keep no offset, and all values are read in UTC.
    return f"{family} with an offset" if is_aware and backend_of(dialect).keeps_offsets else family
