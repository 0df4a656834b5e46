"""What the backend refuses of a value that no client sent is the program's mistake, with advice."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy import DateTime, MetaData, String
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlmodel import Field, SQLModel

from ormolu import Database, resource
from tests.fixtures.apps import client_of

pytestmark = pytest.mark.anyio


class Base(DeclarativeBase):
    """Without the types of `Model`."""


def aware() -> datetime:
    return datetime(2026, 1, 31, 12, tzinfo=UTC)


class Visit(Base):
    __tablename__ = "visits"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    begun: Mapped[datetime] = mapped_column("begun_at", DateTime, default=aware)


class Change(Base):
    __tablename__ = "changes"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    done: Mapped[datetime | None] = mapped_column(DateTime, onupdate=aware)


class Plan(Base):
    __tablename__ = "plans"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    due: Mapped[datetime | None] = mapped_column(DateTime)


class Code(Base):
    __tablename__ = "codes"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20), default=lambda: "x" * 30)
    text: Mapped[str]


class Tour(SQLModel, table=True):
    metadata = MetaData()
    __tablename__ = "tours"
    id: int | None = Field(default=None, primary_key=True)
    name: str
    begun: datetime = Field(default_factory=aware, sa_type=DateTime)


async def plan(_session: Any, values: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**values, "due": aware()}


ROUTERS = (
    resource(Visit),
    resource(Change),
    resource(Code),
    resource(Tour, read_only={"begun"}),
    resource(Plan, path="/hooked", hooks={"before_create": plan}),
)


@pytest.fixture
async def client(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[httpx2.AsyncClient]:
    caplog.set_level(logging.WARNING, "ormolu")
    for table in list(Tour.metadata.tables.values()):
        if table.name not in Base.metadata.tables:
            table.to_metadata(Base.metadata)
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    for router in ROUTERS:
        app.include_router(router)
    async with client_of(app) as found:
        yield found


PLACES = {
    "/visits": "Visit.begun",
    "/tours": "Tour.begun",
    "/hooked": "Plan.due",
}


@pytest.mark.backends("asyncpg")
@pytest.mark.parametrize("path", PLACES)
async def test_a_moment_of_the_program_s_is_its_mistake(
    client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """Whoever made it: a default, a constructor, a hook; the log says what to write."""
    answer = await client.post(path, json={"name": "a"})
    assert answer.status_code == 500, answer.text
    assert f"made a value for {PLACES[path]} that DateTime() does not take" in caplog.text
    assert "DateTime(timezone=True)" in caplog.text
    assert "2026" not in caplog.text


@pytest.mark.backends("asyncpg")
async def test_a_batch_says_so_too(
    client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Many rows have many parameters."""
    operations = [{"op": "create", "data": {"name": name}} for name in "abc"]
    answer = await client.post("/visits:batch", json={"operations": operations})
    assert answer.status_code == 500
    assert "made a value for Visit.begun" in caplog.text


@pytest.mark.backends("asyncpg")
async def test_a_moment_of_a_change_is_a_mistake_too(
    client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """What `onupdate` makes no client sends."""
    assert (await client.post("/changes", json={"name": "a"})).status_code == 201
    assert (await client.patch("/changes/1", json={"name": "b"})).status_code == 500
    assert "made a value for Change.done" in caplog.text


@pytest.mark.backends("mariadb")
async def test_a_default_that_is_too_long_is_a_mistake(
    client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """A client's value in the same place is the client's."""
    assert (await client.post("/codes", json={"text": "a"})).status_code == 500
    assert "made a value for Code.name" in caplog.text
    answer = await client.post("/codes", json={"text": "a" * 256, "name": "a"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/text")


@pytest.mark.backends("asyncpg")
async def test_by_hand_the_error_says_what_to_mend(database_url: str) -> None:
    """Without a value in it."""
    db = Database(database_url, metadata=Base.metadata)
    async with db:
        with pytest.raises(StatementError, match=r"made a value for Visit\.begun") as caught:
            async with db.unit_of_work() as session:
                session.add_all([Visit(name="a"), Visit(name="b")])
        assert "2026" not in str(caught.value)
        with pytest.raises(StatementError, match=r"visits\.begun_at") as caught:
            async with db.unit_of_work() as session:
                await session.execute(sa.insert(Visit).values(name="a", begun=aware()))
        assert "made a value" not in str(caught.value)


@pytest.mark.backends("sqlite", "mariadb")
async def test_elsewhere_the_moment_is_stored_without_its_offset(
    client: httpx2.AsyncClient,
) -> None:
    """As these backends do; of a moment in UTC nothing is lost."""
    answer = await client.post("/visits", json={"name": "a"})
    assert answer.json()["begun"] == "2026-01-31T12:00:00"
