"""A unit of work that only read gives its connection back at once, whatever it has done with it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import Connection, event, func, select, text
from sqlalchemy.orm import Session

from ormolu import Database, ReadOnlyError
from tests.integration.notes import Note, make_database

POSTGRESQL = pytest.mark.backends("asyncpg", "psycopg")


async def fill(db: Database) -> None:
    async with db.unit_of_work() as session:
        session.add(Note(text="first"))


def checked_out(db: Database) -> int:
    pool: Any = db._engines.opened.reader.pool
    return int(pool.checkedout())


@pytest.mark.backends("sqlite", "asyncpg")
async def test_it_waits_for_nothing(database_url: str) -> None:
    """No other task has a turn between the last statement and the end, and nothing is kept."""
    db = make_database(database_url)
    async with db:
        await fill(db)
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(count())
        async with db.unit_of_work(read_only=True) as session:
            assert await session.scalar(select(Note.text)) == "first"
            before = turns
        assert turns == before
        task.cancel()
        assert checked_out(db) == 0


@pytest.mark.parametrize("name", ["checkin", "reset"])
async def test_listener_to_returns_may_send_statements(database_url: str, name: str) -> None:
    """Who sets a role on each connection takes it away again when it goes back."""
    db = make_database(database_url)
    async with db:
        await fill(db)
        engine = db._engines.opened.reader.sync_engine
        heard: list[str] = []

        def clean(connection: Any, *_others: Any) -> None:
            cursor = connection.cursor()
            cursor.execute("SELECT 1")
            heard.extend(str(row[0]) for row in cursor.fetchall())
            cursor.close()

        async with db.unit_of_work(read_only=True) as session:
            event.listen(engine, name, clean)
            assert await session.scalar(select(Note.text)) == "first"
        async with db.unit_of_work(read_only=True) as session:
            assert await session.scalar(select(Note.text)) == "first"
        assert heard == ["1", "1"]
        assert checked_out(db) == 0


@pytest.mark.parametrize("is_bug", [False, True])
async def test_listener_to_rollbacks(database_url: str, *, is_bug: bool) -> None:
    """It may send statements, and may fail: the unit of work has ended, and nothing is kept."""
    db = make_database(database_url, pool_size=1, max_overflow=0)
    async with db:
        await fill(db)
        heard: list[str] = []

        def listen(connection: Connection) -> None:
            heard.append("rollback")
            if is_bug:
                raise LookupError
            if len(heard) == 1:
                connection.exec_driver_sql("SELECT 1")

        event.listen(db._engines.opened.reader.sync_engine, "rollback", listen)
        async with db.unit_of_work(read_only=True) as session:
            assert await session.scalar(select(Note.text)) == "first"
        assert heard
        assert checked_out(db) == 0


@pytest.mark.parametrize("name", ["after_rollback", "after_soft_rollback", "after_transaction_end"])
async def test_listener_to_sessions(database_url: str, name: str) -> None:
    """Who counts the ends of transactions hears of those that only read."""
    db = make_database(database_url)
    heard: list[Session] = []

    def listen(session: Session, *_others: Any) -> None:
        heard.append(session)

    async with db:
        await fill(db)
        event.listen(Session, name, listen)
        try:
            async with db.unit_of_work(read_only=True) as session:
                assert await session.scalar(select(Note.text)) == "first"
        finally:
            event.remove(Session, name, listen)
    assert heard


@POSTGRESQL
async def test_stream_is_a_transaction(database_url: str) -> None:
    """A stream has a transaction of its own, which is rolled back."""
    db = make_database(database_url, pool_size=1, max_overflow=0)
    async with db:
        await fill(db)
        for _ in range(3):
            async with db.unit_of_work(read_only=True) as session:
                result = await session.stream(select(Note.text))
                assert [row[0] async for row in result] == ["first"]
        assert checked_out(db) == 0
        async with db.unit_of_work(read_only=True) as session:
            assert await session.scalar(text("SHOW transaction_read_only")) == "on"


@POSTGRESQL
async def test_transaction_of_the_program_does_not_go_into_the_pool(database_url: str) -> None:
    """BEGIN as a text is nothing that we know of: the connection is not used again."""
    db = make_database(database_url, pool_size=1, max_overflow=0)
    async with db:
        await fill(db)
        async with db.unit_of_work(read_only=True) as session:
            first = await session.scalar(text("SELECT pg_backend_pid()"))
            await session.execute(text("BEGIN"))
            await session.execute(text("SET LOCAL search_path TO pg_catalog"))
        async with db.unit_of_work(read_only=True) as session:
            path = await session.scalar(text("SHOW search_path"))
            second = await session.scalar(text("SELECT pg_backend_pid()"))
        assert path != "pg_catalog"
        assert first
        assert second


async def test_change_that_was_not_sent_is_refused(database_url: str) -> None:
    """A unit of work that only reads fails at its end if there is something to write."""
    db = make_database(database_url)
    async with db:
        await fill(db)
        with pytest.raises(ReadOnlyError):
            async with db.unit_of_work(read_only=True) as session:
                session.add(Note(text="second"))
        assert checked_out(db) == 0


async def test_blocks_in_what_only_reads(database_url: str) -> None:
    """`begin` and `begin_nested` are savepoints, for which autocommit has no transaction."""
    db = make_database(database_url, pool_size=1, max_overflow=0)
    async with db:
        await fill(db)
        async with db.unit_of_work(read_only=True) as session:
            for _ in range(2):
                assert await session.scalar(select(Note.text)) == "first"
                async with session.begin(), session.begin_nested():
                    assert await session.scalar(select(Note.text)) == "first"
                await session.commit()
        for _ in range(2):
            async with db.unit_of_work(read_only=True) as session, session.begin():
                assert await session.scalar(select(Note.text)) == "first"
        assert checked_out(db) == 0


@POSTGRESQL
async def test_block_keeps_the_isolation_level(database_url: str) -> None:
    """A transaction that the program has asked for is not ended for a savepoint."""
    db = make_database(database_url)
    async with db:
        await fill(db)
        async with db.unit_of_work(read_only=True) as session:
            await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            assert await session.scalar(select(func.count()).select_from(Note)) == 1
            await fill(db)
            async with session.begin():
                assert await session.scalar(select(func.count()).select_from(Note)) == 1
                result = await session.stream(select(Note.text))
                assert [row[0] async for row in result] == ["first"]
            level = await session.scalar(text("SHOW transaction_isolation"))
            assert level == "repeatable read"
