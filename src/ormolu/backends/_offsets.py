"""Moments on backends that keep no offset, and times on all: sent in UTC, in which they are read.

SQLAlchemy leaves the offset out, and a moment in another time zone was another moment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.types import TypeEngine

__all__ = ["send_in_utc"]

_DAY = date(2000, 1, 1)


def send_in_utc(dialect: Dialect, kinds: Sequence[type[TypeEngine[Any]]]) -> None:
    """Have a dialect, which is one engine's own, send moments of types with a time zone in UTC.

    Args:
        dialect: The dialect.
        kinds: The types.
    """
    own = {kind: _in_utc(dialect.colspecs.get(kind, kind)) for kind in kinds}
    dialect.colspecs = {**dialect.colspecs, **own}


def _in_utc(kind: Any) -> Any:
    def bind_processor(self: Any, dialect: Dialect) -> Callable[[Any], Any] | None:
        write = kind.bind_processor(self, dialect)
        if not getattr(self, "timezone", False):
            return write  # type: ignore[no-any-return]
        return _converted if write is None else lambda value: write(_converted(value))

    return type(kind.__name__, (kind,), {"bind_processor": bind_processor})


def _converted(value: Any) -> Any:
    if not isinstance(value, (datetime, time)) or not value.utcoffset():
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return datetime.combine(_DAY, value).astimezone(UTC).timetz()
