"""Moments as SQLite stores them: as text, with or without microseconds.

CURRENT_TIMESTAMP writes none, SQLAlchemy always does. So a moment has two forms there.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from ormolu.query._stored import bound_form, is_cacheable

__all__ = ["least_and_greatest"]


class _MomentText(TypeDecorator[Any]):
    """Writes a moment in one of its forms, when it is sent: a plan has the moment later.

    Attributes:
        inner: The type of the column.
        precision: What Python calls the form.
    """

    impl = sa.String
    cache_ok = True

    def __init__(self, inner: TypeEngine[Any], precision: str) -> None:
        """Write the moments of a column."""
        self.inner: TypeEngine[Any] = inner
        self.precision: str = precision
        super().__init__()

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Return the text of a moment."""
        if value is None:
            return None
        moment = bound_form(self.inner, value, dialect).replace(tzinfo=None)
        text: str = moment.isoformat(" ", self.precision)
        return text


class _UncachedMomentText(_MomentText):
    """The same, for a type without `cache_ok`."""

    cache_ok = False


def least_and_greatest(type_: TypeEngine[Any], value: Any) -> list[ColumnElement[Any]]:
    """Return both forms of a moment as parameters, in the order of text."""
    make = _MomentText if is_cacheable(type_) else _UncachedMomentText
    return [sa.literal(value, make(type_, each)) for each in ("auto", "microseconds")]
