"""Instants: an aware datetime in UTC on every backend."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from ormolu.backends import backend_of
from ormolu.errors import NaiveDatetimeError

__all__ = ["UTCDateTime"]


class UTCDateTime(TypeDecorator[datetime]):
    """A point in time, stored in UTC and read back aware, with microseconds.

    SQLite and MySQL drop an offset without a word, so the value is converted before it is sent.
    """

    impl: TypeEngine[Any] | type[TypeEngine[Any]] = DateTime(timezone=True)
    cache_ok: bool | None = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return a type that keeps microseconds."""
        return dialect.type_descriptor(backend_of(dialect).moment_type)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the value in UTC, without the offset where the backend has no place for it.

        Raises:
            NaiveDatetimeError: The value has no offset, so nobody knows which instant it is.
        """
        if value is None:
            return None
        if value.utcoffset() is None:
            message = (
                "A datetime without an offset is no instant. Write datetime.now(UTC), or in a "
                "Pydantic model AwareDatetime instead of datetime."
            )
            raise NaiveDatetimeError(message)
        instant = value.astimezone(UTC)
        return instant if backend_of(dialect).keeps_offsets else instant.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the stored instant, aware and in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
