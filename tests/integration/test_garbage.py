"""What a request has made goes with it: what lies in cycles is left to the garbage collector."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Sequence

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Engine, ForeignKey, MetaData, String, select
from sqlalchemy.orm import Mapped, mapped_column, relationship, selectinload

from ormolu import Database, Model, SessionDep
from ormolu.engines._server import open_and_close
from tests.fixtures.apps import client_of

REQUESTS = 20


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Shelf(Base):
    __tablename__ = "garbage_shelves"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    books: Mapped[list[Book]] = relationship(order_by="Book.id")


class Book(Base):
    __tablename__ = "garbage_books"
    id: Mapped[int] = mapped_column(primary_key=True)
    shelf_id: Mapped[int] = mapped_column(ForeignKey("garbage_shelves.id"))


class BookOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: int


class ShelfOut(BookOut):
    name: str


class FullShelf(ShelfOut):
    books: list[BookOut]


def make_app(url: str) -> FastAPI:
    app = FastAPI()
    Database(url, metadata=Base.metadata).attach(app)

    @app.post("/shelves", response_model=FullShelf)
    async def create(session: SessionDep) -> Shelf:
        shelf = Shelf(name="new", books=[Book(), Book()])
        session.add(shelf)
        await session.flush()
        return shelf

    @app.get("/shelves", response_model=list[ShelfOut])
    async def read_all(session: SessionDep) -> Sequence[Shelf]:
        return (await session.scalars(select(Shelf).order_by(Shelf.id).limit(10))).all()

    @app.get("/shelves/{key}", response_model=ShelfOut)
    async def read(key: int, session: SessionDep) -> Shelf:
        return await session.get_one(Shelf, key)

    @app.get("/shelves/{key}/books", response_model=FullShelf)
    async def read_full(key: int, session: SessionDep) -> Shelf:
        return await session.get_one(Shelf, key, options=[selectinload(Shelf.books)])

    @app.patch("/shelves/{key}", response_model=ShelfOut)
    async def change(key: int, session: SessionDep) -> Shelf:
        shelf = await session.get_one(Shelf, key)
        shelf.name = shelf.name[::-1]
        return shelf

    return app


async def garbage_of(client: AsyncClient, method: str, path: str) -> int:
    """Return how many objects so many requests have left in cycles."""
    gc.collect()
    gc.disable()
    try:
        for _ in range(REQUESTS):
            assert (await client.request(method, path)).status_code == 200
        return gc.collect()
    finally:
        gc.enable()


ASKED = {
    "point": ("GET", "/shelves/1"),
    "list": ("GET", "/shelves"),
    "include": ("GET", "/shelves/1/books"),
    "patch": ("PATCH", "/shelves/1"),
    "create": ("POST", "/shelves"),
}


@pytest.mark.long
@pytest.mark.parametrize("asked", ASKED)
async def test_it_leaves_nothing_to_the_collector(database_url: str, asked: str) -> None:
    """Not one object for each request."""
    async with client_of(make_app(database_url)) as client:
        for _ in range(REQUESTS):
            await client.post("/shelves")
        await garbage_of(client, *ASKED[asked])
        assert await garbage_of(client, *ASKED[asked]) < REQUESTS


async def engines_of_a_while(url: str, *, closes: bool) -> list[weakref.ref[Engine]]:
    """Use a database that nobody has afterwards, and return its engines."""
    db = Database(url, metadata=Base.metadata)
    async with db.unit_of_work() as session:
        await session.scalar(select(Shelf.id))
    async with db.unit_of_work(read_only=True) as session:
        await session.scalar(select(Shelf.id))
    found = [weakref.ref(each.sync_engine) for each in (db.engine, db.reader_engine)]
    if closes:
        await db.close()
    return found


@pytest.mark.parametrize("closes", [False, True])
def test_nothing_keeps_an_engine(database_url: str, closes: bool) -> None:
    """With its database an engine goes, though SQLAlchemy's caches keep the dialects of some."""
    engines = asyncio.run(engines_of_a_while(database_url, closes=closes))
    gc.collect()
    assert [each() for each in engines] == [None, None]


@pytest.mark.backends("sqlite")
def test_nobody_asks_for_an_engine_that_is_gone(database_url: str) -> None:
    """A server that is still asked for a sign of life of an engine that went opens nothing."""
    reference, _ = asyncio.run(engines_of_a_while(database_url, closes=True))
    gc.collect()
    open_and_close(reference, {}, None)
