"""A server that goes silent in the midst of work: whoever waits for it is told, and soon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, DatabaseDownError, Model, OutcomeUnknownError
from tests.backends import stopped
from tests.fixtures.backends import Backend

SERVERS = pytest.mark.backends("asyncpg", "psycopg", "mariadb")

# Seconds for what takes two or three on an idle machine, and without what is tested takes for ever.
PATIENCE = 60.0

_NUMBER = {"asyncpg": "SELECT pg_backend_pid()", "psycopg": "SELECT pg_backend_pid()"}


class Thing(Model):
    __tablename__ = "silent_things"
    id: Mapped[int] = mapped_column(primary_key=True)


@contextmanager
def stopped_before(
    db: Database, name: str, processes: Callable[[], list[int]]
) -> Iterator[list[object]]:
    """Stop the processes of a server before the first event of a name; yield those that came."""
    engines = [engine.sync_engine for engine in (db.engine, db.reader_engine)]
    seen: list[object] = []

    with ExitStack() as stack:

        def stop(*_arguments: object) -> None:
            if not seen:
                seen.append(name)
                stack.enter_context(stopped(*processes()))

        for engine in engines:
            event.listen(engine, name, stop)
        try:
            yield seen
        finally:
            for engine in engines:
                event.remove(engine, name, stop)


async def processes_of(backend: Backend, session: Any) -> list[int]:
    """Return the processes that answer a session, and those who ask for another connection."""
    main = backend.server._process.pid
    if backend.is_mariadb:
        return [main]
    return [main, int(await session.scalar(text(_NUMBER[backend.name])))]


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """A database whose server may be silent for 0.3 s."""
    async with Database(database_url, connect_timeout=0.3) as opened:
        yield opened


@SERVERS
@pytest.mark.parametrize("is_read_only", [True, False])
async def test_statement_ends(backend: Backend, db: Database, *, is_read_only: bool) -> None:
    """A statement to a stopped server, without any deadline, is an error of the database."""
    async with asyncio.timeout(PATIENCE):
        with ExitStack() as stack, pytest.raises((DBAPIError, DatabaseDownError)):
            async with db.unit_of_work(read_only=is_read_only) as session:
                processes = await processes_of(backend, session)
                await session.scalar(text("SELECT 1"))
                stack.enter_context(stopped(*processes))
                await session.scalar(text("SELECT 2"))
        async with db.unit_of_work(read_only=is_read_only) as session:
            assert await session.scalar(text("SELECT 3")) == 3


@SERVERS
async def test_commit_ends(backend: Backend, db: Database) -> None:
    """Of a COMMIT that a stopped server does not answer nobody knows the outcome."""
    processes: list[int] = []
    async with asyncio.timeout(PATIENCE):
        with (
            stopped_before(db, "commit", lambda: processes) as seen,
            pytest.raises(OutcomeUnknownError),
        ):
            async with db.unit_of_work() as session:
                processes += await processes_of(backend, session)
                session.add(Thing())
        assert seen == ["commit"]
        async with db.unit_of_work() as session:
            session.add(Thing())
        async with db.unit_of_work(read_only=True) as session:
            assert await session.scalar(text("SELECT count(*) FROM silent_things")) in {1, 2}


@SERVERS
async def test_long_statement_of_a_living_server_goes_on(db: Database, backend: Backend) -> None:
    """A server that is asked for signs of life, and gives them, may take its time."""
    sleep = "SELECT SLEEP(2)" if backend.is_mariadb else "SELECT 0 FROM pg_sleep(2)"
    pool: Any = db.engine.pool
    server = pool._server
    async with db.unit_of_work(read_only=True) as session:
        await session.scalar(text("SELECT 1"))
        # It is asked as soon, and may take as long to answer as a busy machine makes it.
        server.timeout, signs = PATIENCE, server.signs
        assert await session.scalar(text(sleep)) == 0
    assert server.signs > signs
