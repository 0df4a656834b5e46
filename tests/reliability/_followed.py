"""A database with one replica, whose replay a test can pause: on each driver that has such."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import MetaData, text
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, SessionDep, resource
from tests.backends import MariaDB, MariaDBPair, MissingServerError, PostgreSQL, PostgreSQLPair

__all__ = [
    "DRIVERS", "Base", "Followed", "Note", "browser_of", "browser_to", "followed", "make_app",
]  # fmt: skip

DRIVERS = ("asyncpg", "psycopg", "mariadb")


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Note(Base):
    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(default="")


@dataclass(frozen=True, kw_only=True)
class Followed:
    """A database of a primary's, and the same on its replica.

    Attributes:
        url: Of the primary.
        replica_url: Of the replica.
        servers: Both.
        where: The question which server one reads from: 1 for the replica.
    """

    url: str
    replica_url: str
    servers: PostgreSQLPair | MariaDBPair
    where: str

    def database(self, **options: Any) -> Database:
        """Return the database, with its replica."""
        replicas = options.pop("replicas", [self.replica_url])
        return Database(self.url, replicas=replicas, metadata=Base.metadata, **options)


@contextmanager
def followed(driver: str) -> Iterator[Followed]:
    """Give a database with a replica."""
    kind = MariaDB if driver == "mariadb" else PostgreSQL
    try:
        kind.check_installed()
    except MissingServerError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"NOT TESTED, {error}")
    servers = MariaDBPair() if driver == "mariadb" else PostgreSQLPair()
    name = "asyncmy" if driver == "mariadb" else driver
    try:
        servers.start()
        servers.primary.create_database("notes")
        servers.catch_up()
        yield Followed(
            url=servers.primary.url("notes", name),
            replica_url=servers.replica.url("notes", name),
            servers=servers,
            where=_WHERE[kind],
        )
    finally:
        servers.remove()


_WHERE: dict[type, str] = {
    MariaDB: (
        "SELECT GLOBAL_VALUE - 1 FROM information_schema.SYSTEM_VARIABLES "
        "WHERE VARIABLE_NAME = 'SERVER_ID'"
    ),
    PostgreSQL: "SELECT CASE current_setting('in_hot_standby') WHEN 'on' THEN 1 ELSE 0 END",
}


@asynccontextmanager
async def browser_of(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """Run the application's lifespan and give a client that keeps cookies."""
    async with app.router.lifespan_context(app), browser_to(app) as client:
        yield client


def browser_to(app: FastAPI) -> httpx2.AsyncClient:
    """Return a client that keeps cookies, of an application that runs already."""
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://test")


def make_app(database: Database, where: str) -> FastAPI:
    """Return an application whose answers tell which server was read from."""
    app = FastAPI()
    database.attach(app)
    app.include_router(resource(Note))

    @app.get("/where")
    async def tell(session: SessionDep) -> int:
        return int(await session.scalar(text(where)))

    @app.get("/by-hand/{note_id}")
    async def read(note_id: int, session: SessionDep) -> tuple[str, int]:
        note = await session.get_one(Note, note_id)
        return note.text, int(await session.scalar(text(where)))

    @app.post("/by-hand")
    async def write(content: str, session: SessionDep) -> int:
        note = Note(text=content)
        session.add(note)
        await session.flush()
        return note.id

    @app.post("/read-and-write")
    async def read_first(session: SessionDep) -> int:
        place = int(await session.scalar(text(where)))
        session.add(Note())
        return place

    @app.get("/visits", response_model=None)
    async def count_visit(session: SessionDep) -> int:
        async with database.unit_of_work() as own:
            own.add(Note(text="visit"))
        return int(await session.scalar(text(where)))

    return app
