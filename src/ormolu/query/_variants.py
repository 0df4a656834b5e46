"""Variants of a type whose values are others than its own: a program that has one cannot know both.

SQLAlchemy hands a value to whatever type a dialect has, and converts nothing. Knows no HTTP.
"""

from __future__ import annotations

import enum
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Dialect
from sqlalchemy.types import TypeEngine

from ormolu.query._kinds import Family, family_of
from ormolu.query._stored import is_coded, stored_type
from ormolu.seams import variants_of

__all__ = ["foreign_variant"]

# Families of one Python type; JSON holds lists and objects as they are.
_SAME: tuple[frozenset[Family], ...] = (
    frozenset({"array", "document", "jsonb"}),
    frozenset({"address", "bits", "text"}),
)


def foreign_variant(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any] | None:
    """Return what a dialect has for a type, if its values are others; None if they are the same."""
    impl = type_.dialect_impl(dialect)
    if not variants_of(type_) or is_coded(type_) or is_coded(impl):
        return None
    # What a dialect makes of a type without a variant is of the same kind.
    variant = stored_type(impl, dialect)
    one, other = (_python_of(each) for each in (type_, variant))
    is_same = one == other or any({one, other} <= group for group in _SAME)
    # Where there are no truth values, they are numbers.
    is_same |= {one, other} == {"boolean", "number"} and dialect.name != "postgresql"
    return None if is_same or "opaque" in {one, other} else variant


def _python_of(type_: Any) -> Family:
    """Return what the values of a type are in Python, whatever they are stored as."""
    family = family_of(type_)
    if isinstance(type_, sa.Uuid):
        return "uuid" if type_.as_uuid else "text"
    if isinstance(type_, sa.Enum):
        kind: type[enum.Enum] | None = type_.enum_class
        return "text" if kind is None or issubclass(kind, str) else "enum"
    return family
