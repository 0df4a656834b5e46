"""Moments that psycopg cannot read: in the session's time zone they are past Python's years.

9999-12-31T23:59:59Z is of the year 10000 in Kolkata, and one such row would hide all others.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

from sqlalchemy import Engine, event

__all__ = ["read_far_moments"]

_LATE = re.compile(r"10000-01-01(.*)")
_EARLY = re.compile(r"0001-12-31(.*) BC")
_DAY = timedelta(days=1)


def read_far_moments(engine: Engine) -> None:
    """Have each connection of psycopg's read those moments, in UTC."""
    psycopg, adapt = import_module("psycopg"), import_module("psycopg.adapt")

    @event.listens_for(engine, "connect")
    def equip(connection: Any, _record: object) -> None:
        adapters = connection.driver_connection.adapters
        oid = adapters.types["timestamptz"].oid
        plain: Callable[..., Any] = adapters.get_loader(oid, psycopg.pq.Format.TEXT)

        class FarMoments(adapt.Loader):  # type: ignore[misc, name-defined]
            def __init__(self, oid: int, context: Any = None) -> None:
                super().__init__(oid, context)
                self._plain = plain(oid, context)

            def load(self, data: Any) -> Any:
                try:
                    return self._plain.load(data)
                except psycopg.DataError:
                    found = far_moment(bytes(data).decode())
                    if found is None:
                        raise
                    return found

        adapters.register_loader(oid, FarMoments)


def far_moment(text: str) -> datetime | None:
    """Return a moment within a day of Python's years, in UTC; None for any other."""
    late, early = _LATE.fullmatch(text), _EARLY.fullmatch(text)
    try:
        if late is not None:
            return datetime.fromisoformat(f"9999-12-31{late[1]}").astimezone(UTC) + _DAY
        if early is not None:
            return datetime.fromisoformat(f"0001-01-01{early[1]}").astimezone(UTC) - _DAY
    except OverflowError:
        return None
    return None
