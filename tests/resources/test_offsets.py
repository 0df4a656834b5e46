"""Moments of the program's own in other time zones: the same moment is read, on every backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, time, timedelta, timezone
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import TIMESTAMP, DateTime, MetaData, Time, select
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, Policy, resource
from tests.fixtures.kept import KeptApp, keep_running

pytestmark = pytest.mark.anyio

INDIA = timezone(timedelta(hours=5, minutes=30))
NOON = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)
THERE = NOON.astimezone(INDIA)


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData()


def _zoned() -> Any:
    return mapped_column(DateTime(timezone=True))


class Flight(Base):
    __tablename__ = "offset_flights"
    id: Mapped[int] = mapped_column(primary_key=True)
    assigned: Mapped[datetime] = _zoned()
    hooked: Mapped[datetime] = _zoned()
    made: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: THERE)
    stamped: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), default=lambda: THERE)
    opens: Mapped[Any] = mapped_column(Time(timezone=True), default=time(17, 30, tzinfo=INDIA))
    wall: Mapped[datetime] = mapped_column(DateTime(), default=THERE.replace(tzinfo=None))


async def hook(_session: Any, values: dict[str, Any]) -> dict[str, Any]:
    return {**values, "hooked": THERE}


POLICY = Policy(visible=True, assign={"assigned": THERE})
FLIGHTS = resource(
    Flight, path="/flights", policy=lambda: POLICY, hooks={"before_create": hook},
    read_only={"hooked", "assigned", "made", "stamped", "opens", "wall"},
)  # fmt: skip


@pytest.fixture(scope="module")
async def served(module_url: str) -> AsyncIterator[KeptApp]:
    app, db = FastAPI(), Database(module_url, metadata=Base.metadata)
    db.attach(app)
    app.include_router(FLIGHTS)
    async with keep_running(app, db) as found:
        yield found


@pytest.fixture
async def client(served: KeptApp) -> AsyncIterator[httpx2.AsyncClient]:
    async with served.client() as found:
        yield found


SHOWN = dict.fromkeys(("assigned", "hooked", "made", "stamped"), "2026-03-01T12:00:00.000005Z")
SHOWN |= {"opens": "12:00:00Z", "wall": "2026-03-01T17:30:00.000005"}


async def test_what_the_program_makes_is_that_moment(client: httpx2.AsyncClient) -> None:
    """By a policy, a hook and a default: SQLite and MariaDB stored it without its offset."""
    made = await client.post("/flights", json={})
    assert made.status_code == 201, made.text
    for body in made.json(), (await client.get("/flights/1")).json():
        assert {name: body[name] for name in SHOWN} == SHOWN


async def test_a_session_stores_it_so_too(client: httpx2.AsyncClient, served: KeptApp) -> None:
    """And finds it in whatever zone it is asked for."""
    async with served.db.unit_of_work() as session:
        session.add(Flight(id=2, assigned=THERE, hooked=THERE))
    async with served.db.unit_of_work(read_only=True) as session:
        asked = select(Flight.id).where(Flight.made == THERE, Flight.assigned <= NOON)
        assert await session.scalar(asked) == 2
    body = (await client.get("/flights/2")).json()
    assert {name: body[name] for name in SHOWN} == SHOWN
