"""Columns have the length that their model gives them, and none where it gives none."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from ormolu import Database, resource
from tests.fixtures.apps import client_of
from tests.fixtures.backends import Backend
from tests.fixtures.kept import KeptApp, keep_running
from tests.resources.twins import twins_of

pytestmark = pytest.mark.anyio


class Base(DeclarativeBase):
    """Without the types of `Model`."""


class Letter(Base):
    __tablename__ = "letters"
    id: Mapped[int] = mapped_column(primary_key=True)
    subject: Mapped[str]
    sender: Mapped[str | None] = mapped_column("sent_by", sa.String)
    note: Mapped[str | None] = mapped_column(sa.Unicode)
    place: Mapped[str | None] = mapped_column(sa.String(12))
    text: Mapped[str | None] = mapped_column(sa.Text)
    scan: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    answers: Mapped[list[Answer]] = relationship(back_populates="letter")


class Answer(Base):
    __tablename__ = "answers"
    id: Mapped[int] = mapped_column(primary_key=True)
    letter_id: Mapped[int] = mapped_column(sa.ForeignKey("letters.id"))
    letter: Mapped[Letter] = relationship(back_populates="answers")


class Stamp(Base):
    __tablename__ = "stamps"
    code: Mapped[str] = mapped_column(primary_key=True)
    motif: Mapped[str] = mapped_column(unique=True)


letters, answers = resource(Letter), resource(Answer, includes={"letter"})
stamps = resource(Stamp, writable={"code"})


@pytest.fixture(scope="module")
async def served(module_url: str) -> AsyncIterator[KeptApp]:
    app, db = FastAPI(), Database(module_url, metadata=Base.metadata)
    db.attach(app)
    for router in (letters, answers, stamps):
        app.include_router(router)
    async with keep_running(app, db) as found:
        yield found


@pytest.fixture
async def client(served: KeptApp) -> AsyncIterator[httpx2.AsyncClient]:
    async with served.client() as found:
        yield found


def noise(size: int) -> str:
    """Return text that does not compress."""
    source = random.Random(size)
    return "".join(chr(source.randint(0x4E00, 0x9000)) for _ in range(size))


@pytest.mark.parametrize("name", ["subject", "sender", "note", "text", "scan"])
def test_the_document_has_no_length_that_the_column_has_not(name: str) -> None:
    """Neither of what is sent nor of what is shown."""
    app = FastAPI()
    Database("sqlite://", metadata=Base.metadata).attach(app)
    app.include_router(letters)
    schemas = app.openapi()["components"]["schemas"]
    for kind in ("LetterCreate", "LetterUpdate", "LetterPublic"):
        assert "maxLength" not in str(schemas[kind]["properties"][name])
        assert "12" in str(schemas[kind]["properties"]["place"])


@pytest.mark.parametrize("name", ["subject", "sender", "note", "text"])
@pytest.mark.parametrize("size", [256, 10_000, 100_000])
async def test_text_is_stored_whole_or_refused_by_its_field(
    client: httpx2.AsyncClient, backend: Backend, name: str, size: int
) -> None:
    """MySQL's error says where; others have no length."""
    value = "é" * size
    answer = await client.post("/letters", json={"subject": "a", name: value})
    if backend.is_mariadb and (name != "text" or 2 * size > 65_535):
        assert answer.status_code == 422
        assert [each["pointer"] for each in answer.json()["errors"]] == [f"/{name}"]
        return
    assert answer.status_code == 201, answer.text
    found = await client.get("/letters/1")
    assert found.json()[name] == value
    changed = await client.patch("/letters/1", json={name: value + "!"})
    assert changed.json()[name] == value + "!"


@pytest.mark.backends("mariadb")
async def test_a_server_that_is_not_strict_cuts_nothing(database_url: str) -> None:
    """Its own mode would store the beginning without a word."""
    arguments = {"init_command": "SET sql_mode=''"}
    app = FastAPI()
    Database(database_url, metadata=Base.metadata, connect_args=arguments).attach(app)
    app.include_router(letters)
    async with client_of(app) as client:
        answer = await client.post("/letters", json={"subject": "é" * 256})
    assert answer.status_code == 422


TEXTS = ["x" * 10_000, "x" * 10_000 + "a", "x" * 10_000 + "b", "b", "x" * 256, "x" * 255, "a"]


@pytest.mark.parametrize("sort", ["subject", "-subject", "sender,-subject"])
@pytest.mark.backends("sqlite", "asyncpg", "psycopg")
async def test_long_texts_are_paged_in_order(client: httpx2.AsyncClient, sort: str) -> None:
    """Each row once, with cursors that fit into a URL; some begin alike, and some are equal."""
    for text in [*TEXTS, TEXTS[1]]:
        await client.post("/letters", json={"subject": text, "sender": TEXTS[0]})
    found, cursor = [], ""
    while cursor is not None:
        page = (await client.get(f"/letters?sort={sort}&limit=1{cursor}")).json()
        found += [(each["subject"], each["id"]) for each in page["items"]]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
        assert len(cursor or "") < 2000
    ordered = sorted(found, key=lambda row: row[1])
    ordered.sort(key=lambda row: row[0], reverse="-" in sort)
    assert found == ordered
    assert len(found) == 8


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg", "psycopg")
async def test_long_texts_behind_a_relation_are_paged_in_order(client: httpx2.AsyncClient) -> None:
    """The row that ended a page is found by its own key, and the text through it."""
    for text in TEXTS:
        letter = await client.post("/letters", json={"subject": text})
        await client.post("/answers", json={"letter_id": letter.json()["id"]})
    found, cursor = [], ""
    while cursor is not None:
        page = (await client.get(f"/answers?sort=letter.subject&limit=2{cursor}")).json()
        found += [TEXTS[each["letter_id"] - 1] for each in page["items"]]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
    assert found == sorted(TEXTS)


@pytest.mark.backends("sqlite", "asyncpg", "psycopg")
async def test_a_page_goes_on_after_its_last_row_is_gone(client: httpx2.AsyncClient) -> None:
    """No row is lost, though the text by which it was found is no more."""
    for text in TEXTS:
        await client.post("/letters", json={"subject": text})
    page = (await client.get("/letters?sort=subject&limit=5")).json()
    await client.delete(f"/letters/{page['items'][-1]['id']}")
    rest = (await client.get(f"/letters?sort=subject&cursor={page['next_cursor']}")).json()
    assert [each["subject"] for each in rest["items"]][-2:] == sorted(TEXTS)[-2:]


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg")
async def test_the_door_pages_long_texts_alike(twin_urls: tuple[str, str]) -> None:
    """It takes what is short, and hands over what is long."""
    async with twins_of(twin_urls, Base.metadata, letters) as twins:
        for text in TEXTS:
            await twins.through("POST", "/letters", json={"subject": text})
        place = "/letters?sort=subject&limit=2"
        answer = await twins.through("GET", place)
        while (cursor := answer.json()["next_cursor"]) is not None:
            answer = await twins.send("GET", f"{place}&cursor={cursor}")


async def test_text_that_an_index_cannot_hold_is_refused(
    client: httpx2.AsyncClient, backend: Backend
) -> None:
    """PostgreSQL has a limit for the entries of an index, MySQL for the column."""
    answer = await client.post("/stamps", json={"code": "a", "motif": noise(9000)})
    assert answer.status_code == (201 if backend.is_sqlite else 422), answer.text


@pytest.mark.parametrize(("size", "status"), [(200, 201), (1001, 422)])
async def test_keys_fit_into_a_url(client: httpx2.AsyncClient, size: int, status: int) -> None:
    """A row that no path names could not be read."""
    body: dict[str, Any] = {"code": "k" * size, "motif": "a"}
    answer = await client.post("/stamps", json=body)
    assert answer.status_code == status
    if status == 201:
        assert (await client.get(answer.headers["location"])).json() == body
