"""The servers that the suite stands on."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from tests.backends import PgBouncer
from tests.fixtures.backends import Backend


@pytest.mark.backends("asyncpg", "psycopg", "mariadb")
async def test_server_keeps_its_data_over_a_restart(backend: Backend, database_url: str) -> None:
    """What was committed is there after a stop and a start."""
    engine = create_async_engine(database_url, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE t (id INTEGER)"))
        await connection.execute(text("INSERT INTO t VALUES (7)"))
    backend.server.stop()
    backend.server.start()
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT id FROM t")) == 7


async def test_pooler_answers(pgbouncer: PgBouncer) -> None:
    """A statement goes through PgBouncer."""
    engine = create_async_engine(pgbouncer.url("postgres", "psycopg"), poolclass=NullPool)
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT 1")) == 1
