"""A PUT at the same time as others of its key: as if one had come after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import MetaData, String, event, text
from sqlalchemy.orm import Mapped, mapped_column, validates
from sqlalchemy.util import await_only

from ormolu import Database, Model, Policy, resource
from tests.fixtures.kept import KeptApp, keep_running

pytestmark = pytest.mark.anyio

METADATA = MetaData()


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = METADATA


class Slot(Base):
    __tablename__ = "raced_slots"
    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    text: Mapped[str] = mapped_column(String(20))


class Watched(Base):
    """Written by the ORM."""

    __tablename__ = "raced_watched"
    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    text: Mapped[str] = mapped_column(String(20))

    @validates("text")
    def keep(self, _name: str, value: Any) -> Any:
        return value


@pytest.fixture(scope="module")
async def served(module_url: str) -> AsyncIterator[KeptApp]:
    app, db = FastAPI(), Database(module_url, metadata=METADATA)
    db.attach(app)
    app.include_router(resource(Slot, path="/slots", writable={"id"}))
    app.include_router(resource(Watched, path="/watched", writable={"id"}))
    policy = Policy(visible=Slot.text != "b")
    app.include_router(resource(Slot, path="/seen", writable={"id"}, policy=lambda: policy))
    async with keep_running(app, db) as found:
        yield found


@pytest.fixture
async def client(served: KeptApp) -> AsyncIterator[httpx2.AsyncClient]:
    async with served.client() as found:
        yield found


# What each may be answered, in whatever order they come to be done.
FINE = {"PUT": {200, 201}, "DELETE": {204, 404}, "POST": {201, 409}}


@pytest.mark.long
@pytest.mark.parametrize("path", ["/slots", "/watched"])
async def test_each_is_answered_as_in_some_order(client: httpx2.AsyncClient, path: str) -> None:
    """Without a precondition none fails, and nobody is told to try again."""
    for _ in range(10):
        requests = [client.put(f"{path}/a", json={"text": each}) for each in "bcde"]
        requests += [client.delete(f"{path}/a"), client.delete(f"{path}/a")]
        requests += [client.post(path, json={"id": "a", "text": "f"})]
        for answer in await asyncio.gather(*requests):
            method = answer.request.method
            assert answer.status_code in FINE[method], f"{method}: {answer.text}"


@contextmanager
def meddling(db: Database, moments: dict[str, str]) -> Iterator[None]:
    """Let another connection do something before or after statements of a request.

    Args:
        db: The database.
        moments: From `before INSERT` and the like to what is done.
    """
    engine, is_meddling = db.engine.sync_engine, False

    async def meddle(statement: str) -> None:
        async with db.engine.begin() as connection:
            await connection.execute(text(statement))

    def look(moment: str, sent: str) -> None:
        nonlocal is_meddling
        words = moments.get(f"{moment} {sent.split()[0]}")
        if words is not None and not is_meddling:
            is_meddling = True
            try:
                await_only(meddle(words))
            finally:
                is_meddling = False

    def before(*arguments: Any) -> None:
        look("before", arguments[2])

    def after(*arguments: Any) -> None:
        look("after", arguments[2])

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", before)
        event.remove(engine, "after_cursor_execute", after)


ADD = (
    "INSERT INTO raced_slots (id, text) SELECT 'a', 'b' FROM (SELECT 1 AS one) AS ones"
    " WHERE NOT EXISTS (SELECT 1 FROM raced_slots)"
)
REMOVE = "DELETE FROM raced_slots"


@pytest.mark.backends("asyncpg", "psycopg", "mariadb")
async def test_a_row_that_appears_before_the_insert_is_replaced(
    client: httpx2.AsyncClient, served: KeptApp
) -> None:
    """The clash of keys is no answer: as if the other had been first."""
    with meddling(served.db, {"before INSERT": ADD}):
        answer = await client.put("/slots/a", json={"text": "c"})
    assert (answer.status_code, answer.json()["text"]) == (200, "c"), answer.text


@pytest.mark.backends("asyncpg", "psycopg")
@pytest.mark.parametrize(("method", "status"), [("PUT", 200), ("PATCH", 404), ("DELETE", 404)])
async def test_a_row_that_appears_after_a_write_was_not_there(
    client: httpx2.AsyncClient, served: KeptApp, method: str, status: int
) -> None:
    """It is no failed precondition, since there was none."""
    body: Any = {} if method == "DELETE" else {"json": {"text": "c"}}
    with meddling(served.db, {"after UPDATE": ADD, "after DELETE": ADD}):
        answer = await client.request(method, "/slots/a", **body)
    assert answer.status_code == status, answer.text


@pytest.mark.backends("asyncpg", "psycopg")
async def test_after_some_attempts_it_says_so(client: httpx2.AsyncClient, served: KeptApp) -> None:
    """Where others create and delete the row between all statements."""
    with meddling(served.db, {"before INSERT": ADD, "before UPDATE": REMOVE}):
        answer = await client.put("/slots/a", json={"text": "c"})
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert answer.headers["Retry-After"] == "1"
    assert "Others create and delete this Slot" in answer.json()["detail"]


@pytest.mark.long
async def test_a_hidden_row_stays_in_the_way(client: httpx2.AsyncClient) -> None:
    """It does not pass, so it is told at once."""
    assert (await client.put("/slots/a", json={"text": "b"})).status_code == 201
    answer = await client.put("/seen/a", json={"text": "c"})
    assert (answer.status_code, answer.json()["code"]) == (409, "unique_violation")
    assert (await client.get("/slots/a")).json()["text"] == "b"


@pytest.mark.parametrize("path", ["/slots", "/watched"])
async def test_a_key_in_other_letters_is_no_race(client: httpx2.AsyncClient, path: str) -> None:
    """MariaDB takes it for the key of another row, and that row stays: not a matter of time."""
    assert (await client.put(f"{path}/ab", json={"text": "a"})).status_code == 201
    answer = await client.put(f"{path}/AB", json={"text": "b"})
    assert answer.status_code in {201, 409}, answer.text
    rows = (await client.get(path)).json()["items"]
    expected = {"ab": "a"} if answer.status_code == 409 else {"ab": "a", "AB": "b"}
    assert {each["id"]: each["text"] for each in rows} == expected
