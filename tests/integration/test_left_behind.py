"""What a unit of work leaves on its connection is nobody else's: none finds it there."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from ormolu import Database
from tests.fixtures.backends import Backend
from tests.integration.notes import Note, make_database

POSTGRESQL = pytest.mark.backends("asyncpg", "psycopg")

# What a request says, and a question with what another one has to hear.
Leaving = dict[str, tuple[str, str, Any]]
ON_POSTGRESQL: Leaving = {
    "setting": ("SET search_path TO pg_catalog", "SHOW search_path", '"$user", public'),
    "function": ("SELECT set_config('app.a', 'b', false)", "SHOW app.a", ""),
    "role": ("SET ROLE pg_monitor", "SELECT CAST(current_user AS TEXT)", "postgres"),
    "lock": (
        "SELECT pg_advisory_lock(42)",
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", 0,
    ),
    "channel": ("LISTEN news", "SELECT count(*) FROM pg_listening_channels()", 0),
    "table": ("CREATE TEMP TABLE mine (id INT)", "SELECT CAST(to_regclass('mine') AS TEXT)", None),
    "statement": ("PREPARE mine AS SELECT 1", "SELECT count(*) FROM pg_prepared_statements "
                  "WHERE name = 'mine'", 0),
    "ours": ("SET lock_timeout = 0", "SHOW lock_timeout", "5s"),
}  # fmt: skip
ON_MARIADB: Leaving = {
    "setting": ("SET SESSION sql_mode = ''", "SELECT @@sql_mode LIKE '%STRICT_TRANS%'", 1),
    "variable": ("SET @a = 1", "SELECT @a", None),
    "lock": ("SELECT GET_LOCK('left', 0)", "SELECT IS_USED_LOCK('left')", None),
    "table": ("CREATE TEMPORARY TABLE mine (id INT)", "SELECT COUNT(*) FROM "
              "information_schema.tables WHERE table_name = 'mine'", 0),
    "ours": ("SET SESSION time_zone = '+05:00'", "SELECT @@session.time_zone", "+00:00"),
}  # fmt: skip
ON_SQLITE: Leaving = {
    "setting": ("PRAGMA foreign_keys=OFF", "PRAGMA foreign_keys", 1),
    "table": ("CREATE TEMP TABLE mine (id INT)", "SELECT count(*) FROM sqlite_temp_schema", 0),
    "file": ("ATTACH ':memory:' AS other", "SELECT count(*) FROM pragma_database_list "
             "WHERE name = 'other'", 0),
}  # fmt: skip


async def leave(db: Database, sql: str, *, read_only: bool = False) -> None:
    async with db.unit_of_work(read_only=read_only) as session:
        await session.execute(text(sql))


async def ask(db: Database, sql: str, *, read_only: bool = False) -> Any:
    async with db.unit_of_work(read_only=read_only) as session:
        return await session.scalar(text(sql))


async def driver_of(session: AsyncSession) -> Any:
    """Return the driver's connection, which tells whether another one has taken its place."""
    connection = await session.connection()
    return (await connection.get_raw_connection()).driver_connection


def leaving(backend: Backend) -> Leaving:
    if backend.is_sqlite:
        return ON_SQLITE
    return ON_MARIADB if backend.is_mariadb else ON_POSTGRESQL


@pytest.mark.parametrize("read_only", [False, True])
async def test_nothing_is_left(backend: Backend, database_url: str, *, read_only: bool) -> None:
    """By units of work that may write and those that read; the limits of ours are there again."""
    one = {} if backend.is_sqlite else {"pool_size": 1, "max_overflow": 0}
    async with make_database(database_url, **one) as db:
        for what, (sql, question, expected) in leaving(backend).items():
            # Nobody who only reads can make a table.
            if what != "table" or not read_only:
                await leave(db, sql, read_only=read_only)
            assert (what, await ask(db, question, read_only=read_only)) == (what, expected)


async def test_nothing_is_left_by_hand(backend: Backend, database_url: str) -> None:
    """By a connection of the engine's, too."""
    sql, question, expected = leaving(backend)["setting"]
    async with make_database(database_url) as db:
        async with db.engine.connect() as connection:
            await connection.execute(text(sql))
        assert await ask(db, question) == expected


async def test_nothing_is_left_half_way(backend: Backend, database_url: str) -> None:
    """By a unit of work that an error ends, too."""
    sql, question, expected = leaving(backend)["setting"]
    async with make_database(database_url) as db:
        with pytest.raises(DBAPIError):
            async with db.unit_of_work() as session:
                await session.execute(text(sql))
                await session.execute(text("SELECT nothing FROM nowhere"))
        assert await ask(db, question) == expected


@pytest.mark.backends("sqlite")
async def test_nothing_is_left_with_aiosqlite(database_url: str) -> None:
    """By another driver, too."""
    url = database_url.replace("sqlite:", "sqlite+aiosqlite:")
    async with make_database(url) as db:
        for sql, question, expected in ON_SQLITE.values():
            await leave(db, sql)
            assert await ask(db, question) == expected


@POSTGRESQL
async def test_connection_is_reset(database_url: str) -> None:
    """PostgreSQL has statements for it: the connection stays, and what it has prepared."""
    async with make_database(database_url, pool_size=1) as db:
        seen = set()
        for _ in range(3):
            async with db.unit_of_work() as session:
                seen.add(await driver_of(session))
                await session.execute(select(func.set_config("app.a", "b", False)))
                session.add(Note(text="a"))
        assert len(seen) == 1


@POSTGRESQL
async def test_settings_of_the_program_stay(database_url: str) -> None:
    """A reset would take off what a listener has told each new connection: it is opened anew."""
    db = make_database(database_url)

    @db.listens_for("connect")
    def tell(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("SET application_name = 'shop'")
        cursor.close()
        connection.commit()

    async with db:
        await leave(db, "SET search_path TO pg_catalog")
        assert await ask(db, "SHOW application_name") == "shop"
        assert await ask(db, "SHOW search_path") == '"$user", public'


@pytest.mark.long
async def test_connection_that_bears_nothing_stays(database_url: str) -> None:
    """Reads, savepoints, many rows and many values leave nothing to take off."""
    async with make_database(database_url) as db:
        seen = set()
        for _ in range(3):
            async with db.unit_of_work() as session:
                seen.add(await driver_of(session))
                async with session.begin_nested():
                    session.add_all([Note(text="a") for _ in range(900)])
                await session.scalars(select(Note).where(Note.id.in_(range(3000))))
        assert len(seen) == 1


@POSTGRESQL
async def test_nothing_is_reset_where_nothing_was_left(database_url: str) -> None:
    """What went past SQLAlchemy is still there: no statement has asked for a reset."""
    async with make_database(database_url) as db:
        async with db.unit_of_work() as session:
            await (await driver_of(session)).execute("SET app.a = 'b'")
        async with db.unit_of_work() as session:
            async with session.begin_nested():
                session.add_all([Note(text="a") for _ in range(900)])
            await session.execute(text("SET LOCAL app.c = 'd'"))
            await session.scalars(select(Note).where(Note.id.in_(range(3000))))
        assert await ask(db, "SHOW app.a") == "b"
