"""A second pair of eyes: connections of its own that tell what is stored and what is open."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from ormolu import Database
from tests.fixtures.backends import Backend
from tests.reliability._bank import State

# Seconds within which a server must have noticed that a client is gone.
_SETTLE_SECONDS = 3.0

# A log that cannot be emptied is still read, or still written.
_SQLITE_OPEN = "PRAGMA wal_checkpoint(TRUNCATE)"

_POSTGRESQL_OPEN = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND backend_type = 'client backend'
    AND (state LIKE 'idle in transaction%' OR state = 'active')
"""

_MARIADB_OPEN = """
    SELECT count(*) FROM information_schema.innodb_trx t
    JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id
    WHERE p.db = DATABASE()
"""


class Observer:
    """Reads and seeds the bank beside the application."""

    def __init__(self, backend: Backend, engine: AsyncEngine) -> None:
        self._backend = backend
        self._engine = engine

    async def seed(self) -> None:
        """Store exactly the user Ada, with the id 1."""
        await self.execute(
            "DELETE FROM events",
            "DELETE FROM users",
            "INSERT INTO users (id, name, visits) VALUES (1, 'Ada', 0)",
            "INSERT INTO events (name) VALUES ('Ada')",
            *(["SELECT setval('users_id_seq', 9)"] if self._backend.is_postgresql else []),
        )

    async def state(self) -> State:
        """Return what is stored and visible to others."""
        async with self._engine.connect() as connection:
            users = await connection.execute(text("SELECT name, visits FROM users"))
            pairs = sorted((str(name), int(visits)) for name, visits in users)
            events = await connection.scalars(text("SELECT name FROM events"))
            return State(tuple(pairs), tuple(sorted(map(str, events))))

    async def execute(self, *statements: str) -> None:
        """Execute statements, each a transaction of its own."""
        async with self._engine.connect() as connection:
            for statement in statements:
                await connection.execute(text(statement))

    async def scalar(self, statement: str) -> int:
        """Return the number that a query gives."""
        return int(await self.text(statement))

    async def text(self, statement: str) -> str:
        """Return the one value that a query gives first, as text."""
        async with self._engine.connect() as connection:
            return str((await connection.execute(text(statement))).scalar_one())

    async def is_quiet(self) -> bool:
        """Tell whether no other connection is inside a transaction, give or take a moment."""
        deadline = asyncio.get_running_loop().time() + _SETTLE_SECONDS
        while await self._count_open():
            # On SQLite, a cursor that a forgotten error refers to still reads its snapshot.
            gc.collect()
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    async def _count_open(self) -> int:
        if self._backend.is_sqlite:
            return await self.scalar(_SQLITE_OPEN)
        return await self.scalar(_POSTGRESQL_OPEN if self._backend.is_postgresql else _MARIADB_OPEN)


@asynccontextmanager
async def observer_of(backend: Backend, url: str) -> AsyncIterator[Observer]:
    """Give an observer of the database with this URL."""
    engine = create_async_engine(
        url.replace("sqlite:", "sqlite+ormolu:"),
        isolation_level="AUTOCOMMIT",
        pool_size=1,
        max_overflow=0,
        connect_args={"timeout": 0.2} if backend.is_sqlite else {},
    )
    try:
        yield Observer(backend, engine)
    finally:
        await engine.dispose()


def checked_out(db: Database) -> int:
    """Return the number of connections that somebody holds."""
    pair = db._engines.current
    assert pair is not None
    return sum(
        engine.sync_engine.pool.checkedout()  # type: ignore[attr-defined]
        for engine in (pair.reader, pair.writer)
    )


async def violations_after(
    db: Database, client: httpx2.AsyncClient, observer: Observer, allowed: set[State]
) -> list[str]:
    """Return what is not as it has to be once a request is answered."""
    found = []
    stored = await observer.state()
    if stored not in allowed:
        found.append(f"stored {stored}")
    if checked_out(db):
        found.append(f"{checked_out(db)} connections not returned")
    if not await observer.is_quiet():
        found.append("a transaction is open")
    read, write = await client.get("/users/1"), await client.post("/users/?name=Next")
    if read.status_code not in {200, 404} or write.status_code != 201:
        found.append(f"then answered {read.status_code}, {write.status_code}: {write.text}")
    elif await observer.state() != stored.with_user("Next"):
        found.append(f"then stored {await observer.state()}")
    return found
