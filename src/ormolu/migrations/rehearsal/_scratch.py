"""Throw-away databases on a PostgreSQL server: made, copied, dropped at the end."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, MetaData, event, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

__all__ = ["Scratch", "ScratchServer", "open_scratch_server"]

# Plans as they are for large tables: an index is used where there is one, so that a statement that
# reads the table from its beginning has none. Scans of helpers would be counted apart.
_SETTINGS = (
    "SET enable_seqscan = off",
    "SET max_parallel_workers_per_gather = 0",
    "SET max_parallel_maintenance_workers = 0",
)


@dataclass(frozen=True, kw_only=True)
class Scratch:
    """A throw-away database, as our env needs one.

    Attributes:
        url: Where it is.
        metadata: The models' tables.
        listen: Told of each engine that is made.
    """

    url: URL
    metadata: MetaData
    listen: Callable[[AsyncEngine], None] = lambda _engine: None

    def make_engine(self) -> AsyncEngine:
        """Return an engine; the caller disposes of it."""
        engine = create_async_engine(self.url, poolclass=NullPool)
        event.listen(engine.sync_engine, "connect", _set)
        self.listen(engine)
        return engine


class ScratchServer:
    """Makes databases on a server, and drops them again; touches no other."""

    def __init__(self, url: URL, metadata: MetaData) -> None:
        self._url = url
        self._metadata = metadata
        self._made: list[str] = []

    async def make(self, template: Scratch | None = None) -> Scratch:
        """Make a database, an empty one or a copy of one that nobody is connected to."""
        name = f"ormolu_check_{secrets.token_hex(8)}"
        source = "template0" if template is None else template.url.database
        # Named by us: no letters that have to be quoted.
        await self._run(f"CREATE DATABASE {name} TEMPLATE {source}")
        self._made.append(name)
        return Scratch(url=self._url.set(database=name), metadata=self._metadata)

    async def drop_all(self) -> None:
        """Drop what was made."""
        while self._made:
            await self._run(f"DROP DATABASE {self._made[-1]} WITH (FORCE)")
            self._made.pop()

    async def _run(self, statement: str) -> None:
        engine = create_async_engine(self._url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        try:
            async with engine.connect() as connection:
                await connection.execute(text(statement))
        finally:
            await engine.dispose()


@asynccontextmanager
async def open_scratch_server(url: URL, metadata: MetaData) -> AsyncIterator[ScratchServer]:
    """Hand out a server, and drop what was made on it."""
    server = ScratchServer(url, metadata)
    try:
        yield server
    finally:
        await server.drop_all()


def _set(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for statement in _SETTINGS:
        cursor.execute(statement)
    cursor.close()
    connection.commit()
