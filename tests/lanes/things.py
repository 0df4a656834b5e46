"""Things and their parts as resources, served; and which requests went past the doors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import httpx2
from fastapi import APIRouter, FastAPI
from sqlalchemy import CheckConstraint, ForeignKey, MetaData, String, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.pool import NullPool
from starlette.types import Receive, Scope, Send

from ormolu import Database, Model, resource
from ormolu.lanes import Lanes, lanes_of
from ormolu.sessions import has_session_listeners
from tests.fixtures.apps import client_of


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Thing(Base):
    __tablename__ = "things"
    __table_args__ = (CheckConstraint("number >= 0", name="positive"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    number: Mapped[int] = mapped_column(default=0)


class Part(Base):
    """Its foreign key is looked at when the transaction ends."""

    __tablename__ = "parts"

    id: Mapped[int] = mapped_column(primary_key=True)
    thing_id: Mapped[int] = mapped_column(
        ForeignKey("things.id", deferrable=True, initially="DEFERRED")
    )


@dataclass(frozen=True, kw_only=True)
class Served:
    """An application under test.

    Attributes:
        client: Sends requests.
        app: The application.
        db: Its database.
        passed_on: The requests that the doors have handed over.
    """

    client: httpx2.AsyncClient
    app: FastAPI
    db: Database
    passed_on: list[str]

    @property
    def lanes(self) -> Lanes:
        """The lanes of this event loop."""
        return lanes_of(self.db._engines, has_session_listeners)

    async def create(self, name: str, number: int = 0) -> httpx2.Response:
        return await self.client.post("/things", json={"name": name, "number": number})

    async def change(self, key: int, **values: Any) -> httpx2.Response:
        return await self.client.patch(f"/things/{key}", json=values)

    async def read(self, key: int) -> httpx2.Response:
        return await self.client.get(f"/things/{key}")

    async def fill(self, count: int) -> None:
        """Store things with the keys from 1 on."""
        for number in range(1, count + 1):
            assert (await self.create(f"thing {number}")).json()["id"] == number
        self.passed_on.clear()


def app_of(db: Database) -> FastAPI:
    """Return the application on a database."""
    app = FastAPI()
    db.attach(app)
    app.include_router(resource(Thing))
    app.include_router(resource(Part))
    return app


def database_of(url: str, **options: Any) -> Database:
    """Return a database with the tables of this file."""
    return Database(url, metadata=Base.metadata, **options)


@asynccontextmanager
async def served(
    url: str, adapt: Callable[[FastAPI], object] | None = None, **options: Any
) -> AsyncIterator[Served]:
    """Serve the things; the options are the database's, `adapt` changes the application."""
    passed_on: list[str] = []
    with noting(passed_on):
        # A busy machine is no outage.
        db = database_of(url, **{"connect_timeout": 10.0, **options})
        app = app_of(db)
        if adapt is not None:
            adapt(app)
        async with client_of(app) as client:
            yield Served(client=client, app=app, db=db, passed_on=passed_on)


@contextmanager
def noting(passed_on: list[str]) -> Iterator[None]:
    """Note the requests that reach FastAPI's router; anything before it would shut the doors."""
    routed = APIRouter.app

    async def note(self: APIRouter, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            passed_on.append(f"{scope['method']} {scope['path']}")
        await routed(self, scope, receive, send)

    with patch.object(APIRouter, "app", note):
        yield


@asynccontextmanager
async def beside(url: str) -> AsyncIterator[AsyncEngine]:
    """Give an engine that is none of ours, whose statements are transactions of their own."""
    engine = create_async_engine(
        url.replace("sqlite:", "sqlite+aiosqlite:"), poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
    )  # fmt: skip
    try:
        yield engine
    finally:
        await engine.dispose()


async def execute(url: str, *statements: str) -> list[Any]:
    """Execute statements on a connection that is none of ours; return the rows of the last."""
    async with beside(url) as engine, engine.connect() as connection:
        for statement in statements:
            result = await connection.execute(text(statement))
        return [tuple(row) for row in result] if result.returns_rows else []


def statuses(answers: Iterable[httpx2.Response]) -> list[int]:
    return [answer.status_code for answer in answers]


async def turns(count: int) -> None:
    """Let the event loop take some turns."""
    for _ in range(count):
        await asyncio.sleep(0)


@asynccontextmanager
async def locked(url: str, statement: str) -> AsyncIterator[AsyncConnection]:
    """Execute a statement, and keep its locks, on a connection that is none of ours."""
    async with beside(url) as engine, engine.connect() as connection:
        await connection.execute(text("BEGIN IMMEDIATE" if "sqlite" in url else "BEGIN"))
        await connection.execute(text(statement))
        yield connection
        await connection.execute(text("ROLLBACK"))


async def until(ask: Callable[[], Awaitable[object]]) -> None:
    """Ask until the answer is yes: the database has no events."""
    async with asyncio.timeout(5):
        while not await ask():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def until_waiting(connection: AsyncConnection, count: int = 1) -> None:
    """Wait until so many others wait for a lock of PostgreSQL."""
    waiting = text(
        "SELECT count(*) >= :count FROM pg_stat_activity, pg_stat_clear_snapshot() "
        "WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    await until(lambda: connection.scalar(waiting, {"count": count}))
