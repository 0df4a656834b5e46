"""PostgreSQL behind a transaction pooler."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import MetaData, text
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, ReadOnlyError
from tests.backends import PgBouncer, PostgreSQL


class Base(Model):
    """Keeps these tables apart from those of other tests."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Counter(Base):
    __tablename__ = "counters"
    id: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int] = mapped_column(default=0)


@pytest.fixture(params=["asyncpg", "psycopg"])
def pooled_url(
    request: pytest.FixtureRequest, postgresql: PostgreSQL, pgbouncer: PgBouncer
) -> Iterator[str]:
    """The URL of a fresh database, through the pooler."""
    name = f"t{uuid.uuid4().hex[:16]}"
    postgresql.create_database(name)
    yield pgbouncer.url(name, request.param)
    postgresql.drop_database(name)


async def test_transactions_share_server_connections(pooled_url: str) -> None:
    """12 workers with 25 transactions each, on 3 server connections, add up exactly."""
    async with Database(
        pooled_url, metadata=Base.metadata, pooler="transaction", pool_size=12, pool_timeout=10
    ) as db:
        async with db.unit_of_work() as session:
            session.add(Counter())

        async def work() -> None:
            for _ in range(25):
                async with db.unit_of_work() as session:
                    counter = await session.get_one(Counter, 1, with_for_update=True)
                    counter.value += 1
                async with db.unit_of_work(read_only=True) as session:
                    await session.get_one(Counter, 1)

        await asyncio.gather(*(work() for _ in range(12)))
        async with db.unit_of_work(read_only=True) as session:
            assert (await session.get_one(Counter, 1)).value == 300


async def test_reads_are_read_only_in_the_database(pooled_url: str) -> None:
    """A write by text in a reading unit of work is refused, and no setting stays behind."""
    async with Database(pooled_url, metadata=Base.metadata, pooler="transaction") as db:
        for _ in range(4):
            with pytest.raises(ReadOnlyError):
                async with db.unit_of_work(read_only=True) as session:
                    await session.execute(text("INSERT INTO counters (value) VALUES (1)"))
            async with db.unit_of_work() as session:
                await session.execute(text("INSERT INTO counters (value) VALUES (1)"))
        async with db.unit_of_work(read_only=True) as session:
            assert await session.scalar(text("SELECT count(*) FROM counters")) == 4
