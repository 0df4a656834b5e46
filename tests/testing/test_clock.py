"""The clock that tests move: of Python, of databases, of what expires."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import DateTime, MetaData, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, NaiveDatetimeError, resource
from ormolu.taps import FAULTS
from ormolu.testing import Clock, frozen_clock
from ormolu.testing._client import client_of

DAY = timedelta(days=1)
NEW_YEAR = datetime(2031, 1, 1, 12, tzinfo=UTC)


class Base(Model):
    __abstract__ = True
    metadata = MetaData()


class Note(Base):
    __tablename__ = "timed_notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[str]
    made_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))
    stored_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    read_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.current_timestamp()
    )


@pytest.fixture
def db(database_url: str) -> Database:
    return Database(database_url, metadata=Base.metadata)


@pytest.fixture
def clock(db: Database) -> Iterator[Clock]:
    """A clock that stands still at the beginning of a year."""
    asyncio.run(_make_tables(db))
    with frozen_clock(db) as clock:
        clock.move_to(NEW_YEAR)
        yield clock
    assert FAULTS == []
    assert abs(datetime.now(UTC) - NEW_YEAR) > DAY


async def _make_tables(db: Database) -> None:
    async with db:
        pass


@pytest.fixture
async def client(db: Database, clock: Clock) -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    db.attach(app)
    app.include_router(resource(Note, writable={"body"}, idempotency=True))
    async with client_of(app) as client:
        yield client


def instant(moment: datetime) -> datetime:
    """Return a moment with an offset; without one it is UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


async def now(session: AsyncSession) -> datetime:
    return instant((await session.execute(select(func.now()))).scalar_one())


async def post(client: httpx2.AsyncClient, body: str, **headers: str) -> Any:
    answer = await client.post("/timed_notes", json={"body": body}, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.mark.long
async def test_defaults_see_it(client: httpx2.AsyncClient, clock: Clock) -> None:
    """Those of Python and those of the server, before and after it has moved."""
    for moment in (NEW_YEAR, NEW_YEAR + DAY):
        note = await post(client, "a")
        assert datetime.fromisoformat(note["made_at"]) == moment
        assert instant(datetime.fromisoformat(note["stored_at"])) == moment
        assert instant(datetime.fromisoformat(note["read_at"])) == moment
        clock.advance(DAY)
    assert clock.now == NEW_YEAR + 2 * DAY


async def test_statements_see_it(db: Database, clock: Clock) -> None:
    """`func.now()` in a query, in a transaction that has begun before it moved, too."""
    async with db, db.unit_of_work(read_only=True) as session:
        for moment in (NEW_YEAR, NEW_YEAR + DAY):
            assert await now(session) == moment
            clock.advance(DAY)
            await session.rollback()


@pytest.mark.long
async def test_a_key_expires(client: httpx2.AsyncClient, clock: Clock) -> None:
    """The answer to an Idempotency-Key is kept for a day."""
    header = {"idempotency-key": "k"}
    first = await post(client, "a", **header)
    clock.advance(DAY - timedelta(minutes=1))
    assert await post(client, "a", **header) == first
    clock.advance(timedelta(minutes=2))
    assert (await post(client, "a", **header))["id"] != first["id"]


async def test_timers_go_on(db: Database, clock: Clock) -> None:
    """What an event loop waits for comes, and the pool takes connections of another day."""
    async with db:
        await asyncio.wait_for(asyncio.sleep(0.001), 5)
        for _ in range(2):
            async with db.unit_of_work() as session:
                assert await session.scalar(text("SELECT 1")) == 1
            clock.advance(30 * DAY)


async def test_nothing_stays_behind(db: Database) -> None:
    """A connection of the pool that was told a moment is not there afterwards."""
    async with db:
        if db.url.get_backend_name() != "postgresql":
            with frozen_clock(db) as clock:
                clock.move_to(NEW_YEAR)
                async with db.unit_of_work() as session:
                    assert await now(session) == NEW_YEAR
        async with db.unit_of_work() as session:
            assert abs(await now(session) - NEW_YEAR) > DAY


def test_a_moment_has_an_offset(clock: Clock) -> None:
    """One that says no place is no instant."""
    with pytest.raises(NaiveDatetimeError, match="tzinfo=UTC"):
        clock.move_to(datetime(2031, 1, 1))
