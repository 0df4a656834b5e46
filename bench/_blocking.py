"""A blocking engine, and the settings that all programs on one engine are compared with."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, create_engine, event

__all__ = ["make_blocking_engine", "set_up"]


def set_up(connection: Any, _record: object) -> None:
    """Give a new connection the settings that Ormolu has by default."""
    cursor = connection.cursor()
    for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def make_blocking_engine(url: str) -> Engine:
    """Return an engine on SQLite without asyncio."""
    engine = create_engine(url)
    event.listen(engine, "connect", set_up)
    return engine
