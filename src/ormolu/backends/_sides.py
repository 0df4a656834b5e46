"""Sides of comparisons: what stands in them, and what the database has for it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.sql.elements import CollectionAggregate, Grouping
from sqlalchemy.types import NullType, TypeDecorator

__all__ = ["stored_type", "without_grouping", "without_quantifier"]


def without_grouping(part: Any) -> Any:
    """Return an expression without the parentheses around it."""
    return part.element if isinstance(part, Grouping) else part


def without_quantifier(side: Any) -> Any:
    """Return a side of a comparison without `any_` and `all_`, whose own type is a truth value."""
    inner = without_grouping(side)
    return without_grouping(inner.element) if isinstance(inner, CollectionAggregate) else inner


def stored_type(side: Any, dialect: Dialect) -> Any:
    """Return the type that the database has for a side of a comparison."""
    type_ = getattr(without_quantifier(side), "type", None) or NullType()
    stored = type_.dialect_impl(dialect)
    while isinstance(stored, TypeDecorator):
        stored = stored.impl_instance.dialect_impl(dialect)
    return stored
