"""Lists that take long have few places: other reads find a connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import Depends, FastAPI
from sqlalchemy import ForeignKey, MetaData, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ormolu import Database, Model, OverloadedError, ReadSessionDep, SessionDep, resource
from ormolu.controlled_delay import Patience
from ormolu.engines import _long_reads
from ormolu.engines._long_reads import LongReads
from ormolu.query import View
from ormolu.resources.work import ListLimits, read_members
from tests.fixtures.apps import client_of


class Base(Model):
    __abstract__ = True
    metadata = MetaData()


class Shelf(Base):
    __tablename__ = "long_shelves"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(default="")


class Book(Base):
    __tablename__ = "long_books"

    id: Mapped[int] = mapped_column(primary_key=True)
    pages: Mapped[int]
    shelf_id: Mapped[int | None] = mapped_column(ForeignKey("long_shelves.id"))
    shelf: Mapped[Shelf | None] = relationship()


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(_long_reads, "time", clock)
    return clock


async def test_a_form_is_long_as_its_last_read_was(clock: Clock) -> None:
    """Those of other forms are not; one that was given up early tells nothing."""
    reads = LongReads(1, Patience(1.0, 1.0))

    async def read(form: str, seconds: float, error: type[BaseException] | None = None) -> None:
        async with reads.timed(form):
            clock.now += seconds
            if error is not None:
                raise error

    await read("a", 1.0)
    await read("b", 0.1)
    assert (reads.is_long("a"), reads.is_long("b"), reads.is_long("c")) == (True, False, False)
    with pytest.raises(KeyError):
        await read("a", 0.1, KeyError)
    assert reads.is_long("a")
    await read("a", 0.1)
    assert not reads.is_long("a")
    with pytest.raises(KeyError):
        await read("a", 3.0, KeyError)
    assert reads.is_long("a")


async def test_places_are_given_in_turn() -> None:
    """To those who still wait; who waits in vain is told."""
    reads = LongReads(2, Patience(0.05, 0.05))
    await reads.enter()
    await reads.enter()
    with pytest.raises(OverloadedError, match="Reads that take long had all their places"):
        await reads.enter()
    left, waiting = (asyncio.create_task(reads.enter()) for _ in range(2))
    await asyncio.sleep(0)
    left.cancel()
    reads.leave()
    await waiting
    reads.leave()
    reads.leave()
    await asyncio.wait_for(reads.enter(), 5)


def _form(**members: Any) -> Any:
    return read_members(_view(), members, ListLimits()).form


def _view() -> View:
    return resource(Book, includes={"shelf"}).exposure.view(None)


@pytest.mark.long
def test_forms() -> None:
    """Values make no difference, all else does."""
    assert _form(pages=1) == _form(pages=2) != _form(pages__ge=1)
    others = [
        _form(), _form(pages=1), _form(pages__in=[1]), _form(where={"not": {"pages": 1}}),
        _form(sort="pages"), _form(sort="-pages"), _form(include="shelf"), _form(count="exact"),
        _form(**{"shelf.name": "a"}),
    ]  # fmt: skip
    assert len(set(others)) == len(others)


@pytest.fixture
def database(database_url: str) -> Database:
    # A level of isolation of the program's own keeps lanes out.
    return Database(
        database_url, metadata=Base.metadata, pool_size=1, max_overflow=0,
        isolation_level="SERIALIZABLE",
    )  # fmt: skip


@pytest.fixture
async def client(database: Database) -> AsyncIterator[httpx2.AsyncClient]:
    async def reader(session: ReadSessionDep) -> None:
        await session.scalars(select(Shelf))

    async def writer(session: SessionDep) -> None:
        await session.scalars(select(Shelf))

    app = FastAPI()
    database.attach(app)
    app.include_router(resource(Book, path="/books"), dependencies=[Depends(reader)])
    app.include_router(resource(Book, path="/others"), dependencies=[Depends(writer)])

    @app.get("/cheap")
    async def cheap(session: SessionDep) -> int:
        return len((await session.scalars(select(Shelf))).all())

    async with client_of(app) as client:
        assert (await client.post("/books", json={"pages": 3})).status_code == 201
        yield client


@pytest.mark.long
async def test_other_reads_find_a_connection(
    client: httpx2.AsyncClient, database: Database
) -> None:
    """While a list waits for its place, the session that has read who calls keeps none."""
    reads = database._engines.opened.long_reads
    paths = ["/books?pages__ge=1", "/others?pages__ge=1"]
    for path in paths:
        assert (await client.get(path)).json()["items"] == [{"id": 1, "pages": 3, "shelf_id": None}]
    reads._last[_form(pages__ge=1)] = 1.0
    await reads.enter()
    lists = [asyncio.create_task(client.get(path)) for path in paths]
    async with asyncio.timeout(20):
        while len(reads._line) < 2:  # noqa: ASYNC110 -- it has no event
            await asyncio.sleep(0)
    assert (await client.get("/cheap")).json() == 0
    assert not any(each.done() for each in lists)
    reads.leave()
    for each in lists:
        assert (await each).status_code == 200
    assert reads._free == 1
