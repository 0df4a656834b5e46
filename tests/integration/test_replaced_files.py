"""A SQLite file that is deleted or replaced while it is open: none writes to what is gone."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import String, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ormolu import Database, DatabaseDownError, SessionDep, resource
from ormolu.sqlite import _writers
from tests.fixtures.apps import client_of


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))


TABLE = "CREATE TABLE notes (id INTEGER PRIMARY KEY, name VARCHAR(20) NOT NULL)"
BODY = {"name": "new"}


@pytest.fixture(autouse=True)
def always_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at each read, not once a second."""
    monkeypatch.setattr(_writers, "_LOOK_EVERY", 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "notes.db"


@pytest.fixture
def db(path: Path) -> Database:
    return Database(f"sqlite:///{path}", metadata=Base.metadata)


@pytest.fixture
async def client(db: Database) -> AsyncIterator[httpx2.AsyncClient]:
    """A client whose requests go by doors and by sessions, of which connections are open."""
    app = FastAPI()
    db.attach(app)
    app.include_router(resource(Note))

    @app.post("/hand")
    async def write(session: SessionDep) -> None:
        session.add(Note(name="by hand"))

    @app.get("/hand")
    async def read(session: SessionDep) -> int:
        return await session.scalar(text("SELECT count(*) FROM notes")) or 0

    async with client_of(app) as client:
        for _ in range(2):
            for way in ("/notes", "/hand"):
                assert (await client.post(way, json=BODY)).is_success
                assert (await client.get(way)).is_success
        yield client


def names_in(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM notes ORDER BY id")]


def replace(path: Path) -> None:
    """Put another file in the place of one, as a restored backup is."""
    delete(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(TABLE)
        connection.execute("INSERT INTO notes VALUES (7, 'restored')")
        connection.commit()


def is_there(path: Path) -> bool:
    return path.exists()


def delete(path: Path) -> None:
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()


@pytest.mark.long
async def test_deleted(client: httpx2.AsyncClient, path: Path) -> None:
    """Every request is 503, none makes an empty file; /readyz says so too."""
    delete(path)
    for _ in range(2):
        for way in ("/notes", "/hand"):
            assert (await client.post(way, json=BODY)).status_code == 503
            assert (await client.get(way)).status_code == 503
    assert (await client.get("/readyz")).status_code == 503
    assert not is_there(path)


@pytest.mark.long
@pytest.mark.parametrize("first", ["/notes", "/hand"])
async def test_replaced(client: httpx2.AsyncClient, path: Path, first: str) -> None:
    """What was acknowledged is in the file that is there; at most the first writes are refused."""
    replace(path)
    answers = [await client.post(way, json=BODY) for way in (first, "/notes", "/hand", "/notes")]
    assert {each.status_code for each in answers} <= {200, 201, 503}
    assert [each.status_code for each in answers[2:]] == [200, 201]
    stored = len([each for each in answers if each.is_success])
    assert len(names_in(path)) == 1 + stored
    assert len((await client.get("/notes")).json()["items"]) == 1 + stored
    assert (await client.get("/hand")).json() == 1 + stored


@pytest.mark.long
async def test_read_first(client: httpx2.AsyncClient, path: Path) -> None:
    """A read of the door notices it too."""
    replace(path)
    assert [each["name"] for each in (await client.get("/notes")).json()["items"]] == ["restored"]


@pytest.mark.long
async def test_back_in_its_place(client: httpx2.AsyncClient, path: Path) -> None:
    """A file that comes back is used, without a start."""
    kept = path.with_name("kept.db")
    (await client.get("/notes")).raise_for_status()
    # Readers of the application are there: sqlite3 would wait for them for five seconds.
    with closing(sqlite3.connect(path, timeout=0)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    os.rename(path, kept)
    assert (await client.post("/notes", json=BODY)).status_code == 503
    os.rename(kept, path)
    for way in ("/hand", "/notes"):
        assert (await client.post(way, json=BODY)).is_success
    assert names_in(path) == ["new", "by hand"] * 2 + ["by hand", "new"]


async def test_in_the_middle_of_a_transaction(db: Database, path: Path) -> None:
    """A COMMIT to a file that has gone meanwhile is refused, and nothing of it is stored."""
    async with db:
        with pytest.raises(OperationalError, match="deleted or replaced while it was open"):
            async with db.unit_of_work() as session:
                session.add(Note(name="lost"))
                await session.flush()
                replace(path)
        async with db.unit_of_work() as session:
            session.add(Note(name="found"))
        assert names_in(path) == ["restored", "found"]


async def test_connection_to_a_file_that_is_gone(db: Database, path: Path) -> None:
    """The error says which file, and what to do."""
    async with db:
        for engine in (db.engine, db.reader_engine):
            await engine.dispose()
        delete(path)
        with pytest.raises(DatabaseDownError, match=f"The file {path} is gone. Put it back; or"):
            await db.ping()
        assert not is_there(path)


async def test_plain_engine(path: Path) -> None:
    """Without a Database the driver itself refuses, and a new connection makes a new file."""
    engine = create_async_engine(f"sqlite+ormolu:///{path}")
    async with engine.begin() as connection:
        await connection.exec_driver_sql(TABLE)
    delete(path)
    with pytest.raises(OperationalError, match="was deleted or replaced after this connection"):
        async with engine.begin() as connection:
            await connection.exec_driver_sql("INSERT INTO notes VALUES (1, 'x')")
    await engine.dispose()
    async with engine.begin() as connection:
        await connection.exec_driver_sql(TABLE)
    assert names_in(path) == []
    await engine.dispose()
