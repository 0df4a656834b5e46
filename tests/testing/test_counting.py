"""Statements are counted on whichever way they go, and the program goes the same ways."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import MetaData, select
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, ReadSessionDep, SessionDep, resource
from ormolu.taps import TAPS
from ormolu.testing import assert_statements, count_statements
from ormolu.testing._client import client_of


class Base(Model):
    __abstract__ = True
    metadata = MetaData()


class Town(Base):
    __tablename__ = "counted_towns"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    db = Database(database_url, metadata=Base.metadata)
    db.attach(app)
    app.include_router(resource(Town))

    @app.post("/three")
    async def three(session: SessionDep) -> None:
        for name in ("a", "b", "c"):
            session.add(Town(name=name))
            await session.flush()

    @app.get("/each")
    async def each(session: ReadSessionDep) -> list[str]:
        ids = (await session.scalars(select(Town.id))).all()
        return [(await session.get_one(Town, id_)).name for id_ in ids]

    async with client_of(app) as client:
        yield client


async def test_every_way_is_counted(client: httpx2.AsyncClient) -> None:
    """Flushes, reads past SQLAlchemy, doors and their lanes: each statement once."""
    with count_statements() as three:
        await client.post("/three")
    with count_statements() as each:
        assert (await client.get("/each")).json() == ["a", "b", "c"]
    with count_statements() as door:
        assert (await client.get("/counted_towns/1")).status_code == 200
        assert (await client.post("/counted_towns", json={"name": "d"})).status_code == 201
    assert [len(three), len(each), len(door)] == [3, 4, 2]
    assert TAPS == []


async def test_the_report_names_the_line(client: httpx2.AsyncClient) -> None:
    """It says which line of the program sends what, and what one query could do."""
    await client.post("/three")
    refused = pytest.raises(AssertionError, match="At most 2 were expected")
    with refused as caught, assert_statements(at_most=2):
        await client.get("/each")
    said = str(caught.value)
    assert "4 statements were sent" in said
    assert "3 x SELECT counted_towns.id" in said
    assert "tests/testing/test_counting.py:" in said
    assert "each" in said
    assert "N+1: 3 queries where one will do" in said


async def test_enough_is_enough(client: httpx2.AsyncClient) -> None:
    """With no more than that nothing is said, and what was sent can be looked at."""
    with assert_statements(at_most=3) as statements:
        await client.post("/three")
    assert {"INSERT"} == {each.sql.split()[0] for each in statements}
    assert list(statements.repeated.values()) == [3]
    assert "test_counting.py" in statements[0].place
