"""pgvector's columns in models, routes by hand and resources; on PostgreSQL with its extension."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from pgvector.sqlalchemy import Vector
from sqlalchemy import MetaData, select, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, SessionDep, resource
from tests.fixtures.apps import client_of

pytestmark = pytest.mark.backends("asyncpg", "psycopg")


class Base(Model):
    """Keeps this table apart from those of other tests."""

    __abstract__ = True
    metadata = MetaData()


class Item(Base):
    __tablename__ = "items"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    place: Mapped[list[float] | None] = mapped_column(Vector(3))


def make_app(url: str) -> FastAPI:
    """Return an application that stores places, and finds the nearest."""
    app = FastAPI()
    Database(url, metadata=Base.metadata).attach(app)
    app.include_router(resource(Item))

    @app.post("/placed")
    async def place(session: SessionDep, name: str, x: float) -> list[float]:
        item = Item(name=name, place=[x, 0, 0])
        session.add(item)
        await session.flush()
        await session.refresh(item)
        return [float(part) for part in item.place or ()]

    @app.get("/near")
    async def near(session: SessionDep, x: float) -> list[str]:
        nearest = select(Item).order_by(Item.place.l2_distance([x, 0, 0])).limit(2)
        return [item.name for item in await session.scalars(nearest)]

    return app


async def make_extension(url: str) -> None:
    """Make the extension, or say that this server has none."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        known = await connection.scalars(text("SELECT name FROM pg_available_extensions"))
        if "vector" not in set(known):
            pytest.skip("this PostgreSQL has no extension pgvector")
        await connection.execute(text("CREATE EXTENSION vector"))
    await engine.dispose()


async def test_vectors(database_url: str) -> None:
    """They are stored, read and compared, in routes by hand and in a resource."""
    await make_extension(database_url)
    async with client_of(make_app(database_url)) as client:
        for name, x in (("a", 0.0), ("b", 1.5), ("c", 9.0)):
            placed = await client.post("/placed", params={"name": name, "x": x})
            assert placed.json() == [x, 0.0, 0.0]
        assert (await client.get("/near", params={"x": 2})).json() == ["b", "a"]
        made = await client.post("/items", json={"name": "d", "place": [1, 2, 3]})
        assert (made.status_code, made.json()["place"]) == (201, [1.0, 2.0, 3.0])
        items = (await client.get("/items", params={"fields": "name,place"})).json()["items"]
        assert items[1] == {"name": "b", "place": [1.5, 0.0, 0.0]}
        assert [item["name"] for item in items] == ["a", "b", "c", "d"]
        assert (await client.patch("/items/1", json={"name": "e"})).json()["name"] == "e"
        assert (await client.get("/near", params={"x": 0})).json()[0] == "e"
