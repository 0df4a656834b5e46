"""A PUT of a row that is there gives it what an INSERT would: defaults of every kind."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import FetchedValue, Integer, MetaData, Sequence, String, func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, resource
from tests.fixtures.apps import client_of

pytestmark = pytest.mark.anyio

calls: list[str] = []


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


def loud(context: Any) -> str:
    calls.append("loud")
    return str(context.get_current_parameters()["the_name"]).upper()


def quoted(context: Any) -> str:
    return f"<{context.current_parameters['loud']}>"


def counted(context: Any) -> int:
    """Ask the database, as SQLAlchemy's documents show."""
    assert context.current_column.key == "rows"
    found = context.connection.execute(select(func.count()).select_from(Doc.__table__))
    return int(found.scalar_one()) + (context.dialect is context.root_connection.dialect)


def slug(context: Any) -> str:
    return re.sub(r"\W", "-", context.get_current_parameters()["the_name"])


class Doc(Base):
    __tablename__ = "replaced_docs"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column("the_name", String(50))
    loud: Mapped[str | None] = mapped_column(String(50), default=loud)
    quoted: Mapped[str | None] = mapped_column(String(50), default=quoted)
    rows: Mapped[int | None] = mapped_column(default=counted)
    path: Mapped[str | None] = mapped_column(String(50), server_default="C:\\new\\x'%s")
    end: Mapped[str | None] = mapped_column(String(50), server_default="\\")
    level: Mapped[int | None] = mapped_column(server_default="5")
    word: Mapped[str | None] = mapped_column(String(9), server_default=text("'none'"))
    stamp: Mapped[int | None] = mapped_column(server_default=FetchedValue())


class Page(Base):
    __tablename__ = "replaced_pages"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column("the_name", String(50))
    slug: Mapped[str] = mapped_column(String(50), unique=True, default=slug)
    rank: Mapped[int] = mapped_column(default=0)


class Ticket(Model):
    """SQLite has no sequences."""

    metadata = MetaData()
    __tablename__ = "replaced_tickets"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int | None] = mapped_column(Integer, Sequence("replaced_numbers"))


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(resource(Doc, path="/docs", writable={"id", "stamp"}))
    app.include_router(resource(Page, path="/pages"))
    async with client_of(app) as found:
        yield found


@pytest.mark.long
async def test_a_row_that_is_there_gets_what_a_new_one_has(client: httpx2.AsyncClient) -> None:
    """Functions with a context, in the order of their columns; text as the table has it."""
    first = await client.put("/docs/1", json={"name": "one", "stamp": 3})
    assert first.status_code == 201, first.text
    made = first.json()
    assert (made["loud"], made["quoted"], made["rows"]) == ("ONE", "<ONE>", 1)
    again = await client.put("/docs/1", json={"name": "two"})
    assert again.status_code == 200, again.text
    expected = {"name": "two", "loud": "TWO", "quoted": "<TWO>", "rows": 2}
    assert again.json() == made | expected
    assert (made["path"], made["end"], made["word"]) == ("C:\\new\\x'%s", "\\", "none")


@pytest.mark.long
async def test_a_default_that_is_not_needed_is_not_called(client: httpx2.AsyncClient) -> None:
    """Where its column is sent; on lanes neither."""
    await client.put("/docs/1", json={"name": "one"})
    calls.clear()
    answer = await client.put("/docs/1", json={"name": "two", "loud": "x", "rows": 1})
    assert (answer.json()["loud"], answer.json()["quoted"]) == ("x", "<x>")
    assert calls == []


@pytest.mark.long
async def test_an_upsert_finds_a_row_by_a_default(client: httpx2.AsyncClient) -> None:
    """Of a unique key of which the column is left out."""
    for rank, status in ((1, 201), (2, 200)):
        body = {"name": "a b", "rank": rank}
        answer = await client.post("/pages?on_conflict=slug", json=body)
        assert answer.status_code == status, answer.text
        assert (answer.json()["slug"], answer.json()["rank"]) == ("a-b", rank)


@pytest.mark.backends("asyncpg", "psycopg", "mariadb")
async def test_the_next_number_of_a_sequence(database_url: str) -> None:
    """Is taken, as an INSERT would."""
    app = FastAPI()
    Database(database_url, metadata=Ticket.metadata).attach(app)
    app.include_router(resource(Ticket, path="/tickets", writable={"id", "number"}))
    async with client_of(app) as client:
        for number in (1, 2):
            assert (await client.put("/tickets/1", json={})).json()["number"] == number
